package fake

import (
	"context"
	"net"
	"os"
	"sync"

	"github.com/vauban-cloud/vauban/driver/network"
)

type Config struct{}
type Driver struct {
	mu   sync.Mutex
	vpcs map[string]network.VPC
}

func New(Config) *Driver { return &Driver{vpcs: map[string]network.VPC{}} }
func (d *Driver) Apply(_ context.Context, v network.VPC) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vpcs[v.ID] = v
	return nil
}
func (d *Driver) Remove(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.vpcs, id)
	return nil
}
func (d *Driver) List(context.Context) (ids []string, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.vpcs {
		ids = append(ids, id)
	}
	return ids, nil
}
func (d *Driver) Tap(context.Context, string, string) (*os.File, error) { return os.Open("/dev/null") }
func (d *Driver) Listen(context.Context, string, string, string) (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}
func (d *Driver) ListenPacket(context.Context, string, string, string) (net.PacketConn, error) {
	return net.ListenPacket("udp", "127.0.0.1:0")
}
