package networktest

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// refusals: plans that cannot be are refused, and change nothing.
func refusals(w *world) {
	ctx := w.Context()
	good := func() *plan {
		p := newPlan("vpc-a", 1)
		p.CIDRs = append(p.CIDRs, netip.MustParsePrefix("2001:db8::/56"))
		p.Subnets[0].Prefix6, p.Subnets[1].Prefix6 = netip.MustParsePrefix("2001:db8::/64"), netip.MustParsePrefix("2001:db8:0:1::/64")
		p.Lists = []network.List{{ID: "pl-a", Prefixes: []netip.Prefix{anywhere}}}
		p.acl(0, "acl-a", openACL(), openACL())
		p.group("sg-a", all(anywhere))
		p.port("eni-a", 11, "sg-a").Addresses6 = []netip.Addr{netip.MustParseAddr("2001:db8::b")}
		p.port("eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
		return p
	}
	for name, spoil := range spoiled(w) {
		p := good()
		spoil(p)
		if err := w.Apply(ctx, p.Clone()); err == nil {
			w.Errorf("a plan with %s is taken", name)
		}
	}
	w.wantList()
	p := good()
	if _, err := w.Tap(ctx, p.ID, "eni-a"); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("tap before Apply: %v, want no such VPC", err)
	}
	if _, err := w.Listen(ctx, p.ID, "tcp4", "169.254.169.254:80"); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("listen before Apply: %v, want no such VPC", err)
	}
	w.apply(p)
	if _, err := w.Tap(ctx, p.ID, "eni-x"); !errors.Is(err, network.ErrNoPort) {
		w.Errorf("tap of an unknown port: %v, want no such port", err)
	}
	if _, err := w.Listen(ctx, p.ID, "tcp4", "localhost:80"); err == nil {
		w.Error("listening at a name is taken")
	}
}

// spoiled are ways to make a plan that cannot be, by name.
func spoiled(w *world) map[string]func(p *plan) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	return map[string]func(p *plan){
		"no ID":                               func(p *plan) { p.ID = "" },
		"an ID that is a path":                func(p *plan) { p.ID = "../vpc" },
		"a range of IPv6":                     func(p *plan) { p.CIDRs[0] = prefix("2001:db8::/56") },
		"a range of links":                    func(p *plan) { p.CIDRs = append(p.CIDRs, prefix("169.254.0.0/16")) },
		"a range with host bits":              func(p *plan) { p.CIDRs[0] = prefix("10.1.1.0/16") },
		"ranges that overlap":                 func(p *plan) { p.CIDRs = append(p.CIDRs, prefix("10.1.128.0/17")) },
		"a subnet elsewhere":                  func(p *plan) { p.Subnets[0].Prefix = prefix("10.2.1.0/24") },
		"subnets that overlap":                func(p *plan) { p.Subnets[0].Prefix = prefix("10.1.0.0/20") },
		"a router elsewhere":                  func(p *plan) { p.Subnets[0].Router = addr("10.1.2.1") },
		"an unknown subnet":                   func(p *plan) { p.Ports[0].Subnet = "subnet-x" },
		"a port twice":                        func(p *plan) { p.Ports[1].ID = p.Ports[0].ID },
		"a MAC twice":                         func(p *plan) { p.Ports[1].MAC = p.Ports[0].MAC },
		"a MAC of many":                       func(p *plan) { p.Ports[0].MAC = net.HardwareAddr{1, 2, 3, 4, 5, 6} },
		"no MAC":                              func(p *plan) { p.Ports[0].MAC = nil },
		"no address":                          func(p *plan) { p.Ports[0].Addresses = nil },
		"an address elsewhere":                func(p *plan) { p.Ports[0].Addresses[0].Private = addr("10.1.2.11") },
		"an address twice":                    func(p *plan) { p.Ports[1].Addresses[0].Private = p.Ports[0].Addresses[0].Private },
		"the router's address":                func(p *plan) { p.Ports[0].Addresses[0].Private = addr("10.1.1.1") },
		"a public address twice":              func(p *plan) { p.Ports[0].Addresses[0].Public = w.public(12) },
		"public, not in the pool":             func(p *plan) { p.Ports[0].Addresses[0].Public = addr("8.8.8.8") },
		"an unknown group":                    func(p *plan) { p.Ports[0].Groups = []string{"sg-x"} },
		"a group twice":                       func(p *plan) { p.Groups = append(p.Groups, p.Groups[0]) },
		"a group ID with spaces":              func(p *plan) { p.Groups[0].ID = "sg a" },
		"a rule about nobody":                 func(p *plan) { p.Groups[0].Ingress[0].Prefix = netip.Prefix{} },
		"a rule about two":                    func(p *plan) { p.Groups[0].Ingress[0].Group = "sg-a" },
		"a port range backwards":              func(p *plan) { p.Groups[0].Ingress[0] = tcp(anywhere, 80, 79) },
		"a port too large":                    func(p *plan) { p.Groups[0].Ingress[0] = tcp(anywhere, 1, 65536) },
		"a protocol too large":                func(p *plan) { p.Groups[0].Ingress[0].Protocol = 256 },
		"a range of all IPv6":                 func(p *plan) { p.CIDRs[1] = prefix("::/0") },
		"a range of IPv6 links":               func(p *plan) { p.CIDRs[1] = prefix("fe80::/56") },
		"the services' range":                 func(p *plan) { p.CIDRs[1] = prefix("fd00:ec2::/56") },
		"an IPv6 subnet elsewhere":            func(p *plan) { p.Subnets[0].Prefix6 = prefix("2001:db8:1::/64") },
		"IPv6 subnets that overlap":           func(p *plan) { p.Subnets[1].Prefix6 = p.Subnets[0].Prefix6 },
		"an IPv4 range as IPv6":               func(p *plan) { p.Subnets[0].Prefix6 = prefix("10.1.9.0/24") },
		"an IPv6 range as IPv4":               func(p *plan) { p.Subnets[0].Prefix = prefix("2001:db8:0:9::/64") },
		"an IPv6 address elsewhere":           func(p *plan) { p.Ports[0].Addresses6[0] = addr("2001:db8:0:1::b") },
		"an IPv6 address of a subnet without": func(p *plan) { p.Subnets[0].Prefix6 = netip.Prefix{} },
		"an IPv6 address twice":               func(p *plan) { p.Ports[1].Addresses6 = p.Ports[0].Addresses6 },
		"an unknown table":                    func(p *plan) { p.Subnets[0].Table = "rtb-x" },
		"a table twice":                       func(p *plan) { p.Tables = append(p.Tables, p.Tables[0]) },
		"a route to nowhere":                  func(p *plan) { p.Tables[0].Routes[0].To = netip.Prefix{} },
		"a route to host bits":                func(p *plan) { p.Tables[0].Routes[0].To = prefix("10.9.1.0/16") },
		"a route via something":               func(p *plan) { p.Tables[0].Routes[0].Via = "tunnel" },
		"a route via an unknown NAT":          func(p *plan) { p.Tables[0].Routes[0].Via = network.ViaNAT },
		"a route via an unknown port": func(p *plan) {
			p.Tables[0].Routes[0] = network.Route{To: anywhere, Via: network.ViaPort, Target: "eni-x"}
		},
		"a route via an unknown peer": func(p *plan) {
			p.Tables[0].Routes[0] = network.Route{To: anywhere, Via: network.ViaPeer, Target: "pcx-x"}
		},
		"a service that is none":  func(p *plan) { p.Tables[0].Routes[0].Via = network.ViaService },
		"an egress route of IPv4": func(p *plan) { p.Tables[0].Routes[0].Via = network.ViaEgress },
		"a NAT without a port":    func(p *plan) { p.NATs = []network.NAT{{ID: "nat-a", Port: "eni-x"}} },
		"a NAT twice":             func(p *plan) { p.NATs = []network.NAT{{ID: "nat-a", Port: "eni-a"}, {ID: "nat-a", Port: "eni-a"}} },
		"itself as a peer":        func(p *plan) { p.Peers = []network.Peer{{ID: "pcx-a", VPC: "vpc-a"}} },
		"a peer of no range":      func(p *plan) { p.Peers = []network.Peer{{ID: "pcx-a", VPC: "vpc-b", CIDRs: []netip.Prefix{{}}}} },
		"an unknown ACL":          func(p *plan) { p.Subnets[0].ACL = "acl-x" },
		"an ACL twice":            func(p *plan) { p.ACLs = append(p.ACLs, p.ACLs[0]) },
		"an ACL about nobody":     func(p *plan) { p.ACLs[0].Ingress[0].Prefix = netip.Prefix{} },
		"an ACL's port too large": func(p *plan) { p.ACLs[0].Egress[0] = deny(tcp(anywhere, 1, 65536)) },
		"an unknown list":         func(p *plan) { p.Groups[0].Ingress[0] = network.Rule{Protocol: -1, From: -1, To: -1, List: "pl-x"} },
		"a list twice":            func(p *plan) { p.Lists = append(p.Lists, p.Lists[0]) },
		"a list of nothing":       func(p *plan) { p.Lists[0].Prefixes = []netip.Prefix{{}} },
		"a member that is nobody": func(p *plan) { p.Groups[0].Members = []netip.Addr{{}} },
		"a type too large": func(p *plan) {
			p.Groups[0].Ingress[0] = network.Rule{Protocol: 58, From: 256, To: -1, Prefix: anywhere6}
		},
	}
}
