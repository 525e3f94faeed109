package ec2

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// allPorts is -1: all types or codes of ICMP, and the ports of a protocol that
// has none.
const allPorts = -1

// parsePermissions returns the rules that permissions mean, one for each source
// of each permission, without IDs. Group references are taken as written, a name
// in Group with GroupOwner; resolve them after. CIDRs lose their host bits, and
// protocols get their one spelling.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
func parsePermissions(permissions []ec2.IpPermission, egress bool) ([]parsedRule, error) {
	var rules []parsedRule
	for _, p := range permissions {
		var base cloud.Rule
		var err error
		if base.Protocol, err = parseProtocol(val(p.IpProtocol)); err != nil {
			return nil, err
		}
		if base.FromPort, base.ToPort, err = parsePorts(base.Protocol, p.FromPort, p.ToPort); err != nil {
			return nil, err
		}
		sources, err := parseSources(p)
		if err != nil {
			return nil, err
		}
		for _, source := range sources {
			rule := source
			rule.Egress, rule.Protocol, rule.FromPort, rule.ToPort = egress, base.Protocol, base.FromPort, base.ToPort
			if err := checkRuleDescription(rule.Description); err != nil {
				return nil, err
			}
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

// parsedRule is a rule whose group may still be a name.
type parsedRule struct {
	cloud.Rule
	groupName string
}

// parseProtocol returns the one spelling of a protocol: "tcp", "udp", "icmp",
// "icmpv6", "-1" for all, and the number of any other.
func parseProtocol(p string) (string, error) {
	switch lower := strings.ToLower(p); lower {
	case "":
		return "", missing("ipProtocol")
	case "-1", "tcp", "udp", "icmp", "icmpv6":
		return lower, nil
	}
	n, err := strconv.ParseUint(p, 10, 8)
	if err != nil {
		return "", cloud.Errorf("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", p)
	}
	switch n {
	case 1:
		return "icmp", nil
	case 6:
		return "tcp", nil
	case 17:
		return "udp", nil
	case 58:
		return "icmpv6", nil
	}
	return strconv.FormatUint(n, 10), nil
}

// parsePorts checks a port range, or for ICMP a type and code, and returns it.
// Other protocols have none, whatever the request says.
func parsePorts(protocol string, from, to *int32) (int, int, error) {
	switch protocol {
	case "tcp", "udp":
		if from == nil || to == nil {
			return 0, 0, cloud.Errorf("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if err := checkRange("TCP/UDP (from) port", *from, 0, 65535); err != nil {
			return 0, 0, err
		}
		if err := checkRange("TCP/UDP (to) port", *to, 0, 65535); err != nil {
			return 0, 0, err
		}
		if *from > *to {
			return 0, 0, cloud.Errorf("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
		return int(*from), int(*to), nil
	case "icmp", "icmpv6":
		if from == nil && to == nil && protocol == "icmpv6" {
			return allPorts, allPorts, nil
		}
		if from == nil || to == nil {
			return 0, 0, cloud.Errorf("InvalidParameterValue", "Invalid value 'Must specify both type and code with ICMP.' for portRange.")
		}
		if err := checkRange("ICMP type", *from, allPorts, 255); err != nil {
			return 0, 0, err
		}
		if err := checkRange("ICMP code", *to, allPorts, 255); err != nil {
			return 0, 0, err
		}
		if *from == allPorts && *to != allPorts {
			return 0, 0, cloud.Errorf("InvalidParameterValue", "ICMP code (%d) must be -1 when the ICMP type is -1", *to)
		}
		return int(*from), int(*to), nil
	}
	return allPorts, allPorts, nil
}

func checkRange(what string, n, lo, hi int32) error {
	if n < lo || n > hi {
		return cloud.Errorf("InvalidParameterValue", "%s (%d) out of range", what, n)
	}
	return nil
}

// parseSources returns where the packets of a permission come from, or go to:
// rules with nothing but that, and a description.
func parseSources(p ec2.IpPermission) ([]parsedRule, error) {
	var sources []parsedRule
	prefix := func(cidr, description *string, v6 bool) error {
		ip, err := parseCIDR(cidr, v6)
		sources = append(sources, parsedRule{Rule: cloud.Rule{Prefix: ip, Description: val(description)}})
		return err
	}
	for _, r := range p.IpRanges {
		if err := prefix(r.CidrIp, r.Description, false); err != nil {
			return nil, err
		}
	}
	for _, r := range p.Ipv6Ranges {
		if err := prefix(r.CidrIpv6, r.Description, true); err != nil {
			return nil, err
		}
	}
	for _, g := range p.UserIdGroupPairs {
		if val(g.GroupId) == "" && val(g.GroupName) == "" {
			return nil, cloud.Errorf("MissingParameter", "Source group ID missing.")
		}
		sources = append(sources, parsedRule{
			Rule:      cloud.Rule{Group: val(g.GroupId), GroupOwner: val(g.UserId), Peering: val(g.VpcPeeringConnectionId), Description: val(g.Description)},
			groupName: val(g.GroupName),
		})
	}
	for _, l := range p.PrefixListIds {
		if err := checkIDs("pl", val(l.PrefixListId)); err != nil {
			return nil, err
		}
		sources = append(sources, parsedRule{Rule: cloud.Rule{PrefixList: *l.PrefixListId, Description: val(l.Description)}})
	}
	if len(sources) == 0 {
		return nil, cloud.Errorf("InvalidPermission.Malformed", "A security group rule needs a source or destination: an address range, a security group or a prefix list.")
	}
	return sources, nil
}

// parseCIDR reads a range of addresses of a family, without its host bits.
func parseCIDR(cidr *string, v6 bool) (netip.Prefix, error) {
	ip, err := netip.ParsePrefix(val(cidr))
	if err != nil || ip.Addr().Is6() != v6 || ip.Addr().Is4In6() {
		return ip, cloud.Errorf("InvalidParameterValue", "CIDR block %s is malformed", val(cidr))
	}
	return ip.Masked(), nil
}

// ruleSigns are the signs, other than letters and digits, in names and
// descriptions of groups and rules.
const ruleSigns = " ._-:/()#,@[]+=&;{}!$*"

// plainWords reports whether s has at most 255 characters, all of the set that
// groups and rules may use.
func plainWords(s string) bool {
	return len(s) <= 255 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"+ruleSigns) == ""
}

const plainSet = "Valid %s are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

func checkRuleDescription(s string) error {
	if !plainWords(s) {
		return cloud.Errorf("InvalidParameterValue", "Invalid rule description. "+plainSet, "descriptions")
	}
	return nil
}
