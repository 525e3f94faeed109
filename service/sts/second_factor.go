package sts

import (
	"context"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
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
		return when, denied("MultiFactorAuthentication failed: only users and roots of accounts have MFA devices")
	case s.MFA == nil:
		return when, denied("MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is valid and associated with this user.")
	}
	if err := s.MFA.VerifyMFA(ctx, c.Account, c.Entity, *serial, *code); err != nil {
		return when, factorError(err)
	}
	return s.Judge.Now().UTC(), nil
}

// factor notes the parameters of a second factor.
func (f *form) factor(serial, code *string) {
	f.text("serialNumber", serial, 9, 256, serialPattern)
	f.text("tokenCode", code, 6, 6, codePattern)
}
