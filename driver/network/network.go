// Package network is the narrow interface to the engine that carries packets on
// one host. Drivers: linux (the kernel's own: a namespace a VPC, routed ports,
// nftables) and fake; both pass networktest.
//
// There is no layer 2: a port is (MAC, addresses, groups), and everything
// between ports is routed.
package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// ErrNoVPC says that the host has no VPC of that ID.
var ErrNoVPC = errors.New("no such VPC")

// ErrNoPort says that the VPC has no port of that ID, as last applied.
var ErrNoPort = errors.New("no such port")

// Driver makes the host's network be as planned. All methods are idempotent and
// safe for concurrent use; nothing needs to survive a reboot of the host. The
// caller retries.
type Driver interface {
	// Apply makes the VPC on this host exactly as planned: router, ports, groups,
	// public addresses. What is right already is not touched; a changed rule
	// takes effect at once, without a moment in which none holds.
	Apply(ctx context.Context, vpc VPC) error
	// Remove takes the VPC off this host; nil if it is not there.
	Remove(ctx context.Context, vpcID string) error
	// List returns the IDs of the VPCs that this driver has on the host.
	List(ctx context.Context) ([]string, error)
	// Tap opens the device of a port that was applied, for a guest: Ethernet
	// frames, each behind a virtio-net header of ten bytes; reads and writes do
	// not block. The device lives as long as somebody holds it open. ErrNoVPC or
	// ErrNoPort if this driver has not applied it.
	Tap(ctx context.Context, vpcID, portID string) (*os.File, error)
	// Listen and ListenPacket open sockets inside the VPC: addresses are the
	// VPC's, such as "169.254.169.254:80", and only its guests reach them; a raw socket's has
	// no port ("ip6:ipv6-icmp", "::"). They
	// get to these: UDP 67 (DHCP), UDP and TCP 53 at each range's base plus two and
	// at Resolver, TCP 80 at Metadata and at API. A packet connection is a *net.UDPConn that
	// may broadcast and share its port. ErrNoVPC if the VPC is not there.
	Listen(ctx context.Context, vpcID, network, address string) (net.Listener, error)
	ListenPacket(ctx context.Context, vpcID, network, address string) (net.PacketConn, error)
}

// Ports tells which port a packet came through. Drivers whose VPCs have a
// device for each port have it; servers inside a VPC (DHCP) ask with the
// interface index of the packet's control message.
type Ports interface {
	// PortOf returns the ID of the port whose device has the index in the VPC;
	// ErrNoVPC, or ErrNoPort if the device is no port's.
	PortOf(ctx context.Context, vpcID string, ifindex int) (portID string, err error)
}

// Links tells which devices ports have. Drivers whose VPCs have a device for each
// port have it; who advertises the router on every link asks.
type Links interface {
	// LinksOf returns the IDs of the ports that have a device in the VPC by its index;
	// ErrNoVPC.
	LinksOf(ctx context.Context, vpcID string) (map[int]string, error)
}

// MTU of every port.
const MTU = 1500

// Metadata, Resolver and API are addresses of the router in every VPC. The first
// two are AWS's: https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html.
// At API guests reach the cloud's endpoint, as no other way leads there. Objects is
// where a gateway endpoint for S3 leads to: only from subnets whose table has a
// route ViaService to it.
var (
	Metadata  = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	Resolver  = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	API       = netip.AddrFrom4([4]byte{169, 254, 169, 250})
	Objects   = netip.AddrFrom4([4]byte{169, 254, 169, 251})
	Metadata6 = netip.MustParseAddr("fd00:ec2::254")
	Resolver6 = netip.MustParseAddr("fd00:ec2::253")
)

// Router6 is the address of the router on every port's link, from which it sends
// router advertisements; guests with IPv6 addresses have it as their gateway.
var Router6 = netip.MustParseAddr("fe80::1")

// VPC is the plan of one VPC on this host.
type VPC struct {
	ID       string
	CIDRs    []netip.Prefix // IPv4 and IPv6
	Internet bool           // an internet gateway is attached
	Subnets  []Subnet
	Tables   []Table
	ACLs     []ACL
	Ports    []Port
	Groups   []Group
	Lists    []List
	NATs     []NAT
	Peers    []Peer
}

// Subnet is a range with its router's address. Its packets to elsewhere go where
// Table says (empty: nowhere but within the VPC), and what enters or leaves it passes ACL
// (empty: everything passes).
type Subnet struct {
	ID      string
	Prefix  netip.Prefix
	Prefix6 netip.Prefix // IPv6; zero: none
	Router  netip.Addr
	Table   string
	ACL     string
}

// Table says where packets to elsewhere go; the longest prefix wins. That a
// VPC's own ranges are reached directly goes without saying, and before all.
type Table struct {
	ID     string
	Routes []Route
}

// Route leads packets somewhere. What Target names depends on Via.
type Route struct {
	To     netip.Prefix
	Via    Via
	Target string
}

// Via is the kind of a route's target.
type Via string

const (
	// ViaNothing drops: the route's target is no more (a "blackhole").
	ViaNothing Via = ""
	// ViaInternet is the VPC's internet gateway: IPv4 passes for addresses that have a
	// public one, which it is translated to; IPv6 as it is.
	ViaInternet Via = "internet"
	// ViaEgress is an egress-only internet gateway: IPv6 flows that began inside.
	ViaEgress Via = "egress"
	// ViaNAT is a NAT of the plan, by its ID.
	ViaNAT Via = "nat"
	// ViaPort is a port of the plan, by its ID: a guest that routes, or that terminates
	// the packets itself. Only ports with AnySource are given what is not for them.
	ViaPort Via = "port"
	// ViaPeer is a peer of the plan, by its ID.
	ViaPeer Via = "peer"
	// ViaService is a service of the router, at the address that the route names.
	ViaService Via = "service"
)

// NAT sends flows that were routed to it, and began inside, on from its port: the
// driver itself is what is behind the port. A port with a public address makes a public NAT,
// one without a private NAT. The port's own groups do not count; its subnet's table and ACL do.
type NAT struct {
	ID   string
	Port string
}

// Peer is another VPC whose ranges a route may lead to. Packets pass when both VPCs are
// applied on this host, with the same peer ID, and have routes to each other.
type Peer struct {
	ID    string
	VPC   string
	CIDRs []netip.Prefix // of the other VPC
}

// ACL is a stateless filter at a subnet's edge, for packets that enter it (Ingress)
// or leave it (Egress), not for those between two ports of the subnet. The first entry that
// matches decides; none: dropped. What guests and their router's services (DHCP, DNS,
// metadata) say to each other is not filtered.
type ACL struct {
	ID      string
	Ingress []Entry
	Egress  []Entry
}

// Entry matches packets as a Rule does, by the range that they come from or go to.
type Entry struct {
	Number   int // as the tenant knows it
	Allow    bool
	Protocol int
	From, To int
	Prefix   netip.Prefix
}

// Port is a guest's way into the network.
type Port struct {
	ID         string // network interface ID
	Subnet     string
	MAC        net.HardwareAddr
	Addresses  []Address    // IPv4, the primary one first
	Addresses6 []netip.Addr // IPv6
	Groups     []string
	// AnySource lets the port send from, and receive for, addresses that are
	// not its own (source/destination check off).
	AnySource bool
	// Log says which of the port's flows Flows tells of.
	Log Log
}

// Log is a choice of flows.
type Log struct{ Accepted, Rejected bool }

// Address is a private address of a port, and the public one mapped to it 1:1
// (zero if none).
type Address struct {
	Private netip.Addr
	Public  netip.Addr
}

// Group is a stateful firewall; a packet passes a port if any rule of any of
// the port's groups lets it. A flow that was let through goes on when the rule is no more, as
// tracked ones do: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html.
// Members are addresses that rules naming the group mean
// besides those of its ports here: ports of peered VPCs, or of other hosts.
type Group struct {
	ID      string
	Ingress []Rule
	Egress  []Rule
	Members []netip.Addr
}

// List is a set of ranges that rules name.
type List struct {
	ID       string
	Prefixes []netip.Prefix
}

// Rule lets packets pass. Protocol is an IP protocol number, -1 for all. From
// and To are ports for TCP and UDP, type and code for ICMP and ICMPv6; -1 for all. Exactly
// one of Prefix, Group and List is set.
type Rule struct {
	ID       string // as the tenant knows it; empty: unknown
	Protocol int
	From, To int
	Prefix   netip.Prefix
	Group    string
	List     string
}

// Flows tells of the flows of ports that have a Log. Drivers that can count have it.
type Flows interface {
	// Flows returns what the VPC's logged ports saw since the last call for the VPC,
	// one record a port, direction, five-tuple and verdict. ErrNoVPC if the VPC is not there.
	Flows(ctx context.Context, vpcID string) ([]Flow, error)
}

// Flow is what one port saw of one flow in one direction.
type Flow struct {
	Port        string
	Ingress     bool // towards the guest
	Source      netip.AddrPort
	Destination netip.AddrPort // addresses as the port sees them, before translation
	Protocol    int
	Packets     uint64
	Bytes       uint64
	Accepted    bool
	Start, End  time.Time
	Flags       uint8 // TCP flags seen, if the driver knows: FIN 1, SYN 2, RST 4, SYN-ACK 18
}

// Clone returns a copy that shares nothing with the plan.
func (v VPC) Clone() VPC {
	v.CIDRs, v.Subnets, v.NATs = slices.Clone(v.CIDRs), slices.Clone(v.Subnets), slices.Clone(v.NATs)
	v.Tables, v.ACLs, v.Ports = slices.Clone(v.Tables), slices.Clone(v.ACLs), slices.Clone(v.Ports)
	v.Groups, v.Lists, v.Peers = slices.Clone(v.Groups), slices.Clone(v.Lists), slices.Clone(v.Peers)
	for i, t := range v.Tables {
		v.Tables[i].Routes = slices.Clone(t.Routes)
	}
	for i, a := range v.ACLs {
		v.ACLs[i].Ingress, v.ACLs[i].Egress = slices.Clone(a.Ingress), slices.Clone(a.Egress)
	}
	for i, p := range v.Ports {
		v.Ports[i].MAC, v.Ports[i].Addresses = slices.Clone(p.MAC), slices.Clone(p.Addresses)
		v.Ports[i].Addresses6, v.Ports[i].Groups = slices.Clone(p.Addresses6), slices.Clone(p.Groups)
	}
	for i, g := range v.Groups {
		v.Groups[i].Ingress, v.Groups[i].Egress, v.Groups[i].Members = slices.Clone(g.Ingress), slices.Clone(g.Egress), slices.Clone(g.Members)
	}
	for i, l := range v.Lists {
		v.Lists[i].Prefixes = slices.Clone(l.Prefixes)
	}
	for i, p := range v.Peers {
		v.Peers[i].CIDRs = slices.Clone(p.CIDRs)
	}
	return v
}

// Leads returns the route of the subnet's table for packets to the address, if there is
// one: that of the longest prefix.
func (v VPC) Leads(subnet Subnet, to netip.Addr) (r Route, ok bool) {
	for _, t := range v.Tables {
		if t.ID != subnet.Table {
			continue
		}
		for _, x := range t.Routes {
			if x.To.Contains(to) && (!ok || x.To.Bits() > r.To.Bits()) {
				r, ok = x, true
			}
		}
	}
	return r, ok
}
