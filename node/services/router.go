package services

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/driver/network"
)

// hasIPv6 reports whether the VPC has a range of IPv6, and links to advertise its router on.
func (s *Services) hasIPv6(id string) bool {
	_, has := s.cfg.Network.(network.Links)
	return has && slices.ContainsFunc(s.ranges(id), func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// openRouters opens the socket that the router of the VPC is advertised by; nil if it is not.
func (s *Services) openRouters(ctx context.Context, id string) (net.PacketConn, error) {
	if !s.hasIPv6(id) {
		return nil, nil
	}
	c, err := s.cfg.Network.ListenPacket(ctx, id, "ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, fmt.Errorf("listen for router solicitations: %w", err)
	}
	return c, nil
}

// linksOf are the devices of the VPC's ports that have IPv6.
func (s *Services) linksOf(ctx context.Context, id string) (devices []int, err error) {
	w := s.cfg.World()
	if w == nil {
		return nil, nil
	}
	links, err := s.cfg.Network.(network.Links).LinksOf(ctx, id)
	for device, port := range links {
		if n := w.Interface(port); n != nil && len(n.Addresses6) > 0 {
			devices = append(devices, device)
		}
	}
	return devices, err
}
