package linux

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	listPrefix  = "list-"  // of sets; the list's ID follows
	list6Prefix = "list6-" // the same for IPv6
)

// addLists makes two sets a list, so that a change of the list changes no rule.
func addLists(t *table, v network.VPC) {
	for _, l := range v.Lists {
		s := t.ranges(listPrefix+l.ID, nftables.TypeNFProto, nftables.TypeIPAddr)
		s6 := t.ranges(list6Prefix+l.ID, nftables.TypeNFProto, nftables.TypeIP6Addr)
		for _, p := range outermost(l.Prefixes) {
			version, to := byte(unix.NFPROTO_IPV4), s
			if p.Addr().Is6() {
				version, to = unix.NFPROTO_IPV6, s6
			}
			first, last := key([]byte{version}, p.Addr().AsSlice()), key([]byte{version}, lastOf(p))
			to.elements[first+last] = ""
		}
	}
}

// outermost returns the ranges but for those that are within others.
func outermost(prefixes []netip.Prefix) (kept []netip.Prefix) {
	sorted := slices.SortedFunc(slices.Values(prefixes), func(a, b netip.Prefix) int {
		return cmp.Or(a.Masked().Addr().Compare(b.Masked().Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	for _, p := range sorted {
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p.Masked())
		}
	}
	return kept
}

// lastOf is the last address of a range.
func lastOf(p netip.Prefix) []byte {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}
