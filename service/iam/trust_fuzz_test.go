package iam

import (
	"testing"

	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/internal/principal"
)

// Whatever policy takes for a trust document can be rewritten: with nothing
// replaced it is the same to the letter, and with every principal replaced it is
// a trust document still, of which no principal is left.
func FuzzRewritePrincipals(f *testing.F) {
	for _, seed := range []string{
		trusting(trustEC2),
		trusting(`{"AWS":["arn:aws:iam::000000000001:root", "000000000002"],"Federated":"accounts.google.com"}`),
		trusting(`{"AWS":"\u0030\u0030\u0030000000001"}`),
		"{\"Statement\" :\t{\"Effect\":\"Allow\", \"Principal\":\n{\"AWS\" : \"*\"}, \"Action\":\"sts:*\",\"Condition\":{\"Bool\":{\"aws:x\":true}}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		if _, err := policy.Parse(document, policy.TrustPolicy); err != nil {
			t.Skip()
		}
		found := 0
		same, err := principal.Rewrite(document, func(p string) (string, error) {
			found++
			return p, nil
		})
		if err != nil || same != document {
			t.Fatalf("%q became %q, %v", document, same, err)
		}
		const other = "AIDAAAAAAAAAAAAAAAAAA"
		bound, err := principal.Rewrite(document, func(string) (string, error) { return other, nil })
		if err != nil {
			t.Fatalf("%q: %v", document, err)
		}
		if _, err := policy.Parse(bound, policy.TrustPolicy); err != nil {
			t.Fatalf("%q became %q: %v", document, bound, err)
		}
		again := 0
		if _, err := principal.Rewrite(bound, func(p string) (string, error) {
			again++
			if p != other {
				t.Errorf("%q keeps %q", bound, p)
			}
			return p, nil
		}); err != nil || again != found {
			t.Errorf("%d principals became %d, %v", found, again, err)
		}
	})
}
