package ec2

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	maxPeerings     = 50                 // active connections of a VPC
	maxPeerRequests = 25                 // requests of an account that wait
	peeringLife     = 7 * 24 * time.Hour // of a request; control/peering ends it
)

// CreateVpcPeeringConnection asks the owner of another VPC for a peering connection.
// One whose ranges overlap, or to a VPC that is not there, fails: the answer's state
// says so a moment later, as on AWS.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcPeeringConnection.html
func (s *Service) CreateVpcPeeringConnection(ctx context.Context, in *ec2.CreateVpcPeeringConnectionRequest) (*ec2.CreateVpcPeeringConnectionResult, error) {
	caller, err := s.allow(ctx, "CreateVpcPeeringConnection", in.DryRun, s.asking(ctx).newPeering(in)...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VpcId) == "":
		return nil, missing("vpcId")
	case val(in.PeerVpcId) == "":
		return nil, missing("peerVpcId")
	case val(in.PeerRegion) != "" && *in.PeerRegion != s.Place.Region:
		return nil, invalid("peerRegion", *in.PeerRegion, "The only region is "+s.Place.Region+".")
	}
	if err := checkIDs("vpc", *in.PeerVpcId); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "vpc-peering-connection")
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	p := cloud.Peering{
		Meta:      cloud.Meta{ID: s.NewID("pcx"), Account: caller.Account, Created: now, Tags: tags},
		Requester: cloud.PeeringSide{Account: caller.Account, VPC: *in.VpcId, Region: s.Place.Region},
		Accepter:  cloud.PeeringSide{Account: cmp.Or(val(in.PeerOwnerId), caller.Account), VPC: *in.PeerVpcId, Region: s.Place.Region},
		Expires:   now.Add(peeringLife),
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc, err := get(tx, caller, vpcTable, "vpc", p.Requester.VPC)
		if err != nil {
			return err
		}
		if vpc.ID == p.Accepter.VPC {
			return cloud.Errorf("InvalidParameterValue", "The requester and accepter VPC must not be the same: %s", vpc.ID)
		}
		if old, ok := samePeering(tx, p); ok {
			return cloud.Errorf("VpcPeeringConnectionAlreadyExists", "There is already a VPC peering connection (%s) between the specified VPCs", old.ID)
		}
		if waiting(tx, caller) >= maxPeerRequests {
			return cloud.Errorf("OutstandingVpcPeeringConnectionLimitExceeded", "The maximum number of outstanding VPC peering connection requests has been reached.")
		}
		p.State, p.Message = s.requestState(tx, p, vpc)
		if p.State == cloud.PeeringFailed {
			p.Ended = now
		}
		return peeringTable.Create(tx, p)
	})
	if err != nil {
		return nil, err
	}
	out := peeringOut(s.DB.View(), caller, p)
	out.Status = &ec2.VpcPeeringConnectionStateReason{Code: new("initiating-request"), Message: new("Initiating Request to " + p.Accepter.Account)}
	return &ec2.CreateVpcPeeringConnectionResult{VpcPeeringConnection: &out}, nil
}

// newPeering is the connection that a request makes, and the caller's VPC.
func (a asking) newPeering(in *ec2.CreateVpcPeeringConnectionRequest) []subject {
	like := cloud.Peering{
		Requester: cloud.PeeringSide{Account: a.c.Account, VPC: val(in.VpcId)},
		Accepter:  cloud.PeeringSide{Account: cmp.Or(val(in.PeerOwnerId), a.c.Account), VPC: val(in.PeerVpcId)},
	}
	return []subject{aboutVPC.of(a, val(in.VpcId)), aboutPeering.made(a, like, requestTags(in.TagSpecifications, "vpc-peering-connection"))}
}

// samePeering is a connection between the same VPCs that waits or is active.
func samePeering(r store.Reader, p cloud.Peering) (cloud.Peering, bool) {
	for o := range peeringTable.Select(r, "vpc/"+p.Requester.VPC) {
		alive := o.State == cloud.PeeringPending || o.State == cloud.PeeringActive
		if alive && o.Other(p.Requester.VPC).VPC == p.Accepter.VPC {
			return o, true
		}
	}
	return cloud.Peering{}, false
}

func waiting(r store.Reader, c cloud.Caller) (n int) {
	for o := range peeringTable.Select(r, cloud.AccountLabel(c.Account)) {
		if o.State == cloud.PeeringPending && o.Account == c.Account {
			n++
		}
	}
	return n
}

// requestState is what becomes of a request at first.
func (s *Service) requestState(r store.Reader, p cloud.Peering, vpc cloud.VPC) (cloud.PeeringState, string) {
	other, ok := vpcTable.Get(r, p.Accepter.VPC)
	switch {
	case !ok || other.Account != p.Accepter.Account:
		return cloud.PeeringFailed, "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
	case overlap(vpc, other) && p.Accepter.Account == p.Account:
		return cloud.PeeringFailed, "Failed due to overlapping CIDR range"
	case overlap(vpc, other):
		return cloud.PeeringFailed, "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
	}
	return cloud.PeeringPending, "Pending Acceptance by " + p.Accepter.Account
}

// overlap reports whether two VPCs have an address in common.
func overlap(a, b cloud.VPC) bool {
	for _, x := range slices.Concat(a.CIDRs, a.CIDRs6) {
		if slices.ContainsFunc(slices.Concat(b.CIDRs, b.CIDRs6), func(y cloud.CIDRBlock) bool { return x.Prefix.Overlaps(y.Prefix) }) {
			return true
		}
	}
	return false
}

// AcceptVpcPeeringConnection connects the VPCs of a request to the caller.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AcceptVpcPeeringConnection.html
func (s *Service) AcceptVpcPeeringConnection(ctx context.Context, in *ec2.AcceptVpcPeeringConnectionRequest) (*ec2.AcceptVpcPeeringConnectionResult, error) {
	a := s.asking(ctx)
	x := aboutPeering.of(a, val(in.VpcPeeringConnectionId))
	asked, _ := aboutPeering.find(a, val(in.VpcPeeringConnectionId))
	caller, err := s.allow(ctx, "AcceptVpcPeeringConnection", in.DryRun, x, aboutVPC.of(a, asked.Accepter.VPC))
	if err != nil {
		return nil, err
	}
	p, err := s.changePeering(ctx, caller, in.VpcPeeringConnectionId, func(tx *store.Tx, p *cloud.Peering) error {
		mine, ok := vpcTable.Get(tx, p.Accepter.VPC)
		theirs, there := vpcTable.Get(tx, p.Requester.VPC)
		switch {
		case p.Accepter.Account != caller.Account:
			return cloud.Errorf("OperationNotPermitted", "User %s cannot accept peering %s", caller.Account, p.ID)
		case p.State == cloud.PeeringActive:
			return nil
		case p.State != cloud.PeeringPending:
			return errPeeringState(*p, "accepted")
		case !ok || !there:
			return notFound("vpc", p.Accepter.VPC)
		case overlap(mine, theirs):
			return cloud.Errorf("InvalidParameterValue", "The ranges of the VPCs overlap by now: %s and %s", mine.ID, theirs.ID)
		case activePeerings(tx, mine.ID) >= maxPeerings || activePeerings(tx, theirs.ID) >= maxPeerings:
			return cloud.Errorf("VpcPeeringConnectionLimitExceeded", "The maximum number of active VPC peering connections of a VPC has been reached.")
		}
		p.State, p.Message, p.Expires = cloud.PeeringActive, "Active", time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := peeringOut(s.DB.View(), caller, p)
	return &ec2.AcceptVpcPeeringConnectionResult{VpcPeeringConnection: &out}, nil
}

func activePeerings(r store.Reader, vpc string) (n int) {
	for p := range peeringTable.Select(r, "vpc/"+vpc) {
		if p.State == cloud.PeeringActive {
			n++
		}
	}
	return n
}

// RejectVpcPeeringConnection turns a request to the caller down.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RejectVpcPeeringConnection.html
func (s *Service) RejectVpcPeeringConnection(ctx context.Context, in *ec2.RejectVpcPeeringConnectionRequest) (*ec2.RejectVpcPeeringConnectionResult, error) {
	caller, err := s.allow(ctx, "RejectVpcPeeringConnection", in.DryRun, aboutPeering.of(s.asking(ctx), val(in.VpcPeeringConnectionId)))
	if err != nil {
		return nil, err
	}
	_, err = s.changePeering(ctx, caller, in.VpcPeeringConnectionId, func(_ *store.Tx, p *cloud.Peering) error {
		switch {
		case p.Accepter.Account != caller.Account:
			return cloud.Errorf("OperationNotPermitted", "User %s cannot reject peering %s", caller.Account, p.ID)
		case p.State != cloud.PeeringPending:
			return errPeeringState(*p, "rejected")
		}
		p.State, p.Message, p.Ended, p.EndedBy = cloud.PeeringRejected, "Rejected by "+caller.Account, s.Now().UTC(), caller.Account
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.RejectVpcPeeringConnectionResult{Return: new(true)}, nil
}

// DeleteVpcPeeringConnection ends a connection, for either owner, or takes a request
// back, for the one who made it. Routes to it lead nowhere from then on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcPeeringConnection.html
func (s *Service) DeleteVpcPeeringConnection(ctx context.Context, in *ec2.DeleteVpcPeeringConnectionRequest) (*ec2.DeleteVpcPeeringConnectionResult, error) {
	caller, err := s.allow(ctx, "DeleteVpcPeeringConnection", in.DryRun, aboutPeering.of(s.asking(ctx), val(in.VpcPeeringConnectionId)))
	if err != nil {
		return nil, err
	}
	_, err = s.changePeering(ctx, caller, in.VpcPeeringConnectionId, func(_ *store.Tx, p *cloud.Peering) error {
		switch {
		case p.State == cloud.PeeringPending && p.Account != caller.Account:
			return cloud.Errorf("OperationNotPermitted", "User %s cannot delete peering %s, which waits for its answer. Reject it.", caller.Account, p.ID)
		case p.State != cloud.PeeringPending && p.State != cloud.PeeringActive:
			return errPeeringState(*p, "deleted")
		}
		p.State, p.Message, p.Ended, p.EndedBy = cloud.PeeringDeleted, "Deleted by "+caller.Account, s.Now().UTC(), caller.Account
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteVpcPeeringConnectionResult{Return: new(true)}, nil
}

// errPeeringState is the error for what a connection's state does not allow.
func errPeeringState(p cloud.Peering, verb string) error {
	return cloud.Errorf("InvalidStateTransition", "The VPC peering connection '%s' is %s and cannot be %s.", p.ID, p.State, verb)
}

// changePeering changes a connection that the caller has a side of.
func (s *Service) changePeering(ctx context.Context, c cloud.Caller, id *string, change func(*store.Tx, *cloud.Peering) error) (p cloud.Peering, err error) {
	if val(id) == "" {
		return p, missing("vpcPeeringConnectionId")
	}
	if err := checkIDs("pcx", *id); err != nil {
		return p, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		var ok bool
		if p, ok = peeringTable.Get(tx, *id); !ok || !p.Visible(c.Account, s.Now()) {
			return notFound("pcx", *id)
		}
		if err := change(tx, &p); err != nil {
			return err
		}
		return peeringTable.Put(tx, p)
	})
	return p, err
}

// seenPeering finds a connection that the caller has a side of, as it sees it.
func seenPeering(a asking, id string) (cloud.Peering, bool) {
	p, ok := peeringTable.Get(a.r, id)
	return p.As(a.c.Account), ok && p.Visible(a.c.Account, a.Now())
}
