package linux

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// goneAddresses matches connections of addresses that have no port any more.
type goneAddresses map[netip.Addr]bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (g goneAddresses) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	for _, ip := range []net.IP{f.Forward.SrcIP, f.Forward.DstIP, f.Reverse.SrcIP, f.Reverse.DstIP} {
		if a, ok := netip.AddrFromSlice(ip); ok && g[a.Unmap()] {
			return true
		}
	}
	return false
}

// forget ends the connections of addresses that were taken from their ports:
// established ones would go on with whoever gets the address next.
func forget(removed []removal) error {
	gone := make(goneAddresses)
	for _, r := range removed {
		size := map[string]int{sourcesSet: 4, publicMap: 4, sources6Set: 16}[r.set]
		if size == 0 {
			continue
		}
		if a, ok := netip.AddrFromSlice([]byte(r.key[len(r.key)-size:])); ok { // it comes last
			gone[a] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("connect to conntrack: %w", err)
	}
	defer h.Close()
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, gone); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
	}
	return nil
}
