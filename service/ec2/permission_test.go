package ec2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// permission makes a permission for one range.
func permission(protocol string, from, to *int32, cidr string) ec2.IpPermission {
	return ec2.IpPermission{IpProtocol: new(protocol), FromPort: from, ToPort: to, IpRanges: []ec2.IpRange{{CidrIp: new(cidr)}}}
}

func TestPermissions(t *testing.T) {
	p := func(n int32) *int32 { return &n }
	world := "0.0.0.0/0"
	for _, c := range []struct {
		what string
		in   ec2.IpPermission
		rule string // protocol from to source
		code string
		text string
	}{
		{"tcp", permission("tcp", p(22), p(22), world), "tcp 22 22 0.0.0.0/0", "", ""},
		{"upper case", permission("TCP", p(22), p(22), world), "tcp 22 22 0.0.0.0/0", "", ""},
		{"number of tcp", permission("6", p(0), p(65535), world), "tcp 0 65535 0.0.0.0/0", "", ""},
		{"number of udp", permission("17", p(53), p(53), world), "udp 53 53 0.0.0.0/0", "", ""},
		{"number of icmp", permission("1", p(8), p(-1), world), "icmp 8 -1 0.0.0.0/0", "", ""},
		{"number of icmpv6", permission("58", nil, nil, world), "icmpv6 -1 -1 0.0.0.0/0", "", ""},
		{"leading zeros", permission("06", p(1), p(1), world), "tcp 1 1 0.0.0.0/0", "", ""},
		{"all", permission("-1", nil, nil, world), "-1 -1 -1 0.0.0.0/0", "", ""},
		{"all, ports ignored", permission("-1", p(22), p(80), world), "-1 -1 -1 0.0.0.0/0", "", ""},
		{"ESP, ports ignored", permission("50", p(0), p(0), world), "50 -1 -1 0.0.0.0/0", "", ""},
		{"host bits", permission("tcp", p(1), p(1), "100.68.0.18/18"), "tcp 1 1 100.68.0.0/18", "", ""},
		{"one address", permission("tcp", p(1), p(1), "10.1.2.3/32"), "tcp 1 1 10.1.2.3/32", "", ""},
		{"icmp echo", permission("icmp", p(8), p(0), world), "icmp 8 0 0.0.0.0/0", "", ""},
		{"icmp all", permission("icmp", p(-1), p(-1), world), "icmp -1 -1 0.0.0.0/0", "", ""},
		{"IPv6", ec2.IpPermission{IpProtocol: new("tcp"), FromPort: p(1), ToPort: p(1), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("2001:DB8::1/32")}}}, "tcp 1 1 2001:db8::/32", "", ""},

		{"no protocol", permission("", p(1), p(1), world), "", "MissingParameter", "The request must contain the parameter ipProtocol"},
		{"word for all", permission("all", nil, nil, world), "", "InvalidParameterValue", "Invalid value 'all' for IP protocol. Unknown protocol."},
		{"number too large", permission("256", nil, nil, world), "", "InvalidParameterValue", "Invalid value '256' for IP protocol. Unknown protocol."},
		{"negative number", permission("-2", nil, nil, world), "", "InvalidParameterValue", "Invalid value '-2' for IP protocol. Unknown protocol."},
		{"no ports", permission("tcp", nil, nil, world), "", "InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		{"half a range", permission("udp", p(1), nil, world), "", "InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."},
		{"all ports as -1", permission("tcp", p(-1), p(-1), world), "", "InvalidParameterValue", "TCP/UDP (from) port (-1) out of range"},
		{"port too large", permission("tcp", p(1), p(65536), world), "", "InvalidParameterValue", "TCP/UDP (to) port (65536) out of range"},
		{"backwards", permission("tcp", p(80), p(22), world), "", "InvalidParameterValue", "Invalid TCP/UDP port range (80:22)"},
		{"icmp without type", permission("icmp", nil, nil, world), "", "InvalidParameterValue", ""},
		{"icmp type", permission("icmp", p(256), p(-1), world), "", "InvalidParameterValue", "ICMP type (256) out of range"},
		{"icmp code", permission("icmp", p(8), p(65535), world), "", "InvalidParameterValue", "ICMP code (65535) out of range"},
		{"icmp code of every type", permission("icmp", p(-1), p(0), world), "", "InvalidParameterValue", ""},
		{"no prefix length", permission("tcp", p(1), p(1), "10.0.0.1"), "", "InvalidParameterValue", "CIDR block 10.0.0.1 is malformed"},
		{"prefix too long", permission("tcp", p(1), p(1), "10.0.0.0/33"), "", "InvalidParameterValue", "CIDR block 10.0.0.0/33 is malformed"},
		{"no address", permission("tcp", p(1), p(1), "10.0.0/8"), "", "InvalidParameterValue", "CIDR block 10.0.0/8 is malformed"},
		{"empty range", permission("tcp", p(1), p(1), ""), "", "InvalidParameterValue", "CIDR block  is malformed"},
		{"IPv6 as IPv4", permission("tcp", p(1), p(1), "::/0"), "", "InvalidParameterValue", "CIDR block ::/0 is malformed"},
		{"IPv4 as IPv6", ec2.IpPermission{IpProtocol: new("-1"), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("10.0.0.0/8")}}}, "", "InvalidParameterValue", "CIDR block 10.0.0.0/8 is malformed"},
		{"IPv4 in IPv6", ec2.IpPermission{IpProtocol: new("-1"), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("::ffff:10.0.0.0/104")}}}, "", "InvalidParameterValue", ""},
		{"no source", ec2.IpPermission{IpProtocol: new("-1")}, "", "InvalidPermission.Malformed", ""},
		{"empty group", ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{}}}, "", "MissingParameter", "Source group ID missing."},
		{"bad group", ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new("sg-x")}}}, "", "InvalidGroupId.Malformed", `Invalid id: "sg-x"`},
		{"unknown group", ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new("sg-01234567")}}}, "", "InvalidGroup.NotFound", "The security group 'sg-01234567' does not exist"},
		{"group of another account", ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new("sg-01234567"), UserId: new(bob)}}}, "", "InvalidGroup.NotFound", ""},
		{"group of a peer", ec2.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new("sg-01234567"), VpcPeeringConnectionId: new("pcx-01234567")}}}, "", "InvalidVpcPeeringConnectionID.NotFound", ""},
		{"bad prefix list", ec2.IpPermission{IpProtocol: new("-1"), PrefixListIds: []ec2.PrefixListId{{PrefixListId: new("x")}}}, "", "InvalidPrefixListId.Malformed", ""},
		{"unknown prefix list", ec2.IpPermission{IpProtocol: new("-1"), PrefixListIds: []ec2.PrefixListId{{PrefixListId: new("pl-01234567")}}}, "", "InvalidPrefixListID.NotFound", ""},
		{"long description", ec2.IpPermission{IpProtocol: new("-1"), IpRanges: []ec2.IpRange{{CidrIp: &world, Description: new(strings.Repeat("x", 256))}}}, "", "InvalidParameterValue", ""},
		{
			"bad description",
			ec2.IpPermission{IpProtocol: new("-1"), IpRanges: []ec2.IpRange{{CidrIp: &world, Description: new("a<b")}}},
			"", "InvalidParameterValue",
			"Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := newRig(t)
			for _, egress := range []bool{false, true} {
				id := r.newSecurityGroup(fmt.Sprint("group ", egress))
				if egress {
					r.clearEgress(id)
				}
				rules, err := r.authorizeRules(r.ctx, cloud.CallerFrom(r.ctx), groupRef{id: &id}, egress, []ec2.IpPermission{c.in}, nil)
				if c.text == "" {
					want(t, c.what, err, c.code)
				} else {
					want(t, c.what, err, c.code, c.text)
				}
				if err != nil {
					continue
				}
				rule := rules[0]
				got := fmt.Sprintf("%s %d %d %s", *rule.IpProtocol, *rule.FromPort, *rule.ToPort, val(rule.CidrIpv4)+val(rule.CidrIpv6))
				if got != c.rule || *rule.IsEgress != egress || !cloud.ValidID("sgr", *rule.SecurityGroupRuleId) {
					t.Errorf("got rule %s (egress %t, ID %s), want %s", got, *rule.IsEgress, *rule.SecurityGroupRuleId, c.rule)
				}
			}
		})
	}
}

// FuzzPermission checks that whatever is accepted is a rule that the rest of
// the system can act on, and that what the API shows of it means the same rule.
func FuzzPermission(f *testing.F) {
	f.Add("tcp", int32(22), int32(80), "10.0.0.1/8", "", "", "ssh")
	f.Add("-1", int32(-1), int32(-1), "", "::1/64", "", "")
	f.Add("58", int32(128), int32(0), "", "fe80::/10", "sg-0123456789abcdef0", "")
	f.Fuzz(func(t *testing.T, protocol string, from, to int32, v4, v6, group, description string) {
		in := ec2.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to}
		if v4 != "" {
			in.IpRanges = []ec2.IpRange{{CidrIp: &v4, Description: &description}}
		}
		if v6 != "" {
			in.Ipv6Ranges = []ec2.Ipv6Range{{CidrIpv6: &v6, Description: &description}}
		}
		if group != "" {
			in.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupId: &group, Description: &description}}
		}
		rules, err := parsePermissions([]ec2.IpPermission{in}, false)
		if err != nil {
			if _, ok := errors.AsType[*cloud.Error](err); !ok {
				t.Fatalf("not an error of the API: %v", err)
			}
			return
		}
		for _, r := range rules {
			if r.FromPort < -1 || r.FromPort > 65535 || r.ToPort < -1 || r.ToPort > 65535 {
				t.Errorf("rule %+v has impossible ports", r)
			}
			if r.Prefix.IsValid() == (r.Group != "") || r.Prefix.IsValid() && r.Prefix != r.Prefix.Masked() {
				t.Errorf("rule %+v has a bad source", r)
			}
			again, err := parsePermissions(permissionsOut(nil, []cloud.Rule{r.Rule}), false)
			if err != nil || len(again) != 1 || !again[0].Same(r.Rule) || again[0].Description != r.Description {
				t.Errorf("rule %+v reads back as %+v, %v", r, again, err)
			}
		}
	})
}

func TestAuthorize(t *testing.T) {
	r := newRig(t)
	other := r.addVPC()
	web := r.newSecurityGroup("web")
	for _, c := range []struct {
		what string
		in   ec2.AuthorizeSecurityGroupIngressRequest
		code string
		text string
	}{
		{"nothing", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web}, "MissingParameter", "The request must contain the parameter ipPermissions"},
		{"no group", ec2.AuthorizeSecurityGroupIngressRequest{IpPermissions: []ec2.IpPermission{tcp(1, 1, "10.0.0.0/8")}}, "MissingParameter", "The request must contain the parameter groupName or groupId"},
		{"unknown group", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: new("sg-01234567"), IpPermissions: []ec2.IpPermission{tcp(1, 1, "10.0.0.0/8")}}, "InvalidGroup.NotFound", "The security group 'sg-01234567' does not exist"},
		{"bob's group", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &r.bobs.Group.ID, IpPermissions: []ec2.IpPermission{tcp(1, 1, "10.0.0.0/8")}}, "InvalidGroup.NotFound", ""},
		{"by name", ec2.AuthorizeSecurityGroupIngressRequest{GroupName: new("web"), IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8")}}, "", ""},
		{
			"duplicate",
			ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.9.9.9/8")}},
			"InvalidPermission.Duplicate",
			`the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists`,
		},
		{
			"twice in one request",
			ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(23, 23, "10.0.0.0/8"), tcp(23, 23, "10.0.0.0/8")}},
			"InvalidParameterValue",
			"The same permission must not appear multiple times",
		},
		{"half a duplicate", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(24, 24, "10.0.0.0/8"), tcp(22, 22, "10.0.0.0/8")}}, "InvalidPermission.Duplicate", ""},
		{"which changed nothing", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(24, 24, "10.0.0.0/8")}}, "", ""},
		{
			"group of another VPC",
			ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcpFrom(1, 1, other.Group.ID)}},
			"InvalidGroup.NotFound",
			"You have specified two resources that belong to different networks.",
		},
		{"bob's group as source", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcpFrom(1, 1, r.bobs.Group.ID)}}, "InvalidGroup.NotFound", ""},
		{"flat", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpProtocol: new("udp"), FromPort: new(int32(53)), ToPort: new(int32(53)), CidrIp: new("10.0.0.0/8")}, "", ""},
		{"flat twice", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpProtocol: new("17"), FromPort: new(int32(53)), ToPort: new(int32(53)), CidrIp: new("10.1.0.0/8")}, "InvalidPermission.Duplicate", ""},
		{
			"flat and list",
			ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpProtocol: new("tcp"), IpPermissions: []ec2.IpPermission{tcp(25, 25, "10.0.0.0/8")}},
			"InvalidParameterCombination",
			"The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'",
		},
		{"flat group and range", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, CidrIp: new("10.0.0.0/8"), SourceSecurityGroupName: new("default")}, "InvalidParameterCombination", ""},
		{"flat without source", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpProtocol: new("-1")}, "InvalidPermission.Malformed", ""},
		{"flat group", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, SourceSecurityGroupName: new("default")}, "", ""},
		{"dry run", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(99, 99, "10.0.0.0/8")}, DryRun: new(true)}, "DryRunOperation", ""},
		{"wrong tags", ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(99, 99, "10.0.0.0/8")}, TagSpecifications: tagSpec("vpc", "a", "b")}, "InvalidParameterValue", ""},
	} {
		out, err := r.AuthorizeSecurityGroupIngress(r.ctx, &c.in)
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
		if err == nil && (!*out.Return || len(out.SecurityGroupRules) == 0) {
			t.Errorf("%s: answer %+v names no rules", c.what, out)
		}
	}
	var got []string
	for _, rule := range r.rules(web) {
		if !*rule.IsEgress {
			source := val(rule.CidrIpv4)
			if g := rule.ReferencedGroupInfo; g != nil {
				source = *g.GroupId
			}
			got = append(got, fmt.Sprintf("%s %d %d %s", *rule.IpProtocol, *rule.FromPort, *rule.ToPort, source))
		}
	}
	slices.Sort(got)
	sg := r.net.Group.ID
	expected := []string{"icmp -1 -1 " + sg, "tcp 0 65535 " + sg, "tcp 22 22 10.0.0.0/8", "tcp 24 24 10.0.0.0/8", "udp 0 65535 " + sg, "udp 53 53 10.0.0.0/8"}
	if !slices.Equal(got, expected) {
		t.Errorf("got rules %q, want %q", got, expected)
	}

	out := must(r.AuthorizeSecurityGroupEgress(r.ctx, &ec2.AuthorizeSecurityGroupEgressRequest{
		GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(1, 2, "10.0.0.0/8")}, TagSpecifications: tagSpec("security-group-rule", "env", "prod"),
	}))(t)
	if rule := out.SecurityGroupRules[0]; len(rule.Tags) != 1 || *rule.SecurityGroupRuleArn != "arn:aws:ec2:eu-paris-1:"+alice+":security-group-rule/"+*rule.SecurityGroupRuleId {
		t.Errorf("created %+v", rule)
	}
}

// rules describes the rules of a group.
func (r *rig) rules(group string) []ec2.SecurityGroupRule {
	r.Helper()
	out := must(r.DescribeSecurityGroupRules(r.ctx, &ec2.DescribeSecurityGroupRulesRequest{Filters: filters("group-id", group)}))(r)
	return out.SecurityGroupRules
}

// clearEgress removes the rule that every new group has.
func (r *rig) clearEgress(group string) {
	r.Helper()
	must(r.RevokeSecurityGroupEgress(r.ctx, &ec2.RevokeSecurityGroupEgressRequest{GroupId: &group, IpPermissions: []ec2.IpPermission{permission("-1", nil, nil, "0.0.0.0/0")}}))(r)
}

func TestRuleLimit(t *testing.T) {
	r := newRig(t)
	web := r.newSecurityGroup("web")
	for i := range int32(59) {
		want(t, "authorize", r.ingress(web, tcp(i, i, "10.0.0.0/8")), "")
	}
	want(t, "two more", r.ingress(web, tcp(60, 60, "10.0.0.0/8"), tcp(61, 61, "10.0.0.0/8")), "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	want(t, "the 60th", r.ingress(web, tcp(60, 60, "10.0.0.0/8")), "")
	want(t, "the 61st", r.ingress(web, tcp(61, 61, "10.0.0.0/8")), "RulesPerSecurityGroupLimitExceeded")
	v6 := ec2.IpPermission{IpProtocol: new("-1"), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("::/0")}}}
	want(t, "the first for IPv6", r.ingress(web, v6), "")
	want(t, "a group counts for both", r.ingress(web, tcpFrom(1, 1, web)), "RulesPerSecurityGroupLimitExceeded")
	want(t, "the other direction", r.egress(web, tcp(1, 1, "10.0.0.0/8")), "")
}

func TestRevoke(t *testing.T) {
	r := newRig(t)
	other := r.addVPC()
	web := r.newSecurityGroup("web")
	described := tcp(22, 22, "10.0.0.0/8")
	described.IpRanges[0].Description = new("ssh")
	want(t, "authorize", r.ingress(web, described, tcp(80, 80, "10.0.0.0/8"), tcp(81, 81, "10.0.0.0/8"), tcpFrom(82, 82, web)), "")
	revoke := func(in ec2.RevokeSecurityGroupIngressRequest) (*ec2.RevokeSecurityGroupIngressResult, error) {
		if in.GroupId == nil && in.GroupName == nil {
			in.GroupId = &web
		}
		return r.RevokeSecurityGroupIngress(r.ctx, &in)
	}
	id := map[int32]string{}
	for _, rule := range r.rules(web) {
		id[*rule.FromPort] = *rule.SecurityGroupRuleId
	}
	egress := id[-1]

	_, err := revoke(ec2.RevokeSecurityGroupIngressRequest{})
	want(t, "nothing", err, "MissingParameter")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{id[80]}, IpPermissions: []ec2.IpPermission{tcp(80, 80, "10.0.0.0/8")}})
	want(t, "ID and permission", err, "InvalidParameterCombination")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{"80"}})
	want(t, "malformed ID", err, "InvalidSecurityGroupRuleId.Malformed")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{id[80], "sgr-01234567"}})
	want(t, "unknown ID", err, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID 'sgr-01234567' does not exist")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{egress}})
	want(t, "rule of the other direction", err, "InvalidSecurityGroupRuleId.NotFound")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{r.net.Group.Rules[0].ID}})
	want(t, "rule of another group", err, "InvalidSecurityGroupRuleId.NotFound")
	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{DryRun: new(true), SecurityGroupRuleIds: []string{id[80]}})
	want(t, "dry run", err, "DryRunOperation")
	if n := len(r.rules(web)); n != 5 {
		t.Fatalf("%d rules are left after refusals, want 5", n)
	}

	out := must(revoke(ec2.RevokeSecurityGroupIngressRequest{IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(23, 23, "10.0.0.0/8")}}))(t)
	if len(out.RevokedSecurityGroupRules) != 1 || *out.RevokedSecurityGroupRules[0].SecurityGroupRuleId != id[22] || *out.RevokedSecurityGroupRules[0].Description != "ssh" {
		t.Errorf("revoked %+v", out.RevokedSecurityGroupRules)
	}
	if len(out.UnknownIpPermissions) != 1 || *out.UnknownIpPermissions[0].FromPort != 23 {
		t.Errorf("unknown were %+v", out.UnknownIpPermissions)
	}
	must(revoke(ec2.RevokeSecurityGroupIngressRequest{SecurityGroupRuleIds: []string{id[80], id[80]}}))(t)
	must(revoke(ec2.RevokeSecurityGroupIngressRequest{GroupName: new("web"), IpProtocol: new("6"), FromPort: new(int32(81)), ToPort: new(int32(81)), CidrIp: new("10.3.0.0/8")}))(t)
	must(revoke(ec2.RevokeSecurityGroupIngressRequest{IpPermissions: []ec2.IpPermission{tcpFrom(82, 82, web)}}))(t)
	if left := r.rules(web); len(left) != 1 || !*left[0].IsEgress {
		t.Errorf("left are %+v", left)
	}

	_, err = revoke(ec2.RevokeSecurityGroupIngressRequest{GroupId: &other.Group.ID, IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8")}})
	want(t, "unknown rule outside the default VPC", err, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
	_, err = r.RevokeSecurityGroupEgress(r.ctx, &ec2.RevokeSecurityGroupEgressRequest{GroupId: &web, SecurityGroupRuleIds: []string{egress}})
	want(t, "egress by ID", err, "")
	if g := r.securityGroup(web); len(g.IpPermissions)+len(g.IpPermissionsEgress) != 0 {
		t.Errorf("left are %+v", g)
	}
}

func TestRuleDescriptions(t *testing.T) {
	r := newRig(t)
	web := r.newSecurityGroup("web")
	want(t, "authorize", r.ingress(web, tcp(22, 22, "10.0.0.0/8")), "")
	var in, out string
	for _, rule := range r.rules(web) {
		if *rule.IsEgress {
			out = *rule.SecurityGroupRuleId
		} else {
			in = *rule.SecurityGroupRuleId
		}
	}
	update := func(c ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest) error {
		c.GroupId = &web
		_, err := r.UpdateSecurityGroupRuleDescriptionsIngress(r.ctx, &c)
		return err
	}
	named := func(id, d string) []ec2.SecurityGroupRuleDescription {
		return []ec2.SecurityGroupRuleDescription{{SecurityGroupRuleId: &id, Description: &d}}
	}
	ssh := tcp(22, 22, "10.0.0.0/8")
	ssh.IpRanges[0].Description = new("ssh")
	want(t, "nothing", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{}), "MissingParameter")
	want(t, "both", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{IpPermissions: []ec2.IpPermission{ssh}, SecurityGroupRuleDescriptions: named(in, "x")}), "InvalidParameterCombination")
	want(t, "unknown rule", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{IpPermissions: []ec2.IpPermission{tcp(23, 23, "10.0.0.0/8")}}), "InvalidPermission.NotFound")
	want(t, "other direction", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{SecurityGroupRuleDescriptions: named(out, "x")}), "InvalidSecurityGroupRuleId.NotFound")
	want(t, "bad words", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{SecurityGroupRuleDescriptions: named(in, "<")}), "InvalidParameterValue")
	want(t, "bad ID", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{SecurityGroupRuleDescriptions: named("x", "y")}), "InvalidSecurityGroupRuleId.Malformed")
	describes := func(expected string) {
		t.Helper()
		if d := val(r.securityGroup(web).IpPermissions[0].IpRanges[0].Description); d != expected {
			t.Errorf("description is %q, want %q", d, expected)
		}
	}
	want(t, "by permission", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{IpPermissions: []ec2.IpPermission{ssh}}), "")
	describes("ssh")
	want(t, "by ID", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{SecurityGroupRuleDescriptions: named(in, "admin")}), "")
	describes("admin")
	want(t, "left out", update(ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8")}}), "")
	describes("")
	_, err := r.UpdateSecurityGroupRuleDescriptionsEgress(r.ctx, &ec2.UpdateSecurityGroupRuleDescriptionsEgressRequest{GroupName: new("web"), SecurityGroupRuleDescriptions: named(out, "all")})
	want(t, "egress", err, "")
	if d := *r.securityGroup(web).IpPermissionsEgress[0].IpRanges[0].Description; d != "all" {
		t.Errorf("description is %q", d)
	}
}

func TestPermissionsAreGrouped(t *testing.T) {
	r := newRig(t)
	web := r.newSecurityGroup("web")
	want(t, "authorize", r.ingress(web, tcp(80, 80, "10.0.0.0/8"), tcp(443, 443, "10.0.0.0/8"), tcp(80, 80, "192.168.0.0/16"), tcpFrom(80, 80, web), permission("50", nil, nil, "10.0.0.0/8")), "")
	p := r.securityGroup(web).IpPermissions
	if len(p) != 3 || len(p[0].IpRanges) != 2 || len(p[0].UserIdGroupPairs) != 1 || *p[0].UserIdGroupPairs[0].UserId != alice || p[2].FromPort != nil {
		t.Errorf("permissions are %+v", p)
	}
}
