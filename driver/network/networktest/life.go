package networktest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/network"
)

// life: VPCs come, are listed, and leave nothing.
func life(w *world) {
	ctx := w.Context()
	w.wantList()
	must(w.T, w.Remove(ctx, "vpc-none"))
	a, b := newPlan("vpc-a", 1), newPlan("vpc-b", 1)
	a.group("sg-a", all(anywhere))
	a.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	b.Subnets = b.Subnets[1:] // without a way outside
	w.apply(b)
	w.wantList("vpc-b")
	w.apply(a)
	w.apply(a)
	w.wantList("vpc-a", "vpc-b")
	if ids, err := w.Reopen().List(ctx); err != nil || !slices.Equal(ids, []string{"vpc-a", "vpc-b"}) {
		w.Errorf("a new process lists %v, %v", ids, err)
	}
	// The caller's plan is the caller's.
	a.Ports[0].MAC[5]++
	tap, err := w.Tap(ctx, "vpc-a", "eni-a")
	must(w.T, err)
	a.Ports[0].MAC[5]--
	must(w.T, w.Remove(ctx, "vpc-a"))
	must(w.T, tap.Close())
	w.wantList("vpc-b")
	if _, err := w.Tap(ctx, "vpc-a", "eni-a"); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("tap in a VPC that was removed: %v", err)
	}
	w.apply(a)
	w.wantList("vpc-a", "vpc-b")
	must(w.T, w.Remove(ctx, "vpc-a"))
	must(w.T, w.Remove(ctx, "vpc-a"))
	must(w.T, w.Reopen().Remove(ctx, "vpc-b"))
	w.Driver = w.Reopen()
	w.wantList()
	if left, err := w.Traces(); err != nil || len(left) > 0 {
		w.Errorf("all VPCs are removed, but there is %v, %v", left, err)
	}
}

func (w *world) wantList(want ...string) {
	w.Helper()
	got, err := w.List(w.Context())
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		w.Errorf("list: %v, %v, want %v", got, err, want)
	}
}

// refusals: plans that cannot be are refused, and change nothing.
func refusals(w *world) {
	ctx := w.Context()
	good := func() *plan {
		p := newPlan("vpc-a", 1)
		p.group("sg-a", all(anywhere))
		p.port("eni-a", 11, "sg-a")
		p.port("eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
		return p
	}
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for name, spoil := range map[string]func(p *plan){
		"no ID":                   func(p *plan) { p.ID = "" },
		"an ID that is a path":    func(p *plan) { p.ID = "../vpc" },
		"a range of IPv6":         func(p *plan) { p.CIDRs[0] = prefix("2001:db8::/56") },
		"a range of links":        func(p *plan) { p.CIDRs = append(p.CIDRs, prefix("169.254.0.0/16")) },
		"a range with host bits":  func(p *plan) { p.CIDRs[0] = prefix("10.1.1.0/16") },
		"ranges that overlap":     func(p *plan) { p.CIDRs = append(p.CIDRs, prefix("10.1.128.0/17")) },
		"a subnet elsewhere":      func(p *plan) { p.Subnets[0].Prefix = prefix("10.2.1.0/24") },
		"subnets that overlap":    func(p *plan) { p.Subnets[0].Prefix = prefix("10.1.0.0/20") },
		"a router elsewhere":      func(p *plan) { p.Subnets[0].Router = addr("10.1.2.1") },
		"an unknown subnet":       func(p *plan) { p.Ports[0].Subnet = "subnet-x" },
		"a port twice":            func(p *plan) { p.Ports[1].ID = p.Ports[0].ID },
		"a MAC twice":             func(p *plan) { p.Ports[1].MAC = p.Ports[0].MAC },
		"a MAC of many":           func(p *plan) { p.Ports[0].MAC = net.HardwareAddr{1, 2, 3, 4, 5, 6} },
		"no MAC":                  func(p *plan) { p.Ports[0].MAC = nil },
		"no address":              func(p *plan) { p.Ports[0].Addresses = nil },
		"an address elsewhere":    func(p *plan) { p.Ports[0].Addresses[0].Private = addr("10.1.2.11") },
		"an address twice":        func(p *plan) { p.Ports[1].Addresses[0].Private = p.Ports[0].Addresses[0].Private },
		"the router's address":    func(p *plan) { p.Ports[0].Addresses[0].Private = addr("10.1.1.1") },
		"a public address twice":  func(p *plan) { p.Ports[0].Addresses[0].Public = w.public(12) },
		"public, not in the pool": func(p *plan) { p.Ports[0].Addresses[0].Public = addr("8.8.8.8") },
		"an unknown group":        func(p *plan) { p.Ports[0].Groups = []string{"sg-x"} },
		"a group twice":           func(p *plan) { p.Groups = append(p.Groups, p.Groups[0]) },
		"a group ID with spaces":  func(p *plan) { p.Groups[0].ID = "sg a" },
		"a rule about nobody":     func(p *plan) { p.Groups[0].Ingress[0].Prefix = netip.Prefix{} },
		"a rule about two":        func(p *plan) { p.Groups[0].Ingress[0].Group = "sg-a" },
		"a port range backwards":  func(p *plan) { p.Groups[0].Ingress[0] = tcp(anywhere, 80, 79) },
		"a port too large":        func(p *plan) { p.Groups[0].Ingress[0] = tcp(anywhere, 1, 65536) },
		"a protocol too large":    func(p *plan) { p.Groups[0].Ingress[0].Protocol = 256 },
	} {
		p := good()
		spoil(p)
		if err := w.Apply(ctx, p.VPC); err == nil {
			w.Errorf("a plan with %s is taken", name)
		}
	}
	w.wantList()
	p := good()
	if _, err := w.Tap(ctx, p.ID, "eni-a"); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("tap before Apply: %v, want no such VPC", err)
	}
	if _, err := w.Listen(ctx, p.ID, "tcp4", "169.254.169.254:80"); !errors.Is(err, network.ErrNoVPC) {
		w.Errorf("listen before Apply: %v, want no such VPC", err)
	}
	w.apply(p)
	if _, err := w.Tap(ctx, p.ID, "eni-x"); !errors.Is(err, network.ErrNoPort) {
		w.Errorf("tap of an unknown port: %v, want no such port", err)
	}
	if _, err := w.Listen(ctx, p.ID, "tcp4", "localhost:80"); err == nil {
		w.Error("listening at a name is taken")
	}
}

// sockets: the router's sockets can be opened, shared and opened again.
func sockets(w *world) {
	p := newPlan("vpc-a", 1)
	w.apply(p)
	for range 2 {
		l, err := w.Listen(w.Context(), p.ID, "tcp4", "169.254.169.254:80")
		must(w.T, err)
		must(w.T, l.Close())
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			w.Errorf("accept after close: %v", err)
		}
	}
	for _, address := range []string{"0.0.0.0:67", "10.1.0.2:53", "169.254.169.253:53"} {
		c, err := w.ListenPacket(w.Context(), p.ID, "udp4", address)
		must(w.T, err)
		again, err := w.ListenPacket(w.Context(), p.ID, "udp4", address)
		must(w.T, err)
		must(w.T, c.Close())
		must(w.T, again.Close())
	}
}

// parallel: many VPCs are made, changed and removed at once.
func parallel(w *world) {
	const vpcs = 12
	each := func(f func(p *plan) error) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range vpcs {
			wg.Go(func() {
				p := newPlan(fmt.Sprintf("vpc-%02d", i), byte(i))
				p.group("sg-a", all(anywhere), members("sg-a"))
				for j := range byte(5) {
					p.port(fmt.Sprintf("eni-%d", j), 11+j, "sg-a").Addresses[0].Public = w.public(byte(i)*10 + j + 1)
				}
				if err := f(p); err != nil {
					w.Errorf("%s: %v", p.ID, err)
				}
			})
		}
		wg.Wait()
		return time.Since(start)
	}
	took := each(func(p *plan) error {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := w.Apply(w.Context(), p.VPC); err != nil {
					w.Errorf("%s: %v", p.ID, err)
				}
			})
		}
		wg.Wait()
		tap, err := w.Tap(w.Context(), p.ID, "eni-3")
		if err != nil {
			return err
		}
		return tap.Close()
	})
	w.Logf("%d VPCs of 5 ports, each applied three times: %v", vpcs, took)
	ids, err := w.List(w.Context())
	if err != nil || len(ids) != vpcs {
		w.Errorf("list: %v, %v", ids, err)
	}
	took = each(func(p *plan) error { return w.Remove(w.Context(), p.ID) })
	w.Logf("removed: %v", took)
	if left, err := w.Traces(); err != nil || len(left) > 0 {
		w.Errorf("left are %v, %v", left, err)
	}
}

// many: a VPC of 200 ports, in time.
func many(w *world) {
	const ports = 200
	p := newPlan("vpc-a", 1)
	p.group("sg-a", members("sg-a"), tcp(anywhere, ssh))
	p.group("sg-b", tcp(anywhere, web))
	start := time.Now()
	w.apply(p)
	w.Logf("a VPC: %v", time.Since(start))
	for i := range ports {
		s := p.Subnets[i%2]
		p.portIn(s, fmt.Sprintf("eni-%03d", i), byte(10+i/2), "sg-a", "sg-b")
	}
	start = time.Now()
	w.apply(p)
	w.Logf("%d ports applied: %v", ports, time.Since(start))
	start = time.Now()
	for _, port := range p.Ports {
		tap, err := w.Tap(w.Context(), p.ID, port.ID)
		must(w.T, err)
		w.Cleanup(func() { tap.Close() })
	}
	w.Logf("%d taps: %v, %v each", ports, time.Since(start), time.Since(start)/ports)
	start = time.Now()
	w.apply(p)
	w.Logf("applied again, unchanged: %v", time.Since(start))
	p.portIn(p.Subnets[0], "eni-last", 201, "sg-a")
	p.portIn(p.Subnets[0], "eni-first", 202, "sg-a")
	start = time.Now()
	w.apply(p)
	w.Logf("two ports more: %v", time.Since(start))
	g := w.boot(p, "eni-first", "eni-last")
	g[1].listen(w.T, web)
	w.expect(
		probe{"among many", g[0].stack, "tcp", at(g[1].addr, web), true, g[0].addr},
		probe{"router", g[0].stack, "icmp", at(p.Subnets[0].Router, 0), true, netip.Addr{}},
	)
	start = time.Now()
	must(w.T, w.Remove(w.Context(), p.ID))
	w.Logf("removed: %v", time.Since(start))
}
