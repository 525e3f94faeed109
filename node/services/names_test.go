package services

import (
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node"
)

// Public addresses of a peered VPC are private ones where the other side says so.
func TestPrivateOfPeers(t *testing.T) {
	public, private := netip.MustParseAddr("100.64.0.9"), netip.MustParseAddr("10.1.0.5")
	for name, c := range map[string]struct {
		peering cloud.Peering
		want    bool
	}{
		"the other side says so":       {cloud.Peering{State: cloud.PeeringActive, Requester: cloud.PeeringSide{VPC: "vpc-b", ResolveDNS: true}, Accepter: cloud.PeeringSide{VPC: "vpc-a"}}, true},
		"only its own side says so":    {cloud.Peering{State: cloud.PeeringActive, Requester: cloud.PeeringSide{VPC: "vpc-b"}, Accepter: cloud.PeeringSide{VPC: "vpc-a", ResolveDNS: true}}, false},
		"the peering is not active":    {cloud.Peering{Requester: cloud.PeeringSide{VPC: "vpc-b", ResolveDNS: true}, Accepter: cloud.PeeringSide{VPC: "vpc-a"}}, false},
		"the peering is with somebody": {cloud.Peering{State: cloud.PeeringActive, Requester: cloud.PeeringSide{VPC: "vpc-b", ResolveDNS: true}, Accepter: cloud.PeeringSide{VPC: "vpc-c"}}, false},
	} {
		a := &node.Assignment{}
		a.Peerings = []cloud.Peering{c.peering}
		a.Interfaces = []cloud.NetworkInterface{{VPC: "vpc-b", Addresses: []cloud.PrivateAddress{{Private: private, Public: &cloud.PublicAddress{Address: public}}}}}
		w := node.NewWorld("here", a, nil)
		s := New(Config{World: func() *node.World { return w }})
		if got, ok := s.private("vpc-a", public); ok != c.want || ok && got != private {
			t.Errorf("%s: %s, %v", name, got, ok)
		}
	}
}
