package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// dhcpOption is what values an option may have.
type dhcpOption struct {
	most int // values
	is   func(string) bool
	want string // in words
}

// dhcpOptions are the options that a set may have, by name.
// https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html
var dhcpOptions = map[string]dhcpOption{
	"domain-name":          {4, isDomain, "a domain name such as example.internal"},
	"domain-name-servers":  {4, isNameServer, "an IP address or " + cloud.AmazonDNS},
	"ntp-servers":          {4, isAddress, "an IP address"},
	"netbios-name-servers": {4, isAddress4, "an IPv4 address"},
	"netbios-node-type":    {1, func(v string) bool { return slices.Contains([]string{"1", "2", "4", "8"}, v) }, "1, 2, 4 or 8"},
	"ipv6-address-preferred-lease-time": {1, func(v string) bool {
		n, err := strconv.ParseUint(v, 10, 32)
		return err == nil && n >= 140 && n <= 2147483647
	}, "a number of seconds, 140 to 2147483647"},
}

// readOptions reads the options of a new set, in the order given.
func readOptions(in []ec2.NewDhcpConfiguration) ([]cloud.DHCPOption, error) {
	if len(in) == 0 {
		return nil, missing("dhcpConfiguration")
	}
	var options []cloud.DHCPOption
	for _, x := range in {
		name := strings.ToLower(val(x.Key))
		kind, ok := dhcpOptions[name]
		switch {
		case name == "":
			return nil, missing("key")
		case !ok:
			return nil, invalid("name", name, "Option name is unknown.")
		case slices.ContainsFunc(options, func(o cloud.DHCPOption) bool { return o.Name == name }):
			return nil, invalid("name", name, "The option is given more than once.")
		}
		values := splitValues(x.Values)
		if len(values) == 0 || len(values) > kind.most {
			return nil, invalid("value", strings.Join(values, ","), "The option "+name+" has 1 to "+strconv.Itoa(kind.most)+" values.")
		}
		for _, v := range values {
			if !kind.is(v) {
				return nil, invalid("value", v, "A value of "+name+" is "+kind.want+".")
			}
		}
		options = append(options, cloud.DHCPOption{Name: name, Values: values})
	}
	return options, nil
}

// splitValues takes values apart that have commas between them, as clients may send them.
func splitValues(in []string) (values []string) {
	for _, list := range in {
		for v := range strings.SplitSeq(list, ",") {
			if v = strings.TrimSpace(v); v != "" {
				values = append(values, v)
			}
		}
	}
	return values
}

func isAddress(v string) bool {
	a, err := netip.ParseAddr(v)
	return err == nil && a.Zone() == ""
}

func isAddress4(v string) bool {
	a, err := netip.ParseAddr(v)
	return err == nil && a.Is4()
}

func isNameServer(v string) bool { return v == cloud.AmazonDNS || isAddress(v) }

// isDomain reports whether v is one or more domain names with spaces between.
func isDomain(v string) bool {
	for name := range strings.FieldsSeq(v) {
		for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
			letters := strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_")
			if label == "" || len(label) > 63 || letters != "" {
				return false
			}
		}
	}
	return len(v) <= 255
}
