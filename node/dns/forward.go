package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// forward asks the upstreams in turn, and puts what the first one that knows says
// into r. Of the guest's message only the question and its DNSSEC wishes go out.
func (s *Server) forward(ctx context.Context, r, m *dns.Msg) {
	ask := new(dns.Msg)
	ask.Id = dns.Id()
	ask.RecursionDesired = true
	ask.CheckingDisabled = m.CheckingDisabled
	ask.Question = m.Question[:1]
	o := m.IsEdns0()
	ask.SetEdns0(maxUDP, o != nil && o.Do())

	for _, up := range s.cfg.Upstreams {
		said, err := s.exchange(ctx, ask, up)
		if err != nil {
			s.cfg.Log.Debug("ask upstream resolver", "upstream", up, "err", err)
			continue
		}
		r.Rcode, r.AuthenticatedData = said.Rcode, said.AuthenticatedData
		r.Answer, r.Ns, r.Extra = said.Answer, said.Ns, withoutOPT(said.Extra)
		return
	}
	r.Rcode = dns.RcodeServerFailure
}

// exchange asks one upstream: by UDP, and again by TCP if the answer was cut.
func (s *Server) exchange(ctx context.Context, ask *dns.Msg, up netip.AddrPort) (*dns.Msg, error) {
	for _, transport := range []string{"udp", "tcp"} {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		c := &dns.Client{Net: transport, Timeout: s.cfg.Timeout, UDPSize: maxUDP}
		said, _, err := c.ExchangeContext(ctx, ask, up.String())
		cancel()
		switch {
		case err != nil:
			return nil, fmt.Errorf("ask by %s: %w", transport, err)
		case !said.Response || len(said.Question) != 1 || !sameQuestion(said.Question[0], ask.Question[0]):
			return nil, errors.New("answer to another question")
		case said.Rcode == dns.RcodeServerFailure || said.Rcode == dns.RcodeRefused || said.Rcode == dns.RcodeNotImplemented:
			return nil, fmt.Errorf("upstream says %s", dns.RcodeToString[said.Rcode])
		case !said.Truncated:
			return said, nil
		}
	}
	return nil, errors.New("answer cut by TCP")
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// withoutOPT leaves out what concerns the upstream connection alone (RFC 6891).
func withoutOPT(rrs []dns.RR) (kept []dns.RR) {
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			kept = append(kept, rr)
		}
	}
	return kept
}
