package linux_test

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// TestChainsAreThereBeforeTheyAreUsed: a port that gets other groups is led to chains
// of an earlier transaction. Packets on their way would find those of the same one empty.
func TestChainsAreThereBeforeTheyAreUsed(t *testing.T) {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	plan := busyPlan(2)
	plan.Ports[1].Groups = []string{"sg-a"}
	must(t, cloud.Apply(t.Context(), plan))
	inside, err := space.Find("vb" + id + "-" + plan.ID)
	must(t, err)
	t.Cleanup(inside.Close)
	listeners := listenForChanges(t, inside)

	plan.Ports[1].Groups = []string{"sg-a", "sg-b"}
	must(t, cloud.Apply(t.Context(), plan))
	var order []int
	for _, m := range changes(t, listeners) {
		if kind := int(m.Header.Type) & 0xff; m.Header.Type>>8 == unix.NFNL_SUBSYS_NFTABLES && !slices.Contains(order, kind) || kind == unix.NFT_MSG_NEWGEN {
			order = append(order, kind)
		}
	}
	chain, transaction, element := slices.Index(order, unix.NFT_MSG_NEWCHAIN), slices.Index(order, unix.NFT_MSG_NEWGEN), slices.Index(order, unix.NFT_MSG_NEWSETELEM)
	if chain < 0 || transaction < chain || element < transaction {
		t.Errorf("messages %v: want a new chain (%d), the end of a transaction (%d), a new element (%d)",
			order, unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_NEWGEN, unix.NFT_MSG_NEWSETELEM)
	}
}
