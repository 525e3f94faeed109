package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ModifySecurityGroupRules replaces what rules of a group let through, all or none.
// They keep their IDs, their directions and whether they name a range of IPv4 or of
// IPv6, a group or a prefix list.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySecurityGroupRules.html
func (s *Service) ModifySecurityGroupRules(ctx context.Context, in *ec2.ModifySecurityGroupRulesRequest) (*ec2.ModifySecurityGroupRulesResult, error) {
	caller, err := s.allow(ctx, "ModifySecurityGroupRules", in.DryRun, s.asking(ctx).changedRules(in)...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.GroupId) == "":
		return nil, missing("GroupId")
	case len(in.SecurityGroupRules) == 0:
		return nil, missing("SecurityGroupRule")
	}
	parsed, err := parseUpdates(in.SecurityGroupRules)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		group, err := s.group(tx, caller, in.GroupId, nil)
		if err != nil {
			return err
		}
		if group.Rules, err = s.changeRules(tx, caller, group, in.SecurityGroupRules, parsed); err != nil {
			return err
		}
		return groupTable.Put(tx, group)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifySecurityGroupRulesResult{Return: new(true)}, nil
}

// changedRules is a group, the rules of it that a request changes, and the prefix
// lists that they are to name.
func (a asking) changedRules(in *ec2.ModifySecurityGroupRulesRequest) []subject {
	about := []subject{aboutGroup.of(a, val(in.GroupId))}
	var lists []string
	for _, u := range in.SecurityGroupRules {
		about = append(about, a.rule(val(u.SecurityGroupRuleId)))
		if u.SecurityGroupRule != nil && val(u.SecurityGroupRule.PrefixListId) != "" {
			lists = append(lists, *u.SecurityGroupRule.PrefixListId)
		}
	}
	return append(about, aboutList.named(a, distinct(lists)...)...)
}

// parseUpdates reads what rules are to let through, a rule each.
func parseUpdates(updates []ec2.SecurityGroupRuleUpdate) ([]parsedRule, error) {
	var parsed []parsedRule
	var seen []string
	for _, u := range updates {
		id, want := val(u.SecurityGroupRuleId), u.SecurityGroupRule
		if id == "" {
			return nil, missing("SecurityGroupRuleId")
		}
		if err := checkIDs("sgr", id); err != nil {
			return nil, err
		}
		if slices.Contains(seen, id) {
			return nil, cloud.Errorf("InvalidParameterValue", "The security group rule '%s' is given more than once", id)
		}
		seen = append(seen, id)
		if want == nil {
			return nil, missing("SecurityGroupRule")
		}
		rules, err := parsePermissions([]ec2.IpPermission{asPermission(*want)}, false)
		switch {
		case err != nil:
			return nil, err
		case len(rules) != 1:
			return nil, cloud.Errorf("InvalidParameterCombination", "A security group rule has exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId")
		}
		parsed = append(parsed, rules[0])
	}
	return parsed, nil
}

// asPermission writes a rule as a permission.
func asPermission(r ec2.SecurityGroupRuleRequest) ec2.IpPermission {
	p := ec2.IpPermission{IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort}
	if r.CidrIpv4 != nil {
		p.IpRanges = []ec2.IpRange{{CidrIp: r.CidrIpv4, Description: r.Description}}
	}
	if r.CidrIpv6 != nil {
		p.Ipv6Ranges = []ec2.Ipv6Range{{CidrIpv6: r.CidrIpv6, Description: r.Description}}
	}
	if r.PrefixListId != nil {
		p.PrefixListIds = []ec2.PrefixListId{{PrefixListId: r.PrefixListId, Description: r.Description}}
	}
	if r.ReferencedGroupId != nil {
		p.UserIdGroupPairs = []ec2.UserIdGroupPair{{GroupId: r.ReferencedGroupId, Description: r.Description}}
	}
	return p
}

// changeRules returns the rules of a group with the updates made.
func (s *Service) changeRules(r store.Reader, c cloud.Caller, group cloud.SecurityGroup, updates []ec2.SecurityGroupRuleUpdate, parsed []parsedRule) ([]cloud.Rule, error) {
	rules := slices.Clone(group.Rules)
	for k, u := range updates {
		at := slices.IndexFunc(rules, func(r cloud.Rule) bool { return r.ID == *u.SecurityGroupRuleId })
		if at < 0 {
			return nil, notFound("sgr", *u.SecurityGroupRuleId)
		}
		rule, err := s.resolveRule(r, c, group, parsed[k])
		if err != nil {
			return nil, err
		}
		if sourceKind(rule) != sourceKind(rules[at]) {
			return nil, cloud.Errorf("InvalidParameterValue", "The security group rule '%s' names %s, and cannot be changed to name %s. Revoke it, and authorize another.", rules[at].ID, sourceKind(rules[at]), sourceKind(rule))
		}
		rule.ID, rule.Egress, rule.Tags = rules[at].ID, rules[at].Egress, rules[at].Tags
		rules[at] = rule
	}
	for k, rule := range rules {
		if slices.ContainsFunc(rules[:k], rule.Same) {
			return nil, errDuplicateRule(rule)
		}
	}
	if tooManyRules(weights(r), rules, false) || tooManyRules(weights(r), rules, true) {
		return nil, errTooManyRules()
	}
	return rules, nil
}

// sourceKind is what a rule names, in words.
func sourceKind(r cloud.Rule) string {
	switch {
	case r.Group != "":
		return "a security group"
	case r.PrefixList != "":
		return "a prefix list"
	case r.Prefix.Addr().Is6():
		return "an IPv6 range"
	}
	return "an IPv4 range"
}
