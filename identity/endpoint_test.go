package identity_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// TestEndpointPolicy: what comes through a VPC endpoint is bounded by its policy, however
// much the caller may do, and policies can ask for the endpoint.
func TestEndpointPolicy(t *testing.T) {
	r := newRig(t)
	endpoint := cloud.Endpoint{Meta: cloud.Meta{ID: "vpce-0123456789abcdef0", Account: alice}, VPC: "vpc-1"}
	var table store.Table[cloud.Endpoint]
	put := func(policy string) {
		t.Helper()
		endpoint.Policy = policy
		r.Update(func(tx *store.Tx) error { return table.Put(tx, endpoint) })
	}
	statement := func(effect, action, principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `","Resource":"*"}}`
	}
	through := func() string {
		c := r.Root(alice)
		c.VPC, c.Endpoint = "vpc-1", endpoint.ID
		return r.verdict(r.s3(c))
	}
	for _, c := range []struct{ name, policy, want string }{
		{"none", "", "yes"},
		{"everything", statement("Allow", "*", `"*"`), "yes"},
		{"another action", statement("Allow", "s3:PutObject", `"*"`), "because no VPC endpoint policy allows the s3:GetObject action"},
		{"another account", statement("Allow", "*", `{"AWS":"999999999999"}`), "because no VPC endpoint policy allows the s3:GetObject action"},
		{"denied", statement("Deny", "s3:Get*", `"*"`), "with an explicit deny in a VPC endpoint policy"},
	} {
		put(c.policy)
		if got := through(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := r.verdict(r.s3(r.Root(alice))); got != "yes" {
			t.Errorf("%s, from elsewhere: %s", c.name, got)
		}
	}
}
