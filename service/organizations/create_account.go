package organizations

import (
	"context"
	"regexp"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateAccount makes an account. It may be used at once; the request has
// succeeded when the account has its default network, see
// DescribeCreateAccountStatus.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html
func (s *Service) CreateAccount(ctx context.Context, in *api.CreateAccountRequest) (*api.CreateAccountResponse, error) {
	if err := s.manage(ctx, "CreateAccount", tagKeys(in.Tags)); err != nil {
		return nil, err
	}
	n := NewAccount{Name: val(in.AccountName), Email: val(in.Email), Role: val(in.RoleName)}
	if err := n.Check(); err != nil {
		return nil, err
	}
	switch billing := val(in.IamUserAccessToBilling); billing {
	case "", api.IAMUserAccessToBillingALLOW:
	case api.IAMUserAccessToBillingDENY:
		return nil, invalid("INVALID_ENUM", "IamUserAccessToBilling cannot be DENY: deny the actions of billing with a control policy instead.")
	default:
		return nil, unknown("INVALID_ENUM", "IamUserAccessToBilling", billing, []string{api.IAMUserAccessToBillingALLOW})
	}
	var err error
	if n.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	var r cloud.AccountRequest
	err = s.update(ctx, func(tx *store.Tx, _ tree) (err error) {
		r, err = s.accounts().Create(tx, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateAccountResponse{CreateAccountStatus: new(showRequest(r))}, nil
}

var requestForm = regexp.MustCompile(`^car-[a-z0-9]{8,32}$`)

// DescribeCreateAccountStatus tells what became of a CreateAccount.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeCreateAccountStatus.html
func (s *Service) DescribeCreateAccountStatus(ctx context.Context, in *api.DescribeCreateAccountStatusRequest) (*api.DescribeCreateAccountStatusResponse, error) {
	if err := s.manage(ctx, "DescribeCreateAccountStatus", nil); err != nil {
		return nil, err
	}
	switch id := val(in.CreateAccountRequestId); {
	case id == "":
		return nil, required("CreateAccountRequestId")
	case !requestForm.MatchString(id):
		return nil, mismatch("CreateAccountRequestId", `"car-" and 8 to 32 lower-case letters or digits`)
	}
	r, ok := requestTable.Get(s.Directory.DB.View(), *in.CreateAccountRequestId)
	if !ok {
		return nil, cloud.Errorf("CreateAccountStatusNotFoundException", "There is no request %s to create an account.", *in.CreateAccountRequestId)
	}
	return &api.DescribeCreateAccountStatusResponse{CreateAccountStatus: new(showRequest(r))}, nil
}

// ListCreateAccountStatus lists the requests to create accounts, of the given
// states or of all.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListCreateAccountStatus.html
func (s *Service) ListCreateAccountStatus(ctx context.Context, in *api.ListCreateAccountStatusRequest) (*api.ListCreateAccountStatusResponse, error) {
	if err := s.manage(ctx, "ListCreateAccountStatus", nil); err != nil {
		return nil, err
	}
	valid := []string{api.CreateAccountStateINPROGRESS, api.CreateAccountStateSUCCEEDED, api.CreateAccountStateFAILED}
	for _, state := range in.States {
		if !slices.Contains(valid, state) {
			return nil, unknown("INVALID_ENUM", "States", state, valid)
		}
	}
	p, err := s.page("ListCreateAccountStatus", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	asked := where(requestTable.All(s.Directory.DB.View()), func(r cloud.AccountRequest) bool {
		return len(in.States) == 0 || slices.Contains(in.States, requestState(r))
	})
	list, next := cut(p, asked, cloud.AccountRequest.Key, showRequest)
	return &api.ListCreateAccountStatusResponse{CreateAccountStatuses: list, NextToken: next}, nil
}

func requestState(r cloud.AccountRequest) string {
	switch {
	case r.Failure != "":
		return api.CreateAccountStateFAILED
	case r.Completed.IsZero():
		return api.CreateAccountStateINPROGRESS
	}
	return api.CreateAccountStateSUCCEEDED
}

func showRequest(r cloud.AccountRequest) api.CreateAccountStatus {
	out := api.CreateAccountStatus{
		Id: &r.ID, AccountName: &r.Name, AccountId: opt(r.Account), FailureReason: opt(r.Failure),
		State: new(requestState(r)), RequestedTimestamp: &r.Requested,
	}
	if !r.Completed.IsZero() {
		out.CompletedTimestamp = &r.Completed
	}
	return out
}
