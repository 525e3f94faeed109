package cloud

import (
	"net/netip"
	"time"
)

// EgressGateway is an egress-only internet gateway: it lets IPv6 flows out that
// began inside the VPC.
type EgressGateway struct {
	Meta // ID is "eigw-…"
	VPC  string
}

// Table is "egressgateway".
func (EgressGateway) Table() string { return "egressgateway" }

// Labels finds the gateways of an account and of a VPC.
func (g EgressGateway) Labels() []string { return []string{AccountLabel(g.Account), "vpc/" + g.VPC} }

// NATState is the state that the API shows, derived by NATGateway.State.
type NATState string

// The states of a NAT gateway:
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html
const (
	NATPending   NATState = "pending"
	NATAvailable NATState = "available"
	NATDeleting  NATState = "deleting"
	NATDeleted   NATState = "deleted"
	NATFailed    NATState = "failed"
)

// NATGateway sends flows of other subnets on from an interface in its own. Written
// by the service; control/nat writes Ready and Gone, and removes it an hour after it
// was gone or failed.
type NATGateway struct {
	Meta      // ID is "nat-…"
	VPC       string
	Subnet    string
	Private   bool         `json:",omitempty"` // connectivity "private": no elastic address
	Interface string       // "eni-…" that it sends from; gone with it
	Addresses []NATAddress // the first is the primary one

	Delete  bool      `json:",omitempty"` // wanted gone
	Ready   time.Time `json:",omitzero"`
	Gone    time.Time `json:",omitzero"`
	Failure string    `json:",omitempty"` // a code, a colon, words
}

// NATAddress is an address of a NAT gateway.
type NATAddress struct {
	Private     netip.Addr
	Public      netip.Addr `json:",omitzero"`
	Allocation  string     `json:",omitempty"` // "eipalloc-…"
	Association string     `json:",omitempty"` // "eipassoc-…"
}

// State derives what the API shows.
func (g NATGateway) State() NATState {
	switch {
	case g.Failure != "":
		return NATFailed
	case !g.Gone.IsZero():
		return NATDeleted
	case g.Delete:
		return NATDeleting
	case g.Ready.IsZero():
		return NATPending
	default:
		return NATAvailable
	}
}

// Table is "natgateway".
func (NATGateway) Table() string { return "natgateway" }

// Labels finds the gateways of an account, a VPC and a subnet.
func (g NATGateway) Labels() []string {
	return []string{AccountLabel(g.Account), "vpc/" + g.VPC, "subnet/" + g.Subnet}
}
