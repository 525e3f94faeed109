package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A sysctl is a kernel setting of a namespace and its value. A namespace starts
// with the host's settings, so that every one that matters is given.
type sysctl struct{ path, value string }

// spaceSysctls makes a namespace a router that leaves checking to its rules,
// tells guests of no shorter way, and knows no IPv6.
var spaceSysctls = []sysctl{
	{"net/ipv4/ip_forward", "1"},
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/default/rp_filter", "0"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/default/send_redirects", "0"},
	{"net/ipv4/conf/all/accept_redirects", "0"},
	{"net/ipv4/conf/all/accept_source_route", "0"},
	{"net/ipv4/conf/all/proxy_arp", "0"},
	{"net/ipv4/conf/all/arp_ignore", "0"},
	{"net/ipv4/conf/default/arp_ignore", "0"},
	{"net/ipv6/conf/all/disable_ipv6", "1"},
	{"net/ipv6/conf/default/disable_ipv6", "1"},
}

// set gives the calling thread's namespace the value. A kernel without the
// setting needs none.
func (s sysctl) set() error {
	path := filepath.Join("/proc/sys", s.path)
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && strings.TrimSpace(string(have)) == s.value {
		return nil
	}
	if err := os.WriteFile(path, []byte(s.value), 0o644); err != nil { //nolint:gosec // its mode stays
		return fmt.Errorf("set %s: %w", s.path, err)
	}
	return nil
}
