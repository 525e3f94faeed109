package cloud

import (
	"net/netip"
	"slices"
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
	Gateway InternetGateway // of default networks only
	ACL     NetworkACL
	Group   SecurityGroup
	Options DHCPOptions // of default networks only: the account's default set
}

// NewNetwork returns a VPC of the one range with all that AWS makes with it: a main
// route table that leads nowhere, a default network ACL that lets everything pass, and
// the default security group, which lets its members talk to each other and to
// everywhere. options is the ID of its DHCP option set.
func NewNetwork(account string, whole netip.Prefix, options string, newID func(prefix string) string, now time.Time) Network {
	meta := func(prefix string) Meta { return Meta{ID: newID(prefix), Account: account, Created: now} }
	var n Network
	n.VPC = VPC{
		Meta: meta("vpc"), CIDRs: []CIDRBlock{{Association: newID("vpc-cidr-assoc"), Prefix: whole}},
		DHCPOptions: options, Tenancy: "default", DNSSupport: true,
	}
	n.Routes = RouteTable{
		Meta: meta("rtb"), VPC: n.VPC.ID,
		Routes:       []Route{{Destination: whole, Target: "local", Origin: "CreateRouteTable"}},
		Associations: []RouteTableAssociation{{ID: newID("rtbassoc"), Main: true}},
	}
	n.ACL = DefaultNetworkACL(meta("acl"), n.VPC)
	n.Group = SecurityGroup{
		Meta: meta("sg"), VPC: n.VPC.ID, Name: DefaultGroupName, Description: "default VPC security group",
	}
	n.Group.Rules = []Rule{
		{ID: newID("sgr"), Protocol: "-1", FromPort: -1, ToPort: -1, Group: n.Group.ID, GroupOwner: account},
		{ID: newID("sgr"), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, Prefix: everywhere},
	}
	return n
}

// everywhere and everywhere6 are all addresses.
var (
	everywhere  = netip.MustParsePrefix("0.0.0.0/0")
	everywhere6 = netip.MustParsePrefix("::/0")
)

// DefaultNetworkACL is the network ACL that subnets of a VPC are associated with from
// their start. It lets everything pass, IPv6 too if the VPC has any; no subnet is
// associated yet.
func DefaultNetworkACL(meta Meta, v VPC) NetworkACL {
	a := NetworkACL{Meta: meta, VPC: v.ID, Default: true}
	for _, egress := range []bool{false, true} {
		a.Entries = append(a.Entries, ACLEntry{Number: 100, Egress: egress, Allow: true, Protocol: -1, FromPort: -1, ToPort: -1, Prefix: everywhere})
		if len(v.CIDRs6) > 0 {
			a.Entries = append(a.Entries, defaultEntry6(egress))
		}
	}
	return a
}

// defaultEntry6 is the entry of a default network ACL that lets IPv6 pass.
func defaultEntry6(egress bool) ACLEntry {
	return ACLEntry{Number: 101, Egress: egress, Allow: true, Protocol: -1, FromPort: -1, ToPort: -1, Prefix: everywhere6}
}

// LetIPv6Pass adds to a default network ACL what one has whose VPC has IPv6, unless
// entries of that number are there.
func (a *NetworkACL) LetIPv6Pass() {
	for _, egress := range []bool{false, true} {
		e := defaultEntry6(egress)
		at, found := slices.BinarySearchFunc(a.Entries, e, ACLEntry.Compare)
		if !found {
			a.Entries = slices.Insert(a.Entries, at, e)
		}
	}
}

// DefaultDHCPOptions is the option set that an account's new VPCs have.
func DefaultDHCPOptions(meta Meta, place Place) DHCPOptions {
	return DHCPOptions{Meta: meta, Default: true, Options: []DHCPOption{
		{Name: "domain-name", Values: []string{place.PrivateDomain()}},
		{Name: "domain-name-servers", Values: []string{AmazonDNS}},
	}}
}

// DefaultNetwork returns the network that a new account finds: a VPC
// 172.31.0.0/16 with a /20 subnet in each zone (16 at most) whose guests get
// public addresses, a main route table that leads outside, its internet gateway,
// the account's default DHCP options, and what NewNetwork makes.
//
// Whoever stores it does so in one transaction, claims the group's name in
// GroupNames(VPC.ID), and notes the VPC in Account.DefaultVPC.
func DefaultNetwork(account string, place Place, newID func(prefix string) string, now time.Time) Network {
	meta := func(prefix string) Meta { return Meta{ID: newID(prefix), Account: account, Created: now} }
	whole := netip.MustParsePrefix(DefaultNetworkPrefix)
	options := DefaultDHCPOptions(meta("dopt"), place)
	n := NewNetwork(account, whole, options.ID, newID, now)
	n.Options, n.VPC.Default, n.VPC.DNSHostnames = options, true, true
	for _, zone := range place.Zones[:min(16, len(place.Zones))] {
		s := DefaultSubnet(meta("subnet"), n.VPC.ID, zone, len(n.Subnets))
		n.Subnets = append(n.Subnets, s)
		n.ACL.Associations = append(n.ACL.Associations, ACLAssociation{ID: newID("aclassoc"), Subnet: s.ID})
	}
	n.Gateway = InternetGateway{Meta: meta("igw"), VPC: n.VPC.ID}
	n.Routes.Routes = append(n.Routes.Routes, Route{Destination: everywhere, Target: n.Gateway.ID, Origin: "CreateRoute"})
	return n
}

// DefaultSubnet is the n-th default subnet of a default VPC, a /20; n is 0 to 15.
func DefaultSubnet(meta Meta, vpc, zone string, n int) Subnet {
	base := netip.MustParsePrefix(DefaultNetworkPrefix).Addr().As4()
	base[2] = byte(16 * n)
	return Subnet{
		Meta: meta, VPC: vpc, Zone: zone, Prefix: netip.PrefixFrom(netip.AddrFrom4(base), 20), DefaultForZone: true, MapPublicIP: true,
	}
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
	// VPCRanges6 is the space of the IPv6 ranges that VPCs have of the cloud's pool; the
	// owner of one is the VPC.
	VPCRanges6 = "vpcrange6"
)
