package linux_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
	"github.com/vauban-cloud/vauban/driver/network/linux"
	"github.com/vauban-cloud/vauban/driver/network/networktest"
)

func TestConformance(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces are root's")
	}
	networktest.Run(t, networktest.Bench{New: func(t *testing.T, host string, pool, pool6 netip.Prefix) networktest.Cloud {
		_, c := newCloud6(t, host, pool, pool6)
		return c
	}})
}

// locks is where each test cloud has a lock, which ends with its process. Test
// clouds begin with "t", which is no hexadecimal digit.
var locks = filepath.Join(os.TempDir(), "vauban-networktest")

// newCloud makes a cloud on the host that is taken away after the test; so are
// those that a killed test left.
func newCloud(t testing.TB, host string, pool netip.Prefix) (id string, c networktest.Cloud) {
	t.Helper()
	return newCloud6(t, host, pool, netip.MustParsePrefix("2001:db8::/32"))
}

func newCloud6(t testing.TB, host string, pool, pool6 netip.Prefix) (id string, c networktest.Cloud) {
	t.Helper()
	must(t, sweep())
	id = lockedID(t)
	config := linux.Config{Cloud: id, PublicPool: pool, PublicPool6: pool6, Host: host}
	open := func() network.Driver {
		d, err := linux.New(config)
		must(t, err)
		return d
	}
	d := open()
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		ids, err := d.List(ctx)
		for _, vpc := range ids {
			err = errors.Join(err, d.Remove(ctx, vpc))
		}
		if err := errors.Join(err, takeAway(id)); err != nil {
			t.Error(err)
		}
	})
	outside, err := space.Open(host)
	must(t, err)
	t.Cleanup(outside.Close)
	return id, networktest.Cloud{
		Driver: d,
		Reopen: open,
		Damage: damage(id, outside),
		Traces: func() ([]string, error) { return traces(id, outside) },
	}
}

// lockedID returns the ID of a new test cloud.
func lockedID(t testing.TB) string {
	must(t, os.MkdirAll(locks, 0o700))
	for {
		id := fmt.Sprintf("t%03x", rand.IntN(1<<12))
		f, err := os.OpenFile(filepath.Join(locks, id), os.O_CREATE|os.O_RDWR, 0o600)
		must(t, err)
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			must(t, f.Close())
			continue // somebody's
		}
		t.Cleanup(func() {
			must(t, os.Remove(f.Name()))
			must(t, f.Close())
		})
		return id
	}
}

// sweep takes away the clouds of tests that are no more.
func sweep() error {
	entries, err := os.ReadDir(locks)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(locks, e.Name()))
		if err != nil {
			continue // it just ended
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			if err := errors.Join(takeAway(e.Name()), os.Remove(f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return errors.Join(err, f.Close())
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// takeAway takes the names of the cloud's namespaces, which end then.
func takeAway(cloud string) error {
	prefix := "vb" + cloud + "-"
	ids, err := space.Named(prefix)
	for _, id := range ids {
		err = errors.Join(err, space.Unname(prefix+id))
	}
	return err
}

// traces returns what is there of the cloud on the host and in /run/netns.
func traces(cloud string, host *space.Space) ([]string, error) {
	left, err := space.Named("vb" + cloud)
	return left, errors.Join(err, host.Do(func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			if strings.HasPrefix(l.Attrs().Name, "vb"+cloud) {
				left = append(left, "device "+l.Attrs().Name)
			}
		}
		if err != nil {
			return err
		}
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := conn.ListTables()
		for _, t := range tables {
			if strings.HasSuffix(t.Name, cloud) {
				left = append(left, "table "+t.Name)
			}
		}
		if err != nil || cloudsOn(tables) > 0 {
			return err
		}
		routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
		for _, r := range routes {
			if r.Protocol == 86 {
				left = append(left, "route "+r.String())
			}
		}
		return err
	}))
}

func cloudsOn(tables []*nftables.Table) (n int) {
	for _, t := range tables {
		if strings.HasPrefix(t.Name, "vauban_") {
			n++
		}
	}
	return n
}

// damage is what an administrator's slip might do.
func damage(cloud string, host *space.Space) map[string]networktest.Damage {
	inVPC := func(do func() error) networktest.Damage {
		return networktest.Damage{Do: func(vpc string) error {
			s, err := space.Find("vb" + cloud + "-" + vpc)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Do(do)
		}}
	}
	onHost := func(do func() error) networktest.Damage {
		return networktest.Damage{Do: func(string) error { return host.Do(do) }}
	}
	eachNAT := func(vpc string, do func(name string) error) error {
		names, err := space.Named("vb" + cloud + "-" + vpc + ".")
		for _, n := range names {
			err = errors.Join(err, do("vb"+cloud+"-"+vpc+"."+n))
		}
		return err
	}
	inNATs := func(do func() error) networktest.Damage {
		return networktest.Damage{Do: func(vpc string) error {
			return eachNAT(vpc, func(name string) error {
				s, err := space.Find(name)
				if err != nil {
					return err
				}
				defer s.Close()
				return s.Do(do)
			})
		}}
	}
	unnameNATs := func(vpc string) error { return eachNAT(vpc, space.Unname) }
	unname := func(vpc string) error { return space.Unname("vb" + cloud + "-" + vpc) }
	eachDevice := func(do func(netlink.Link) error) func() error {
		return func() error {
			links, err := netlink.LinkList()
			for _, l := range links {
				if name := l.Attrs().Name; l.Attrs().Alias != "" && (name == "outside") == (l.Type() == "veth") {
					err = errors.Join(err, do(l))
				}
			}
			return err
		}
	}
	sysctl := func(file, value string) func() error {
		return func() error { return os.WriteFile("/proc/sys/net/"+file, []byte(value), 0o600) }
	}
	deviceSysctl := func(dir, file, value string) func() error {
		return eachDevice(func(l netlink.Link) error { return sysctl(dir+"/"+l.Attrs().Name+"/"+file, value)() })
	}
	return map[string]networktest.Damage{
		"the namespace's name is gone":     {Do: unname, Forgotten: true},
		"the namespace's rules are gone":   inVPC(flushRules),
		"the host's rules are gone":        onHost(flushRules),
		"a rule lets all through":          inVPC(letAll),
		"the chains are empty":             inVPC(emptyChains),
		"the sets are empty":               inVPC(emptySets),
		"the host's sets are empty":        onHost(emptySets),
		"the namespace's routes are gone":  inVPC(dropRoutes),
		"the host's routes are gone":       onHost(dropRoutes),
		"the router's addresses are gone":  inVPC(dropAddresses),
		"rules of routing are gone":        inVPC(func() error { return eachChoice(netlink.RuleDel) }),
		"a rule of routing leads astray":   inVPC(leadAstray),
		"IPv6 is off":                      inVPC(sysctl("ipv6/conf/all/disable_ipv6", "1")),
		"IPv6 is not forwarded":            inVPC(sysctl("ipv6/conf/all/forwarding", "0")),
		"the host forwards no IPv6":        onHost(sysctl("ipv6/conf/all/forwarding", "0")),
		"links of peers are cut":           inVPC(cutPeers),
		"NATs have no rules":               inNATs(flushRules),
		"NATs have no routes":              inNATs(dropRoutes),
		"NATs are cut off":                 inNATs(cutPort),
		"NATs are unnamed":                 {Do: unnameNATs},
		"neighbours are forgotten":         inVPC(eachDevice(dropNeighbours)),
		"neighbours are elsewhere":         inVPC(eachDevice(moveNeighbours)),
		"the host's neighbours are gone":   onHost(eachDevice(dropNeighbours)),
		"the devices are down":             inVPC(eachDevice(netlink.LinkSetDown)),
		"the link is cut":                  inVPC(cutLink),
		"the link's host end is down":      onHost(eachDevice(netlink.LinkSetDown)),
		"forwarding is off":                inVPC(sysctl("ipv4/ip_forward", "0")),
		"the host's forwarding is off":     onHost(sysctl("ipv4/ip_forward", "0")),
		"proxy ARP is off":                 inVPC(deviceSysctl("ipv4/conf", "proxy_arp", "0")),
		"proxy ARP is slow":                inVPC(deviceSysctl("ipv4/neigh", "proxy_delay", "3000")),
		"sources are checked by way back":  inVPC(sysctl("ipv4/conf/all/rp_filter", "1")),
		"devices have another MAC and MTU": inVPC(eachDevice(changeCard)),
	}
}

func flushRules() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	conn.FlushRuleset()
	return conn.Flush()
}

func eachChain(do func(*nftables.Conn, *nftables.Chain)) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	chains, err := conn.ListChains()
	for _, c := range chains {
		do(conn, c)
	}
	return errors.Join(err, conn.Flush())
}

func emptyChains() error {
	return eachChain(func(conn *nftables.Conn, c *nftables.Chain) { conn.FlushChain(c) })
}

func emptySets() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	tables, err := conn.ListTables()
	for _, t := range tables {
		sets, setsErr := conn.GetSets(t)
		err = errors.Join(err, setsErr)
		for _, s := range sets {
			conn.FlushSet(s)
		}
	}
	return errors.Join(err, conn.Flush())
}

func dropRoutes() error {
	all := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	four, err := netlink.RouteListFiltered(netlink.FAMILY_V4, all, netlink.RT_FILTER_TABLE)
	six, err6 := netlink.RouteListFiltered(netlink.FAMILY_V6, all, netlink.RT_FILTER_TABLE)
	err = errors.Join(err, err6)
	for _, r := range append(four, six...) {
		if r.Protocol == 86 {
			err = errors.Join(err, netlink.RouteDel(&r))
		}
	}
	return err
}

func dropAddresses() error {
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	for _, a := range addrs {
		link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: a.LinkIndex}}
		if failed := netlink.AddrDel(link, &a); !errors.Is(failed, unix.EADDRNOTAVAIL) { // it went with its first
			err = errors.Join(err, failed)
		}
	}
	return err
}

func eachChoice(do func(*netlink.Rule) error) error {
	four, err := netlink.RuleList(netlink.FAMILY_V4)
	six, err6 := netlink.RuleList(netlink.FAMILY_V6)
	err = errors.Join(err, err6)
	for i, r := range append(four, six...) {
		if r.Family = netlink.FAMILY_V4; i >= len(four) {
			r.Family = netlink.FAMILY_V6
		}
		err = errors.Join(err, do(&r))
	}
	return err
}

// leadAstray sends all that is not for the router nowhere.
func leadAstray() error {
	r := netlink.NewRule()
	r.Priority, r.Type = 1, unix.RTN_BLACKHOLE
	return netlink.RuleAdd(r)
}

func cutPeers() error {
	links, err := netlink.LinkList()
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Alias, "vauban peer ") {
			err = errors.Join(err, netlink.LinkDel(l))
		}
	}
	return err
}

func cutPort() error {
	l, err := netlink.LinkByName("port")
	if err != nil {
		return err
	}
	return netlink.LinkDel(l)
}

func eachNeighbour(l netlink.Link, do func(*netlink.Neigh) error) error {
	list, err := netlink.NeighList(l.Attrs().Index, netlink.FAMILY_ALL)
	for _, n := range list {
		err = errors.Join(err, do(&n))
	}
	return err
}

func dropNeighbours(l netlink.Link) error { return eachNeighbour(l, netlink.NeighDel) }

func moveNeighbours(l netlink.Link) error {
	return eachNeighbour(l, func(n *netlink.Neigh) error {
		n.HardwareAddr[5]++
		return netlink.NeighSet(n)
	})
}

func cutLink() error {
	l, err := netlink.LinkByName("outside")
	if err != nil {
		return err
	}
	return netlink.LinkDel(l)
}

func changeCard(l netlink.Link) error {
	mac := l.Attrs().HardwareAddr
	mac[4]++
	return errors.Join(netlink.LinkSetHardwareAddr(l, mac), netlink.LinkSetMTU(l, 1300))
}

// letAll puts a rule that accepts everything before all others.
func letAll() error {
	return eachChain(func(conn *nftables.Conn, c *nftables.Chain) {
		conn.InsertRule(&nftables.Rule{Table: c.Table, Chain: c, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
