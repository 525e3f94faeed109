//go:build linux

package qemu

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// Console implements hypervisor.Console.
func (d *Driver) Console(_ context.Context, id string) ([]byte, error) {
	g := d.guest(id)
	if g == nil {
		return nil, fmt.Errorf("console of %s: %w", id, hypervisor.ErrNoGuest)
	}
	text, err := g.folder.tail("console.log", logShown)
	if err != nil {
		return nil, fmt.Errorf("console of %s: %w", id, err)
	}
	return text, nil
}

// Serial connects to the guest's serial port, of which one caller at a time has
// the use. A caller that does not read stops the guest's writing; what the guest
// has not read when the connection is closed is lost. ErrNoGuest if it has no process.
func (d *Driver) Serial(_ context.Context, id string) (net.Conn, error) {
	g := d.guest(id)
	if g == nil || g.process() == nil {
		return nil, fmt.Errorf("serial port of %s: %w", id, hypervisor.ErrNoGuest)
	}
	conn, err := g.folder.dial("serial.sock")
	if err != nil {
		return nil, fmt.Errorf("serial port of %s: %w", id, err)
	}
	return conn, nil
}

// Screen connects to the guest's screen and keyboard, by the RFB protocol
// (RFC 6143, no password). ErrNoGuest if it has no process.
func (d *Driver) Screen(ctx context.Context, id string) (net.Conn, error) {
	g := d.guest(id)
	var p *process
	if g != nil {
		p = g.process()
	}
	if p == nil {
		return nil, fmt.Errorf("screen of %s: %w", id, hypervisor.ErrNoGuest)
	}
	conn, err := p.screen(ctx)
	if err != nil {
		return nil, fmt.Errorf("screen of %s: %w", id, err)
	}
	return conn, nil
}

// screen makes a connection and hands QEMU its other end.
func (p *process) screen(ctx context.Context) (net.Conn, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	mine, its := os.NewFile(uintptr(ends[0]), "screen"), os.NewFile(uintptr(ends[1]), "screen")
	defer mine.Close()                       //nolint:errcheck // the connection is a copy
	defer its.Close()                        //nolint:errcheck // QEMU has a copy
	name := fmt.Sprintf("screen%d", ends[1]) // like the descriptor, nobody else's for now
	if err := p.do(ctx, "getfd", arguments{"fdname": name}, nil, its); err != nil {
		return nil, err
	}
	if err := p.do(ctx, "add_client", arguments{"protocol": "vnc", "fdname": name, "skipauth": true}, nil); err != nil {
		return nil, err
	}
	return net.FileConn(mine)
}
