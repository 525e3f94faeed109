package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Tap implements network.Driver. The device is root's: other users only get to
// it by the file.
func (d *Driver) Tap(ctx context.Context, vpcID, portID string) (*os.File, error) {
	tap, err := d.tap(ctx, vpcID, portID)
	if err != nil {
		return nil, fmt.Errorf("open tap of %s in %s: %w", portID, vpcID, err)
	}
	return tap, nil
}

func (d *Driver) tap(ctx context.Context, vpcID, portID string) (tap *os.File, err error) {
	release, err := d.turns.Take(ctx, vpcID)
	if err != nil {
		return nil, err
	}
	defer release()
	v, _, err := d.find(vpcID)
	if err != nil {
		return nil, err
	}
	if v == nil || v.ports == nil {
		return nil, network.ErrNoVPC
	}
	p, planned := v.ports[portID]
	if !planned {
		return nil, network.ErrNoPort
	}
	err = v.space.Do(func() error {
		if tap, err = openTap(portDevice(portID)); err != nil {
			return err
		}
		err := p.setUp()
		if err == nil && v.leadsTo(portID) {
			err = v.route(*v.plan)
		}
		if err != nil {
			return errors.Join(err, tap.Close())
		}
		return nil
	})
	return tap, err
}

// openTap makes a tap in the calling thread's namespace, which goes when the
// file is closed.
func openTap(device string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(device)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_TUN_EXCL)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOWNER, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make tap %s: %w", device, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), device), nil
}

// setUp connects the port's device to the router, in whose namespace the calling
// thread is.
func (p plannedPort) setUp() error {
	dev, err := mustFind(portDevice(p.ID))
	if err != nil {
		return err
	}
	if err := portSettings(p.Port).set(dev.Index); err != nil {
		return err
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("connect to rtnetlink: %w", err)
	}
	defer h.Close()
	if len(p.Addresses6) > 0 {
		if err := (address{dev.Index, network.Router6}).add(h); err != nil {
			return err
		}
	}
	for _, n := range p.neighbours(dev.Index) {
		if err := h.NeighSet(n.netlink()); err != nil {
			return fmt.Errorf("set neighbour %s: %w", n.ip, err)
		}
	}
	for _, r := range p.routes(dev.Index) {
		if err := h.RouteReplace(r.netlink()); err != nil {
			return fmt.Errorf("route %s: %w", r.to, err)
		}
	}
	return nil
}

// leadsTo reports whether routes name the port.
func (v *vpc) leadsTo(portID string) bool {
	for _, t := range v.plan.Tables {
		for _, r := range t.Routes {
			if r.Via == network.ViaPort && r.Target == portID {
				return true
			}
		}
	}
	return false
}

// LinksOf implements network.Links.
func (d *Driver) LinksOf(ctx context.Context, vpcID string) (map[int]string, error) {
	links := make(map[int]string)
	err := d.inside(ctx, vpcID, func() error {
		devices, err := listDevices()
		for _, dev := range devices {
			if id := dev.owner(); id != "" && dev.Name != linkDevice && !strings.HasPrefix(id, peerOwner) {
				links[dev.Index] = id
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list links of %s: %w", vpcID, err)
	}
	return links, nil
}

// PortOf implements network.Ports.
func (d *Driver) PortOf(ctx context.Context, vpcID string, ifindex int) (id string, err error) {
	err = d.inside(ctx, vpcID, func() error {
		link, err := netlink.LinkByIndex(ifindex)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return network.ErrNoPort
		}
		if err != nil {
			return err
		}
		dev := device{LinkAttrs: *link.Attrs()}
		if id = dev.owner(); id == "" || dev.Name == linkDevice || strings.HasPrefix(id, peerOwner) {
			return network.ErrNoPort
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("find port of device %d in %s: %w", ifindex, vpcID, err)
	}
	return id, nil
}
