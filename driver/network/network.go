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
	// VPC's, such as "169.254.169.254:80", and only its guests reach them. They
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

// MTU of every port.
const MTU = 1500

// Metadata, Resolver and API are addresses of the router in every VPC. The first
// two are AWS's: https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html.
// At API guests reach the cloud's endpoint, as no other way leads there.
var (
	Metadata = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	Resolver = netip.AddrFrom4([4]byte{169, 254, 169, 253})
	API      = netip.AddrFrom4([4]byte{169, 254, 169, 250})
)

// VPC is the plan of one VPC on this host.
type VPC struct {
	ID      string
	CIDRs   []netip.Prefix
	Subnets []Subnet
	Ports   []Port
	Groups  []Group
}

// Subnet is a range with its router's address.
type Subnet struct {
	ID       string
	Prefix   netip.Prefix
	Router   netip.Addr
	Internet bool // its route table leads to an attached internet gateway
}

// Port is a guest's way into the network.
type Port struct {
	ID        string // network interface ID
	Subnet    string
	MAC       net.HardwareAddr
	Addresses []Address
	Groups    []string
	// AnySource lets the port send from, and receive for, addresses that are
	// not its own (source/destination check off).
	AnySource bool
}

// Address is a private address of a port, and the public one mapped to it 1:1
// (zero if none).
type Address struct {
	Private netip.Addr
	Public  netip.Addr
}

// Group is a stateful firewall; a packet passes a port if any rule of any of
// the port's groups lets it.
type Group struct {
	ID      string
	Ingress []Rule
	Egress  []Rule
}

// Rule lets packets pass. Protocol is an IP protocol number, -1 for all. From
// and To are ports for TCP and UDP, type and code for ICMP; -1 for all. Exactly
// one of Prefix and Group is set.
type Rule struct {
	Protocol int
	From, To int
	Prefix   netip.Prefix
	Group    string
}

// Clone returns a copy that shares nothing with the plan.
func (v VPC) Clone() VPC {
	v.CIDRs, v.Subnets, v.Ports, v.Groups = slices.Clone(v.CIDRs), slices.Clone(v.Subnets), slices.Clone(v.Ports), slices.Clone(v.Groups)
	for i, p := range v.Ports {
		v.Ports[i].MAC, v.Ports[i].Addresses, v.Ports[i].Groups = slices.Clone(p.MAC), slices.Clone(p.Addresses), slices.Clone(p.Groups)
	}
	for i, g := range v.Groups {
		v.Groups[i].Ingress, v.Groups[i].Egress = slices.Clone(g.Ingress), slices.Clone(g.Egress)
	}
	return v
}
