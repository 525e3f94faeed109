package iam

import (
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
)

// exclude takes policies out of a simulation: one by its ARN, an inline one by its
// name and whose it is, or all of a type.
func exclude(p *policy.Policies, list []api.PolicyIdentifier) error {
	for _, id := range list {
		match, err := matcher(id)
		if err != nil {
			return err
		}
		p.Identity = slices.DeleteFunc(p.Identity, match)
		for i := range p.SCP {
			p.SCP[i] = slices.DeleteFunc(p.SCP[i], match)
		}
		if val(id.PolicyType) == api.PolicyIdentifierPolicyTypeScp {
			p.SCP = nil // no level is left to allow anything
		}
		if p.Boundary != nil && match(*p.Boundary) {
			p.Boundary = nil
		}
	}
	return nil
}

// matcher recognises what an identifier names; it must name exactly one thing.
func matcher(id api.PolicyIdentifier) (func(policy.Source) bool, error) {
	switch {
	case id.PolicyArn != nil && id.InlinePolicyIdentifier == nil && id.PolicyType == nil:
		return func(s policy.Source) bool {
			return s.Name == *id.PolicyArn || s.Kind == policy.ServiceControlPolicy && strings.HasSuffix(*id.PolicyArn, "/"+sourceID(s.Name))
		}, nil
	case id.PolicyArn == nil && id.InlinePolicyIdentifier != nil && id.PolicyType == nil:
		i := id.InlinePolicyIdentifier
		return func(s policy.Source) bool {
			name, kind, owner, ok := identity.InlineName(s.Name)
			return ok && name == val(i.PolicyName) && kind == val(i.AttachmentType) && owner == val(i.AttachmentName)
		}, nil
	case id.PolicyArn == nil && id.InlinePolicyIdentifier == nil && id.PolicyType != nil:
		match, ok := policyTypes[*id.PolicyType]
		if !ok {
			return nil, constraint("policyExclusionList.member.policyType", *id.PolicyType, "Member must satisfy enum value set: [aws-managed, inline, permission-boundary, rcp, scp, user-managed]")
		}
		return match, nil
	}
	return nil, invalidInput("Each member of PolicyExclusionList must have exactly one of InlinePolicyIdentifier, PolicyArn and PolicyType.")
}

// policyTypes recognise the policies of a type. There are no resource control
// policies.
var policyTypes = map[string]func(policy.Source) bool{
	api.PolicyIdentifierPolicyTypeAwsManaged: func(s policy.Source) bool {
		return s.Kind == policy.IdentityPolicy && strings.HasPrefix(s.Name, "arn:aws:iam::aws:policy/")
	},
	api.PolicyIdentifierPolicyTypeUserManaged: func(s policy.Source) bool {
		return s.Kind == policy.IdentityPolicy && strings.HasPrefix(s.Name, "arn:") && !strings.HasPrefix(s.Name, "arn:aws:iam::aws:policy/")
	},
	api.PolicyIdentifierPolicyTypeInline: func(s policy.Source) bool {
		_, _, _, ok := identity.InlineName(s.Name)
		return ok
	},
	api.PolicyIdentifierPolicyTypePermissionBoundary: func(s policy.Source) bool { return s.Kind == policy.BoundaryPolicy },
	api.PolicyIdentifierPolicyTypeScp:                func(s policy.Source) bool { return s.Kind == policy.ServiceControlPolicy },
	api.PolicyIdentifierPolicyTypeRcp:                func(policy.Source) bool { return false },
}
