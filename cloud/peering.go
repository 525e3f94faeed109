package cloud

import "time"

// PeeringState is a state of a VPC peering connection:
// https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle
type PeeringState string

// The states. What ended stays visible for two hours.
const (
	PeeringPending  PeeringState = "pending-acceptance"
	PeeringActive   PeeringState = "active"
	PeeringRejected PeeringState = "rejected"
	PeeringExpired  PeeringState = "expired"
	PeeringFailed   PeeringState = "failed"
	PeeringDeleted  PeeringState = "deleted"
)

// Peering connects two VPCs. Its account is the requester's.
type Peering struct {
	Meta      // ID is "pcx-…"
	Requester PeeringSide
	Accepter  PeeringSide
	State     PeeringState
	Message   string    `json:",omitempty"` // about the state
	Expires   time.Time `json:",omitzero"`  // of the request
	Ended     time.Time `json:",omitzero"`  // rejected, expired, failed or deleted
}

// PeeringSide is one VPC of a peering connection.
type PeeringSide struct {
	Account    string
	VPC        string
	Region     string
	ResolveDNS bool `json:",omitempty"` // public names resolve to private addresses for the other side
	// Tags are the accepter's own; the requester's are those of the document.
	Tags map[string]string `json:",omitempty"`
}

// Table is "peering".
func (Peering) Table() string { return "peering" }

// Labels finds the connections of both accounts and both VPCs.
func (p Peering) Labels() []string {
	l := []string{AccountLabel(p.Account), "vpc/" + p.Requester.VPC}
	if p.Accepter.Account != p.Account {
		l = append(l, AccountLabel(p.Accepter.Account))
	}
	if p.Accepter.VPC != p.Requester.VPC {
		l = append(l, "vpc/"+p.Accepter.VPC)
	}
	return l
}

// Other returns the side that is not the VPC's.
func (p Peering) Other(vpc string) PeeringSide {
	if p.Requester.VPC == vpc {
		return p.Accepter
	}
	return p.Requester
}
