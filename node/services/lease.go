package services

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/node/dhcp"
)

// lease says what a port is told about itself.
func (s *Services) lease(vpcID, port string) (dhcp.Lease, bool) {
	w := s.cfg.World()
	if w == nil {
		return dhcp.Lease{}, false
	}
	n, v := w.Interface(port), w.VPC(vpcID)
	if n == nil || v == nil || n.VPC != vpcID {
		return dhcp.Lease{}, false
	}
	subnet := w.Subnet(n.Subnet)
	mac, err := net.ParseMAC(n.MAC)
	if subnet == nil || err != nil {
		return dhcp.Lease{}, false
	}
	name, domain, _ := strings.Cut(s.cfg.Place.PrivateName(n.Primary()), ".")
	l := dhcp.Lease{
		MAC: mac, Address: n.Primary(), Prefix: subnet.Prefix, Router: subnet.Router(),
		Hostname: name, Domain: domain, MTU: network.MTU,
	}
	options(&l, w.OptionsOf(v), v)
	return l, true
}

// ownResolver is what option sets call the VPC's resolver.
const ownResolver = "AmazonProvidedDNS"

// options tells the VPC's option set. Sets from before there were any are empty, and
// mean the resolver. An empty set of a tenant's means nothing at all:
// https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html
func options(l *dhcp.Lease, set *cloud.DHCPOptions, v *cloud.VPC) {
	if set == nil && v.DHCPOptions == "default" {
		l.Domain = ""
		return
	}
	if set == nil {
		set = &cloud.DHCPOptions{Options: []cloud.DHCPOption{{Name: "domain-name-servers", Values: []string{ownResolver}}}}
	}
	for _, server := range set.Values("domain-name-servers") {
		switch {
		case server != ownResolver:
			l.DNS = append(l.DNS, fours(server)...)
		case v.DNSSupport:
			l.DNS = append(l.DNS, network.ResolverOf(v.CIDRs[0].Prefix))
		}
	}
	if domain := set.Values("domain-name"); len(domain) > 0 {
		l.Domain = domain[0]
	}
	l.NTP = fours(set.Values("ntp-servers")...)
	l.NetBIOS = fours(set.Values("netbios-name-servers")...)
	if node := set.Values("netbios-node-type"); len(node) > 0 {
		n, _ := strconv.ParseUint(node[0], 10, 8) // the service checked it
		l.NetBIOSNode = byte(n)
	}
}

// fours are those of the addresses that are IPv4, which is all that DHCPv4 tells.
func fours(values ...string) (out []netip.Addr) {
	for _, v := range values {
		if a, err := netip.ParseAddr(v); err == nil && a.Is4() {
			out = append(out, a)
		}
	}
	return slices.Clip(out)
}
