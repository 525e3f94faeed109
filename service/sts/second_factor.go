package sts

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
)

// secondFactor checks the MFA device that a request names, and returns when it
// proved the caller; zero if the request names none.
func (s *Service) secondFactor(ctx context.Context, c cloud.Caller, serial, code *string) (when time.Time, err error) {
	switch {
	case serial == nil && code == nil:
		return when, nil
	case serial == nil || code == nil:
		return when, denied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	case c.Type != cloud.PrincipalUser && c.Type != cloud.PrincipalRoot:
		return when, denied("MultiFactorAuthentication failed: only users and roots of accounts have MFA devices.")
	}
	switch err := s.Judge.VerifyMFA(ctx, c.Account, c.Entity, *serial, *code); {
	case err == nil:
		return s.Judge.Now().UTC(), nil
	case errors.Is(err, identity.ErrManyWrongCodes):
		return when, denied("MultiFactorAuthentication failed: there were too many wrong one time pass codes. Wait and try again.")
	case errors.Is(err, identity.ErrWrongCode):
		return when, denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
	case errors.Is(err, identity.ErrUnknownDevice):
		return when, denied("MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is valid and associated with this user.")
	default:
		return when, err
	}
}

// factor notes the parameters of a second factor.
func (f *form) factor(serial, code *string) {
	f.text("serialNumber", serial, 9, 256, serialPattern)
	f.text("tokenCode", code, 6, 6, codePattern)
}
