package ec2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/vauban-cloud/vauban/store"
)

// errAllClaimed says that a range has no free address left.
var errAllClaimed = errors.New("all addresses are claimed")

// claimAny takes a free address among count from first on for owner.
func claimAny(tx *store.Tx, space string, first netip.Addr, count int, owner string) (netip.Addr, error) {
	at, err := claimOne(tx, space, count, owner, func(n int) string { return shift(first, n).String() })
	if err != nil {
		return netip.Addr{}, err
	}
	return shift(first, at), nil
}

// claimOne takes a free one of count names for owner, and returns which.
//
// It tries them in an order that derives from the owner: a start and a stride
// without common divisor with count, so that each comes once. With a share f of
// the range free it looks at 1/f names on average, wherever the free ones
// lie; only an exhausted range is looked through whole.
func claimOne(tx *store.Tx, space string, count int, owner string, name func(n int) string) (int, error) {
	if count <= 0 {
		return 0, errAllClaimed
	}
	at := int(spread(owner, 0) % uint64(count))
	stride := 1 + int(spread(owner, 1)%uint64(count))
	for gcd(stride, count) != 1 {
		stride++
	}
	for range count {
		if _, taken := store.Owner(tx, space, name(at)); !taken {
			return at, tx.Claim(space, name(at), owner)
		}
		at = (at + stride) % count
	}
	return 0, errAllClaimed
}

// spread derives evenly distributed numbers from an ID.
func spread(id string, n int) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s#%d", id, n)
	// FNV leaves its high bits weak on short input: mix them, as SplitMix64 does.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// shift returns the IPv4 address n after a.
func shift(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
	return netip.AddrFrom4(b)
}

// offset returns how far the IPv4 address a lies after first.
func offset(first, a netip.Addr) int {
	f, b := first.As4(), a.As4()
	return int(binary.BigEndian.Uint32(b[:])) - int(binary.BigEndian.Uint32(f[:]))
}
