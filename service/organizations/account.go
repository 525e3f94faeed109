package organizations

import (
	"context"
	"iter"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeAccount tells the management account about an account.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeAccount.html
func (s *Service) DescribeAccount(ctx context.Context, in *api.DescribeAccountRequest) (*api.DescribeAccountResponse, error) {
	if err := s.manage(ctx, "DescribeAccount", nil, in.AccountId); err != nil {
		return nil, err
	}
	if err := check("AccountId", in.AccountId, accountKind); err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	a, ok := accountTable.Get(t, *in.AccountId)
	if !ok {
		return nil, noAccount(*in.AccountId)
	}
	return &api.DescribeAccountResponse{Account: new(t.show(a))}, nil
}

// ListAccounts lists all accounts, closed ones too.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
func (s *Service) ListAccounts(ctx context.Context, in *api.ListAccountsRequest) (*api.ListAccountsResponse, error) {
	if err := s.manage(ctx, "ListAccounts", nil); err != nil {
		return nil, err
	}
	accounts, next, err := s.listAccounts("ListAccounts", in.MaxResults, in.NextToken, "")
	return &api.ListAccountsResponse{Accounts: accounts, NextToken: next}, err
}

// ListAccountsForParent lists the accounts directly below a root or a unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html
func (s *Service) ListAccountsForParent(ctx context.Context, in *api.ListAccountsForParentRequest) (*api.ListAccountsForParentResponse, error) {
	if err := s.manage(ctx, "ListAccountsForParent", nil, in.ParentId); err != nil {
		return nil, err
	}
	if err := s.parent(in.ParentId); err != nil {
		return nil, err
	}
	accounts, next, err := s.listAccounts("ListAccountsForParent", in.MaxResults, in.NextToken, *in.ParentId)
	return &api.ListAccountsForParentResponse{Accounts: accounts, NextToken: next}, err
}

// parent refuses what is not a root or a unit that exists.
func (s *Service) parent(id *string) error {
	if err := check("ParentId", id, parentKinds...); err != nil {
		return err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return err
	}
	if _, ok := t.find(*id); !ok {
		return noParent(*id)
	}
	return nil
}

// listAccounts returns a page of the accounts below a parent, of all if it is empty.
func (s *Service) listAccounts(operation string, maxResults *int32, token *string, parent string) ([]api.Account, *string, error) {
	p, err := s.page(operation, maxResults, token)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, nil, err
	}
	accounts, next := cut(p, t.accountsBelow(parent), cloud.Account.Key, t.show)
	return accounts, next, nil
}

func (t tree) accountsBelow(parent string) iter.Seq[cloud.Account] {
	if parent == "" {
		return accountTable.All(t)
	}
	return accountTable.Select(t, cloud.ParentLabel(parent))
}

// show is an account as the API shows it: Status is the older, coarser word.
func (t tree) show(a cloud.Account) api.Account {
	out := api.Account{
		Id: &a.ID, Arn: new(t.arn(a.ID)), Name: &a.Name, Email: opt(a.Email),
		JoinedMethod: new(api.AccountJoinedMethodCREATED), JoinedTimestamp: &a.Created, Paths: []string{t.path(a.ID)},
		Status: new(api.AccountStatusACTIVE), State: new(api.AccountStateACTIVE),
	}
	if a.State != cloud.AccountActive {
		out.Status, out.State = new(api.AccountStatusSUSPENDED), new(string(a.State))
	}
	if a.ID == t.org.Management {
		out.JoinedMethod = new(api.AccountJoinedMethodINVITED)
	}
	return out
}

// CloseAccount suspends an account for ever, and has its guests stopped. Nothing
// of it is deleted.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CloseAccount.html
func (s *Service) CloseAccount(ctx context.Context, in *api.CloseAccountRequest) (*api.CloseAccountOutput, error) {
	if err := s.manage(ctx, "CloseAccount", nil, in.AccountId); err != nil {
		return nil, err
	}
	if err := check("AccountId", in.AccountId, accountKind); err != nil {
		return nil, err
	}
	err := s.update(ctx, func(tx *store.Tx, _ tree) error { return s.accounts().Close(tx, *in.AccountId) })
	if err != nil {
		return nil, err
	}
	return &api.CloseAccountOutput{}, nil
}

// MoveAccount moves an account to another root or unit. The control policies of
// its new place count from the next request on.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_MoveAccount.html
func (s *Service) MoveAccount(ctx context.Context, in *api.MoveAccountRequest) (*api.MoveAccountOutput, error) {
	if err := s.manage(ctx, "MoveAccount", nil, in.AccountId, in.SourceParentId, in.DestinationParentId); err != nil {
		return nil, err
	}
	if err := check("AccountId", in.AccountId, accountKind); err != nil {
		return nil, err
	}
	if err := check("SourceParentId", in.SourceParentId, parentKinds...); err != nil {
		return nil, err
	}
	if err := check("DestinationParentId", in.DestinationParentId, parentKinds...); err != nil {
		return nil, err
	}
	err := s.update(ctx, func(tx *store.Tx, t tree) error {
		a, ok := accountTable.Get(tx, *in.AccountId)
		if !ok {
			return noAccount(*in.AccountId)
		}
		if _, ok := t.find(*in.DestinationParentId); !ok {
			return cloud.Errorf("DestinationParentNotFoundException", "You specified a destination that doesn't exist: %s.", *in.DestinationParentId)
		}
		switch {
		case a.Parent == *in.DestinationParentId:
			return cloud.Errorf("DuplicateAccountException", "Account %s is in %s already.", a.ID, a.Parent)
		case a.Parent != *in.SourceParentId:
			return cloud.Errorf("SourceParentNotFoundException", "Account %s is not in %s: look its parent up with ListParents.", a.ID, *in.SourceParentId)
		}
		a.Parent = *in.DestinationParentId
		return accountTable.Put(tx, a)
	})
	if err != nil {
		return nil, err
	}
	return &api.MoveAccountOutput{}, nil
}
