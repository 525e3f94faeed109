package iam

import (
	"context"
	"errors"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The form of account aliases:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccountAlias.html
const (
	leastAlias   = 3
	maxAlias     = 63
	aliasPattern = `^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`
)

// CreateAccountAlias gives the account a name that no other has, in the place of
// the one it may have had.
func (s *Service) CreateAccountAlias(ctx context.Context, in *api.CreateAccountAliasRequest) (*api.CreateAccountAliasOutput, error) {
	c, err := s.allow(ctx, "CreateAccountAlias", nil)
	if err != nil {
		return nil, err
	}
	alias := val(in.AccountAlias)
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if err := tx.Claim(cloud.AccountAliases, alias, c.Account); err != nil {
			return err
		}
		return accountTable.Modify(tx, c.Account, func(a *cloud.Account) error {
			if a.Alias != "" && a.Alias != alias {
				tx.Release(cloud.AccountAliases, a.Alias)
			}
			a.Alias = alias
			return nil
		})
	})
	if _, taken := errors.AsType[*store.ClaimedError](err); taken {
		err = cloud.Errorf("EntityAlreadyExists", "The account alias %s already exists.", alias)
	}
	return done[api.CreateAccountAliasOutput](err)
}

// checkAlias refuses what cannot be an alias. The number of an account is none: it
// would be taken for that account.
func checkAlias(alias string) error {
	if err := checkLength("accountAlias", alias, leastAlias, maxAlias); err != nil {
		return err
	}
	other := strings.ContainsFunc(alias, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' })
	if other || alias[0] == '-' || strings.HasSuffix(alias, "-") || strings.Contains(alias, "--") {
		return constraint("accountAlias", alias, "%s", mustMatch(aliasPattern))
	}
	if len(alias) == 12 && strings.Trim(alias, "0123456789") == "" {
		return invalidInput("The account alias %s looks like the number of an account: choose another.", alias)
	}
	return nil
}

// DeleteAccountAlias takes the account's name away.
func (s *Service) DeleteAccountAlias(ctx context.Context, in *api.DeleteAccountAliasRequest) (*api.DeleteAccountAliasOutput, error) {
	c, err := s.allow(ctx, "DeleteAccountAlias", nil)
	if err != nil {
		return nil, err
	}
	alias := val(in.AccountAlias)
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		return accountTable.Modify(tx, c.Account, func(a *cloud.Account) error {
			if a.Alias != alias {
				return noSuch("The account alias %s cannot be found.", alias)
			}
			tx.Release(cloud.AccountAliases, alias)
			a.Alias = ""
			return nil
		})
	})
	return done[api.DeleteAccountAliasOutput](err)
}

// ListAccountAliases lists the one alias that an account can have.
func (s *Service) ListAccountAliases(ctx context.Context, in *api.ListAccountAliasesRequest) (*api.ListAccountAliasesResponse, error) {
	c, err := s.allow(ctx, "ListAccountAliases", nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.page(c, "ListAccountAliases", "", in.MaxItems, in.Marker); err != nil {
		return nil, err
	}
	out := &api.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(false)}
	if a, _ := accountTable.Get(s.db().View(), c.Account); a.Alias != "" {
		out.AccountAliases = append(out.AccountAliases, a.Alias)
	}
	return out, nil
}
