package ec2

import (
	"cmp"
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// groupRule is a rule with the group that it belongs to.
type groupRule struct {
	group cloud.SecurityGroup
	cloud.Rule
}

// rulesOf lists the rules of all groups of an account, by their IDs.
func rulesOf(r store.Reader, account string) []groupRule {
	var rules []groupRule
	for group := range groupTable.Select(r, cloud.AccountLabel(account)) {
		for _, rule := range group.Rules {
			rules = append(rules, groupRule{group, rule})
		}
	}
	slices.SortFunc(rules, func(a, b groupRule) int { return cmp.Compare(a.ID, b.ID) })
	return rules
}

var ruleFields = fields[groupRule]{
	"group-id":               one(func(r groupRule) string { return r.group.ID }),
	"security-group-rule-id": one(func(r groupRule) string { return r.ID }),
}

// DescribeSecurityGroupRules lists the rules of the caller's security groups.
func (s *Service) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesRequest) (*ec2.DescribeSecurityGroupRulesResult, error) {
	caller, err := s.allow(ctx, "DescribeSecurityGroupRules", in.DryRun)
	if err != nil {
		return nil, err
	}
	if in.MaxResults != nil && len(in.SecurityGroupRuleIds) > 0 {
		return nil, notWithIDs("sgr")
	}
	if err := checkIDs("sgr", in.SecurityGroupRuleIds...); err != nil {
		return nil, err
	}
	p, err := s.page(caller, "DescribeSecurityGroupRules", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, ruleFields, func(r groupRule) map[string]string { return r.Tags })
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	rules := rulesOf(view, caller.Account)
	if len(in.SecurityGroupRuleIds) > 0 {
		if rules, err = rulesByID(rules, in.SecurityGroupRuleIds); err != nil {
			return nil, err
		}
	}
	found, next := cut(p, where(slices.Values(rules), keep), func(r groupRule) string { return r.ID })
	out := each(found, func(r groupRule) ec2.SecurityGroupRule { return s.ruleOut(view, r.group, r.Rule) })
	return &ec2.DescribeSecurityGroupRulesResult{SecurityGroupRules: out, NextToken: next}, nil
}

// rulesByID keeps the rules of the IDs, all of which must be there.
func rulesByID(rules []groupRule, ids []string) ([]groupRule, error) {
	var unknown []string
	for _, id := range ids {
		if !slices.ContainsFunc(rules, func(r groupRule) bool { return r.ID == id }) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return nil, notFound("sgr", unknown...)
	}
	return slices.DeleteFunc(rules, func(r groupRule) bool { return !slices.Contains(ids, r.ID) }), nil
}

func (s *Service) ruleOut(view store.Reader, g cloud.SecurityGroup, r cloud.Rule) ec2.SecurityGroupRule {
	out := ec2.SecurityGroupRule{
		SecurityGroupRuleId: new(r.ID), SecurityGroupRuleArn: new(s.Place.ARN("ec2", g.Account, "security-group-rule/"+r.ID)), GroupId: new(g.ID), GroupOwnerId: new(g.Account), IsEgress: new(r.Egress),
		IpProtocol: new(r.Protocol), FromPort: new(int32(r.FromPort)), ToPort: new(int32(r.ToPort)),
		CidrIpv4: opt(prefixWord(r.Prefix, false)), CidrIpv6: opt(prefixWord(r.Prefix, true)),
		PrefixListId: opt(r.PrefixList), Description: opt(r.Description), Tags: tagSet(r.Tags),
	}
	if r.Group != "" {
		pair := groupPairOut(view, r)
		out.ReferencedGroupInfo = &ec2.ReferencedSecurityGroup{
			GroupId: pair.GroupId, UserId: pair.UserId, VpcId: pair.VpcId, PeeringStatus: pair.PeeringStatus, VpcPeeringConnectionId: pair.VpcPeeringConnectionId,
		}
	}
	return out
}

// UpdateSecurityGroupRuleDescriptionsIngress replaces what rules that let
// packets in are called.
func (s *Service) UpdateSecurityGroupRuleDescriptionsIngress(ctx context.Context, in *ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest) (*ec2.UpdateSecurityGroupRuleDescriptionsIngressResult, error) {
	caller, err := s.allow(ctx, "UpdateSecurityGroupRuleDescriptionsIngress", in.DryRun, s.asking(ctx).group(groupRef{in.GroupId, in.GroupName}))
	if err != nil {
		return nil, err
	}
	err = s.setRuleDescriptions(ctx, caller, groupRef{in.GroupId, in.GroupName}, false, in.IpPermissions, in.SecurityGroupRuleDescriptions)
	if err != nil {
		return nil, err
	}
	return &ec2.UpdateSecurityGroupRuleDescriptionsIngressResult{Return: new(true)}, nil
}

// UpdateSecurityGroupRuleDescriptionsEgress replaces what rules that let
// packets out are called.
func (s *Service) UpdateSecurityGroupRuleDescriptionsEgress(ctx context.Context, in *ec2.UpdateSecurityGroupRuleDescriptionsEgressRequest) (*ec2.UpdateSecurityGroupRuleDescriptionsEgressResult, error) {
	caller, err := s.allow(ctx, "UpdateSecurityGroupRuleDescriptionsEgress", in.DryRun, s.asking(ctx).group(groupRef{in.GroupId, in.GroupName}))
	if err != nil {
		return nil, err
	}
	err = s.setRuleDescriptions(ctx, caller, groupRef{in.GroupId, in.GroupName}, true, in.IpPermissions, in.SecurityGroupRuleDescriptions)
	if err != nil {
		return nil, err
	}
	return &ec2.UpdateSecurityGroupRuleDescriptionsEgressResult{Return: new(true)}, nil
}

// setRuleDescriptions sets the descriptions of rules, named by what they let through
// or by their IDs; one left out is removed.
func (s *Service) setRuleDescriptions(ctx context.Context, c cloud.Caller, ref groupRef, egress bool, permissions []ec2.IpPermission, named []ec2.SecurityGroupRuleDescription) error {
	switch {
	case len(permissions) == 0 && len(named) == 0:
		return missing("ipPermissions")
	case len(permissions) > 0 && len(named) > 0:
		return cloud.Errorf("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'securityGroupRuleDescriptions'")
	}
	parsed, err := parsePermissions(permissions, egress)
	if err != nil {
		return err
	}
	for _, n := range named {
		if err := checkIDs("sgr", val(n.SecurityGroupRuleId)); err != nil {
			return err
		}
		if err := checkRuleDescription(val(n.Description)); err != nil {
			return err
		}
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		group, err := s.group(tx, c, ref.id, ref.name)
		if err != nil {
			return err
		}
		rules, err := s.resolveRules(tx, c, group, parsed)
		if err != nil {
			return err
		}
		group.Rules = slices.Clone(group.Rules)
		for _, n := range named {
			i := slices.IndexFunc(group.Rules, func(r cloud.Rule) bool { return r.ID == *n.SecurityGroupRuleId && r.Egress == egress })
			if i < 0 {
				return notFound("sgr", *n.SecurityGroupRuleId)
			}
			group.Rules[i].Description = val(n.Description)
		}
		for _, rule := range rules {
			i := slices.IndexFunc(group.Rules, rule.Same)
			if i < 0 {
				return errNoRule()
			}
			group.Rules[i].Description = rule.Description
		}
		return groupTable.Put(tx, group)
	})
}
