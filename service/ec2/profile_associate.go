package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AssociateIamInstanceProfile gives an instance that runs or is stopped the role
// of an instance profile. It may have one profile at a time.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateIamInstanceProfile.html
func (s *Service) AssociateIamInstanceProfile(ctx context.Context, in *ec2.AssociateIamInstanceProfileRequest) (*ec2.AssociateIamInstanceProfileResult, error) {
	var out ec2.IamInstanceProfileAssociation
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		a := asking{s, tx, cloud.CallerFrom(ctx)}
		profile, err := a.giveProfile(ctx, "AssociateIamInstanceProfile", aboutInstance.of(a, val(in.InstanceId)), in.IamInstanceProfile)
		if err != nil {
			return err
		}
		i, err := get(tx, a.c, instanceTable, "i", val(in.InstanceId))
		if err != nil {
			return err
		}
		switch state := i.State(); {
		case state != cloud.InstanceRunning && state != cloud.InstanceStopped:
			return cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'running' or 'stopped' states.", i.ID)
		case i.Profile != nil:
			return cloud.Errorf("IncorrectState", "There is an existing association for instance %s", i.ID)
		}
		i.Profile = s.newAssociation(profile)
		out = showAssociation(i, ec2.IamInstanceProfileAssociationStateAssociating)
		return instanceTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateIamInstanceProfileResult{IamInstanceProfileAssociation: &out}, nil
}

// ReplaceIamInstanceProfileAssociation gives an instance another instance
// profile than it has. The association gets a new ID.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html
func (s *Service) ReplaceIamInstanceProfileAssociation(ctx context.Context, in *ec2.ReplaceIamInstanceProfileAssociationRequest) (*ec2.ReplaceIamInstanceProfileAssociationResult, error) {
	var out ec2.IamInstanceProfileAssociation
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		a := asking{s, tx, cloud.CallerFrom(ctx)}
		i, found := a.profiled(val(in.AssociationId))
		profile, err := a.giveProfile(ctx, "ReplaceIamInstanceProfileAssociation", aboutInstance.of(a, i.ID), in.IamInstanceProfile)
		switch {
		case err != nil:
			return err
		case !found:
			return noAssociation(in.AssociationId)
		}
		i.Profile = s.newAssociation(profile)
		out = showAssociation(i, ec2.IamInstanceProfileAssociationStateAssociating)
		return instanceTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ReplaceIamInstanceProfileAssociationResult{IamInstanceProfileAssociation: &out}, nil
}

// DisassociateIamInstanceProfile takes the instance profile away from an
// instance. Credentials that its guest has already stay good until they expire.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateIamInstanceProfile.html
func (s *Service) DisassociateIamInstanceProfile(ctx context.Context, in *ec2.DisassociateIamInstanceProfileRequest) (*ec2.DisassociateIamInstanceProfileResult, error) {
	var out ec2.IamInstanceProfileAssociation
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		a := asking{s, tx, cloud.CallerFrom(ctx)}
		i, found := a.profiled(val(in.AssociationId))
		if _, err := s.ask(ctx, "DisassociateIamInstanceProfile", aboutInstance.of(a, i.ID)); err != nil {
			return err
		}
		if !found {
			return noAssociation(in.AssociationId)
		}
		out = showAssociation(i, ec2.IamInstanceProfileAssociationStateDisassociating)
		i.Profile = nil
		return instanceTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisassociateIamInstanceProfileResult{IamInstanceProfileAssociation: &out}, nil
}

// DescribeIamInstanceProfileAssociations lists which of the caller's instances
// have instance profiles. All are associated: what takes its time on AWS is done
// here when it is answered. Pages are cut by instance IDs.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeIamInstanceProfileAssociations.html
func (s *Service) DescribeIamInstanceProfileAssociations(ctx context.Context, in *ec2.DescribeIamInstanceProfileAssociationsRequest) (*ec2.DescribeIamInstanceProfileAssociationsResult, error) {
	caller, err := s.allow(ctx, "DescribeIamInstanceProfileAssociations", nil)
	if err != nil {
		return nil, err
	}
	const state = ec2.IamInstanceProfileAssociationStateAssociated
	p, err := s.page(caller, "DescribeIamInstanceProfileAssociations", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, fields[cloud.Instance]{
		"instance-id": one(cloud.Instance.Key),
		"state":       one(fixed[cloud.Instance](state)),
	}, nil)
	if err != nil {
		return nil, err
	}
	all := where(instanceTable.From(s.DB.View(), cloud.AccountLabel(caller.Account), p.after), hasProfile)
	if len(in.AssociationIds) > 0 {
		named := slices.Collect(where(all, func(i cloud.Instance) bool { return slices.Contains(in.AssociationIds, i.Profile.ID) }))
		for _, id := range in.AssociationIds {
			if p.after == "" && !slices.ContainsFunc(named, func(i cloud.Instance) bool { return i.Profile.ID == id }) {
				return nil, noAssociation(&id)
			}
		}
		all = slices.Values(named)
	}
	found, next := cut(p, where(all, keep), cloud.Instance.Key)
	out := each(found, func(i cloud.Instance) ec2.IamInstanceProfileAssociation { return showAssociation(i, state) })
	return &ec2.DescribeIamInstanceProfileAssociationsResult{IamInstanceProfileAssociations: out, NextToken: next}, nil
}

// giveProfile asks whether the caller may give the instance an instance profile
// with its role, and returns the profile.
func (a asking) giveProfile(ctx context.Context, action string, instance subject, spec *ec2.IamInstanceProfileSpecification) (p profileRef, err error) {
	refused := missing("IamInstanceProfile")
	if spec != nil {
		p, refused = findProfile(a, spec)
	}
	if _, err := a.ask(ctx, action, instance.with(facts{"NewInstanceProfile": p.arn})); err != nil {
		return p, err
	}
	if refused != nil {
		return p, refused
	}
	return p, p.pass(ctx, a, instance.ARN)
}

func (s *Service) newAssociation(p profileRef) *cloud.ProfileAssociation {
	return &cloud.ProfileAssociation{ID: s.NewID("iip-assoc"), Profile: p.ID, ARN: p.arn, Since: s.Now().UTC()}
}

// profiled finds the caller's instance with that association.
func (a asking) profiled(association string) (cloud.Instance, bool) {
	for i := range instanceTable.Select(a.r, "association/"+association) {
		if i.Account == a.c.Account && hasProfile(i) {
			return i, true
		}
	}
	return cloud.Instance{}, false
}

// hasProfile reports whether an instance has a profile. Termination ends that.
func hasProfile(i cloud.Instance) bool { return i.Profile != nil && i.Want != cloud.PowerTerminated }

func noAssociation(id *string) error {
	if val(id) == "" {
		return missing("AssociationId")
	}
	return cloud.Errorf("InvalidAssociationID.NotFound", "An invalid association-id of '%s' was given", *id)
}

func showAssociation(i cloud.Instance, state string) ec2.IamInstanceProfileAssociation {
	return ec2.IamInstanceProfileAssociation{
		AssociationId: &i.Profile.ID, InstanceId: &i.ID, State: &state, Timestamp: &i.Profile.Since, IamInstanceProfile: showProfile(i),
	}
}

// showProfile is the instance profile of an instance, as it was when it was given;
// nil if there is none, or the instance is terminated.
func showProfile(i cloud.Instance) *ec2.IamInstanceProfile {
	if i.Profile == nil || !i.Released.IsZero() {
		return nil
	}
	return &ec2.IamInstanceProfile{Arn: &i.Profile.ARN, Id: &i.Profile.Profile}
}
