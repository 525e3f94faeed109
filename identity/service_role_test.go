package identity_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
)

func TestActAs(t *testing.T) {
	r := newRig(t)
	external := map[string][]string{"sts:ExternalId": {"vmimport"}}
	asked := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vmie.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:Externalid":"vmimport"}}}]}`
	for name, c := range map[string]struct {
		trust string
		keys  map[string][]string
		ok    bool
	}{
		"trusted":             {trustService(identity.VMIE), external, true},
		"with an external ID": {asked, external, true},
		"without it":          {asked, nil, false},
		"another service":     {trustService(identity.EC2), external, false},
	} {
		r.trust(c.trust)
		role, _ := identity.Role(r.DB.View(), alice, r.role.Name)
		caller, err := r.ActAs(r.DB.View(), role, identity.VMIE, "import-snap-1", c.keys)
		if _, refused := err.(*cloud.Error); refused == c.ok || err != nil && c.ok { //nolint:errorlint // as it is made
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.ok && (caller.Account != alice || caller.Entity != role.ID || caller.Type != cloud.PrincipalRole || caller.ARN != "arn:aws:sts::"+alice+":assumed-role/"+role.Name+"/import-snap-1") {
			t.Errorf("%s: got %+v", name, caller)
		}
	}
}
