package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/driver/network"
)

// A sysctl is a kernel setting of a namespace and its value. A namespace starts
// with the host's settings, so that every one that matters is given.
type sysctl struct{ path, value string }

// spaceSysctls makes a namespace a router that leaves checking to its rules,
// and tells guests of no shorter way.
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
	{"net/ipv6/conf/all/forwarding", "1"},
	{"net/ipv6/conf/default/forwarding", "1"},
	{"net/ipv6/conf/all/accept_redirects", "0"},
	{"net/ipv6/conf/default/accept_redirects", "0"},
	{"net/ipv6/conf/default/accept_ra", "0"},
	{"net/ipv6/conf/default/accept_dad", "0"},
	{"net/ipv6/conf/default/addr_gen_mode", "1"}, // none but those that are given
}

// sysctlsOf are those of a VPC's namespace, which knows no IPv6 unless the VPC has a
// range of it.
func sysctlsOf(v network.VPC) []sysctl {
	disabled := "1"
	if hasIPv6(v) {
		disabled = "0"
	}
	return append(slices.Clone(spaceSysctls),
		sysctl{"net/ipv6/conf/default/disable_ipv6", disabled}, sysctl{"net/ipv6/conf/all/disable_ipv6", disabled})
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

// speak6 lets the host's end of a link, by name, carry IPv6, or not; it has no address.
func speak6(device string, speaks bool) error {
	dir := "net/ipv6/conf/" + device + "/"
	if !speaks {
		return sysctl{dir + "disable_ipv6", "1"}.set()
	}
	for _, s := range []sysctl{{dir + "addr_gen_mode", "1"}, {dir + "accept_ra", "0"}, {dir + "disable_ipv6", "0"}} {
		if err := s.set(); err != nil {
			return err
		}
	}
	return nil
}

// forward6 lets the host, in whose namespace the calling thread is, forward IPv6. Its
// devices still hear the routers that they heard before: forwarding alone would end that.
func forward6() error {
	const all = "net/ipv6/conf/all/forwarding"
	if have, err := os.ReadFile(filepath.Join("/proc/sys", all)); err == nil && strings.TrimSpace(string(have)) == "1" {
		return nil
	}
	devices, err := os.ReadDir("/proc/sys/net/ipv6/conf")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, d := range devices {
		path := "net/ipv6/conf/" + d.Name() + "/accept_ra"
		if have, err := os.ReadFile(filepath.Join("/proc/sys", path)); err != nil || strings.TrimSpace(string(have)) != "1" {
			continue // it is gone, or heard none
		}
		if err := (sysctl{path, "2"}).set(); err != nil {
			return err
		}
	}
	return sysctl{all, "1"}.set()
}
