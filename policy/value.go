package policy

import (
	"net/netip"
	"strings"
	"time"
)

// number is a decimal number of any size, exactly.
type number struct {
	negative bool
	whole    string // without leading zeros
	fraction string // without trailing zeros
}

// parseNumber reads an integer or a decimal number.
func parseNumber(s string) (n number, ok bool) {
	s, n.negative = strings.CutPrefix(s, "-")
	if !n.negative {
		s = strings.TrimPrefix(s, "+")
	}
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" && fraction == "" || point && fraction == "" || !digits(whole) || !digits(fraction) {
		return number{}, false
	}
	n.whole, n.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if n.whole == "" && n.fraction == "" {
		n.negative = false
	}
	return n, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// compare returns -1, 0 or 1.
func (n number) compare(m number) int {
	if n.negative != m.negative {
		if n.negative {
			return -1
		}
		return 1
	}
	c := len(n.whole) - len(m.whole)
	if c == 0 {
		c = strings.Compare(n.whole, m.whole)
	}
	if c == 0 {
		c = strings.Compare(n.fraction, m.fraction)
	}
	if n.negative {
		c = -c
	}
	return min(1, max(-1, c))
}

// dateLayouts are those of https://www.w3.org/TR/NOTE-datetime; Go reads
// fractions of seconds with any of them.
var dateLayouts = [...]string{time.RFC3339, "2006-01-02", "2006-01-02T15:04Z07:00", "2006-01", "2006"}

// parseDate reads an ISO 8601 date or seconds since 1970. Four digits are a
// year.
func parseDate(s string) (time.Time, bool) {
	if t, ok := parseEpoch(s); ok {
		return t, true
	}
	if len(s) < len("2006") || len(s) > len("2006-01-02T15:04:05.999999999+07:00") {
		return time.Time{}, false
	}
	for _, layout := range dateLayouts {
		// Parse makes an error that tells everything: look at the length first.
		if strings.IndexByte(s, 'T') < 0 && len(s) != len(layout) || strings.IndexByte(s, 'T') >= 0 && strings.IndexByte(layout, 'T') < 0 {
			continue
		}
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseEpoch reads seconds since 1970, with a fraction or without.
func parseEpoch(s string) (time.Time, bool) {
	n, ok := parseNumber(s)
	if !ok || len(s) == len("2006") && digits(s) || len(n.whole) > 15 {
		return time.Time{}, false
	}
	var seconds, nanos int64
	for i := range len(n.whole) {
		seconds = seconds*10 + int64(n.whole[i]-'0')
	}
	for i := range 9 {
		nanos *= 10
		if i < len(n.fraction) {
			nanos += int64(n.fraction[i] - '0')
		}
	}
	if n.negative {
		seconds, nanos = -seconds, -nanos
	}
	return time.Unix(seconds, nanos), true
}

// parsePrefix reads a CIDR range, or one address.
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p, true
	}
	a, ok := parseAddress(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// parseAddress reads an address; an IPv4 address in IPv6 clothes is IPv4.
func parseAddress(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// parseBool reads true or false in any case.
func parseBool(s string) (value, ok bool) {
	switch {
	case len(s) == len("true") && foldPrefix(s, "true"):
		return true, true
	case len(s) == len("false") && foldPrefix(s, "false"):
		return false, true
	}
	return false, false
}
