package organizations

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// controlPolicies is the only type of policy that the cloud has.
const controlPolicies = cloud.ControlPolicies

// The limits of control policies:
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
const (
	maxPolicies    = 10_000
	maxDocument    = 5120 // characters
	maxDescription = 512  // characters
)

// policyTypes are those that the API knows.
var policyTypes = []string{
	api.PolicyTypeSERVICECONTROLPOLICY, api.PolicyTypeRESOURCECONTROLPOLICY, api.PolicyTypeTAGPOLICY, api.PolicyTypeBACKUPPOLICY,
	api.PolicyTypeAISERVICESOPTOUTPOLICY, api.PolicyTypeCHATBOTPOLICY, api.PolicyTypeDECLARATIVEPOLICYEC2, api.PolicyTypeSECURITYHUBPOLICY,
	api.PolicyTypeINSPECTORPOLICY, api.PolicyTypeUPGRADEROLLOUTPOLICY, api.PolicyTypeBEDROCKPOLICY, api.PolicyTypeS3POLICY,
	api.PolicyTypeNETWORKSECURITYDIRECTORPOLICY, api.PolicyTypeGUARDDUTYPOLICY,
}

// checkType refuses what is no type of policy.
func checkType(parameter string, value *string) error {
	switch {
	case val(value) == "":
		return required(parameter)
	case !slices.Contains(policyTypes, *value):
		return unknown("INVALID_ENUM_POLICY_TYPE", parameter, *value, policyTypes)
	}
	return nil
}

// available refuses types of policies that the cloud does not have.
func available(kind string) error {
	if kind == controlPolicies {
		return nil
	}
	return cloud.Errorf("PolicyTypeNotAvailableForOrganizationException", "Policies of type %s are not available: use %s.", kind, controlPolicies)
}

// typeKeys are the condition keys of an operation on a type of policy.
func typeKeys(kind string) keys {
	if kind == "" {
		return nil
	}
	return keys{"organizations:PolicyType": {kind}}
}

// typeOf are the condition keys of an operation on a policy.
func (s *Service) typeOf(id *string) keys {
	p, _ := controlTable.Get(s.Directory.DB.View(), val(id))
	return typeKeys(p.Type)
}

// CreatePolicy keeps a control policy, which does nothing until it is attached.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreatePolicy.html
func (s *Service) CreatePolicy(ctx context.Context, in *api.CreatePolicyRequest) (*api.CreatePolicyResponse, error) {
	k := tagKeys(in.Tags)
	maps.Copy(k, typeKeys(val(in.Type)))
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	if err := s.manageAbout(ctx, t, "CreatePolicy", k, t.newPolicy(val(in.Type))); err != nil {
		return nil, err
	}
	if err := checkType("Type", in.Type); err != nil {
		return nil, err
	}
	if err := available(*in.Type); err != nil {
		return nil, err
	}
	if in.Description == nil {
		return nil, required("Description")
	}
	p := cloud.ControlPolicy{Type: *in.Type, Name: val(in.Name), Description: *in.Description, Document: val(in.Content), Created: s.Directory.Now().UTC()}
	if err := checkPolicy(p); err != nil {
		return nil, err
	}
	if p.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var out *api.Policy
	err = s.update(ctx, func(tx *store.Tx, t tree) error {
		p.ID = t.newPolicyID()
		if err := t.freePolicyName(p); err != nil {
			return err
		}
		if controlTable.Count(tx, "") >= maxPolicies {
			return constraint("POLICY_NUMBER_LIMIT_EXCEEDED", "An organization has at most %d policies of a type.", maxPolicies)
		}
		out = t.showPolicy(p)
		return controlTable.Create(tx, p)
	})
	return &api.CreatePolicyResponse{Policy: out}, err
}

// checkPolicy refuses names, descriptions and documents that no policy can have.
func checkPolicy(p cloud.ControlPolicy) error {
	if err := checkName(&p.Name); err != nil {
		return err
	}
	switch {
	case utf8.RuneCountInString(p.Description) > maxDescription:
		return invalid("MAX_LENGTH_EXCEEDED", "A description has at most %d characters.", maxDescription)
	case p.Document == "":
		return required("Content")
	case utf8.RuneCountInString(p.Document) > maxDocument:
		return constraint("POLICY_CONTENT_LIMIT_EXCEEDED", "A policy of type %s has at most %d characters: this one has %d.", p.Type, maxDocument, utf8.RuneCountInString(p.Document))
	}
	if _, err := policy.Parse(p.Document, policy.ServiceControlPolicy); err != nil {
		return cloud.Errorf("MalformedPolicyDocumentException", "The provided policy document does not meet the requirements of the specified policy type: %v.", err)
	}
	return nil
}

// freePolicyName refuses a name that another policy of the type has.
func (t tree) freePolicyName(p cloud.ControlPolicy) error {
	for other := range controlTable.All(t) {
		if other.Name == p.Name && other.Type == p.Type && other.ID != p.ID {
			return cloud.Errorf("DuplicatePolicyException", "A policy of type %s is named %q already: %s.", p.Type, p.Name, other.ID)
		}
	}
	return nil
}

func (t tree) newPolicyID() string {
	for {
		id := "p-" + cloud.LowerID(8)
		if _, taken := t.find(id); !taken {
			return id
		}
	}
}

// DescribePolicy returns a policy with its document.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribePolicy.html
func (s *Service) DescribePolicy(ctx context.Context, in *api.DescribePolicyRequest) (*api.DescribePolicyResponse, error) {
	if err := s.manage(ctx, "DescribePolicy", s.typeOf(in.PolicyId), in.PolicyId); err != nil {
		return nil, err
	}
	if err := check("PolicyId", in.PolicyId, policyKind); err != nil {
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
	return &api.DescribePolicyResponse{Policy: t.showPolicy(p)}, nil
}

// UpdatePolicy changes what is given of a policy. The new document counts from the
// next request on, wherever the policy is attached.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_UpdatePolicy.html
func (s *Service) UpdatePolicy(ctx context.Context, in *api.UpdatePolicyRequest) (*api.UpdatePolicyResponse, error) {
	if err := s.manage(ctx, "UpdatePolicy", s.typeOf(in.PolicyId), in.PolicyId); err != nil {
		return nil, err
	}
	if err := check("PolicyId", in.PolicyId, policyKind); err != nil {
		return nil, err
	}
	var out *api.Policy
	err := s.update(ctx, func(tx *store.Tx, t tree) error {
		p, err := t.changeable(*in.PolicyId)
		if err != nil {
			return err
		}
		for to, from := range map[*string]*string{&p.Name: in.Name, &p.Description: in.Description, &p.Document: in.Content} {
			if from != nil {
				*to = *from
			}
		}
		if err := checkPolicy(p); err != nil {
			return err
		}
		if err := t.freePolicyName(p); err != nil {
			return err
		}
		out = t.showPolicy(p)
		return controlTable.Put(tx, p)
	})
	return &api.UpdatePolicyResponse{Policy: out}, err
}

// DeletePolicy deletes a policy that is attached to nothing.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeletePolicy.html
func (s *Service) DeletePolicy(ctx context.Context, in *api.DeletePolicyRequest) (*api.DeletePolicyOutput, error) {
	if err := s.manage(ctx, "DeletePolicy", s.typeOf(in.PolicyId), in.PolicyId); err != nil {
		return nil, err
	}
	if err := check("PolicyId", in.PolicyId, policyKind); err != nil {
		return nil, err
	}
	err := s.update(ctx, func(tx *store.Tx, t tree) error {
		p, err := t.changeable(*in.PolicyId)
		if err != nil {
			return err
		}
		if len(p.Targets) > 0 {
			return cloud.Errorf("PolicyInUseException", "Policy %s is attached to %d entities: detach it from each first, see ListTargetsForPolicy.", p.ID, len(p.Targets))
		}
		return controlTable.Delete(tx, p.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeletePolicyOutput{}, nil
}

// changeable returns a policy that is not the cloud's own.
func (t tree) changeable(id string) (cloud.ControlPolicy, error) {
	p, ok := controlTable.Get(t, id)
	switch {
	case !ok:
		return p, noPolicy(id)
	case p.Fixed:
		return p, invalid("IMMUTABLE_POLICY", "Policy %s comes with the cloud, and can be neither changed nor deleted.", id)
	}
	return p, nil
}

// ListPolicies lists the policies of a type.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPolicies.html
func (s *Service) ListPolicies(ctx context.Context, in *api.ListPoliciesRequest) (*api.ListPoliciesResponse, error) {
	if err := s.manage(ctx, "ListPolicies", typeKeys(val(in.Filter))); err != nil {
		return nil, err
	}
	list, next, err := s.listPolicies("ListPolicies", in.Filter, in.MaxResults, in.NextToken, "")
	return &api.ListPoliciesResponse{Policies: list, NextToken: next}, err
}

// ListPoliciesForTarget lists the policies of a type that are attached to a root,
// a unit or an account itself.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListPoliciesForTarget.html
func (s *Service) ListPoliciesForTarget(ctx context.Context, in *api.ListPoliciesForTargetRequest) (*api.ListPoliciesForTargetResponse, error) {
	if err := s.manage(ctx, "ListPoliciesForTarget", typeKeys(val(in.Filter)), in.TargetId); err != nil {
		return nil, err
	}
	if err := check("TargetId", in.TargetId, targetKinds...); err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	if _, ok := t.find(*in.TargetId); !ok {
		return nil, noTarget(*in.TargetId)
	}
	list, next, err := s.listPolicies("ListPoliciesForTarget", in.Filter, in.MaxResults, in.NextToken, cloud.TargetLabel(*in.TargetId))
	return &api.ListPoliciesForTargetResponse{Policies: list, NextToken: next}, err
}

func (s *Service) listPolicies(operation string, kind *string, maxResults *int32, token *string, label string) ([]api.PolicySummary, *string, error) {
	if err := checkType("Filter", kind); err != nil {
		return nil, nil, err
	}
	p, err := s.page(operation, maxResults, token)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, nil, err
	}
	list, next := cut(p, where(controlTable.Select(t, label), func(c cloud.ControlPolicy) bool { return c.Type == *kind }),
		cloud.ControlPolicy.Key, func(c cloud.ControlPolicy) api.PolicySummary { return *t.showPolicy(c).PolicySummary })
	return list, next, nil
}

func (t tree) showPolicy(p cloud.ControlPolicy) *api.Policy {
	return &api.Policy{Content: &p.Document, PolicySummary: &api.PolicySummary{
		Id: &p.ID, Arn: new(t.arn(p.ID)), Name: &p.Name, Description: &p.Description, Type: &p.Type, AwsManaged: &p.Fixed,
	}}
}
