package dns

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// ttl of the VPC's own records, in seconds.
const ttl = 60

// local answers a question about the VPC's own names or addresses, and reports
// whether it was one.
func (s *Server) local(r *dns.Msg, q dns.Question) bool {
	name := dns.CanonicalName(q.Name)
	for _, zone := range s.zones {
		if dns.IsSubDomain(zone, name) {
			s.forwardZone(r, q, name, zone)
			return true
		}
	}
	if a, ok := reversed6(name); ok && s.inside(a) {
		s.reverse6(r, q, a)
		return true
	}
	if a, ok := reversed(name); ok && s.inside(a) {
		fill(r, q, s.zones[0], &dns.PTR{Hdr: head(q.Name, dns.TypePTR), Ptr: dns.Fqdn(s.cfg.Place.PrivateName(a))})
		return true
	}
	return false
}

// forwardZone answers for a name of one of the cloud's own zones. Names are made
// of addresses, so that there is nothing to look up but the ranges.
func (s *Server) forwardZone(r *dns.Msg, q dns.Question, name, zone string) {
	soa := startOf(zone)
	if name == zone {
		fill(r, q, zone, soa, &dns.NS{Hdr: head(q.Name, dns.TypeNS), Ns: soa.Ns})
		return
	}
	label := strings.TrimSuffix(name, "."+zone)
	if zone == s.zones[0] && strings.HasPrefix(label, "i-") {
		if all := s.cfg.Instance(label); len(all) > 0 {
			fill(r, q, zone, records(q.Name, all)...)
			return
		}
	}
	a, ok := addressIn(label, "ip-")
	ok = ok && zone == s.zones[0] && s.inside(a)
	if zone == s.zones[1] {
		if a, ok = addressIn(label, "ec2-"); ok {
			if private, here := s.cfg.Private(a); here {
				a = private
			}
		}
	}
	if !ok {
		r.Rcode = dns.RcodeNameError
		r.Ns = []dns.RR{soa}
		return
	}
	fill(r, q, zone, &dns.A{Hdr: head(q.Name, dns.TypeA), A: a.AsSlice()})
}

// reverse6 answers for an IPv6 address of the VPC, which nobody else is asked about.
func (s *Server) reverse6(r *dns.Msg, q dns.Question, a netip.Addr) {
	if name := s.cfg.Name(a); name != "" {
		fill(r, q, s.zones[0], &dns.PTR{Hdr: head(q.Name, dns.TypePTR), Ptr: dns.Fqdn(name)})
		return
	}
	r.Rcode = dns.RcodeNameError
	r.Ns = []dns.RR{startOf(s.zones[0])}
}

// records are those of a name that leads to the addresses.
func records(name string, all []netip.Addr) (out []dns.RR) {
	for _, a := range all {
		if a.Is4() {
			out = append(out, &dns.A{Hdr: head(name, dns.TypeA), A: a.AsSlice()})
		} else {
			out = append(out, &dns.AAAA{Hdr: head(name, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	return out
}

// fill puts those of a name's records that were asked for into the answer; if
// there are none, it says that the name has no such records.
func fill(r *dns.Msg, q dns.Question, zone string, records ...dns.RR) {
	for _, rr := range records {
		if q.Qtype == rr.Header().Rrtype || q.Qtype == dns.TypeANY {
			r.Answer = append(r.Answer, rr)
		}
	}
	if len(r.Answer) == 0 {
		r.Ns = []dns.RR{startOf(zone)}
	}
}

func (s *Server) inside(a netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.CIDRs(), func(p netip.Prefix) bool { return p.Contains(a) })
}

func head(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// startOf is the SOA record of a zone. Negative answers live as long as others.
func startOf(zone string) *dns.SOA {
	return &dns.SOA{
		Hdr: head(zone, dns.TypeSOA), Ns: "ns." + zone, Mbox: "hostmaster." + zone,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl,
	}
}

// addressIn reads the address in a label such as "ip-10-0-1-5".
func addressIn(label, prefix string) (netip.Addr, bool) {
	dashed, ok := strings.CutPrefix(label, prefix)
	if !ok || strings.Contains(dashed, ".") {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(dashed, "-", "."))
	return a, err == nil && a.Is4()
}

// reversed reads the address of a name such as "5.1.0.10.in-addr.arpa.".
func reversed(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(name, ".in-addr.arpa.")
	if !ok {
		return netip.Addr{}, false
	}
	octets := strings.Split(rest, ".")
	slices.Reverse(octets)
	a, err := netip.ParseAddr(strings.Join(octets, "."))
	return a, err == nil && a.Is4()
}

// reversed6 reads the address of a name of 32 digits below ip6.arpa: RFC 3596, section 2.5.
func reversed6(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(name, ".ip6.arpa.")
	digits := strings.Split(rest, ".")
	if !ok || len(digits) != 32 {
		return netip.Addr{}, false
	}
	slices.Reverse(digits)
	raw, err := hex.DecodeString(strings.Join(digits, ""))
	if err != nil || len(raw) != 16 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(raw)), true
}
