package cloud

import (
	"net/netip"
	"time"
)

// NetworkInterface is a port: (MAC, addresses, groups, host). The service
// writes it; control/instance removes attachments and addresses that ended.
type NetworkInterface struct {
	Meta
	VPC             string
	Subnet          string
	Zone            string
	Description     string           `json:",omitempty"`
	MAC             string           // "02:…", lower case
	Addresses       []PrivateAddress // IPv4; the first is the primary one
	Addresses6      []netip.Addr     `json:",omitempty"` // IPv6
	Groups          []string         // security group IDs, in the order given
	SourceDestCheck bool
	Attachment      *InterfaceAttachment `json:",omitempty"`
	// Of is the resource that the cloud made the interface for, such as "nat-…"; tenants
	// cannot change or delete it. Empty for interfaces of tenants.
	Of string `json:",omitempty"`
}

// PrivateAddress is an address of an interface, with the public one that is
// mapped to it, if any.
type PrivateAddress struct {
	Private netip.Addr
	Public  *PublicAddress `json:",omitempty"`
}

// PublicAddress is a public address in use.
type PublicAddress struct {
	Address     netip.Addr
	Allocation  string `json:",omitempty"` // "eipalloc-…"; empty for one assigned at launch, which lives until the instance stops
	Association string `json:",omitempty"` // "eipassoc-…"
}

// InterfaceAttachment ties an interface to an instance.
type InterfaceAttachment struct {
	ID                  string // "eni-attach-…"
	Instance            string
	DeviceIndex         int
	DeleteOnTermination bool
	Attached            time.Time
	Detach              bool `json:",omitempty"` // wanted undone; control/networkinterface removes the attachment when it is
	Force               bool `json:",omitempty"` // undone without the guest's consent
}

// AttachmentState is "attaching", "attached", "detaching" or "detached". i is the
// instance that the interface is attached to: its primary interface is there while
// it is, any other when its host has seen it in the guest.
func (n NetworkInterface) AttachmentState(i Instance) string {
	switch a, state := n.Attachment, i.State(); {
	case a == nil:
		return "detached"
	case a.Detach, state == InstanceShuttingDown:
		return "detaching"
	case state == InstancePending, state == InstanceRunning && a.DeviceIndex > 0 && !i.Seen.HasCard(n.ID):
		return "attaching"
	default:
		return "attached"
	}
}

// Primary is the interface's first private address.
func (n NetworkInterface) Primary() netip.Addr {
	if len(n.Addresses) == 0 {
		return netip.Addr{}
	}
	return n.Addresses[0].Private
}

// Table is "networkinterface".
func (NetworkInterface) Table() string { return "networkinterface" }

// Labels finds the interfaces of an account, a VPC, a subnet, an instance and
// each of their groups.
func (n NetworkInterface) Labels() []string {
	l := []string{AccountLabel(n.Account), "vpc/" + n.VPC, "subnet/" + n.Subnet}
	if n.Of != "" {
		l = append(l, "of/"+n.Of)
	}
	if n.Attachment != nil {
		l = append(l, "instance/"+n.Attachment.Instance)
	}
	for _, g := range n.Groups {
		l = append(l, "group/"+g)
	}
	return l
}

// Address is an elastic public address that an account holds.
type Address struct {
	Meta        // ID is "eipalloc-…"
	Address     netip.Addr
	Association string     `json:",omitempty"` // "eipassoc-…"
	Interface   string     `json:",omitempty"`
	Private     netip.Addr `json:",omitzero"`
	Instance    string     `json:",omitempty"`
}

// Table is "address".
func (Address) Table() string { return "address" }

// Labels finds the addresses of an account and of an interface.
func (a Address) Labels() []string {
	l := []string{AccountLabel(a.Account)}
	if a.Interface != "" {
		l = append(l, "interface/"+a.Interface)
	}
	return l
}
