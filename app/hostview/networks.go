package hostview

import (
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network/plan"
	"github.com/vauban-cloud/vauban/store"
)

var (
	egressGateways store.Table[cloud.EgressGateway]
	nats           store.Table[cloud.NATGateway]
	acls           store.Table[cloud.NetworkACL]
	lists          store.Table[cloud.PrefixList]
	peerings       store.Table[cloud.Peering]
	endpoints      store.Table[cloud.Endpoint]
	flowLogs       store.Table[cloud.FlowLog]
	dhcpOptions    store.Table[cloud.DHCPOptions]
)

// Networks gathers the documents of VPCs, with what they know of the VPCs that they
// are peered with, but for their own interfaces of instances.
func Networks(r store.Reader, ids []string) plan.Documents {
	var d plan.Documents
	for _, id := range ids {
		addVPC(r, &d, id)
	}
	for _, p := range d.Peerings {
		addPeer(r, &d, p)
	}
	for _, f := range foreignGroups(&d) {
		for n := range interfaces.Select(r, "group/"+f) {
			add(&d.Interfaces, n)
		}
	}
	for _, id := range namedLists(&d) {
		if l, ok := lists.Get(r, id); ok {
			d.Lists = append(d.Lists, l)
		}
	}
	return d
}

func addVPC(r store.Reader, d *plan.Documents, id string) {
	v, ok := vpcs.Get(r, id)
	if !ok {
		return
	}
	label := "vpc/" + id
	d.VPCs = append(d.VPCs, v)
	if o, ok := dhcpOptions.Get(r, v.DHCPOptions); ok {
		add(&d.DHCPOptions, o)
	}
	for s := range subnets.Select(r, label) {
		d.Subnets = append(d.Subnets, s)
		d.FlowLogs = slices.AppendSeq(d.FlowLogs, flowLogs.Select(r, "logs/"+s.ID))
	}
	d.Routes = slices.AppendSeq(d.Routes, routes.Select(r, label))
	d.Gateways = slices.AppendSeq(d.Gateways, gateways.Select(r, label))
	d.EgressGateways = slices.AppendSeq(d.EgressGateways, egressGateways.Select(r, label))
	d.ACLs = slices.AppendSeq(d.ACLs, acls.Select(r, label))
	d.Groups = slices.AppendSeq(d.Groups, groups.Select(r, label))
	d.Endpoints = slices.AppendSeq(d.Endpoints, endpoints.Select(r, label))
	for g := range nats.Select(r, label) {
		d.NATs = append(d.NATs, g)
		d.Interfaces = slices.AppendSeq(d.Interfaces, interfaces.Select(r, "of/"+g.ID))
	}
	for p := range peerings.Select(r, label) {
		add(&d.Peerings, p)
	}
	d.FlowLogs = slices.AppendSeq(d.FlowLogs, flowLogs.Select(r, "logs/"+id))
}

// addInterfaceLogs adds the flow logs of the interfaces that are there.
func addInterfaceLogs(r store.Reader, d *plan.Documents) {
	for _, n := range d.Interfaces {
		d.FlowLogs = slices.AppendSeq(d.FlowLogs, flowLogs.Select(r, "logs/"+n.ID))
	}
}

// addPeer adds what must be known of the VPCs that are peered: their ranges.
func addPeer(r store.Reader, d *plan.Documents, p cloud.Peering) {
	if p.State != cloud.PeeringActive {
		return
	}
	for _, side := range []cloud.PeeringSide{p.Requester, p.Accepter} {
		if v, ok := vpcs.Get(r, side.VPC); ok {
			add(&d.VPCs, v)
		}
	}
}

// add appends a document unless it is there.
func add[T store.Document](docs *[]T, doc T) {
	if !slices.ContainsFunc(*docs, func(o T) bool { return o.Key() == doc.Key() }) {
		*docs = append(*docs, doc)
	}
}

// foreignGroups are the groups of peered VPCs that rules name, each once.
func foreignGroups(d *plan.Documents) []string {
	return namedBy(d, func(r cloud.Rule) string {
		if r.Peering == "" {
			return ""
		}
		return r.Group
	})
}

// namedLists are the prefix lists that rules and routes name, each once.
func namedLists(d *plan.Documents) []string {
	ids := namedBy(d, func(r cloud.Rule) string { return r.PrefixList })
	for _, t := range d.Routes {
		for _, route := range t.Routes {
			if route.List != "" {
				ids = append(ids, route.List)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// namedBy are the names that the rules of all groups yield, each once.
func namedBy(d *plan.Documents, name func(cloud.Rule) string) (ids []string) {
	for _, g := range d.Groups {
		for _, rule := range g.Rules {
			if id := name(rule); id != "" {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// noteNetworks adds whose changes concern the networks: documents by key, and by label the
// members of groups of peered VPCs.
func noteNetworks(interest map[string]bool, d *plan.Documents) {
	note(interest, d.VPCs)
	note(interest, d.Subnets)
	note(interest, d.Routes)
	note(interest, d.Gateways)
	note(interest, d.EgressGateways)
	note(interest, d.NATs)
	note(interest, d.ACLs)
	note(interest, d.Interfaces)
	note(interest, d.Groups)
	note(interest, d.Lists)
	note(interest, d.Peerings)
	note(interest, d.Endpoints)
	note(interest, d.FlowLogs)
	note(interest, d.DHCPOptions)
	for _, g := range foreignGroups(d) {
		interest["group/"+g] = true
	}
	for _, v := range d.VPCs {
		interest[v.DHCPOptions] = true
	}
}
