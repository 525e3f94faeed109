package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxRules is how many rules a security group may have in each direction, for
// IPv4 and IPv6 each.
const maxRules = 60

var everywhere = netip.MustParsePrefix("0.0.0.0/0")

// AuthorizeSecurityGroupIngress adds rules that let packets in.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, in *ec2.AuthorizeSecurityGroupIngressRequest) (*ec2.AuthorizeSecurityGroupIngressResult, error) {
	caller, err := s.allow(ctx, "AuthorizeSecurityGroupIngress", in.DryRun, s.asking(ctx).newRules(groupRef{in.GroupId, in.GroupName}, in.TagSpecifications)...)
	if err != nil {
		return nil, err
	}
	permissions, err := flatForm{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}.with(in.IpPermissions)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorizeRules(ctx, caller, groupRef{in.GroupId, in.GroupName}, false, permissions, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: rules}, nil
}

// AuthorizeSecurityGroupEgress adds rules that let packets out.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, in *ec2.AuthorizeSecurityGroupEgressRequest) (*ec2.AuthorizeSecurityGroupEgressResult, error) {
	caller, err := s.allow(ctx, "AuthorizeSecurityGroupEgress", in.DryRun, s.asking(ctx).newRules(groupRef{id: in.GroupId}, in.TagSpecifications)...)
	if err != nil {
		return nil, err
	}
	permissions, err := flatForm{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}.with(in.IpPermissions)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorizeRules(ctx, caller, groupRef{id: in.GroupId}, true, permissions, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2.AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: rules}, nil
}

// groupRef names a security group by ID, or by name in the default VPC.
type groupRef struct{ id, name *string }

// flatForm is a permission as the oldest clients write it.
type flatForm struct {
	protocol           *string
	from, to           *int32
	cidr               *string
	group, groupsOwner *string
}

// with returns the permissions of a request, from the flat form or the list. A
// source group without protocol means all of TCP, UDP and ICMP.
func (f flatForm) with(permissions []ec2.IpPermission) ([]ec2.IpPermission, error) {
	if f == (flatForm{}) {
		return permissions, nil
	}
	if len(permissions) > 0 {
		return nil, cloud.Errorf("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
	}
	p := ec2.IpPermission{IpProtocol: f.protocol, FromPort: f.from, ToPort: f.to}
	if f.cidr != nil {
		p.IpRanges = []ec2.IpRange{{CidrIp: f.cidr}}
	}
	if f.group == nil {
		return []ec2.IpPermission{p}, nil
	}
	if f.cidr != nil {
		return nil, cloud.Errorf("InvalidParameterCombination", "The parameter 'cidrIp' may not be used in combination with 'sourceSecurityGroupName'")
	}
	p.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupName: f.group, UserId: f.groupsOwner}}
	if f.protocol != nil {
		return []ec2.IpPermission{p}, nil
	}
	tcp, udp, icmp := p, p, p
	tcp.IpProtocol, tcp.FromPort, tcp.ToPort = new("tcp"), new(int32(0)), new(int32(65535))
	udp.IpProtocol, udp.FromPort, udp.ToPort = new("udp"), new(int32(0)), new(int32(65535))
	icmp.IpProtocol, icmp.FromPort, icmp.ToPort = new("icmp"), new(int32(allPorts)), new(int32(allPorts))
	return []ec2.IpPermission{tcp, udp, icmp}, nil
}

// authorizeRules adds the rules that permissions mean to a group, all or none.
func (s *Service) authorizeRules(ctx context.Context, c cloud.Caller, ref groupRef, egress bool, permissions []ec2.IpPermission, specs []ec2.TagSpecification) ([]ec2.SecurityGroupRule, error) {
	tags, err := tagsFromSpec(specs, "security-group-rule")
	if err != nil {
		return nil, err
	}
	if len(permissions) == 0 {
		return nil, missing("ipPermissions")
	}
	parsed, err := parsePermissions(permissions, egress)
	if err != nil {
		return nil, err
	}
	var added []ec2.SecurityGroupRule
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		group, err := s.group(tx, c, ref.id, ref.name)
		if err != nil {
			return err
		}
		rules, err := s.resolveRules(tx, c, group, parsed)
		if err != nil {
			return err
		}
		for i := range rules {
			if slices.ContainsFunc(group.Rules, rules[i].Same) {
				return errDuplicateRule(rules[i])
			}
			rules[i].ID, rules[i].Tags = s.NewID("sgr"), tags
		}
		all := slices.Concat(group.Rules, rules)
		if tooManyRules(weights(tx), all, egress) {
			return errTooManyRules()
		}
		added = each(rules, func(r cloud.Rule) ec2.SecurityGroupRule { return s.ruleOut(tx, group, r) })
		group.Rules = all
		return groupTable.Put(tx, group)
	})
	return added, err
}

// RevokeSecurityGroupIngress removes rules that let packets in.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressRequest) (*ec2.RevokeSecurityGroupIngressResult, error) {
	caller, err := s.allow(ctx, "RevokeSecurityGroupIngress", in.DryRun, s.asking(ctx).group(groupRef{in.GroupId, in.GroupName}))
	if err != nil {
		return nil, err
	}
	permissions, err := flatForm{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}.with(in.IpPermissions)
	if err != nil {
		return nil, err
	}
	revoked, unknown, err := s.revokeRules(ctx, caller, groupRef{in.GroupId, in.GroupName}, false, permissions, in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupIngressResult{Return: new(true), UnknownIpPermissions: permissionsOut(s.DB.View(), unknown), RevokedSecurityGroupRules: revoked}, nil
}

// RevokeSecurityGroupEgress removes rules that let packets out.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, in *ec2.RevokeSecurityGroupEgressRequest) (*ec2.RevokeSecurityGroupEgressResult, error) {
	caller, err := s.allow(ctx, "RevokeSecurityGroupEgress", in.DryRun, s.asking(ctx).group(groupRef{id: in.GroupId}))
	if err != nil {
		return nil, err
	}
	permissions, err := flatForm{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId}.with(in.IpPermissions)
	if err != nil {
		return nil, err
	}
	revoked, unknown, err := s.revokeRules(ctx, caller, groupRef{id: in.GroupId}, true, permissions, in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupEgressResult{Return: new(true), UnknownIpPermissions: permissionsOut(s.DB.View(), unknown), RevokedSecurityGroupRules: revoked}, nil
}

// revokeRules removes rules from a group, named by what they let through or by
// their IDs. Permissions that match no rule are returned for a group of the
// default VPC, and refuse the whole request for any other; an unknown ID always does.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html
func (s *Service) revokeRules(ctx context.Context, c cloud.Caller, ref groupRef, egress bool, permissions []ec2.IpPermission, ids []string) (revoked []ec2.RevokedSecurityGroupRule, unknown []cloud.Rule, err error) {
	switch {
	case len(permissions) == 0 && len(ids) == 0:
		return nil, nil, missing("ipPermissions")
	case len(permissions) > 0 && len(ids) > 0:
		return nil, nil, cloud.Errorf("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleIds'")
	}
	parsed, err := parsePermissions(permissions, egress)
	if err != nil {
		return nil, nil, err
	}
	if err := checkIDs("sgr", ids...); err != nil {
		return nil, nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		group, err := s.group(tx, c, ref.id, ref.name)
		if err != nil {
			return err
		}
		rules, err := s.resolveRules(tx, c, group, parsed)
		if err != nil {
			return err
		}
		group.Rules = slices.Clone(group.Rules)
		revoked, unknown = []ec2.RevokedSecurityGroupRule{}, nil
		remove := func(i int) {
			revoked = append(revoked, revokedOut(group.ID, group.Rules[i]))
			group.Rules = slices.Delete(group.Rules, i, i+1)
		}
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			i := slices.IndexFunc(group.Rules, func(r cloud.Rule) bool { return r.ID == id && r.Egress == egress })
			if i < 0 {
				return notFound("sgr", id)
			}
			remove(i)
		}
		for _, rule := range rules {
			if i := slices.IndexFunc(group.Rules, rule.Same); i >= 0 {
				remove(i)
			} else {
				unknown = append(unknown, rule)
			}
		}
		if len(unknown) > 0 && group.VPC != s.defaultVPC(tx, c) {
			return errNoRule()
		}
		return groupTable.Put(tx, group)
	})
	return revoked, unknown, err
}

func revokedOut(group string, r cloud.Rule) ec2.RevokedSecurityGroupRule {
	return ec2.RevokedSecurityGroupRule{
		SecurityGroupRuleId: new(r.ID), GroupId: new(group), IsEgress: new(r.Egress),
		IpProtocol: new(r.Protocol), FromPort: new(int32(r.FromPort)), ToPort: new(int32(r.ToPort)),
		CidrIpv4: opt(prefixWord(r.Prefix, false)), CidrIpv6: opt(prefixWord(r.Prefix, true)),
		ReferencedGroupId: opt(r.Group), PrefixListId: opt(r.PrefixList), Description: opt(r.Description),
	}
}

func errDuplicateRule(r cloud.Rule) error {
	return cloud.Errorf("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, ruleWord(r))
}

func errTooManyRules() error {
	return cloud.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
}

func errNoRule() error {
	return cloud.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

// ruleWord describes a rule in the words that errors use, e.g.
// "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW".
func ruleWord(r cloud.Rule) string {
	peer := r.Group + r.PrefixList
	if r.Prefix.IsValid() {
		peer = r.Prefix.String()
	}
	switch r.Protocol {
	case "-1":
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case "tcp", "udp":
		return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(r.Protocol), r.FromPort, r.ToPort)
	case "icmp", "icmpv6":
		return fmt.Sprintf("peer: %s, %s, type: %d, code: %d, ALLOW", peer, strings.ToUpper(r.Protocol), r.FromPort, r.ToPort)
	}
	return fmt.Sprintf("peer: %s, %s, ALLOW", peer, r.Protocol)
}

// prefixWord writes the range of a rule if it is of the family asked for.
func prefixWord(p netip.Prefix, v6 bool) string {
	if !p.IsValid() || p.Addr().Is6() != v6 {
		return ""
	}
	return p.String()
}

// portWord writes a port of a rule whose protocol has them.
func portWord(r cloud.Rule, port int) string {
	switch r.Protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		return strconv.Itoa(port)
	}
	return ""
}
