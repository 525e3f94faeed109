package cloud

import "time"

// PeeringState is a state of a VPC peering connection:
// https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle
type PeeringState string

// The states; see Peering.Visible for how long what ended is shown.
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
	EndedBy   string    `json:",omitempty"` // the account that rejected or deleted it
}

// How long what ended is shown to who knows of its end, and to who may not.
const (
	peeringShown     = 2 * time.Hour
	peeringAnnounced = 48 * time.Hour
)

// Visible reports whether an account is shown the connection at a time. To who ended
// it, it is shown for two hours, to the other side for two days; a failed one to
// the requester alone; one within an account for two hours.
// https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle
func (p Peering) Visible(account string, now time.Time) bool {
	requester, accepter := account == p.Account, account == p.Accepter.Account
	shown := peeringAnnounced
	switch {
	case p.Ended.IsZero():
		return requester || accepter
	case p.State == PeeringFailed:
		accepter, shown = false, peeringShown
	case p.State != PeeringExpired && account == p.EndedBy:
		shown = peeringShown
	}
	return (requester || accepter) && now.Before(p.Ended.Add(shown))
}

// Forgotten is when nobody is shown the connection any more; zero while it has not ended.
func (p Peering) Forgotten() time.Time {
	if p.Ended.IsZero() {
		return time.Time{}
	}
	at := p.Ended
	for at.Before(p.Ended.Add(peeringAnnounced)) && (p.Visible(p.Account, at) || p.Visible(p.Accepter.Account, at)) {
		at = at.Add(peeringShown)
	}
	return at
}

// As is the connection as an account sees it: its own, with the tags that it gave.
func (p Peering) As(account string) Peering {
	if account != p.Account {
		p.Account, p.Tags = account, p.Accepter.Tags
	}
	return p
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
