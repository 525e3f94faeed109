package services

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/node/dhcp"
)

// port finds a port of a VPC, as the newest look at the host has it.
func (s *Services) port(vpcID, port string) (w *node.World, n *cloud.NetworkInterface, v *cloud.VPC, ok bool) {
	if w = s.cfg.World(); w == nil {
		return nil, nil, nil, false
	}
	n, v = w.Interface(port), w.VPC(vpcID)
	return w, n, v, n != nil && v != nil && n.VPC == vpcID
}

// lease says what a port is told about itself.
func (s *Services) lease(vpcID, port string) (dhcp.Lease, bool) {
	w, n, v, ok := s.port(vpcID, port)
	if !ok {
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

// optionSet is what the VPC tells by DHCP. VPCs from before there were sets have none, and
// mean the resolver. nil: nothing at all, as a tenant asked for.
// https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html
func optionSet(set *cloud.DHCPOptions, v *cloud.VPC) *cloud.DHCPOptions {
	if set == nil && v.DHCPOptions != cloud.NoDHCPOptions {
		return &cloud.DHCPOptions{Options: []cloud.DHCPOption{{Name: "domain-name-servers", Values: []string{cloud.AmazonDNS}}}}
	}
	return set
}

// domainOf is the set's domain name; otherwise if it has none.
func domainOf(set *cloud.DHCPOptions, otherwise string) string {
	if domain := set.Values("domain-name"); len(domain) > 0 {
		return domain[0]
	}
	return otherwise
}

// resolversOf are the set's name servers of a family, with the VPC's own resolver where
// it is named and the VPC has one.
func resolversOf(set *cloud.DHCPOptions, v *cloud.VPC, own netip.Addr, family func(netip.Addr) bool) (out []netip.Addr) {
	for _, server := range set.Values("domain-name-servers") {
		switch {
		case server != cloud.AmazonDNS:
			out = append(out, addresses([]string{server}, family)...)
		case v.DNSSupport:
			out = append(out, own)
		}
	}
	return out
}

// addresses are those of a family, which is all that one version of DHCP tells.
func addresses(values []string, family func(netip.Addr) bool) (out []netip.Addr) {
	for _, v := range values {
		if a, err := netip.ParseAddr(v); err == nil && family(a) {
			out = append(out, a)
		}
	}
	return out
}

// options tells what DHCPv4 knows of the VPC's option set.
func options(l *dhcp.Lease, set *cloud.DHCPOptions, v *cloud.VPC) {
	if set = optionSet(set, v); set == nil {
		l.Domain = ""
		return
	}
	l.Domain = domainOf(set, l.Domain)
	l.DNS = resolversOf(set, v, network.ResolverOf(v.CIDRs[0].Prefix), netip.Addr.Is4)
	l.NTP = addresses(set.Values("ntp-servers"), netip.Addr.Is4)
	l.NetBIOS = addresses(set.Values("netbios-name-servers"), netip.Addr.Is4)
	if node := set.Values("netbios-node-type"); len(node) > 0 {
		n, _ := strconv.ParseUint(node[0], 10, 8) // the service checked it
		l.NetBIOSNode = byte(n)
	}
}
