package cloud

import (
	"net/netip"
	"time"
)

// DefaultNetworkPrefix is the range of every account's default VPC, and
// DefaultGroupName the name of the security group that each VPC has from its
// start. Both are as on AWS:
// https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
const (
	DefaultNetworkPrefix = "172.31.0.0/16"
	DefaultGroupName     = "default"
)

// Network is a VPC with all that it was made with.
type Network struct {
	VPC     VPC
	Subnets []Subnet // one a zone
	Routes  RouteTable
	Gateway InternetGateway
	Group   SecurityGroup
}

// DefaultNetwork returns the network that a new account finds: a VPC
// 172.31.0.0/16 with a /20 subnet in each zone (16 at most) whose guests get
// public addresses, a main route table that leads outside, its internet gateway,
// and the default security group, which lets its members talk to each other and
// to everywhere.
//
// Whoever stores it does so in one transaction, claims the group's name in
// GroupNames(VPC.ID), and notes the VPC in Account.DefaultVPC.
func DefaultNetwork(account string, place Place, newID func(prefix string) string, now time.Time) Network {
	meta := func(prefix string) Meta { return Meta{ID: newID(prefix), Account: account, Created: now} }
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	whole := netip.MustParsePrefix(DefaultNetworkPrefix)

	var n Network
	n.VPC = VPC{
		Meta: meta("vpc"), CIDRs: []CIDRBlock{{Association: newID("vpc-cidr-assoc"), Prefix: whole}},
		Default: true, DHCPOptions: newID("dopt"), Tenancy: "default", DNSSupport: true, DNSHostnames: true,
	}
	base := whole.Addr().As4()
	for i, zone := range place.Zones[:min(16, len(place.Zones))] {
		base[2] = byte(16 * i)
		n.Subnets = append(n.Subnets, Subnet{
			Meta: meta("subnet"), VPC: n.VPC.ID, Zone: zone, Prefix: netip.PrefixFrom(netip.AddrFrom4(base), 20),
			DefaultForZone: true, MapPublicIP: true,
		})
	}
	n.Gateway = InternetGateway{Meta: meta("igw"), VPC: n.VPC.ID}
	n.Routes = RouteTable{
		Meta: meta("rtb"), VPC: n.VPC.ID,
		Routes: []Route{
			{Destination: whole, Target: "local", Origin: "CreateRouteTable"},
			{Destination: everywhere, Target: n.Gateway.ID, Origin: "CreateRoute"},
		},
		Associations: []RouteTableAssociation{{ID: newID("rtbassoc"), Main: true}},
	}
	n.Group = SecurityGroup{
		Meta: meta("sg"), VPC: n.VPC.ID, Name: DefaultGroupName, Description: "default VPC security group",
	}
	n.Group.Rules = []Rule{
		{ID: newID("sgr"), Protocol: "-1", FromPort: -1, ToPort: -1, Group: n.Group.ID, GroupOwner: account},
		{ID: newID("sgr"), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, Prefix: everywhere},
	}
	return n
}

// The claim spaces of the network: what must be unique, and where.

// GroupNames is the space of the names of a VPC's security groups; the owner of
// a name is the group.
func GroupNames(vpc string) string { return "groupname/" + vpc }

// PrivateAddresses is the space of a VPC's private addresses; the owner of an
// address is the interface.
func PrivateAddresses(vpc string) string { return "ip/" + vpc }

const (
	// MACs is the space of hardware addresses; the owner of one is the interface.
	MACs = "mac"
	// PublicAddresses is the space of public addresses; the owner of one is the
	// Address ("eipalloc-…") or, if it was assigned at launch, the interface.
	PublicAddresses = "public"
)
