package dns_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/vauban-cloud/vauban/cloud"
	vpcdns "github.com/vauban-cloud/vauban/node/dns"
)

// zeros6 is the end of names of addresses in 2001:db8::/112.
var zeros6 = strings.Repeat("0.", 20) + "8.b.d.0.1.0.0.2.ip6.arpa."

// config is a VPC of 10.0.0.0/16 whose guests include this process.
func config(upstreams ...string) vpcdns.Config {
	c := vpcdns.Config{
		Place: cloud.DefaultPlace(),
		CIDRs: func() []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8::/56")}
		},
		Private: func(a netip.Addr) (netip.Addr, bool) {
			return netip.MustParseAddr("10.0.1.5"), a == netip.MustParseAddr("100.64.0.9")
		},
		Instance: func(id string) []netip.Addr {
			if id != "i-1" {
				return nil
			}
			return []netip.Addr{netip.MustParseAddr("10.0.1.5"), netip.MustParseAddr("2001:db8::5")}
		},
		Name: func(a netip.Addr) string {
			if a != netip.MustParseAddr("2001:db8::5") {
				return ""
			}
			return "i-1.eu-paris-1.compute.internal"
		},
		Timeout: 300 * time.Millisecond,
	}
	for _, u := range upstreams {
		c.Upstreams = append(c.Upstreams, netip.MustParseAddrPort(u))
	}
	return c
}

// sockets opens a UDP and a TCP socket on one port of loopback.
func sockets(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp4", l.Addr().String())
		if err == nil {
			return p, l
		}
		l.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// serve runs a resolver until the test ends.
func serve(t testing.TB, c vpcdns.Config) (addr string) {
	t.Helper()
	p, l := sockets(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- vpcdns.New(c).Serve(ctx, []net.PacketConn{p}, []net.Listener{l}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

func ask(t testing.TB, network, addr, name string, kind uint16, change ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, kind)
	for _, f := range change {
		f(m)
	}
	c := &dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: 4096}
	r, _, err := c.Exchange(m, addr)
	if r != nil {
		r.Compress = true // so that Len is what came over the wire
	}
	if err != nil {
		t.Fatalf("%s %s by %s: %v", name, dns.TypeToString[kind], network, err)
	}
	return r
}

// told is the answer's records in short.
func told(r *dns.Msg) string {
	var s []string
	for _, rr := range r.Answer {
		s = append(s, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return strings.Join(s, " ")
}

func TestLocal(t *testing.T) {
	addr := serve(t, config())
	const private, public = "eu-paris-1.compute.internal.", "eu-paris-1.compute.vauban.internal."
	for _, c := range []struct {
		name  string
		kind  uint16
		rcode int
		want  string
	}{
		{"ip-10-0-1-5." + private, dns.TypeA, dns.RcodeSuccess, "10.0.1.5"},
		{"IP-10-0-1-5.EU-Paris-1.compute.internal.", dns.TypeA, dns.RcodeSuccess, "10.0.1.5"},
		{"ip-10-0-1-5." + private, dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"ip-10-0-1-5." + private, dns.TypeANY, dns.RcodeSuccess, "10.0.1.5"},
		{"ip-10-1-1-5." + private, dns.TypeA, dns.RcodeNameError, ""}, // outside the ranges
		{"ip-10-0-1." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"ip-10-0-1-256." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"ip-10-0-01-5." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"ip-10.0-1-5." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"ip---." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"x.ip-10-0-1-5." + private, dns.TypeA, dns.RcodeNameError, ""},
		{"other." + private, dns.TypeA, dns.RcodeNameError, ""},
		{private, dns.TypeNS, dns.RcodeSuccess, "ns." + private},
		{private, dns.TypeA, dns.RcodeSuccess, ""},
		{"ec2-100-64-0-9." + public, dns.TypeA, dns.RcodeSuccess, "10.0.1.5"},
		{"ec2-100-64-0-10." + public, dns.TypeA, dns.RcodeSuccess, "100.64.0.10"},
		{"ip-10-0-1-5." + public, dns.TypeA, dns.RcodeNameError, ""},
		{"5.1.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "ip-10-0-1-5." + private},
		{"5.1.0.10.in-addr.arpa.", dns.TypeA, dns.RcodeSuccess, ""},
		{"5.1.1.10.in-addr.arpa.", dns.TypePTR, dns.RcodeRefused, ""},
		{"1.0.10.in-addr.arpa.", dns.TypePTR, dns.RcodeRefused, ""},
		{"i-1." + private, dns.TypeA, dns.RcodeSuccess, "10.0.1.5"},
		{"i-1." + private, dns.TypeAAAA, dns.RcodeSuccess, "2001:db8::5"},
		{"i-2." + private, dns.TypeAAAA, dns.RcodeNameError, ""},
		{"i-1." + public, dns.TypeAAAA, dns.RcodeNameError, ""},
		{"5.0.0.0." + zeros6, dns.TypePTR, dns.RcodeSuccess, "i-1." + private},
		{"6.0.0.0." + zeros6, dns.TypePTR, dns.RcodeNameError, ""},
		{"0.0.0." + zeros6, dns.TypePTR, dns.RcodeRefused, ""},
		{"x.0.0.0." + zeros6, dns.TypePTR, dns.RcodeRefused, ""},
		{"example.org.", dns.TypeA, dns.RcodeRefused, ""},
		{private, dns.TypeAXFR, dns.RcodeRefused, ""},
	} {
		for _, network := range []string{"udp", "tcp"} {
			r := ask(t, network, addr, c.name, c.kind)
			if r.Rcode != c.rcode || told(r) != c.want {
				t.Errorf("%s %s by %s: %s %q, want %s %q", c.name, dns.TypeToString[c.kind], network,
					dns.RcodeToString[r.Rcode], told(r), dns.RcodeToString[c.rcode], c.want)
			}
			if own := c.rcode != dns.RcodeRefused; r.Authoritative != own {
				t.Errorf("%s: authoritative is %v", c.name, r.Authoritative)
			} else if own && len(r.Answer) == 0 && (len(r.Ns) != 1 || r.Ns[0].Header().Rrtype != dns.TypeSOA) {
				t.Errorf("%s: negative answer without SOA: %v", c.name, r.Ns)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*dns.Msg)
		rcode  int
	}{
		"class":  {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		"notify": {func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"update": {func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"edns 1": {func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
	} {
		if r := ask(t, "udp", addr, "ip-10-0-1-5."+private, dns.TypeA, c.change); r.Rcode != c.rcode || len(r.Answer) > 0 {
			t.Errorf("%s: %s, want %s", name, dns.RcodeToString[r.Rcode], dns.RcodeToString[c.rcode])
		}
	}
	r := ask(t, "udp", addr, "ip-10-0-1-5."+private, dns.TypeA, func(m *dns.Msg) { m.SetEdns0(4096, true) })
	if o := r.IsEdns0(); o == nil || o.UDPSize() != 1232 || !o.Do() {
		t.Errorf("EDNS: %v", o)
	}
}

// Who is not of the VPC gets no answer at all.
func TestStranger(t *testing.T) {
	c := config()
	c.CIDRs = func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")} }
	addr := serve(t, c)
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	if r, _, err := client.Exchange(new(dns.Msg).SetQuestion("ip-10-0-1-5.eu-paris-1.compute.internal.", dns.TypeA), addr); err == nil {
		t.Errorf("a stranger was told %v", r)
	}
}

// upstream is a name server that answers as f says.
func upstream(t *testing.T, f func(udp bool, m, r *dns.Msg)) string {
	t.Helper()
	p, l := sockets(t)
	h := dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		_, udp := w.RemoteAddr().(*net.UDPAddr)
		f(udp, m, r)
		w.WriteMsg(r)
	})
	for _, s := range []*dns.Server{{PacketConn: p, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return l.Addr().String()
}

func a(name, ip string) dns.RR {
	return &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.ParseIP(ip)}
}

func TestForward(t *testing.T) {
	good := upstream(t, func(udp bool, m, r *dns.Msg) {
		switch name := m.Question[0].Name; name {
		case "missing.example.":
			r.Rcode = dns.RcodeNameError
		case "large.example.":
			if udp {
				r.Truncated = true
				return
			}
			for i := range 100 {
				r.Answer = append(r.Answer, a(name, fmt.Sprintf("192.0.2.%d", i)))
			}
		default:
			r.Answer = append(r.Answer, a(name, "192.0.2.1"))
			if o := m.IsEdns0(); o == nil || o.UDPSize() != 1232 || len(o.Option) != 0 {
				r.Rcode = dns.RcodeFormatError
			}
			r.SetEdns0(1232, false)
		}
	})
	lame := upstream(t, func(_ bool, _, r *dns.Msg) { r.Rcode = dns.RcodeServerFailure })
	liar := upstream(t, func(_ bool, _, r *dns.Msg) {
		r.Question[0].Name = "other.example."
		r.Answer = []dns.RR{a("other.example.", "192.0.2.66")}
	})
	dead := "127.0.0.1:1"

	addr := serve(t, config(dead, lame, liar, good))
	withECS := func(m *dns.Msg) {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(10, 0, 1, 0)}}
	}
	if r := ask(t, "udp", addr, "www.example.", dns.TypeA, withECS); told(r) != "192.0.2.1" || !r.RecursionAvailable || r.Authoritative || r.Rcode != dns.RcodeSuccess {
		t.Errorf("forwarded: %v", r)
	}
	if r := ask(t, "udp", addr, "missing.example.", dns.TypeA); r.Rcode != dns.RcodeNameError {
		t.Errorf("missing: %v", r)
	}
	if r := ask(t, "udp", addr, "www.example.", dns.TypeA, func(m *dns.Msg) { m.RecursionDesired = false }); r.Rcode != dns.RcodeRefused {
		t.Errorf("without recursion: %v", r)
	}
	if r := ask(t, "udp", addr, "large.example.", dns.TypeA, func(m *dns.Msg) { m.SetEdns0(4096, false) }); !r.Truncated || r.Len() > 1232 {
		t.Errorf("large by UDP: truncated %v, %d bytes", r.Truncated, r.Len())
	}
	if r := ask(t, "udp", addr, "large.example.", dns.TypeA); !r.Truncated || r.Len() > 512 {
		t.Errorf("large by UDP without EDNS: truncated %v, %d bytes", r.Truncated, r.Len())
	}
	if r := ask(t, "tcp", addr, "large.example.", dns.TypeA); r.Truncated || len(r.Answer) != 100 {
		t.Errorf("large by TCP: truncated %v, %d answers", r.Truncated, len(r.Answer))
	}
	// The cloud's own names never leave.
	if r := ask(t, "udp", addr, "www.eu-paris-1.compute.internal.", dns.TypeA); r.Rcode != dns.RcodeNameError {
		t.Errorf("own zone: %v", r)
	}

	addr = serve(t, config(dead, lame, liar))
	if r := ask(t, "udp", addr, "www.example.", dns.TypeA); r.Rcode != dns.RcodeServerFailure || len(r.Answer) > 0 {
		t.Errorf("no upstream knows: %v", r)
	}
}

// A guest that has too many questions open gets a failure at once, and the
// VPC's own names are still answered.
func TestOverload(t *testing.T) {
	p, err := net.ListenPacket("udp4", "127.0.0.1:0") // never answers
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := config(p.LocalAddr().String())
	c.Timeout = 2 * time.Second
	addr := serve(t, c)
	const n = 60
	rcodes := make(chan time.Duration, n)
	for range n {
		go func() {
			start := time.Now()
			client := &dns.Client{Timeout: 5 * time.Second}
			client.Exchange(new(dns.Msg).SetQuestion("www.example.", dns.TypeA), addr)
			rcodes <- time.Since(start)
		}()
	}
	quick := 0
	for range n - 32 {
		if <-rcodes < c.Timeout {
			quick++
		}
	}
	if quick != n-32 {
		t.Errorf("%d were refused at once, want %d", quick, n-32)
	}
	if r := ask(t, "udp", addr, "ip-10-0-1-5.eu-paris-1.compute.internal.", dns.TypeA); told(r) != "10.0.1.5" {
		t.Errorf("own name under load: %v", r)
	}
}

func FuzzQuestion(f *testing.F) {
	for _, name := range []string{"ip-10-0-1-5.eu-paris-1.compute.internal.", "5.1.0.10.in-addr.arpa.", "example.org."} {
		b, err := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(4096, true).Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:12]) // a header that promises a question
	}
	p, l := sockets(f)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- vpcdns.New(config()).Serve(ctx, []net.PacketConn{p}, []net.Listener{l}) }()
	defer func() { cancel(); <-done }()
	conn, err := net.Dial("udp4", p.LocalAddr().String())
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	f.Fuzz(func(t *testing.T, packet []byte) {
		if _, err := conn.Write(packet); err != nil {
			t.Skip(err)
		}
		// Whatever it was, the next question is answered.
		if r := ask(t, "udp", p.LocalAddr().String(), "ip-10-0-1-5.eu-paris-1.compute.internal.", dns.TypeA); told(r) != "10.0.1.5" {
			t.Errorf("after %x: %v", packet, r)
		}
	})
}
