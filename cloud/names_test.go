package cloud_test

import (
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
)

func TestNames(t *testing.T) {
	p := cloud.DefaultPlace()
	a := netip.MustParseAddr("172.31.0.10")
	for _, c := range []struct{ got, want string }{
		{p.PrivateName(a), "ip-172-31-0-10.eu-paris-1.compute.internal"},
		{p.PublicName(a), "ec2-172-31-0-10.eu-paris-1.compute.vauban.internal"},
		{p.ZoneID("eu-paris-1a"), "eup1-az1"},
		{p.ZoneID("eu-paris-1b"), "eup1-az2"},
		{p.ZoneID("eu-rome-1a"), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
