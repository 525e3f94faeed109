package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/vauban-cloud/vauban/cloud"
)

// How long passwords are, in characters:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
const (
	maxPassword     = 128
	defaultPassword = 8 // at least, where the account has no policy of its own
	mostReuse       = 24
)

// symbols are what counts as one in a password.
const symbols = `!@#$%^&*()_+-=[]{}|'`

// checkPasswordText refuses what cannot be a password. It does not repeat it.
func checkPasswordText(parameter, password string) error {
	if n := len([]rune(password)); n < 1 || n > maxPassword {
		return constraint(parameter, "***", "Member must have length between 1 and %d, inclusive", maxPassword)
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r > 'ÿ' || r < ' ' && r != '\t' && r != '\n' && r != '\r' }) {
		return constraint(parameter, "***", "%s", mustMatch(documentPattern))
	}
	return nil
}

// newPassword returns the hash of a password that the account's policy allows the
// user to have; old is what the user has now, nil if nothing.
func (s *Service) newPassword(ctx context.Context, u cloud.User, password string, old *cloud.LoginProfile) (string, error) {
	if err := checkPasswordText("password", password); err != nil {
		return "", err
	}
	a, _ := accountTable.Get(s.db().View(), u.Account)
	if faults := passwordFaults(a, password); len(faults) > 0 {
		return "", cloud.Errorf("PasswordPolicyViolation", "%s", strings.Join(faults, ", "))
	}
	if old != nil && a.Passwords != nil {
		earlier := slices.Concat([]string{old.Hash}, old.Earlier)
		for _, hash := range earlier[:min(len(earlier), a.Passwords.Reuse)] {
			same, err := s.Judge.CheckPassword(ctx, hash, password)
			if err != nil {
				return "", err
			}
			if same {
				return "", cloud.Errorf("PasswordPolicyViolation", "Password should not be one of the last %d passwords", a.Passwords.Reuse)
			}
		}
	}
	return s.Judge.HashPassword(ctx, password)
}

// passwordFaults says what is wrong with a password by the policy of an account.
func passwordFaults(a cloud.Account, password string) []string {
	p := a.Passwords
	if p == nil {
		return defaultFaults(a, password)
	}
	var faults []string
	if len([]rune(password)) < p.MinimumLength {
		faults = append(faults, tooShort(p.MinimumLength))
	}
	for _, c := range passwordClasses {
		if c.required(p) && !c.in(password) {
			faults = append(faults, c.fault)
		}
	}
	return faults
}

// defaultFaults are those by the policy that every account has at first: eight
// characters of three kinds, and neither the account's name nor its address.
func defaultFaults(a cloud.Account, password string) []string {
	var faults, classes []string
	if len([]rune(password)) < defaultPassword {
		faults = append(faults, tooShort(defaultPassword))
	}
	for _, c := range passwordClasses {
		if !c.in(password) {
			classes = append(classes, c.fault)
		}
	}
	if short := len(classes) - 1; short > 0 {
		faults = append(faults, fmt.Sprintf("Password should meet %d more of the following requirements: %s", short, strings.Join(classes, ", ")))
	}
	for _, own := range []string{a.Name, a.Email, a.Alias} {
		if own != "" && strings.EqualFold(own, password) {
			faults = append(faults, "Password should not be the name or the email address of the account")
		}
	}
	return faults
}

func tooShort(least int) string {
	return fmt.Sprintf("Password should have a minimum length of %d", least)
}

// passwordClasses are the kinds of characters that a policy may require.
var passwordClasses = []struct {
	fault    string
	in       func(password string) bool
	required func(*cloud.PasswordPolicy) bool
}{
	{"Password should have at least one uppercase letter", has(unicode.IsUpper), func(p *cloud.PasswordPolicy) bool { return p.Upper }},
	{"Password should have at least one lowercase letter", has(unicode.IsLower), func(p *cloud.PasswordPolicy) bool { return p.Lower }},
	{"Password should have at least one number", has(unicode.IsDigit), func(p *cloud.PasswordPolicy) bool { return p.Numbers }},
	{"Password should have at least one symbol", has(func(r rune) bool { return strings.ContainsRune(symbols, r) }), func(p *cloud.PasswordPolicy) bool { return p.Symbols }},
}

func has(kind func(rune) bool) func(string) bool {
	return func(password string) bool { return strings.ContainsFunc(password, kind) }
}

// expires is when a password must be changed; false: never.
func expires(a cloud.Account, p cloud.LoginProfile) (time.Time, bool) {
	if a.Passwords == nil || a.Passwords.MaxAge == 0 {
		return time.Time{}, false
	}
	return p.Changed.Add(time.Duration(a.Passwords.MaxAge) * 24 * time.Hour), true
}
