package networktest

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/network"
)

// repair: whatever is done to a VPC behind the driver's back, Apply undoes it,
// for guests that run.
func repair(w *world) {
	p := natPlan(w).withIPv6()
	p.Groups[0].Ingress = []network.Rule{tcp(anywhere, web), members("sg-a"), tcp(anywhere6, web)}
	p.port("eni-a", 31, "sg-a").Addresses[0].Public = w.public(31)
	p.portIn(p.Subnets[1], "eni-b", 32, "sg-a")
	q := newPlan("vpc-b", 2)
	q.group("sg-b", all(anywhere))
	q.port("eni-q", 11, "sg-b")
	peer(p, q, "pcx-ab")
	p.table(tableOut, append(p.Tables[0].Routes, to("10.2.0.0/16", network.ViaPeer, "pcx-ab"))...)
	q.table(tableOut, to("10.1.0.0/16", network.ViaPeer, "pcx-ab"))
	w.apply(q)
	w.apply(p)
	g := append(w.boot(p, "eni-a", "eni-b"), w.bootOne(q, "eni-q"))
	for _, x := range g {
		x.listen(w.T, web, ssh)
	}
	w.elsewhere.listen(w.T, web)
	check := func(when string) {
		w.Helper()
		w.expect(
			probe{when + ": inside", g[1].stack, "udp", at(g[0].addr, ssh), true, g[1].addr},
			probe{when + ": echo", g[0].stack, "icmp", at(g[1].addr, 0), true, netip.Addr{}},
			probe{when + ": in", w.host, "tcp", at(w.public(31), web), true, hostAddr},
			probe{when + ": out", g[0].stack, "tcp", at(elsewhereAddr, web), true, hostAddr},
			probe{when + ": closed", w.host, "tcp", at(w.public(31), ssh), false, netip.Addr{}},
			probe{when + ": through the NAT", g[1].stack, "tcp", at(elsewhereAddr, web), true, hostAddr},
			probe{when + ": into the NAT", w.host, "tcp", at(w.public(20), web), false, netip.Addr{}},
			probe{when + ": peer", g[0].stack, "tcp", at(g[2].addr, web), true, g[0].addr},
			probe{when + ": peer, back", g[2].stack, "tcp", at(g[0].addr, web), true, g[2].addr},
			probe{when + ": inside, IPv6", g[1].stack, "tcp", at(g[0].addr6, web), true, g[1].addr6},
			probe{when + ": in, IPv6", w.elsewhere, "tcp", at(g[0].addr6, web), true, elsewhere6},
			probe{when + ": out, IPv6", g[0].stack, "tcp", at(elsewhere6, web), true, g[0].addr6},
			probe{when + ": host", g[0].stack, "tcp", at(hostAddr, web), false, netip.Addr{}},
		)
	}
	check("at first")
	for name, damage := range w.Damage {
		must(w.T, damage.Do(p.ID))
		w.apply(p)
		check("after " + name)
		if damage.Forgotten {
			continue
		}
		must(w.T, damage.Do(p.ID))
		again := w.Reopen()
		must(w.T, again.Apply(w.Context(), q.VPC))
		must(w.T, again.Apply(w.Context(), p.VPC))
		check("in a new process, after " + name)
	}
}

// restart: a new process takes over without a lost packet, and goes on to change
// what the one before it made.
func restart(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", udp(anywhere, web))
	p.port("eni-a", 11, "sg-a").Addresses[0].Public = w.public(11)
	p.port("eni-b", 12, "sg-a").Addresses[0].Public = w.public(12)
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web, ssh)
	// Answers come in order: the n-th is to the n-th packet, or one was lost.
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for _, to := range []netip.Addr{g[1].addr, w.public(12)} {
		c, err := g[0].dial(ctx, "udp4", at(to, web))
		must(w.T, err)
		wg.Go(func() {
			defer c.Close()
			for n := 0; ctx.Err() == nil; n++ {
				if err := exchange(c, patience); err != nil {
					w.Errorf("packet %d to %s is lost: %v", n, to, err)
				}
			}
		})
	}
	for range 10 {
		d := w.Reopen()
		must(w.T, d.Apply(ctx, p.VPC))
		must(w.T, d.Apply(ctx, p.VPC))
	}
	p.Groups[0].Ingress = append(p.Groups[0].Ingress, tcp(anywhere, ssh))
	p.port("eni-c", 13, "sg-a")
	d := w.Reopen()
	must(w.T, d.Apply(ctx, p.VPC))
	w.Driver = d
	c := w.boot(p, "eni-c")[0]
	w.expect(
		probe{"a new rule", g[0].stack, "tcp", at(g[1].addr, ssh), true, g[0].addr},
		probe{"a new port", c.stack, "tcp", at(g[1].addr, ssh), true, c.addr},
		probe{"no rule", c.stack, "tcp", at(g[1].addr, web), false, netip.Addr{}},
	)
	cancel()
	wg.Wait()
}

// exchange sends a datagram, or a line, and waits for what comes back.
func exchange(c net.Conn, wait time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("ping\n")); err != nil {
		return err
	}
	for read := ""; ; {
		buf := make([]byte, 1500)
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if read += string(buf[:n]); strings.Contains(read, "ping") {
			return nil
		}
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func address(private, public netip.Addr) network.Address {
	return network.Address{Private: private, Public: public}
}

// taps: a port has one tap at a time, and another when that is closed; a port
// that is no more carries nothing.
func taps(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", all(anywhere))
	p.port("eni-a", 11, "sg-a")
	p.port("eni-b", 12, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-a", "eni-b")
	g[1].listen(w.T, web)
	if f, err := w.Tap(w.Context(), p.ID, "eni-b"); err == nil {
		w.Errorf("a port has two taps, %v", f.Close())
	}
	w.expect(probe{"with its tap", g[0].stack, "tcp", at(g[1].addr, web), true, g[0].addr})
	g[1].halt()
	var again *guest
	must(w.T, eventually("boot again", func() error {
		f, err := w.Tap(w.Context(), p.ID, "eni-b")
		if err == nil {
			err = f.Close()
		}
		return err
	}))
	again = w.boot(p, "eni-b")[0]
	again.listen(w.T, web)
	w.expect(probe{"with another tap", g[0].stack, "tcp", at(again.addr, web), true, g[0].addr})

	without := *p
	without.Ports = p.Ports[:1]
	w.apply(&without)
	w.expect(
		probe{"to a port that is no more", g[0].stack, "tcp", at(again.addr, web), false, netip.Addr{}},
		probe{"from a port that is no more", again.stack, "icmp", at(g[0].addr, 0), false, netip.Addr{}},
	)
	w.apply(p)
	w.expect(probe{"a port that is back", g[0].stack, "tcp", at(again.addr, web), true, g[0].addr})
}

// movedAddress: a private address that another port gets takes no flow along.
func movedAddress(w *world) {
	p := newPlan("vpc-a", 1)
	p.group("sg-a", tcp(anywhere, web))
	p.port("eni-client", 10, "sg-a")
	p.port("eni-old", 11, "sg-a")
	w.apply(p)
	g := w.boot(p, "eni-client", "eni-old")
	g[1].listen(w.T, web)
	c, err := g[0].dial(w.Context(), "tcp4", at(g[1].addr, web))
	must(w.T, err)
	defer c.Close()
	must(w.T, exchange(c, patience))
	g[1].halt()
	p.Ports[1].ID, p.Ports[1].MAC = "eni-new", net.HardwareAddr{0x02, 1, 2, 3, 4, 5}
	p.group("sg-b", tcp(anywhere, ssh))
	p.Ports[1].Groups = []string{"sg-b"}
	w.apply(p)
	heir := w.boot(p, "eni-new")[0]
	heir.listen(w.T, ssh)
	w.expect(probe{"the new port", g[0].stack, "tcp", at(heir.addr, ssh), true, g[0].addr})
	heir.forget()
	_ = exchange(c, soon)
	if heir.saw(func(f []byte) bool { return len(f) > 38 && binary.BigEndian.Uint16(f[36:]) == web }) {
		w.Error("a packet of the old port's flow reaches the new one")
	}
}
