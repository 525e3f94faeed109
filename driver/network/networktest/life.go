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
