package oidc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// hosts are those that may be connected to.
type hosts struct {
	named map[string]bool // in lower case
	any   bool            // every host with a public address
}

func newHosts(list []string) (h hosts) {
	h.named = map[string]bool{}
	for _, name := range list {
		if name == "*" {
			h.any = true
			continue
		}
		h.named[strings.ToLower(name)] = true
	}
	return h
}

// check refuses an address, HOST:PORT, that the operator did not allow.
func (h hosts) check(address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return err
	case h.named[strings.ToLower(host)]:
		return nil
	case !h.any:
		return fmt.Errorf("the operator of this cloud does not allow connections to %s: ask for it (--identity-providers)", host)
	case port != "443":
		return fmt.Errorf("the operator of this cloud does not allow connections to port %s of %s", port, host)
	}
	if ip, err := netip.ParseAddr(host); err == nil && !public(ip) {
		return errPrivate(ip)
	}
	return nil
}

// dial connects. What a name stands for is looked at after it was resolved, so
// that a name server cannot lead elsewhere.
func (h hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	if !h.named[strings.ToLower(host)] {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !public(to.Addr()) {
				return errPrivate(to.Addr())
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, address)
}

func errPrivate(ip netip.Addr) error {
	return fmt.Errorf("%s is no public address: the operator must allow its host by name", ip)
}

// closed are ranges that net/netip does not know as special and that lead into
// networks of somebody's own, or carry an IPv4 address that might:
// https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// public reports whether an address is reached through the Internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && ip.Zone() == "" &&
		!slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(ip) })
}
