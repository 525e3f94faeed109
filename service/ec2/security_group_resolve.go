package ec2

import (
	"cmp"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// resolveRules turns parsed rules into rules of the group: what they name must be
// there for the caller to name, and no two rules may be the same.
func (s *Service) resolveRules(r store.Reader, c cloud.Caller, group cloud.SecurityGroup, parsed []parsedRule) ([]cloud.Rule, error) {
	rules := make([]cloud.Rule, 0, len(parsed))
	for _, p := range parsed {
		rule, err := s.resolveRule(r, c, group, p)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rules, rule.Same) {
			return nil, cloud.Errorf("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func (s *Service) resolveRule(r store.Reader, c cloud.Caller, group cloud.SecurityGroup, p parsedRule) (cloud.Rule, error) {
	switch {
	case p.PrefixList != "":
		_, err := visibleList(r, c, &p.PrefixList)
		return p.Rule, err
	case p.Group == "" && p.groupName == "":
		return p.Rule, nil
	}
	for _, known := range group.Rules { // whose group or peering may be there no more
		if known.Peering != "" && known.Group == p.Group {
			rule := p.Rule
			rule.GroupOwner, rule.Peering = known.GroupOwner, known.Peering
			return rule, nil
		}
	}
	source, err := s.namedGroup(r, c, p)
	if err != nil {
		return p.Rule, err
	}
	rule := p.Rule
	rule.Group, rule.GroupOwner = source.ID, source.Account
	if source.VPC == group.VPC {
		if rule.Peering != "" {
			return rule, cloud.Errorf("InvalidParameterValue", "The security group '%s' is in the same VPC. Leave out the VPC peering connection.", source.ID)
		}
		return rule, nil
	}
	peering, ok := activePeering(r, group.VPC, source.VPC)
	switch {
	case !ok && source.Account != c.Account:
		return rule, notFound("sg", source.ID)
	case !ok, rule.Peering != "" && rule.Peering != peering.ID:
		return rule, cloud.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
	}
	rule.Peering = peering.ID
	return rule, nil
}

// namedGroup is the group that a rule names: one of the caller's, or one of another
// account that the rule names, too.
func (s *Service) namedGroup(r store.Reader, c cloud.Caller, p parsedRule) (cloud.SecurityGroup, error) {
	if p.Peering != "" {
		if err := checkIDs("pcx", p.Peering); err != nil {
			return cloud.SecurityGroup{}, err
		}
		if _, ok := seenPeering(asking{s, r, c}, p.Peering); !ok {
			return cloud.SecurityGroup{}, notFound("pcx", p.Peering)
		}
	}
	if p.GroupOwner == "" || p.GroupOwner == c.Account {
		return s.group(r, c, &p.Group, &p.groupName)
	}
	if p.Group != "" {
		if err := checkIDs("sg", p.Group); err != nil {
			return cloud.SecurityGroup{}, err
		}
	}
	g, ok := groupTable.Get(r, p.Group)
	if !ok || g.Account != p.GroupOwner {
		return g, notFound("sg", cmp.Or(p.Group, p.groupName))
	}
	return g, nil
}

// activePeering is the active peering connection between two VPCs.
func activePeering(r store.Reader, vpc, other string) (cloud.Peering, bool) {
	for p := range peeringTable.Select(r, "vpc/"+vpc) {
		if p.State == cloud.PeeringActive && p.Other(vpc).VPC == other {
			return p, true
		}
	}
	return cloud.Peering{}, false
}

// weight is how many rules a rule that names a prefix list counts for, and of which
// family of addresses.
type weight func(list string) (n int, v6 bool)

// tooManyRules counts the rules of one direction; one that names a group counts
// for both families of addresses.
func tooManyRules(weigh weight, rules []cloud.Rule, egress bool) bool {
	v4, v6 := 0, 0
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		if r.PrefixList != "" {
			if n, six := weigh(r.PrefixList); six {
				v6 += n
			} else {
				v4 += n
			}
			continue
		}
		if !r.Prefix.IsValid() || r.Prefix.Addr().Is4() {
			v4++
		}
		if !r.Prefix.IsValid() || r.Prefix.Addr().Is6() {
			v6++
		}
	}
	return max(v4, v6) > maxRules
}
