package ec2

import (
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// permissionsOut writes rules of one direction as permissions: those of one
// protocol and port range together, in the order in which they first appear.
func permissionsOut(r store.Reader, rules []cloud.Rule) []ec2.IpPermission {
	type key struct {
		protocol string
		from, to int
	}
	at := make(map[key]int)
	out := []ec2.IpPermission{}
	for _, rule := range rules {
		k := key{rule.Protocol, rule.FromPort, rule.ToPort}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, permissionOut(rule))
		}
		p := &out[i]
		switch description := opt(rule.Description); {
		case rule.Group != "":
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, groupPairOut(r, rule))
		case rule.PrefixList != "":
			p.PrefixListIds = append(p.PrefixListIds, ec2.PrefixListId{PrefixListId: new(rule.PrefixList), Description: description})
		case rule.Prefix.Addr().Is4():
			p.IpRanges = append(p.IpRanges, ec2.IpRange{CidrIp: new(rule.Prefix.String()), Description: description})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, ec2.Ipv6Range{CidrIpv6: new(rule.Prefix.String()), Description: description})
		}
	}
	return out
}

// permissionOut is a permission without sources. Ports are told where the
// protocol has them.
func permissionOut(r cloud.Rule) ec2.IpPermission {
	p := ec2.IpPermission{
		IpProtocol: new(r.Protocol), IpRanges: []ec2.IpRange{}, Ipv6Ranges: []ec2.Ipv6Range{},
		UserIdGroupPairs: []ec2.UserIdGroupPair{}, PrefixListIds: []ec2.PrefixListId{},
	}
	switch r.Protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		p.FromPort, p.ToPort = new(int32(r.FromPort)), new(int32(r.ToPort))
	}
	return p
}

// groupPairOut is the group that a rule names, with the peering that it is reached by.
func groupPairOut(r store.Reader, rule cloud.Rule) ec2.UserIdGroupPair {
	out := ec2.UserIdGroupPair{GroupId: new(rule.Group), UserId: new(rule.GroupOwner), Description: opt(rule.Description)}
	if rule.Peering == "" {
		return out
	}
	vpc, status := beyond(r, rule)
	out.VpcPeeringConnectionId, out.VpcId, out.PeeringStatus = new(rule.Peering), opt(vpc), new(status)
	return out
}

// beyond tells the VPC of the group of a rule that names a peering, "" if it is not
// known any more, and the state of the peering.
func beyond(r store.Reader, rule cloud.Rule) (vpc, status string) {
	p, ok := peeringTable.Get(r, rule.Peering)
	if !ok {
		return "", string(cloud.PeeringDeleted)
	}
	if g, ok := groupTable.Get(r, rule.Group); ok {
		return g.VPC, string(p.State)
	}
	if rule.GroupOwner == p.Requester.Account && p.Requester.Account != p.Accepter.Account {
		return p.Requester.VPC, string(p.State)
	}
	return p.Accepter.VPC, string(p.State)
}
