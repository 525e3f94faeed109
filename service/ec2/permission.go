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
		base := parsedRule{Rule: cloud.Rule{Egress: egress}}
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
			rule := base
			rule.Prefix, rule.Group, rule.GroupOwner = source.Prefix, source.Group, source.GroupOwner
			rule.groupName, rule.Description = source.groupName, source.Description
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
		if id := val(g.VpcPeeringConnectionId); id != "" { // there are none yet
			return nil, cloud.Errorf("InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '%s' does not exist", id)
		}
		sources = append(sources, parsedRule{
			Rule:      cloud.Rule{Group: val(g.GroupId), GroupOwner: val(g.UserId), Description: val(g.Description)},
			groupName: val(g.GroupName),
		})
	}
	if len(p.PrefixListIds) > 0 {
		// There are no prefix lists yet, so none can be named.
		id := val(p.PrefixListIds[0].PrefixListId)
		if err := checkIDs("pl", id); err != nil {
			return nil, err
		}
		return nil, notFound("pl", id)
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

// permissionsOut writes rules of one direction as permissions: those of one
// protocol and port range together, in the order in which they first appear.
func permissionsOut(rules []cloud.Rule) []ec2.IpPermission {
	type key struct {
		protocol string
		from, to int
	}
	at := make(map[key]int)
	out := []ec2.IpPermission{}
	for _, r := range rules {
		k := key{r.Protocol, r.FromPort, r.ToPort}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, permissionOut(r))
		}
		p := &out[i]
		switch description := opt(r.Description); {
		case r.Group != "":
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, ec2.UserIdGroupPair{GroupId: new(r.Group), UserId: new(r.GroupOwner), Description: description})
		case r.Prefix.Addr().Is4():
			p.IpRanges = append(p.IpRanges, ec2.IpRange{CidrIp: new(r.Prefix.String()), Description: description})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, ec2.Ipv6Range{CidrIpv6: new(r.Prefix.String()), Description: description})
		}
	}
	return out
}

// permissionOut is a permission without sources. Ports are told where the
// protocol has them.
func permissionOut(r cloud.Rule) ec2.IpPermission {
	p := ec2.IpPermission{
		IpProtocol: new(r.Protocol), IpRanges: []ec2.IpRange{}, Ipv6Ranges: []ec2.Ipv6Range{},
		UserIdGroupPairs: []ec2.UserIdGroupPair{}, PrefixListIds: []ec2.PrefixListId{},
	}
	switch r.Protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		p.FromPort, p.ToPort = new(int32(r.FromPort)), new(int32(r.ToPort))
	}
	return p
}
