package fake_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/fake"
	"github.com/vauban-cloud/vauban/driver/network/networktest"
)

func TestConformance(t *testing.T) {
	networktest.Run(t, networktest.Bench{
		Simulated: true,
		New: func(_ *testing.T, _ string, pool, _ netip.Prefix) networktest.Cloud {
			h := fake.NewHost(fake.Config{PublicPool: pool})
			d := h.Open()
			return networktest.Cloud{
				Driver: d,
				Reopen: func() network.Driver { return h.Open() },
				Traces: func() ([]string, error) { return d.List(context.Background()) },
			}
		},
	})
}

func TestPlansAreRecorded(t *testing.T) {
	d := fake.New(fake.Config{})
	plan := network.VPC{ID: "vpc-a", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}
	for range 2 {
		if err := d.Apply(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
	}
	plan.CIDRs[0] = netip.MustParsePrefix("10.9.0.0/16")
	got, applied := d.Host().Plan("vpc-a")
	if applied != 2 || got.CIDRs[0].String() != "10.0.0.0/16" {
		t.Errorf("recorded %+v, applied %d times", got, applied)
	}
	if _, applied := d.Host().Plan("vpc-b"); applied != 0 {
		t.Error("a plan that was never applied is recorded")
	}
}

func TestFaults(t *testing.T) {
	broken, lost := errors.New("broken"), errors.New("lost")
	var before, after error
	d := fake.New(fake.Config{
		Before: func(op, id string) error { return before },
		After:  func(op, id string) error { return after },
	})
	before = broken
	if err := d.Apply(t.Context(), network.VPC{ID: "vpc-a"}); !errors.Is(err, broken) {
		t.Errorf("apply: %v", err)
	}
	before, after = nil, lost
	if err := d.Apply(t.Context(), network.VPC{ID: "vpc-b"}); !errors.Is(err, lost) {
		t.Errorf("apply: %v", err)
	}
	after = nil
	if ids, err := d.List(t.Context()); err != nil || len(ids) != 1 || ids[0] != "vpc-b" {
		t.Errorf("after a fault before and one after: %v, %v", ids, err)
	}
}

func TestGuestsReachListeners(t *testing.T) {
	d := fake.New(fake.Config{})
	if err := d.Apply(t.Context(), network.VPC{ID: "vpc-a"}); err != nil {
		t.Fatal(err)
	}
	l, err := d.Listen(t.Context(), "vpc-a", "tcp4", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, c.RemoteAddr().String())
		_ = c.Close()
	}()
	guest := netip.MustParseAddr("10.0.0.5")
	c, err := d.Host().Dial(t.Context(), "vpc-a", guest, "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "10.0.0.5:49152" {
		t.Errorf("the listener sees %q, %v", b, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Host().Dial(t.Context(), "vpc-a", guest, "169.254.169.254:80"); err == nil {
		t.Error("a closed listener is reached")
	}
}

func TestFlowsOfLogs(t *testing.T) {
	d := fake.New(fake.Config{})
	if _, err := d.Flows(t.Context(), "vpc-a"); !errors.Is(err, network.ErrNoVPC) {
		t.Errorf("flows of a VPC that is not there: %v", err)
	}
	prefix := netip.MustParsePrefix("10.0.0.0/24")
	plan := network.VPC{
		ID: "vpc-a", CIDRs: []netip.Prefix{prefix},
		Subnets: []network.Subnet{{ID: "subnet-a", Prefix: prefix, Router: netip.MustParseAddr("10.0.0.1")}},
		Ports: []network.Port{{
			ID: "eni-a", Subnet: "subnet-a", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Log: network.Log{Rejected: true},
			Addresses: []network.Address{{Private: netip.MustParseAddr("10.0.0.5")}},
		}},
	}
	if err := d.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	d.Host().See("vpc-a", network.Flow{Port: "eni-a", Accepted: true}, network.Flow{Port: "eni-a", Packets: 3}, network.Flow{Port: "eni-b"})
	for _, want := range []int{1, 0} {
		flows, err := d.Flows(t.Context(), "vpc-a")
		if err != nil || len(flows) != want || want == 1 && flows[0].Packets != 3 {
			t.Errorf("%v, %v, want %d flows", flows, err, want)
		}
	}
}
