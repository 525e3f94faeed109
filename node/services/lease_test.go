package services

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/node/dhcp"
)

func TestOptions(t *testing.T) {
	addrs := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	set := func(options ...cloud.DHCPOption) *cloud.DHCPOptions { return &cloud.DHCPOptions{Options: options} }
	own := cloud.DHCPOption{Name: "domain-name-servers", Values: []string{"AmazonProvidedDNS"}}
	for name, c := range map[string]struct {
		set  *cloud.DHCPOptions
		vpc  cloud.VPC
		want dhcp.Lease
	}{
		"before there were sets": {nil, cloud.VPC{DNSSupport: true}, dhcp.Lease{Domain: "internal", DNS: addrs("10.0.0.2")}},
		"no set":                 {nil, cloud.VPC{DNSSupport: true, DHCPOptions: "default"}, dhcp.Lease{}},
		"without DNS support":    {set(own), cloud.VPC{}, dhcp.Lease{Domain: "internal"}},
		"everything": {
			set(
				cloud.DHCPOption{Name: "domain-name-servers", Values: []string{"192.0.2.53", "AmazonProvidedDNS", "2001:db8::53"}},
				cloud.DHCPOption{Name: "domain-name", Values: []string{"example.org"}},
				cloud.DHCPOption{Name: "ntp-servers", Values: []string{"192.0.2.1", "192.0.2.2"}},
				cloud.DHCPOption{Name: "netbios-name-servers", Values: []string{"192.0.2.3"}},
				cloud.DHCPOption{Name: "netbios-node-type", Values: []string{"2"}},
			),
			cloud.VPC{DNSSupport: true},
			dhcp.Lease{
				Domain: "example.org", DNS: addrs("192.0.2.53", "10.0.0.2"), NTP: addrs("192.0.2.1", "192.0.2.2"),
				NetBIOS: addrs("192.0.2.3"), NetBIOSNode: 2,
			},
		},
	} {
		c.vpc.CIDRs = []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("10.0.0.0/16")}}
		l := dhcp.Lease{Domain: "internal"}
		options(&l, c.set, &c.vpc)
		if !reflect.DeepEqual(l, c.want) {
			t.Errorf("%s: %+v, want %+v", name, l, c.want)
		}
	}
}
