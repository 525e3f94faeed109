package organizations

import (
	"context"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
)

// rootName is the name that AWS gives every root.
const rootName = "Root"

// DescribeOrganization tells any account about its organization.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
func (s *Service) DescribeOrganization(ctx context.Context, _ *api.DescribeOrganizationInput) (*api.DescribeOrganizationResponse, error) {
	if _, err := s.allow(ctx, "DescribeOrganization", nil); err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	management, _ := accountTable.Get(t, t.org.Management)
	return &api.DescribeOrganizationResponse{Organization: &api.Organization{
		Id: &t.org.ID, Arn: new(t.place.GlobalARN("organizations", t.org.Management, "organization/"+t.org.ID)),
		FeatureSet:      new(api.OrganizationFeatureSetALL),
		MasterAccountId: &t.org.Management, MasterAccountArn: new(t.arn(t.org.Management)), MasterAccountEmail: opt(management.Email),
		AvailablePolicyTypes: []api.PolicyTypeSummary{{Type: new(controlPolicies), Status: new(api.PolicyTypeStatusENABLED)}},
	}}, nil
}

// ListRoots returns the one root, and the types of policies that are enabled in it.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListRoots.html
func (s *Service) ListRoots(ctx context.Context, in *api.ListRootsRequest) (*api.ListRootsResponse, error) {
	if err := s.manage(ctx, "ListRoots", nil); err != nil {
		return nil, err
	}
	p, err := s.page("ListRoots", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	roots, next := cut(p, slices.Values([]string{t.org.Root}), func(id string) string { return id }, func(string) api.Root { return *t.root() })
	return &api.ListRootsResponse{Roots: roots, NextToken: next}, nil
}

func (t tree) root() *api.Root {
	r := &api.Root{Id: &t.org.Root, Arn: new(t.arn(t.org.Root)), Name: new(rootName), PolicyTypes: []api.PolicyTypeSummary{}}
	for _, kind := range t.org.PolicyTypes {
		r.PolicyTypes = append(r.PolicyTypes, api.PolicyTypeSummary{Type: new(kind), Status: new(api.PolicyTypeStatusENABLED)})
	}
	return r
}

// CreateOrganization always fails: every account is in the cloud's organization
// from its first moment on.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganization.html
func (s *Service) CreateOrganization(ctx context.Context, _ *api.CreateOrganizationRequest) (*api.CreateOrganizationResponse, error) {
	if _, err := s.allow(ctx, "CreateOrganization", nil); err != nil {
		return nil, err
	}
	return nil, cloud.Errorf("AlreadyInOrganizationException", "This account is already a member of an organization: a cloud is one.")
}

// LeaveOrganization always fails, as RemoveAccountFromOrganization does: outside
// of its organization a cloud has no accounts.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_LeaveOrganization.html
func (s *Service) LeaveOrganization(ctx context.Context, _ *api.LeaveOrganizationInput) (*api.LeaveOrganizationOutput, error) {
	caller, err := s.allow(ctx, "LeaveOrganization", nil)
	if err != nil {
		return nil, err
	}
	return nil, s.stays(caller.Account)
}

// RemoveAccountFromOrganization always fails; close an account instead.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_RemoveAccountFromOrganization.html
func (s *Service) RemoveAccountFromOrganization(ctx context.Context, in *api.RemoveAccountFromOrganizationRequest) (*api.RemoveAccountFromOrganizationOutput, error) {
	if err := s.manage(ctx, "RemoveAccountFromOrganization", nil, in.AccountId); err != nil {
		return nil, err
	}
	if err := check("AccountId", in.AccountId, accountKind); err != nil {
		return nil, err
	}
	return nil, s.stays(*in.AccountId)
}

// stays is why an account stays in the organization.
func (s *Service) stays(id string) error {
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return err
	}
	if id == t.org.Management {
		return cloud.Errorf("MasterCannotLeaveOrganizationException", "The management account can't leave or be removed from its organization.")
	}
	if _, ok := t.find(id); !ok {
		return noAccount(id)
	}
	return constraint("ACCOUNT_CANNOT_LEAVE_ORGANIZATION", "A cloud is one organization, and no account can be outside of it. Close the account with CloseAccount instead.")
}

// ListAWSServiceAccessForOrganization lists the services that may act in all
// accounts: none, since the cloud has no way to let one in. Terraform asks.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAWSServiceAccessForOrganization.html
func (s *Service) ListAWSServiceAccessForOrganization(ctx context.Context, in *api.ListAWSServiceAccessForOrganizationRequest) (*api.ListAWSServiceAccessForOrganizationResponse, error) {
	if err := s.manage(ctx, "ListAWSServiceAccessForOrganization", nil); err != nil {
		return nil, err
	}
	if _, err := s.page("ListAWSServiceAccessForOrganization", in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return &api.ListAWSServiceAccessForOrganizationResponse{EnabledServicePrincipals: []api.EnabledServicePrincipal{}}, nil
}
