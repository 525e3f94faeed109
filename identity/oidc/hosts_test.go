package oidc

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"9.9.9.9": true, "2620:fe::fe": true, "::ffff:9.9.9.9": true,
		"127.0.0.1": false, "127.1.2.3": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false,
		"100.64.0.10": false, "169.254.169.254": false, "192.0.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "fec0::1": false, "2001:db8::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false, "2001::1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: public %v, want %v", address, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	for _, test := range []struct{ list, address, refusal string }{
		{"idp.example.org", "idp.example.org:443", ""},
		{"idp.example.org", "IDP.example.org:8443", ""},
		{"idp.example.org", "sub.idp.example.org:443", "does not allow connections to sub.idp.example.org"},
		{"idp.example.org", "9.9.9.9:443", "does not allow"},
		{"*", "idp.example.org:443", ""},
		{"*", "idp.example.org:8443", "port 8443"},
		{"*", "9.9.9.9:443", ""},
		{"*", "127.0.0.1:443", "no public address"},
		{"*", "[::1]:443", "no public address"},
		{"*,127.0.0.1", "127.0.0.1:8443", ""},
		{"", "idp.example.org:443", "does not allow"},
	} {
		err := newHosts(strings.Split(test.list, ",")).check(test.address)
		if err == nil && test.refusal != "" || err != nil && (test.refusal == "" || !strings.Contains(err.Error(), test.refusal)) {
			t.Errorf("%q, %s: %v, want %q", test.list, test.address, err, test.refusal)
		}
	}
}

// What a name stands for counts, not the name.
func TestDialLooksAtAddresses(t *testing.T) {
	_, err := newHosts([]string{"*"}).dial(t.Context(), "tcp", "localhost:443")
	if err == nil || !strings.Contains(err.Error(), "no public address") {
		t.Errorf("localhost, by the star: %v", err)
	}
	conn, err := newHosts([]string{"localhost"}).dial(t.Context(), "tcp", "localhost:1")
	if err == nil {
		conn.Close()
	} else if strings.Contains(err.Error(), "no public address") {
		t.Errorf("localhost, by name: %v", err)
	}
}

func TestForgetsTheOldest(t *testing.T) {
	k := NewKeys(nil, nil)
	for i := range maxKept + 10 {
		k.provider(strings.Repeat("x", i+1))
	}
	if len(k.kept) != maxKept {
		t.Errorf("%d providers are kept", len(k.kept))
	}
}
