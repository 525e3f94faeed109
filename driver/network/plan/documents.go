// Package plan derives what a network driver makes real, a network.VPC, from the
// documents that tenants wrote. It is pure: the agents of hosts program packets by
// it, and whoever explains a network reads the same rules.
package plan

import "github.com/vauban-cloud/vauban/cloud"

// Documents are all that concerns some VPCs. Interfaces may be fewer than there are:
// only those that are to be ports, and members of groups that rules of peered VPCs name.
type Documents struct {
	VPCs           []cloud.VPC
	Subnets        []cloud.Subnet
	Routes         []cloud.RouteTable
	Gateways       []cloud.InternetGateway
	EgressGateways []cloud.EgressGateway
	NATs           []cloud.NATGateway
	ACLs           []cloud.NetworkACL
	Interfaces     []cloud.NetworkInterface
	Groups         []cloud.SecurityGroup
	Lists          []cloud.PrefixList
	Peerings       []cloud.Peering
	Endpoints      []cloud.Endpoint
	FlowLogs       []cloud.FlowLog
	DHCPOptions    []cloud.DHCPOptions
}

// Index finds documents by their VPC, or by ID where a VPC has no say.
type Index struct {
	vpcs       map[string]*cloud.VPC
	subnets    map[string][]*cloud.Subnet
	routes     map[string][]*cloud.RouteTable
	gateways   map[string][]string // IDs of internet gateways that are attached
	egress     map[string][]string // IDs
	nats       map[string][]*cloud.NATGateway
	acls       map[string][]*cloud.NetworkACL
	interfaces map[string][]*cloud.NetworkInterface
	groups     map[string][]*cloud.SecurityGroup
	peerings   map[string][]*cloud.Peering
	endpoints  map[string]*cloud.Endpoint
	lists      map[string]*cloud.PrefixList
	members    map[string][]*cloud.NetworkInterface // by group
	logs       map[string][]*cloud.FlowLog          // by what is logged
}

// NewIndex indexes the documents, which must not change any more.
func NewIndex(d *Documents) *Index {
	x := &Index{
		vpcs:       byKey(d.VPCs),
		subnets:    by(d.Subnets, func(s *cloud.Subnet) []string { return []string{s.VPC} }),
		routes:     by(d.Routes, func(t *cloud.RouteTable) []string { return []string{t.VPC} }),
		gateways:   map[string][]string{},
		egress:     map[string][]string{},
		nats:       by(d.NATs, func(g *cloud.NATGateway) []string { return []string{g.VPC} }),
		acls:       by(d.ACLs, func(a *cloud.NetworkACL) []string { return []string{a.VPC} }),
		interfaces: by(d.Interfaces, func(n *cloud.NetworkInterface) []string { return []string{n.VPC} }),
		groups:     by(d.Groups, func(g *cloud.SecurityGroup) []string { return []string{g.VPC} }),
		peerings:   by(d.Peerings, func(p *cloud.Peering) []string { return []string{p.Requester.VPC, p.Accepter.VPC} }),
		endpoints:  byKey(d.Endpoints),
		lists:      byKey(d.Lists),
		members:    by(d.Interfaces, func(n *cloud.NetworkInterface) []string { return n.Groups }),
		logs:       by(d.FlowLogs, func(f *cloud.FlowLog) []string { return []string{f.Resource} }),
	}
	for _, g := range d.Gateways {
		x.gateways[g.VPC] = append(x.gateways[g.VPC], g.ID)
	}
	for _, g := range d.EgressGateways {
		x.egress[g.VPC] = append(x.egress[g.VPC], g.ID)
	}
	return x
}

func by[T any](docs []T, keys func(*T) []string) map[string][]*T {
	m := map[string][]*T{}
	for i := range docs {
		for _, k := range keys(&docs[i]) {
			m[k] = append(m[k], &docs[i])
		}
	}
	return m
}

func byKey[T interface{ Key() string }](docs []T) map[string]*T {
	m := make(map[string]*T, len(docs))
	for i := range docs {
		m[docs[i].Key()] = &docs[i]
	}
	return m
}
