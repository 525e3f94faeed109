package iam

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// maxTrust is how long a trust document may be, in characters.
const maxTrust = 2048

// checkTrust refuses what cannot be the trust document of a role.
func checkTrust(parameter, document string) error {
	if err := checkDocument(parameter, document, policy.TrustPolicy); err != nil {
		return err
	}
	if sizeOf(document) > maxTrust {
		return quota("ACLSizePerRole", maxTrust)
	}
	return nil
}

// bindTrust returns a trust document as it is kept: the ARNs of users and roles
// stand in it as their unique IDs, so that an entity of the same name that is made
// later is not trusted. Principals of this cloud must exist.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (s *Service) bindTrust(r store.Reader, document string) (string, error) {
	return rewritePrincipals(document, func(principal string) (string, error) {
		bound, ok := s.bindPrincipal(r, principal)
		if !ok {
			return "", cloud.Errorf("MalformedPolicyDocument", "Invalid principal in policy: %q:%q", "AWS", principal)
		}
		return bound, nil
	})
}

// bindPrincipal returns a principal as it is kept; false if it is not there.
func (s *Service) bindPrincipal(r store.Reader, principal string) (string, bool) {
	parts := strings.SplitN(principal, ":", 6)
	switch {
	case principal == "*":
		return principal, true
	case strings.HasPrefix(principal, identity.UserPrefix), strings.HasPrefix(principal, identity.RolePrefix):
		_, ok := s.principalOf(r, principal)
		return principal, ok
	case len(parts) < 6: // the number of an account
		_, ok := accountTable.Get(r, principal)
		return principal, ok
	case parts[2] == "sts": // sessions come and go
		return principal, true
	}
	c, ok := s.Judge.Find(r, principal)
	if !ok {
		return "", false
	}
	if c.Type == cloud.PrincipalRoot {
		return principal, principal == c.ARN
	}
	arn, ok := s.principalOf(r, c.Entity)
	return c.Entity, ok && arn == principal
}

// principalOf returns the ARN of the user or role of that ID.
func (s *Service) principalOf(r store.Reader, id string) (string, bool) {
	if u, ok := userTable.Get(r, id); ok {
		return s.arn(u.Account, u.Resource()), true
	}
	if role, ok := roleTable.Get(r, id); ok {
		return s.arn(role.Account, role.Resource()), true
	}
	return "", false
}

// shownTrust returns a trust document as it is shown: with the ARNs of users and
// roles that live, the IDs of those that are gone.
func (s *Service) shownTrust(r store.Reader, document string) string {
	shown, err := rewritePrincipals(document, func(principal string) (string, error) {
		if arn, ok := s.principalOf(r, principal); ok {
			return arn, nil
		}
		return principal, nil
	})
	if err != nil {
		return document // it was checked when it came in
	}
	return shown
}

// rewritePrincipals returns a policy document with each AWS principal replaced by
// what fn returns, and all else as it was written.
func rewritePrincipals(document string, fn func(string) (string, error)) (string, error) {
	w := rewriter{text: document, decoder: json.NewDecoder(strings.NewReader(document)), fn: fn}
	if err := w.value(""); err != nil {
		return "", err
	}
	w.out.WriteString(document[w.copied:])
	return w.out.String(), nil
}

// rewriter walks through a document.
type rewriter struct {
	text    string
	decoder *json.Decoder
	fn      func(string) (string, error)
	out     strings.Builder
	copied  int64 // of text, to out
}

// value reads one value; path has the names that lead to it.
func (w *rewriter) value(path string) error {
	before := w.decoder.InputOffset()
	token, err := w.decoder.Token()
	if err != nil {
		return fmt.Errorf("read policy document: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		return w.below(path, token)
	case string:
		if path == "/Statement/Principal/AWS" {
			return w.replace(token, before)
		}
	}
	return nil
}

// below reads what an object or an array holds, and its end.
func (w *rewriter) below(path string, open json.Delim) error {
	for w.decoder.More() {
		below := path
		if open == '{' {
			name, err := w.decoder.Token()
			if err != nil {
				return fmt.Errorf("read policy document: %w", err)
			}
			below += fmt.Sprint("/", name)
		}
		if err := w.value(below); err != nil {
			return err
		}
	}
	_, err := w.decoder.Token()
	return err
}

// replace writes what stands in the place of a principal that was just read, and
// that begins after an offset.
func (w *rewriter) replace(principal string, after int64) error {
	other, err := w.fn(principal)
	if err != nil || other == principal {
		return err
	}
	quoted, err := json.Marshal(other)
	if err != nil {
		return err
	}
	start := after + int64(strings.IndexByte(w.text[after:], '"'))
	w.out.WriteString(w.text[w.copied:start])
	w.out.Write(quoted)
	w.copied = w.decoder.InputOffset()
	return nil
}
