package linux_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

// TestAnyHistory changes a plan at random: whatever came before, what is there is
// what a new process would make, which finds nothing to change.
func TestAnyHistory(t *testing.T) {
	host, err := space.New()
	must(t, err)
	t.Cleanup(host.Close)
	id, cloud := newCloud(t, host.Path(), netip.MustParsePrefix("100.64.1.0/24"))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	plan := withTargets(busyPlan(12))
	must(t, cloud.Apply(t.Context(), plan))
	for _, p := range plan.Ports[:4] {
		tap, err := cloud.Tap(t.Context(), plan.ID, p.ID)
		must(t, err)
		t.Cleanup(func() { tap.Close() })
	}
	inside, err := space.Find("vb" + id + "-" + plan.ID)
	must(t, err)
	t.Cleanup(inside.Close)
	listeners := append(listenForChanges(t, host), listenForChanges(t, inside)...)
	for range 25 {
		next := mutate(r, plan.Clone())
		must(t, next.Validate())
		must(t, cloud.Apply(t.Context(), next))
		settle(t, inside)
		changes(t, listeners)
		must(t, cloud.Reopen().Apply(t.Context(), next))
		expectNone(t, listeners, "by a new process")
		if t.Failed() {
			return
		}
	}
}

// mutate changes some of everything.
func mutate(r *rand.Rand, v network.VPC) network.VPC {
	some := func() bool { return r.IntN(4) == 0 }
	v.Ports = slices.DeleteFunc(v.Ports, func(network.Port) bool { return some() })
	mutateRoutes(r, &v)
	for i := range v.Ports {
		p := &v.Ports[i]
		p.AnySource = p.AnySource != some()
		switch r.IntN(4) {
		case 0:
			p.Groups = [][]string{nil, {"sg-a"}, {"sg-b"}, {"sg-a", "sg-b"}, {"sg-b", "sg-b"}}[r.IntN(5)]
		case 1:
			p.Addresses[0].Public = netip.Addr{}
		case 2:
			second := p.Addresses[0].Private.As4()
			second[2] += 8
			p.Addresses = append(p.Addresses, network.Address{Private: netip.AddrFrom4(second)})
		case 3:
			p.MAC[2] = byte(r.IntN(4))
			p.Addresses6 = p.Addresses6[:0]
		}
	}
	for i := range v.Groups {
		r.Shuffle(len(v.Groups[i].Ingress), func(a, b int) {
			rules := v.Groups[i].Ingress
			rules[a], rules[b] = rules[b], rules[a]
		})
		v.Groups[i].Ingress = v.Groups[i].Ingress[:r.IntN(len(v.Groups[i].Ingress)+1)]
		if some() {
			v.Groups[i].Egress = append(v.Groups[i].Egress, network.Rule{Protocol: 17, From: r.IntN(100), To: 100, Group: "sg-c"})
		}
	}
	mutateFilters(r, &v)
	v.Internet = !some()
	if some() {
		v.CIDRs = append(v.CIDRs, netip.MustParsePrefix("172.16.0.0/16"))
	}
	return v
}

// mutateRoutes changes tables, NATs and peers, and drops what leads to ports that are gone.
func mutateRoutes(r *rand.Rand, v *network.VPC) {
	some := func() bool { return r.IntN(4) == 0 }
	has := func(id string) bool {
		return slices.ContainsFunc(v.Ports, func(p network.Port) bool { return p.ID == id })
	}
	v.NATs = slices.DeleteFunc(v.NATs, func(n network.NAT) bool { return !has(n.Port) || some() })
	if some() {
		v.Peers = nil
	}
	for i := range v.Tables {
		v.Tables[i].Routes = slices.DeleteFunc(v.Tables[i].Routes, func(x network.Route) bool {
			return some() || x.Via == network.ViaNAT && len(v.NATs) == 0 || x.Via == network.ViaPeer && len(v.Peers) == 0 || x.Via == network.ViaPort && !has(x.Target)
		})
	}
	for i := range v.Subnets {
		v.Subnets[i].Table = []string{"", "rtb-out", "rtb-in", "rtb-unused"}[r.IntN(4)]
	}
}

// mutateFilters changes ACLs, lists, members and logs.
func mutateFilters(r *rand.Rand, v *network.VPC) {
	some := func() bool { return r.IntN(4) == 0 }
	for i := range v.Subnets {
		v.Subnets[i].ACL = []string{"", "acl-open", "acl-some"}[r.IntN(3)]
	}
	for i := range v.ACLs {
		for _, entries := range []*[]network.Entry{&v.ACLs[i].Ingress, &v.ACLs[i].Egress} {
			r.Shuffle(len(*entries), func(a, b int) { (*entries)[a], (*entries)[b] = (*entries)[b], (*entries)[a] })
			if some() {
				*entries = (*entries)[:r.IntN(len(*entries)+1)]
			}
		}
	}
	for i := range v.Lists {
		v.Lists[i].Prefixes = nil
		for range r.IntN(5) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(r.IntN(4)), byte(r.IntN(4))}), 8+r.IntN(20))
			v.Lists[i].Prefixes = append(v.Lists[i].Prefixes, p.Masked(), netip.MustParsePrefix("2001:db8::/32"))
		}
	}
	if some() {
		v.Groups[1].Members = []netip.Addr{netip.AddrFrom4([4]byte{172, 31, 0, byte(r.IntN(4))}), netip.MustParseAddr("2001:db8::6")}
	}
	for i := range v.Ports {
		v.Ports[i].Log = network.Log{Accepted: some(), Rejected: some()}
	}
}
