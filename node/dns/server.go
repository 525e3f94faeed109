// Package dns is the resolver of one VPC: it answers for the names and addresses
// of the VPC itself, and passes the rest on to the servers that the operator
// configured. With none configured it refuses the rest; it never asks a server
// that it was not told of.
//
// Only the VPC's own addresses are answered. It does not cache, and does not
// check DNSSEC signatures; it passes both questions and answers about them on.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/fair"
)

// Config is what a server needs. The functions are called for every question.
type Config struct {
	Place cloud.Place
	// CIDRs are the VPC's ranges.
	CIDRs func() []netip.Prefix
	// Private returns the VPC's private address behind a public one: inside the
	// VPC, public names lead there. Nil if there are none.
	Private func(public netip.Addr) (netip.Addr, bool)
	// Instance returns the addresses that the name of an instance, such as
	// "i-0123456789abcdef0", leads to. Nil if there are no such names.
	Instance func(id string) []netip.Addr
	// Name returns the name of what has an IPv6 address of the VPC's ranges; empty if it
	// has none. Nil if nothing has one.
	Name func(a netip.Addr) string
	// Upstreams are asked, one after the other, about names that are not the VPC's.
	Upstreams []netip.AddrPort
	Timeout   time.Duration // of one upstream; 0 for 2 s
	Log       *slog.Logger  // nil for slog.Default()
}

// Limits of one guest, and of all.
const (
	guestForwards = 32  // questions that wait for an upstream
	allForwards   = 256 //
	guestConns    = 8   // TCP connections
	allConns      = 128
	maxUDP        = 1232 // bytes of an answer by UDP: never fragmented (RFC 9715)
)

// Server is the resolver of one VPC. Create it with New.
type Server struct {
	cfg      Config
	zones    []string // that it answers for, lower case, with a final dot
	forwards *fair.Gate
	conns    *fair.Gate
}

// New returns the resolver of a VPC.
func New(cfg Config) *Server {
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Private == nil {
		cfg.Private = func(netip.Addr) (netip.Addr, bool) { return netip.Addr{}, false }
	}
	if cfg.Instance == nil {
		cfg.Instance = func(string) []netip.Addr { return nil }
	}
	if cfg.Name == nil {
		cfg.Name = func(netip.Addr) string { return "" }
	}
	return &Server{
		cfg:      cfg,
		zones:    []string{dns.CanonicalName(cfg.Place.PrivateDomain()), dns.CanonicalName(cfg.Place.PublicDomain())},
		forwards: fair.NewGate(guestForwards, allForwards),
		conns:    fair.NewGate(guestConns, allConns),
	}
}

// Serve answers on the sockets, which it closes, until ctx ends; then it returns
// nil. They are bound to port 53 of the VPC's resolver addresses.
func (s *Server) Serve(ctx context.Context, packets []net.PacketConn, listeners []net.Listener) error {
	var servers []*dns.Server
	for _, p := range packets {
		servers = append(servers, &dns.Server{PacketConn: p, UDPSize: 4096})
	}
	for _, l := range listeners {
		servers = append(servers, &dns.Server{Listener: s.conns.Listener(l)})
	}
	parent := ctx
	g, ctx := errgroup.WithContext(ctx)
	for _, srv := range servers {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		srv.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { s.serve(ctx, w, m) })
		failed := make(chan struct{})
		g.Go(func() error {
			defer close(failed)
			if err := srv.ActivateAndServe(); err != nil {
				return fmt.Errorf("serve DNS: %w", err)
			}
			return nil
		})
		g.Go(func() error {
			select {
			case <-started: // before that, there is nothing that could be shut down
			case <-failed:
				return nil
			}
			<-ctx.Done()
			patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			srv.ShutdownContext(patience) //nolint:errcheck // who still waits for an upstream asks again
			return nil
		})
	}
	err := g.Wait()
	for _, c := range packets {
		c.Close() //nolint:errcheck // it holds nothing
	}
	for _, l := range listeners {
		l.Close() //nolint:errcheck // it holds nothing
	}
	if parent.Err() != nil && (err == nil || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// serve answers one question.
func (s *Server) serve(ctx context.Context, w dns.ResponseWriter, m *dns.Msg) {
	from := fair.Address(w.RemoteAddr())
	if !slices.ContainsFunc(s.cfg.CIDRs(), func(p netip.Prefix) bool { return p.Contains(from) }) {
		return // not one of ours: not even an error, which could be sent in another's name
	}
	r := s.answer(ctx, from, m)
	size := dns.MaxMsgSize
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size = dns.MinMsgSize
	}
	if o := m.IsEdns0(); o != nil {
		r.SetEdns0(maxUDP, o.Do())
		if size == dns.MinMsgSize {
			size = min(max(int(o.UDPSize()), dns.MinMsgSize), maxUDP)
		}
		if o.Version() != 0 {
			r.Answer, r.Ns, r.Rcode = nil, nil, dns.RcodeBadVers
		}
	}
	r.Compress = true
	r.Truncate(size)
	w.WriteMsg(r) //nolint:errcheck // the guest asks again
}

// answer finds the answer to a message.
func (s *Server) answer(ctx context.Context, from netip.Addr, m *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(m)
	r.RecursionAvailable = len(s.cfg.Upstreams) > 0
	if len(m.Question) != 1 { // the header may promise one that does not follow
		r.Rcode = dns.RcodeFormatError
		return r
	}
	q := m.Question[0]
	switch {
	case m.Opcode != dns.OpcodeQuery:
		r.Rcode = dns.RcodeNotImplemented
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		r.Rcode = dns.RcodeRefused
	case s.local(r, q):
		r.Authoritative = true
	case !m.RecursionDesired, len(s.cfg.Upstreams) == 0:
		r.Rcode = dns.RcodeRefused
	case !s.forwards.Enter(from):
		r.Rcode = dns.RcodeServerFailure
	default:
		defer s.forwards.Leave(from)
		s.forward(ctx, r, m)
	}
	return r
}
