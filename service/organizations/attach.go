package organizations

import (
	"context"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxAttached is how many control policies a root, a unit or an account has at
// most; while they are enabled, it has one at least.
const maxAttached = 5

// AttachPolicy has a policy bound a root, a unit or an account, and all below it,
// from the next request on.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_AttachPolicy.html
func (s *Service) AttachPolicy(ctx context.Context, in *api.AttachPolicyRequest) (*api.AttachPolicyOutput, error) {
	err := s.attachment(ctx, "AttachPolicy", in.PolicyId, in.TargetId, func(tx *store.Tx, t tree, p cloud.ControlPolicy, target string) error {
		switch {
		case !slices.Contains(t.org.PolicyTypes, p.Type):
			return notEnabled(p.Type)
		case slices.Contains(p.Targets, target):
			return cloud.Errorf("DuplicatePolicyAttachmentException", "Policy %s is attached to %s already.", p.ID, target)
		case controlTable.Count(tx, cloud.TargetLabel(target)) >= maxAttached:
			return constraint("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "%s has %d policies of type %s: detach one first.", target, maxAttached, p.Type)
		}
		return controlTable.Modify(tx, p.ID, func(p *cloud.ControlPolicy) error {
			p.Targets = append(p.Targets, target)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &api.AttachPolicyOutput{}, nil
}

// DetachPolicy takes a policy off, unless it is the last one there.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DetachPolicy.html
func (s *Service) DetachPolicy(ctx context.Context, in *api.DetachPolicyRequest) (*api.DetachPolicyOutput, error) {
	err := s.attachment(ctx, "DetachPolicy", in.PolicyId, in.TargetId, func(tx *store.Tx, _ tree, p cloud.ControlPolicy, target string) error {
		switch {
		case !slices.Contains(p.Targets, target):
			return cloud.Errorf("PolicyNotAttachedException", "Policy %s is not attached to %s.", p.ID, target)
		case controlTable.Count(tx, cloud.TargetLabel(target)) == 1:
			return constraint("MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "%s must have one policy of type %s at least: attach another first.", target, p.Type)
		}
		return detach(tx, p.ID, target)
	})
	if err != nil {
		return nil, err
	}
	return &api.DetachPolicyOutput{}, nil
}

// attachment changes what ties a policy to a target.
func (s *Service) attachment(ctx context.Context, action string, policyID, target *string, change func(*store.Tx, tree, cloud.ControlPolicy, string) error) error {
	if err := s.manage(ctx, action, s.typeOf(policyID), policyID, target); err != nil {
		return err
	}
	if err := check("PolicyId", policyID, policyKind); err != nil {
		return err
	}
	if err := check("TargetId", target, targetKinds...); err != nil {
		return err
	}
	return s.update(ctx, func(tx *store.Tx, t tree) error {
		p, ok := controlTable.Get(tx, *policyID)
		if !ok {
			return noPolicy(*policyID)
		}
		if _, ok := t.find(*target); !ok {
			return noTarget(*target)
		}
		return change(tx, t, p, *target)
	})
}

func detach(tx *store.Tx, id, target string) error {
	return controlTable.Modify(tx, id, func(p *cloud.ControlPolicy) error {
		p.Targets = slices.DeleteFunc(p.Targets, func(t string) bool { return t == target })
		return nil
	})
}

// ListTargetsForPolicy lists what a policy is attached to.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListTargetsForPolicy.html
func (s *Service) ListTargetsForPolicy(ctx context.Context, in *api.ListTargetsForPolicyRequest) (*api.ListTargetsForPolicyResponse, error) {
	if err := s.manage(ctx, "ListTargetsForPolicy", s.typeOf(in.PolicyId), in.PolicyId); err != nil {
		return nil, err
	}
	if err := check("PolicyId", in.PolicyId, policyKind); err != nil {
		return nil, err
	}
	page, err := s.page("ListTargetsForPolicy", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	p, ok := controlTable.Get(t, *in.PolicyId)
	if !ok {
		return nil, noPolicy(*in.PolicyId)
	}
	targets, next := cut(page, slices.Values(slices.Sorted(slices.Values(p.Targets))), func(id string) string { return id }, func(id string) api.PolicyTargetSummary {
		e, _ := t.find(id)
		return api.PolicyTargetSummary{TargetId: new(id), Arn: new(t.arn(id)), Name: &e.name, Type: new(string(e.kind))}
	})
	return &api.ListTargetsForPolicyResponse{Targets: targets, NextToken: next}, nil
}

// EnablePolicyType has control policies count again, beginning with FullAWSAccess
// everywhere.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_EnablePolicyType.html
func (s *Service) EnablePolicyType(ctx context.Context, in *api.EnablePolicyTypeRequest) (*api.EnablePolicyTypeResponse, error) {
	root, err := s.switchType(ctx, "EnablePolicyType", in.RootId, in.PolicyType, func(tx *store.Tx, t *tree) error {
		if slices.Contains(t.org.PolicyTypes, *in.PolicyType) {
			return cloud.Errorf("PolicyTypeAlreadyEnabledException", "Policies of type %s are enabled already.", *in.PolicyType)
		}
		t.org.PolicyTypes = append(slices.Clip(t.org.PolicyTypes), *in.PolicyType)
		all := []string{t.org.Root}
		for u := range unitTable.All(tx) {
			all = append(all, u.ID)
		}
		for a := range accountTable.All(tx) {
			all = append(all, a.ID)
		}
		return attachFullAccess(tx, t.org, all...)
	})
	return &api.EnablePolicyTypeResponse{Root: root}, err
}

// DisablePolicyType detaches all control policies, which then bound nobody.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DisablePolicyType.html
func (s *Service) DisablePolicyType(ctx context.Context, in *api.DisablePolicyTypeRequest) (*api.DisablePolicyTypeResponse, error) {
	root, err := s.switchType(ctx, "DisablePolicyType", in.RootId, in.PolicyType, func(tx *store.Tx, t *tree) error {
		if !slices.Contains(t.org.PolicyTypes, *in.PolicyType) {
			return notEnabled(*in.PolicyType)
		}
		t.org.PolicyTypes = slices.DeleteFunc(slices.Clone(t.org.PolicyTypes), func(k string) bool { return k == *in.PolicyType })
		for p := range controlTable.All(tx) {
			p.Targets = nil
			if err := controlTable.Put(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	return &api.DisablePolicyTypeResponse{Root: root}, err
}

// switchType changes which types are enabled, and returns the root.
func (s *Service) switchType(ctx context.Context, action string, root, kind *string, change func(*store.Tx, *tree) error) (out *api.Root, err error) {
	if err := s.manage(ctx, action, typeKeys(val(kind)), root); err != nil {
		return nil, err
	}
	if err := check("RootId", root, rootKind); err != nil {
		return nil, err
	}
	if err := checkType("PolicyType", kind); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx *store.Tx, t tree) error {
		if *root != t.org.Root {
			return cloud.Errorf("RootNotFoundException", "You specified a root that doesn't exist: %s.", *root)
		}
		if err := available(*kind); err != nil {
			return err
		}
		if err := change(tx, &t); err != nil {
			return err
		}
		out = t.root()
		return organizationTable.Put(tx, t.org)
	})
	return out, err
}

func notEnabled(kind string) error {
	return cloud.Errorf("PolicyTypeNotEnabledException", "Policies of type %s are not enabled in the root: enable them with EnablePolicyType.", kind)
}

// DescribeEffectivePolicy tells that there is none: control policies are not
// merged into one, and the types that are do not exist here. A member may ask
// about itself.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeEffectivePolicy.html
func (s *Service) DescribeEffectivePolicy(ctx context.Context, in *api.DescribeEffectivePolicyRequest) (*api.DescribeEffectivePolicyResponse, error) {
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	own := cloud.CallerFrom(ctx).Account
	target := val(in.TargetId)
	if target == "" {
		target = own
	}
	about := t.resource(target)
	if target == own {
		about.Owner = own // what an account may know of itself is its own matter
	}
	if _, err := s.allow(ctx, "DescribeEffectivePolicy", typeKeys(val(in.PolicyType)), about); err != nil {
		return nil, err
	}
	if own != t.org.Management && target != own {
		return nil, denied()
	}
	if err := check("TargetId", &target, accountKind); err != nil {
		return nil, err
	}
	merged := slices.DeleteFunc(slices.Clone(policyTypes), func(k string) bool {
		return k == api.PolicyTypeSERVICECONTROLPOLICY || k == api.PolicyTypeRESOURCECONTROLPOLICY
	})
	switch kind := val(in.PolicyType); {
	case kind == "":
		return nil, required("PolicyType")
	case !slices.Contains(merged, kind):
		return nil, unknown("INVALID_ENUM_POLICY_TYPE", "PolicyType", kind, merged)
	}
	if _, ok := t.find(target); !ok {
		return nil, noTarget(target)
	}
	return nil, cloud.Errorf("EffectivePolicyNotFoundException", "There is no effective policy of type %s: policies of this type are not enabled.", *in.PolicyType)
}
