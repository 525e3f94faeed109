package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// inside runs fn in the VPC's namespace.
func (d *Driver) inside(ctx context.Context, vpcID string, fn func() error) error {
	release, err := d.turns.Take(ctx, vpcID)
	if err != nil {
		return err
	}
	defer release()
	v, _, err := d.find(vpcID)
	if err != nil {
		return err
	}
	if v == nil {
		return network.ErrNoVPC
	}
	return v.space.Do(fn)
}

// Listen implements network.Driver.
func (d *Driver) Listen(ctx context.Context, vpcID, netw, address string) (l net.Listener, err error) {
	err = d.listen(ctx, vpcID, netw, address, func(c net.ListenConfig) error {
		l, err = c.Listen(ctx, netw, address)
		return err
	})
	return l, err
}

// ListenPacket implements network.Driver.
func (d *Driver) ListenPacket(ctx context.Context, vpcID, netw, address string) (c net.PacketConn, err error) {
	err = d.listen(ctx, vpcID, netw, address, func(config net.ListenConfig) error {
		c, err = config.ListenPacket(ctx, netw, address)
		return err
	})
	return c, err
}

// listen runs open in the VPC. The address must be a literal: names are resolved
// by other threads, in other namespaces.
func (d *Driver) listen(ctx context.Context, vpcID, netw, address string, open func(net.ListenConfig) error) error {
	_, err := netip.ParseAddrPort(address)
	if strings.HasPrefix(netw, "ip") {
		_, err = netip.ParseAddr(address)
	}
	if err == nil {
		config := net.ListenConfig{Control: shareAddress}
		config.SetMultipathTCP(false)
		err = d.inside(ctx, vpcID, func() error { return open(config) })
	}
	if err != nil {
		return fmt.Errorf("listen at %s in %s: %w", address, vpcID, err)
	}
	return nil
}

// shareAddress lets a server take over from the one before it, and DHCP servers
// broadcast.
func shareAddress(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1))
	})
	return errors.Join(err, failed)
}
