package linux

import (
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Which table a packet's way is looked up in: first that of all VPCs, which has the
// ports; then, for what is not for the VPC's own ranges, that of the subnet that the
// packet comes from. A rule of nftables marks packets by the device that they come
// from; one rule of routing a table leads there. What comes from outside, or from a
// peer, has no mark and ends in the first.

const (
	tablesMap = "tables" // device to the number of its subnet's table
	markChain = "marks"
	// choosePriority is after the kernel's own rule for the main table.
	choosePriority = 33000
	mainPriority   = 32766
)

// tableNumbers numbers the route tables that subnets of the plan have, by ID. A number
// depends on the ID alone, but for the rare two that would have the same.
func tableNumbers(v network.VPC) map[string]uint32 {
	numbers := make(map[string]uint32)
	taken := make(map[uint32]bool)
	used := make(map[string]bool)
	for _, s := range v.Subnets {
		used[s.Table] = true
	}
	for _, t := range v.Tables {
		if !used[t.ID] || numbers[t.ID] != 0 {
			continue
		}
		hash := fnv.New32a()
		hash.Write([]byte(t.ID))
		n := hash.Sum32() | 1<<31 // none of those that the kernel has
		for taken[n] {
			n = (n + 1) | 1<<31
		}
		taken[n], numbers[t.ID] = true, n
	}
	return numbers
}

// addMarks marks what ports send with the number of their subnet's table.
func addMarks(t *table, v network.VPC) {
	numbers := tableNumbers(v)
	tables := t.mapping(tablesMap, nftables.TypeMark, nftables.TypeIFName)
	bySubnet := make(map[string]uint32, len(v.Subnets))
	for _, s := range v.Subnets {
		bySubnet[s.ID] = numbers[s.Table]
	}
	for _, p := range v.Ports {
		if n := bySubnet[p.Subnet]; n != 0 {
			tables.elements[key(deviceName(portDevice(p.ID)))] = key(native32(n))
		}
	}
	t.base(markChain, filterAt(nftables.ChainHookPrerouting, *nftables.ChainPriorityMangle, nftables.ChainPolicyAccept), rule{
		inDevice.load(0),
		&expr.Lookup{SourceRegister: register(0), DestRegister: register(0), IsDestRegSet: true, SetName: tablesMap},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: register(0), SourceRegister: true},
	})
}

// A choice is a rule of routing: which packets are looked up in which table.
type choice struct {
	family, priority int
	mark, table      uint32
}

// choices are all rules of routing of a VPC's namespace.
func choices(v network.VPC) map[choice]bool {
	want := make(map[choice]bool)
	for _, family := range families {
		want[choice{family, 0, 0, unix.RT_TABLE_LOCAL}] = true
		want[choice{family, mainPriority, 0, unix.RT_TABLE_MAIN}] = true
		for _, n := range tableNumbers(v) {
			want[choice{family, choosePriority, n, n}] = true
		}
	}
	return want
}

// changeChoices makes the rules of routing be as wanted, in the calling thread's
// namespace, but for the kernel's own last, whose table is empty.
func changeChoices(h *netlink.Handle, want map[choice]bool) error {
	var extra []netlink.Rule
	have := make(map[choice]bool)
	for _, family := range families {
		err := retryDump(func() error {
			list, err := h.RuleList(family)
			for _, n := range list {
				n.Family = family
				c := choice{family, n.Priority, n.Mark, uint32(n.Table)}
				switch {
				case want[c] && n.Src == nil && n.Dst == nil && n.IifName == "" && n.OifName == "" && !n.Invert:
					have[c] = true
				case n.Table != unix.RT_TABLE_DEFAULT:
					extra = append(extra, n)
				}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("list rules of routing: %w", err)
		}
	}
	for c := range want {
		if have[c] {
			continue
		}
		if err := h.RuleAdd(c.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add rule of routing %d: %w", c.priority, err)
		}
	}
	for _, n := range extra {
		if err := h.RuleDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete rule of routing %d: %w", n.Priority, err)
		}
	}
	return nil
}

func (c choice) netlink() *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Mark, r.Table = c.family, c.priority, c.mark, int(c.table)
	return r
}
