package fair_test

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/node/fair"
)

func TestGate(t *testing.T) {
	a, b, c := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	g := fair.NewGate(2, 3)
	for i, step := range []struct {
		enter netip.Addr
		want  bool
	}{{a, true}, {a, true}, {a, false}, {b, true}, {b, false}, {c, false}} {
		if got := g.Enter(step.enter); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	g.Leave(a)
	if !g.Enter(c) || g.Enter(a) {
		t.Error("the place of one that left did not go to the next")
	}
}

func TestListener(t *testing.T) {
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := fair.NewGate(1, 10).Listener(inner)
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := dial()
	defer first.Close()
	server := <-accepted
	second := dial()
	defer second.Close()
	if _, err := second.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection too many: %v, want it closed", err)
	}
	server.Close()
	server.Close() // gives its place back once
	third := dial()
	defer third.Close()
	<-accepted
	fourth := dial()
	defer fourth.Close()
	if _, err := fourth.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection too many: %v, want it closed", err)
	}
}
