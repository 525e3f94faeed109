package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeStaleSecurityGroups lists the groups of a VPC with rules that name a group
// of a peered VPC which is deleted, or whose peering connection is.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeStaleSecurityGroups.html
func (s *Service) DescribeStaleSecurityGroups(ctx context.Context, in *ec2.DescribeStaleSecurityGroupsRequest) (*ec2.DescribeStaleSecurityGroupsResult, error) {
	caller, err := s.allow(ctx, "DescribeStaleSecurityGroups", in.DryRun)
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("VpcId")
	}
	p, err := s.page(caller, "DescribeStaleSecurityGroups", in.MaxResults, in.NextToken, 5, 255)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	if _, err := get(view, caller, vpcTable, "vpc", *in.VpcId); err != nil {
		return nil, err
	}
	stale := where(groupTable.Select(view, "vpc/"+*in.VpcId), func(g cloud.SecurityGroup) bool {
		return slices.ContainsFunc(g.Rules, isStale(view))
	})
	groups, next := cut(p, stale, cloud.SecurityGroup.Key)
	out := each(groups, func(g cloud.SecurityGroup) ec2.StaleSecurityGroup {
		return ec2.StaleSecurityGroup{
			GroupId: new(g.ID), GroupName: new(g.Name), Description: new(g.Description), VpcId: new(g.VPC),
			StaleIpPermissions: stalePermissions(view, g, false), StaleIpPermissionsEgress: stalePermissions(view, g, true),
		}
	})
	return &ec2.DescribeStaleSecurityGroupsResult{StaleSecurityGroupSet: out, NextToken: next}, nil
}

// isStale reports whether a rule names a group beyond a peering that is not there any
// more, or not reached any more.
func isStale(r store.Reader) func(cloud.Rule) bool {
	return func(rule cloud.Rule) bool {
		if rule.Peering == "" {
			return false
		}
		p, ok := peeringTable.Get(r, rule.Peering)
		_, there := groupTable.Get(r, rule.Group)
		return !ok || p.State != cloud.PeeringActive || !there
	}
}

func stalePermissions(r store.Reader, g cloud.SecurityGroup, egress bool) []ec2.StaleIpPermission {
	stale := isStale(r)
	rules := slices.DeleteFunc(slices.Clone(g.Rules), func(rule cloud.Rule) bool { return rule.Egress != egress || !stale(rule) })
	return each(permissionsOut(r, rules), func(p ec2.IpPermission) ec2.StaleIpPermission {
		return ec2.StaleIpPermission{IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, UserIdGroupPairs: p.UserIdGroupPairs}
	})
}

// DescribeSecurityGroupReferences tells which peered VPCs have groups with rules that
// name the caller's groups.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupReferences.html
func (s *Service) DescribeSecurityGroupReferences(ctx context.Context, in *ec2.DescribeSecurityGroupReferencesRequest) (*ec2.DescribeSecurityGroupReferencesResult, error) {
	caller, err := s.allow(ctx, "DescribeSecurityGroupReferences", in.DryRun)
	if err != nil {
		return nil, err
	}
	if len(in.GroupId) == 0 {
		return nil, missing("GroupId")
	}
	view := s.DB.View()
	groups, err := find(view, caller, groupTable, "sg", in.GroupId)
	if err != nil {
		return nil, err
	}
	out := []ec2.SecurityGroupReference{}
	for _, g := range groups {
		seen := map[string]bool{}
		for other := range groupTable.Select(view, "names-group/"+g.ID) {
			for _, rule := range other.Rules {
				if rule.Group != g.ID || rule.Peering == "" || seen[rule.Peering+other.VPC] {
					continue
				}
				seen[rule.Peering+other.VPC] = true
				out = append(out, ec2.SecurityGroupReference{GroupId: new(g.ID), ReferencingVpcId: new(other.VPC), VpcPeeringConnectionId: new(rule.Peering)})
			}
		}
	}
	return &ec2.DescribeSecurityGroupReferencesResult{SecurityGroupReferenceSet: out}, nil
}

var vpcGroupFields = fields[cloud.SecurityGroup]{
	"description":    one(func(g cloud.SecurityGroup) string { return g.Description }),
	"group-id":       one(cloud.SecurityGroup.Key),
	"group-name":     one(func(g cloud.SecurityGroup) string { return g.Name }),
	"owner-id":       one(func(g cloud.SecurityGroup) string { return g.Account }),
	"primary-vpc-id": one(func(g cloud.SecurityGroup) string { return g.VPC }),
}

// GetSecurityGroupsForVpc lists the security groups that interfaces in a VPC can be in.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSecurityGroupsForVpc.html
func (s *Service) GetSecurityGroupsForVpc(ctx context.Context, in *ec2.GetSecurityGroupsForVpcRequest) (*ec2.GetSecurityGroupsForVpcResult, error) {
	caller, err := s.allow(ctx, "GetSecurityGroupsForVpc", in.DryRun, aboutVPC.of(s.asking(ctx), val(in.VpcId)))
	if err != nil {
		return nil, err
	}
	if val(in.VpcId) == "" {
		return nil, missing("VpcId")
	}
	p, err := s.page(caller, "GetSecurityGroupsForVpc", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, vpcGroupFields, func(g cloud.SecurityGroup) map[string]string { return g.Tags })
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	if _, err := get(view, caller, vpcTable, "vpc", *in.VpcId); err != nil {
		return nil, err
	}
	groups, next := cut(p, where(groupTable.Select(view, "vpc/"+*in.VpcId), keep), cloud.SecurityGroup.Key)
	out := each(groups, func(g cloud.SecurityGroup) ec2.SecurityGroupForVpc {
		return ec2.SecurityGroupForVpc{
			GroupId: new(g.ID), GroupName: new(g.Name), Description: new(g.Description), OwnerId: new(g.Account), PrimaryVpcId: new(g.VPC), Tags: tagSet(g.Tags),
		}
	})
	return &ec2.GetSecurityGroupsForVpcResult{SecurityGroupForVpcs: out, NextToken: next}, nil
}
