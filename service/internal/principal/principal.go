// Package principal keeps the principals that policies of resources name.
//
// In a policy that is kept, the ARNs of users and roles stand as their unique IDs, so
// that an entity of the same name that is made later is another one to it; what is
// shown has ARNs again, and the IDs of those that are gone.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
package principal

import (
	"fmt"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// The tables that principals are in.
var (
	accountTable store.Table[cloud.Account]
	userTable    store.Table[cloud.User]
	roleTable    store.Table[cloud.Role]
)

// Unknown says that a policy names a principal that is not there.
type Unknown struct{ Principal string }

// Error is in AWS's words.
func (u *Unknown) Error() string {
	return fmt.Sprintf("Invalid principal in policy: %q:%q", "AWS", u.Principal)
}

// Bind returns a policy as it is kept. Principals of this cloud must exist: *Unknown.
func Bind(d *identity.Directory, r store.Reader, document string) (string, error) {
	return Rewrite(document, func(principal string) (string, error) {
		bound, ok := bind(d, r, principal)
		if !ok {
			return "", &Unknown{principal}
		}
		return bound, nil
	})
}

// bind returns a principal as it is kept; false if it is not there.
func bind(d *identity.Directory, r store.Reader, principal string) (string, bool) {
	parts := strings.SplitN(principal, ":", 6)
	switch {
	case principal == "*":
		return principal, true
	case strings.HasPrefix(principal, identity.UserPrefix), strings.HasPrefix(principal, identity.RolePrefix):
		_, ok := arnOf(d, r, principal)
		return principal, ok
	case len(parts) < 6: // the number of an account
		_, ok := accountTable.Get(r, principal)
		return principal, ok
	case parts[2] == "sts": // sessions come and go
		return principal, true
	}
	c, ok := d.Find(r, principal)
	if !ok {
		return "", false
	}
	if c.Type == cloud.PrincipalRoot {
		return principal, principal == c.ARN
	}
	arn, ok := arnOf(d, r, c.Entity)
	return c.Entity, ok && arn == principal
}

// arnOf returns the ARN of the user or role of that ID.
func arnOf(d *identity.Directory, r store.Reader, id string) (string, bool) {
	if u, ok := userTable.Get(r, id); ok {
		return d.Place.GlobalARN("iam", u.Account, u.Resource()), true
	}
	if role, ok := roleTable.Get(r, id); ok {
		return d.Place.GlobalARN("iam", role.Account, role.Resource()), true
	}
	return "", false
}

// Show returns a policy that Bind returned as it is shown.
func Show(d *identity.Directory, r store.Reader, document string) string {
	shown, err := Rewrite(document, func(principal string) (string, error) {
		if arn, ok := arnOf(d, r, principal); ok {
			return arn, nil
		}
		return principal, nil
	})
	if err != nil {
		return document // it was checked when it came in
	}
	return shown
}
