package plan

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
)

// VPC derives the plan of a VPC whose document is there. here says which of its
// interfaces are to be ports.
func (x *Index) VPC(id string, here func(*cloud.NetworkInterface) bool) *network.VPC {
	v := x.vpcs[id]
	p := &network.VPC{ID: id, Internet: len(x.gateways[id]) > 0}
	for _, c := range slices.Concat(v.CIDRs, v.CIDRs6) {
		p.CIDRs = append(p.CIDRs, c.Prefix)
	}
	for _, n := range x.interfaces[id] {
		if here(n) {
			p.Ports = append(p.Ports, x.port(n))
		}
	}
	for _, g := range x.nats[id] {
		if g.State() == cloud.NATAvailable && hasPort(p, g.Interface) {
			p.NATs = append(p.NATs, network.NAT{ID: g.ID, Port: g.Interface})
		}
	}
	for _, c := range x.peerings[id] {
		if other := x.vpcs[c.Other(id).VPC]; c.State == cloud.PeeringActive && other != nil {
			p.Peers = append(p.Peers, peer(c.ID, other))
		}
	}
	for _, s := range x.subnets[id] {
		p.Subnets = append(p.Subnets, network.Subnet{
			ID: s.ID, Prefix: s.Prefix, Prefix6: s.Prefix6, Router: s.Router(), Table: x.tableOf(s), ACL: x.aclOf(s),
		})
	}
	for _, t := range x.routes[id] {
		p.Tables = append(p.Tables, x.table(p, t))
	}
	for _, a := range x.acls[id] {
		p.ACLs = append(p.ACLs, acl(a))
	}
	for _, g := range x.groups[id] {
		p.Groups = append(p.Groups, x.group(g))
	}
	p.Groups = append(p.Groups, x.foreignGroups(p)...)
	p.Lists = x.listsOf(id)
	return p
}

func hasPort(p *network.VPC, id string) bool {
	return slices.ContainsFunc(p.Ports, func(q network.Port) bool { return q.ID == id })
}

func peer(id string, other *cloud.VPC) network.Peer {
	p := network.Peer{ID: id, VPC: other.ID}
	for _, c := range slices.Concat(other.CIDRs, other.CIDRs6) {
		p.CIDRs = append(p.CIDRs, c.Prefix)
	}
	return p
}

// tableOf returns the ID of the route table that is associated with the subnet, or
// of the main one.
func (x *Index) tableOf(s *cloud.Subnet) (id string) {
	for _, t := range x.routes[s.VPC] {
		for _, as := range t.Associations {
			if as.Subnet == s.ID {
				return t.ID
			}
			if as.Main {
				id = t.ID
			}
		}
	}
	return id
}

func (x *Index) aclOf(s *cloud.Subnet) string {
	for _, a := range x.acls[s.VPC] {
		for _, as := range a.Associations {
			if as.Subnet == s.ID {
				return a.ID
			}
		}
	}
	return ""
}

// table resolves what the routes lead to: what is not there any more is nothing.
func (x *Index) table(p *network.VPC, t *cloud.RouteTable) network.Table {
	out := network.Table{ID: t.ID}
	for _, r := range t.Routes {
		if r.Target == "local" {
			continue
		}
		route := x.route(p, r.Target)
		for _, to := range x.destinations(r) {
			route.To = to
			out.Routes = append(out.Routes, route)
		}
	}
	return out
}

func (x *Index) destinations(r cloud.Route) []netip.Prefix {
	if r.List == "" {
		return []netip.Prefix{r.Destination}
	}
	return x.list(r.List).Prefixes
}

func (x *Index) route(p *network.VPC, target string) (r network.Route) {
	lead := func(via network.Via, there bool) network.Route {
		if !there {
			return network.Route{}
		}
		return network.Route{Via: via, Target: target}
	}
	kind, _, _ := strings.Cut(target, "-")
	switch kind {
	case "igw":
		return lead(network.ViaInternet, slices.Contains(x.gateways[p.ID], target))
	case "eigw":
		return lead(network.ViaEgress, slices.Contains(x.egress[p.ID], target))
	case "nat":
		return lead(network.ViaNAT, slices.ContainsFunc(p.NATs, func(n network.NAT) bool { return n.ID == target }))
	case "eni":
		return lead(network.ViaPort, hasPort(p, target))
	case "pcx":
		return lead(network.ViaPeer, slices.ContainsFunc(p.Peers, func(c network.Peer) bool { return c.ID == target }))
	case "vpce":
		return lead(network.ViaService, x.endpoints[target] != nil)
	}
	return network.Route{}
}

func (x *Index) list(id string) network.List {
	out := network.List{ID: id}
	if l := x.lists[id]; l != nil {
		for _, e := range l.Entries {
			out.Prefixes = append(out.Prefixes, e.Prefix)
		}
	}
	return out
}

// Endpoint returns the VPC endpoint by which the subnet's packets reach the address of a
// service; empty if none leads there.
func (x *Index) Endpoint(s *cloud.Subnet, to netip.Addr) string {
	table := x.tableOf(s)
	for _, t := range x.routes[s.VPC] {
		if t.ID != table {
			continue
		}
		for _, r := range t.Routes {
			leads := slices.ContainsFunc(x.destinations(r), func(p netip.Prefix) bool { return p.Contains(to) })
			if x.endpoints[r.Target] != nil && leads {
				return r.Target
			}
		}
	}
	return ""
}

// listsOf are the lists that rules of the VPC's groups name, each once.
func (x *Index) listsOf(vpc string) (lists []network.List) {
	seen := map[string]bool{}
	for _, g := range x.groups[vpc] {
		for _, r := range g.Rules {
			if r.PrefixList != "" && !seen[r.PrefixList] {
				seen[r.PrefixList] = true
				lists = append(lists, x.list(r.PrefixList))
			}
		}
	}
	return lists
}

func acl(a *cloud.NetworkACL) network.ACL {
	out := network.ACL{ID: a.ID}
	for _, e := range a.Entries {
		entry := network.Entry{Number: e.Number, Allow: e.Allow, Protocol: e.Protocol, From: e.FromPort, To: e.ToPort, Prefix: e.Prefix}
		if e.Egress {
			out.Egress = append(out.Egress, entry)
		} else {
			out.Ingress = append(out.Ingress, entry)
		}
	}
	return out
}

func (x *Index) port(n *cloud.NetworkInterface) network.Port {
	mac, _ := net.ParseMAC(n.MAC) // the service made it
	p := network.Port{ID: n.ID, Subnet: n.Subnet, MAC: mac, Groups: n.Groups, AnySource: !n.SourceDestCheck, Addresses6: n.Addresses6}
	for _, a := range n.Addresses {
		addr := network.Address{Private: a.Private}
		if a.Public != nil {
			addr.Public = a.Public.Address
		}
		p.Addresses = append(p.Addresses, addr)
	}
	for _, resource := range []string{n.VPC, n.Subnet, n.ID} {
		for _, f := range x.logs[resource] {
			p.Log.Accepted = p.Log.Accepted || f.Accepted
			p.Log.Rejected = p.Log.Rejected || f.Rejected
		}
	}
	return p
}

func (x *Index) group(g *cloud.SecurityGroup) network.Group {
	out := network.Group{ID: g.ID}
	for _, r := range g.Rules {
		rule := network.Rule{
			ID: r.ID, Protocol: Protocol(r.Protocol), From: r.FromPort, To: r.ToPort, Prefix: r.Prefix, Group: r.Group, List: r.PrefixList,
		}
		if r.Egress {
			out.Egress = append(out.Egress, rule)
		} else {
			out.Ingress = append(out.Ingress, rule)
		}
	}
	return out
}

// foreignGroups are the groups of peered VPCs that rules name, each once, with the
// addresses that their members have there.
func (x *Index) foreignGroups(p *network.VPC) (groups []network.Group) {
	seen := map[string]bool{}
	for _, g := range x.groups[p.ID] {
		for _, r := range g.Rules {
			if r.Group == "" || r.Peering == "" || seen[r.Group] {
				continue
			}
			seen[r.Group] = true
			groups = append(groups, network.Group{ID: r.Group, Members: x.membersBeyond(p, r)})
		}
	}
	return groups
}

// membersBeyond are the addresses of a group's members in the VPC that a rule's
// peering leads to; none unless it is a peer.
func (x *Index) membersBeyond(p *network.VPC, r cloud.Rule) (members []netip.Addr) {
	for _, c := range p.Peers {
		if c.ID != r.Peering {
			continue
		}
		for _, n := range x.members[r.Group] {
			if n.VPC != c.VPC {
				continue
			}
			for _, a := range n.Addresses {
				members = append(members, a.Private)
			}
			members = append(members, n.Addresses6...)
		}
	}
	return members
}

// Protocol turns a name or number into the number of
// https://www.iana.org/assignments/protocol-numbers; -1 is all.
func Protocol(name string) int {
	switch strings.ToLower(name) {
	case "tcp":
		return 6
	case "udp":
		return 17
	case "icmp":
		return 1
	case "icmpv6":
		return 58
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return -1
	}
	return n
}
