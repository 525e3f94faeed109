package networktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/vauban-cloud/vauban/driver/network"
)

// matrix: generated plans, probed with real packets, do what the oracle says of them: within a
// subnet, between subnets, between peers, with the outside and by a NAT; by each protocol and IP version;
// and for flows that began before the plan changed.
func matrix(w *world) {
	m := newMatrix(w)
	m.generate(0)
	m.applyBoth()
	m.guests = map[string][]*guest{m.a.ID: w.boot(m.a, matrixPorts(m.a)...), m.b.ID: w.boot(m.b, matrixPorts(m.b)...)}
	const rounds = 8
	for _, s := range m.stacks() {
		for r := range rounds {
			s.listen(w.T, openPort(r), shutPort(r))
		}
	}
	for r := range rounds {
		if r > 0 {
			m.generate(r)
			m.applyBoth()
			m.goOn(r)
		}
		m.probe(r)
	}
	for _, f := range m.flows {
		f.Close()
	}
	w.Logf("%d cases, by what becomes of them: %v", m.cases, m.reasons)
	if m.cases < 300 {
		w.Errorf("only %d cases", m.cases)
	}
	for _, reason := range []string{"", byGroup, byACL, byRoute, "established"} {
		if m.reasons[reason] == 0 {
			w.Errorf("no case of %q among %v", reason, m.reasons)
		}
	}
}

// newMatrix plans two VPCs that are peers, without rules.
func newMatrix(w *world) *matrixRun {
	seed := rand.Uint64()
	w.Logf("seed %d", seed)
	m := &matrixRun{world: w, rand: rand.New(rand.NewPCG(seed, 0)), reasons: make(map[string]int)}
	m.a, m.b = newPlan("vpc-a", 1).withIPv6(), newPlan("vpc-b", 2).withIPv6()
	for i, p := range []*plan{m.a, m.b} {
		other := []*plan{m.b, m.a}[i]
		p.Peers = []network.Peer{{ID: "pcx-a", VPC: other.ID, CIDRs: other.CIDRs}}
		for j, id := range matrixPorts(p) {
			group := "sg-" + id
			p.group(group)
			p.portIn(p.Subnets[j/2], id, byte(11+j), group, "sg-all")
		}
		p.group("sg-all")
		p.Groups = append(p.Groups, network.Group{ID: "sg-beyond"})
		p.Lists = []network.List{{ID: "pl-a"}}
		p.Subnets[0].ACL, p.Subnets[1].ACL = "acl-0", "acl-1"
		p.ACLs = []network.ACL{{ID: "acl-0"}, {ID: "acl-1"}}
	}
	m.a.port("eni-nat", 20).Addresses[0].Public = w.public(20)
	m.a.NATs = []network.NAT{{ID: "nat-a", Port: "eni-nat"}}
	m.a.Ports[0].Addresses[0].Public, m.a.Ports[1].Addresses[0].Public = w.public(11), w.public(12)
	return m
}

// matrixPorts are the ports that have guests: two in one subnet, one in the other.
func matrixPorts(p *plan) []string {
	name := strings.Replace(p.ID, "vpc", "eni", 1)
	return []string{name + "-1", name + "-2", name + "-3"}
}

// openPort and shutPort are ports of a round: rules are about the open one. Each round has its own, so
// that no flow of another is known.
func openPort(round int) uint16 { return uint16(8000 + round) }
func shutPort(round int) uint16 { return uint16(9000 + round) }

type matrixRun struct {
	*world
	rand    *rand.Rand
	a, b    *plan
	guests  map[string][]*guest // by VPC, as its ports
	flows   []flow
	mu      sync.Mutex
	cases   int            // guarded by mu
	reasons map[string]int // guarded by mu
}

// flow is one that goes on when the plan changes.
type flow struct {
	net.Conn
	name string
	from place
	packet
	as netip.Addr // whom the other end sees
}

func (m *matrixRun) stacks() []stack {
	all := []stack{m.elsewhere}
	for _, guests := range m.guests {
		for _, g := range guests {
			all = append(all, g.stack)
		}
	}
	return all
}

func (m *matrixRun) oracle() oracle { return oracle{m.a.ID: m.a.VPC, m.b.ID: m.b.VPC} }

func (m *matrixRun) applyBoth() {
	m.Helper()
	m.apply(m.a)
	m.apply(m.b)
}

// count notes what the oracle says of a case.
func (m *matrixRun) count(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cases++
	m.reasons[kind]++
}

// journey is a pair of ends to probe between.
type journey struct {
	name     string
	from     place
	stack    stack
	source   netip.Addr
	to       netip.Addr
	protocol string
}

var protocolNumbers = map[string]int{"tcp": 6, "udp": 17, "icmp": 1}

func (j journey) packet(port uint16) packet {
	p := packet{protocolNumbers[j.protocol], j.source, j.to, 40000, int(port)}
	if j.protocol == "icmp" {
		p.fromPort, p.toPort = 8, 0
		if j.to.Is6() {
			p.protocol, p.fromPort = 58, 128
		}
	}
	return p
}

// journeys are all that are probed in a round.
func (m *matrixRun) journeys() (all []journey) {
	add := func(name string, from place, s stack, source, to netip.Addr) {
		for protocol := range protocolNumbers {
			all = append(all, journey{name, from, s, source, to, protocol})
		}
	}
	inside := func(name string, v *plan, i int, u *plan, j int) {
		from, to := v.Ports[i], u.Ports[j]
		add(name, place{v.ID, from}, m.stackOf(v, i), from.Addresses[0].Private, to.Addresses[0].Private)
		add(name, place{v.ID, from}, m.stackOf(v, i), from.Addresses6[0], to.Addresses6[0])
	}
	inside("same subnet", m.a, 0, m.a, 1)
	inside("same VPC", m.a, 1, m.a, 2)
	inside("same VPC, back", m.a, 2, m.a, 0)
	inside("peered", m.a, 0, m.b, 1)
	inside("peered, back", m.b, 2, m.a, 1)
	inside("peered, inner subnets", m.a, 2, m.b, 2)
	first, inner := place{m.a.ID, m.a.Ports[0]}, place{m.a.ID, m.a.Ports[2]}
	four, six := func(p place) netip.Addr { return p.port.Addresses[0].Private }, func(p place) netip.Addr { return p.port.Addresses6[0] }
	add("to the internet", first, m.stackOf(m.a, 0), four(first), elsewhereAddr)
	add("to the internet", first, m.stackOf(m.a, 0), six(first), elsewhere6)
	add("by a public address", first, m.stackOf(m.a, 0), four(first), m.public(12))
	add("by a NAT", inner, m.stackOf(m.a, 2), four(inner), elsewhereAddr)
	add("by a NAT and back in", inner, m.stackOf(m.a, 2), four(inner), m.public(11))
	add("by an egress-only gateway", inner, m.stackOf(m.a, 2), six(inner), elsewhere6)
	add("from the internet", place{}, m.host, hostAddr, m.public(11))
	add("from the internet", place{}, m.elsewhere, elsewhere6, six(first))
	return all
}

// stackOf is that of the guest at a port; nothing if there are no guests.
func (m *matrixRun) stackOf(v *plan, i int) (s stack) {
	if guests := m.guests[v.ID]; guests != nil {
		s = guests[i].stack
	}
	return s
}

// probe tries all journeys at once, and keeps some flows.
func (m *matrixRun) probe(round int) {
	m.Helper()
	o := m.oracle()
	var probes []probe
	for _, j := range m.journeys() {
		ports := []uint16{openPort(round), shutPort(round)}
		if j.protocol == "icmp" {
			ports = ports[:1]
		}
		for _, port := range ports {
			reason := o.exchange(j.from, j.packet(port), false)
			m.count(reason)
			m.explained(round, j, port, reason)
			probes = append(probes, probe{
				name: fmt.Sprintf("round %d: %s (%s)", round, j.name, reason), from: j.stack,
				protocol: j.protocol, to: at(j.to, port), want: reason == "",
			})
			if reason == "" && j.protocol != "icmp" && port == openPort(round) {
				m.keep(j, port)
			}
		}
	}
	m.expect(probes...)
}

// keep begins a flow that later plans are asked about.
func (m *matrixRun) keep(j journey, port uint16) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	c, err := j.stack.dial(ctx, j.protocol+version(j.to), at(j.to, port))
	if err == nil {
		err = exchange(c, patience)
	}
	if err != nil {
		m.Errorf("%s by %s does not begin: %v", j.name, j.protocol, err)
		return
	}
	p := j.packet(port)
	m.flows = append(m.flows, flow{c, j.name + " by " + j.protocol, j.from, p, m.oracle().seenAs(j.from, p)})
}

// goOn asks whether the flows that were kept go on under the new plan, whatever its groups say,
// and ends them. Those that would go on as somebody else, such as by a NAT now, are another flow to the other end.
func (m *matrixRun) goOn(round int) {
	m.Helper()
	o := m.oracle()
	var wg sync.WaitGroup
	for _, f := range m.flows {
		wg.Go(func() {
			defer f.Close()
			from := f.from
			if from.vpc != "" { // the port as it is now
				from, _ = within(o[from.vpc], f.from.port.Addresses[0].Private)
			}
			if o.seenAs(from, f.packet) != f.as {
				return
			}
			reason := o.exchange(from, f.packet, true)
			kind, wait := "established", patience
			if reason != "" {
				kind, wait = "established "+reason, soon
			}
			m.count(kind)
			if err := exchange(f.Conn, wait); (err == nil) != (reason == "") {
				m.Errorf("round %d: %s, which began before: %v, and the oracle says %q", round, f.name, err, reason)
			}
		})
	}
	wg.Wait()
	m.flows = nil
}
