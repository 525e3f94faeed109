package iam

import (
	"context"
	"strconv"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The bounds of a password policy:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
const (
	leastMinimum = 6
	mostMaxAge   = 1095
)

// UpdateAccountPasswordPolicy sets the whole policy: what the request leaves out
// gets its default.
func (s *Service) UpdateAccountPasswordPolicy(ctx context.Context, in *api.UpdateAccountPasswordPolicyRequest) (*api.UpdateAccountPasswordPolicyOutput, error) {
	c, err := s.allow(ctx, "UpdateAccountPasswordPolicy", nil)
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name        string
		value       *int32
		least, most int32
	}{
		{"minimumPasswordLength", in.MinimumPasswordLength, leastMinimum, maxPassword},
		{"maxPasswordAge", in.MaxPasswordAge, 1, mostMaxAge},
		{"passwordReusePrevention", in.PasswordReusePrevention, 1, mostReuse},
	} {
		if err := checkRange(p.name, p.value, p.least, p.most); err != nil {
			return nil, err
		}
	}
	p := &cloud.PasswordPolicy{
		MinimumLength: leastMinimum, Symbols: val(in.RequireSymbols), Numbers: val(in.RequireNumbers),
		Upper: val(in.RequireUppercaseCharacters), Lower: val(in.RequireLowercaseCharacters),
		UsersMayChange: val(in.AllowUsersToChangePassword), HardExpiry: val(in.HardExpiry),
		MaxAge: int(val(in.MaxPasswordAge)), Reuse: int(val(in.PasswordReusePrevention)),
	}
	if in.MinimumPasswordLength != nil {
		p.MinimumLength = int(*in.MinimumPasswordLength)
	}
	return done[api.UpdateAccountPasswordPolicyOutput](s.changeAccount(ctx, c.Account, func(a *cloud.Account) error {
		a.Passwords = p
		return nil
	}))
}

// checkRange refuses a number that is too small or too large; nil is absent.
func checkRange(parameter string, value *int32, least, most int32) error {
	switch {
	case value == nil:
		return nil
	case *value < least:
		return constraint(parameter, strconv.Itoa(int(*value)), "Member must have value greater than or equal to %d", least)
	case *value > most:
		return constraint(parameter, strconv.Itoa(int(*value)), "Member must have value less than or equal to %d", most)
	}
	return nil
}

func (s *Service) changeAccount(ctx context.Context, account string, fn func(*cloud.Account) error) error {
	return s.db().Update(ctx, func(tx *store.Tx) error { return accountTable.Modify(tx, account, fn) })
}

// GetAccountPasswordPolicy shows the account's own policy.
func (s *Service) GetAccountPasswordPolicy(ctx context.Context, _ *api.GetAccountPasswordPolicyInput) (*api.GetAccountPasswordPolicyResponse, error) {
	c, err := s.allow(ctx, "GetAccountPasswordPolicy", nil)
	if err != nil {
		return nil, err
	}
	a, _ := accountTable.Get(s.db().View(), c.Account)
	p := a.Passwords
	if p == nil {
		return nil, noPasswordPolicy(c)
	}
	out := &api.PasswordPolicy{
		MinimumPasswordLength: new(int32(p.MinimumLength)), RequireSymbols: &p.Symbols, RequireNumbers: &p.Numbers,
		RequireUppercaseCharacters: &p.Upper, RequireLowercaseCharacters: &p.Lower, AllowUsersToChangePassword: &p.UsersMayChange,
		ExpirePasswords: new(p.MaxAge > 0), HardExpiry: &p.HardExpiry,
		MaxPasswordAge: opt(int32(p.MaxAge)), PasswordReusePrevention: opt(int32(p.Reuse)),
	}
	return &api.GetAccountPasswordPolicyResponse{PasswordPolicy: out}, nil
}

// DeleteAccountPasswordPolicy brings the default back.
func (s *Service) DeleteAccountPasswordPolicy(ctx context.Context, _ *api.DeleteAccountPasswordPolicyInput) (*api.DeleteAccountPasswordPolicyOutput, error) {
	c, err := s.allow(ctx, "DeleteAccountPasswordPolicy", nil)
	if err != nil {
		return nil, err
	}
	return done[api.DeleteAccountPasswordPolicyOutput](s.changeAccount(ctx, c.Account, func(a *cloud.Account) error {
		if a.Passwords == nil {
			return noPasswordPolicy(c)
		}
		a.Passwords = nil
		return nil
	}))
}

func noPasswordPolicy(c cloud.Caller) error {
	return noSuch("The Password Policy with domain name %s cannot be found.", c.Account)
}
