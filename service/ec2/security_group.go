package ec2

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxGroupsPerVPC is how many security groups a VPC may have.
const maxGroupsPerVPC = 2500

// CreateSecurityGroup makes a security group that lets everything out and
// nothing in.
func (s *Service) CreateSecurityGroup(ctx context.Context, in *ec2.CreateSecurityGroupRequest) (*ec2.CreateSecurityGroupResult, error) {
	caller, err := s.allow(ctx, "CreateSecurityGroup", in.DryRun, s.asking(ctx).newGroup(in)...)
	if err != nil {
		return nil, err
	}
	group, err := s.newGroup(caller, in)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		vpc := val(in.VpcId)
		if vpc == "" {
			vpc = s.defaultVPC(tx, caller)
		}
		if vpc == "" {
			return errNoDefaultVPC()
		}
		if _, err := get(tx, caller, vpcTable, "vpc", vpc); err != nil {
			return err
		}
		if groupTable.Count(tx, "vpc/"+vpc) >= maxGroupsPerVPC {
			return cloud.Errorf("SecurityGroupLimitExceeded", "The maximum number of security groups for VPC '%s' has been reached.", vpc)
		}
		var taken *store.ClaimedError
		switch err := tx.Claim(cloud.GroupNames(vpc), group.Name, group.ID); {
		case errors.As(err, &taken):
			return cloud.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", group.Name, vpc)
		case err != nil:
			return err
		}
		group.VPC = vpc
		if v, _ := vpcTable.Get(tx, vpc); len(v.CIDRs6) > 0 {
			group.Rules = []cloud.Rule{group.Rules[0], s.letOut(everywhere6)}
		}
		return groupTable.Create(tx, group)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSecurityGroupResult{
		GroupId: new(group.ID), SecurityGroupArn: new(s.arn(caller, "security-group", group.ID)), Tags: tagSet(group.Tags),
	}, nil
}

// newGroup checks what a request says of a group, and returns it but for its VPC.
func (s *Service) newGroup(c cloud.Caller, in *ec2.CreateSecurityGroupRequest) (cloud.SecurityGroup, error) {
	var none cloud.SecurityGroup
	name, description := strings.TrimSpace(val(in.GroupName)), val(in.Description)
	switch {
	case name == "":
		return none, missing("GroupName")
	case description == "":
		return none, missing("GroupDescription")
	case !isASCII(name):
		return none, invalid("GroupName", name, "Character sets beyond ASCII are not supported.")
	case !isASCII(description):
		return none, invalid("GroupDescription", description, "Character sets beyond ASCII are not supported.")
	case !plainWords(name):
		return none, cloud.Errorf("InvalidParameterValue", "Invalid security group name. "+plainSet, "names")
	case !plainWords(description):
		return none, cloud.Errorf("InvalidParameterValue", "Invalid security group description. "+plainSet, "descriptions")
	case strings.HasPrefix(name, "sg-"):
		return none, cloud.Errorf("InvalidParameterValue", "Invalid group name. Group names may not be in the format sg-*.")
	case name == cloud.DefaultGroupName:
		return none, cloud.Errorf("InvalidParameterValue", "Cannot use reserved security group name: %s", name)
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "security-group")
	if err != nil {
		return none, err
	}
	return cloud.SecurityGroup{
		Meta: cloud.Meta{ID: s.NewID("sg"), Account: c.Account, Created: s.Now(), Tags: tags},
		Name: name, Description: description,
		Rules: []cloud.Rule{s.letOut(everywhere)},
	}, nil
}

// letOut is a rule that lets everything out to a range.
func (s *Service) letOut(to netip.Prefix) cloud.Rule {
	return cloud.Rule{ID: s.NewID("sgr"), Egress: true, Protocol: "-1", FromPort: allPorts, ToPort: allPorts, Prefix: to}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

// DeleteSecurityGroup removes a security group that no interface is in and no rules
// of another group of its VPC name. Rules of peered VPCs that name it become stale.
func (s *Service) DeleteSecurityGroup(ctx context.Context, in *ec2.DeleteSecurityGroupRequest) (*ec2.DeleteSecurityGroupResult, error) {
	caller, err := s.allow(ctx, "DeleteSecurityGroup", in.DryRun, s.asking(ctx).group(groupRef{in.GroupId, in.GroupName}))
	if err != nil {
		return nil, err
	}
	var group cloud.SecurityGroup
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if group, err = s.group(tx, caller, in.GroupId, in.GroupName); err != nil {
			return err
		}
		if group.Name == cloud.DefaultGroupName {
			return cloud.Errorf("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, group.ID, group.Name)
		}
		named := slices.ContainsFunc(slices.Collect(groupTable.Select(tx, "names-group/"+group.ID)),
			func(other cloud.SecurityGroup) bool { return other.ID != group.ID && other.VPC == group.VPC })
		if named || interfaceTable.Count(tx, "group/"+group.ID) > 0 {
			return cloud.Errorf("DependencyViolation", "resource %s has a dependent object", group.ID)
		}
		tx.ReleaseAll(group.ID)
		return groupTable.Delete(tx, group.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteSecurityGroupResult{}, nil
}

// group finds the caller's security group by its ID, or by its name in the
// default VPC.
func (s *Service) group(r store.Reader, c cloud.Caller, id, name *string) (cloud.SecurityGroup, error) {
	switch {
	case val(id) != "":
		return get(r, c, groupTable, "sg", *id)
	case val(name) != "":
		found, err := s.groupsByName(r, c, []string{*name})
		if err != nil {
			return cloud.SecurityGroup{}, err
		}
		return get(r, c, groupTable, "sg", found[0])
	}
	return cloud.SecurityGroup{}, cloud.Errorf("MissingParameter", "The request must contain the parameter groupName or groupId")
}

// groupsByName returns the IDs of the groups of the caller's default VPC that
// have the names.
func (s *Service) groupsByName(r store.Reader, c cloud.Caller, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	vpc := s.defaultVPC(r, c)
	if vpc == "" {
		return nil, errNoDefaultVPC()
	}
	ids := make([]string, 0, len(names))
	for _, name := range names {
		id, ok := store.Owner(r, cloud.GroupNames(vpc), name)
		if !ok {
			return nil, cloud.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// DescribeSecurityGroups lists the caller's security groups.
func (s *Service) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsRequest) (*ec2.DescribeSecurityGroupsResult, error) {
	caller, err := s.allow(ctx, "DescribeSecurityGroups", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	named, err := s.groupsByName(view, caller, in.GroupNames)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.SecurityGroup]{
		operation: "DescribeSecurityGroups", table: groupTable, prefix: "sg", ids: slices.Concat(in.GroupIds, named),
		filters: in.Filters, fields: groupFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(found, func(g cloud.SecurityGroup) ec2.SecurityGroup { return s.groupOut(view, g) })
	return &ec2.DescribeSecurityGroupsResult{SecurityGroups: out, NextToken: next}, nil
}

func groupFields(r store.Reader) fields[cloud.SecurityGroup] {
	all := fields[cloud.SecurityGroup]{
		"description": one(func(g cloud.SecurityGroup) string { return g.Description }),
		"group-id":    one(func(g cloud.SecurityGroup) string { return g.ID }),
		"group-name":  one(func(g cloud.SecurityGroup) string { return g.Name }),
		"owner-id":    one(func(g cloud.SecurityGroup) string { return g.Account }),
		"vpc-id":      one(func(g cloud.SecurityGroup) string { return g.VPC }),
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		for name, value := range map[string]func(cloud.Rule) string{
			"cidr":      func(rule cloud.Rule) string { return prefixWord(rule.Prefix, false) },
			"ipv6-cidr": func(rule cloud.Rule) string { return prefixWord(rule.Prefix, true) },
			"from-port": func(rule cloud.Rule) string { return portWord(rule, rule.FromPort) },
			"to-port":   func(rule cloud.Rule) string { return portWord(rule, rule.ToPort) },
			"group-id":  func(rule cloud.Rule) string { return rule.Group },
			"group-name": func(rule cloud.Rule) string {
				group, _ := groupTable.Get(r, rule.Group)
				return group.Name
			},
			"prefix-list-id": func(rule cloud.Rule) string { return rule.PrefixList },
			"protocol":       func(rule cloud.Rule) string { return rule.Protocol },
			"user-id":        func(rule cloud.Rule) string { return rule.GroupOwner },
		} {
			all[prefix+name] = ruleField(egress, value)
		}
	}
	return all
}

// ruleField is a property of the rules of one direction.
func ruleField(egress bool, value func(cloud.Rule) string) field[cloud.SecurityGroup] {
	return func(g cloud.SecurityGroup, is func(string) bool) bool {
		for _, rule := range g.Rules {
			if rule.Egress != egress {
				continue
			}
			if v := value(rule); v != "" && is(v) {
				return true
			}
		}
		return false
	}
}

func (s *Service) groupOut(r store.Reader, g cloud.SecurityGroup) ec2.SecurityGroup {
	var in, out []cloud.Rule
	for _, rule := range g.Rules {
		if rule.Egress {
			out = append(out, rule)
		} else {
			in = append(in, rule)
		}
	}
	return ec2.SecurityGroup{
		GroupId: new(g.ID), SecurityGroupArn: new(s.Place.ARN("ec2", g.Account, "security-group/"+g.ID)),
		GroupName: new(g.Name), Description: new(g.Description),
		OwnerId: new(g.Account), VpcId: new(g.VPC), Tags: tagSet(g.Tags),
		IpPermissions: permissionsOut(r, in), IpPermissionsEgress: permissionsOut(r, out),
	}
}
