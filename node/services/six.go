package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/node/dhcp6"
)

// hasIPv6 reports whether the VPC has a range of IPv6, and links to advertise its router on.
func (s *Services) hasIPv6(id string) bool {
	_, has := s.cfg.Network.(network.Links)
	return has && slices.ContainsFunc(s.ranges(id), func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// openSix opens the sockets that only VPCs with IPv6 have, but for those of DNS.
func (s *Services) openSix(ctx context.Context, id string, k *sockets) (err error) {
	n := s.cfg.Network
	if k.http6, err = n.Listen(ctx, id, "tcp6", netip.AddrPortFrom(network.Metadata6, 80).String()); err != nil {
		return fmt.Errorf("listen for metadata: %w", err)
	}
	if k.routers, err = n.ListenPacket(ctx, id, "ip6:ipv6-icmp", "::"); err != nil {
		return fmt.Errorf("listen for router solicitations: %w", err)
	}
	conn, err := n.ListenPacket(ctx, id, "udp6", "[::]:547")
	if err != nil {
		return fmt.Errorf("listen for DHCPv6: %w", err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return errors.Join(fmt.Errorf("listen for DHCPv6: %T is no UDP socket", conn), conn.Close())
	}
	k.dhcp6, err = dhcp6.New(udp, dhcp6.Config{
		Port:  func(ifindex int) (string, bool) { return s.portOf(id, ifindex) },
		Lease: func(port string) (dhcp6.Lease, bool) { return s.lease6(id, port) },
		Log:   s.cfg.Log,
	})
	return err
}

// linksOf are the devices of the VPC's ports that have IPv6. Who asks for the router is
// about to ask for addresses, so those links are heard.
func (s *Services) linksOf(ctx context.Context, id string, leases *dhcp6.Server) (devices []int, err error) {
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
	leases.Join(devices)
	return devices, err
}

// hear has the DHCPv6 server of a VPC, if it has one, hear the ports that are new.
func (s *Services) hear(ctx context.Context, id string, leases *dhcp6.Server) error {
	if leases == nil {
		return nil
	}
	if _, err := s.linksOf(ctx, id, leases); err != nil {
		return fmt.Errorf("find the links of %s: %w", id, err)
	}
	return nil
}

// lease6 says what a port is told about its IPv6; false for ports that have none.
func (s *Services) lease6(vpcID, port string) (dhcp6.Lease, bool) {
	w, n, v, ok := s.port(vpcID, port)
	if !ok || len(n.Addresses6) == 0 {
		return dhcp6.Lease{}, false
	}
	l := dhcp6.Lease{Addresses: n.Addresses6, Search: s.cfg.Place.PrivateDomain()}
	options6(&l, w.OptionsOf(v), v)
	return l, true
}

// options6 tells what DHCPv6 knows of the VPC's option set.
func options6(l *dhcp6.Lease, set *cloud.DHCPOptions, v *cloud.VPC) {
	if set = optionSet(set, v); set == nil {
		l.Search = ""
		return
	}
	l.Search = domainOf(set, l.Search)
	l.DNS = resolversOf(set, v, network.Resolver6, netip.Addr.Is6)
	l.NTP = addresses(set.Values("ntp-servers"), netip.Addr.Is6)
	if seconds := set.Values("ipv6-address-preferred-lease-time"); len(seconds) > 0 {
		n, _ := strconv.ParseInt(seconds[0], 10, 32) // the service checked it
		l.Preferred = time.Duration(n) * time.Second
	}
}
