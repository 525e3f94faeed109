package app

import (
	"net/netip"
	"strings"
	"testing"
)

func TestIdentityProviders(t *testing.T) {
	for list, good := range map[string]bool{
		"": true, "*": true, "idp.example.org": true, "idp.example.org,10.0.0.7,localhost,*": true,
		"https://idp.example.org": false, "idp.example.org:443": false, "idp.example.org/path": false, "*.example.org": false,
		"a@idp.example.org": false, "idp.example.org,": false, "idp.example.org, other": false,
	} {
		c := Default()
		if list != "" {
			c.IdentityProviders = strings.Split(list, ",")
		}
		err := c.Validate()
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "--identity-providers") {
			t.Errorf("%q: %v", list, err)
		}
	}
	if Default().IdentityProviders != nil {
		t.Error("by default, a cloud connects to identity providers")
	}
}

func TestIPv6Pool(t *testing.T) {
	for pool, good := range map[string]bool{
		"fd5a:c10d::/32": true, "2001:db8:1::/56": true, "2001:db8::/57": false, "10.0.0.0/8": false, "fd00::/8": false,
	} {
		c := Default()
		c.IPv6Pool = netip.MustParsePrefix(pool)
		err := c.Validate()
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "--ipv6-pool") {
			t.Errorf("%s: %v", pool, err)
		}
	}
}

func TestObjectsIndex(t *testing.T) {
	for _, test := range []struct {
		index, database, want string
		good                  bool
	}{
		{"local", "", "", true},
		{"", "postgres://db/x", "", true},
		{"database", "postgres://db/x", "postgres://db/x", true},
		{"database", "", "", false},
		{"postgres://other/y", "postgres://db/x", "postgres://other/y", true},
		{"postgresql://other/y", "", "postgresql://other/y", true},
		{"mysql://db", "", "", false},
	} {
		c := Default()
		c.ObjectsIndex, c.Database = test.index, test.database
		err := c.Validate()
		if (err == nil) != test.good || err != nil && !strings.Contains(err.Error(), "--objects-index") {
			t.Errorf("%q: %v", test.index, err)
		}
		if url, ok, _ := c.objectsDatabase(); url != test.want || ok != (test.want != "") {
			t.Errorf("%q with %q: the database is %q", test.index, test.database, url)
		}
	}
}
