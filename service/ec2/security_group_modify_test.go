package ec2

import (
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func TestModifySecurityGroupRules(t *testing.T) {
	r := newRig(t)
	web, db := r.newSecurityGroup("web"), r.newSecurityGroup("db")
	added := must(r.AuthorizeSecurityGroupIngress(r.ctx, &ec2.AuthorizeSecurityGroupIngressRequest{
		GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8"), tcp(80, 80, "10.0.0.0/8")}, TagSpecifications: tagSpec("security-group-rule", "k", "v"),
	}))(t).SecurityGroupRules
	first, second := *added[0].SecurityGroupRuleId, *added[1].SecurityGroupRuleId
	rule := func(from, to int32, cidr string) *ec2.SecurityGroupRuleRequest {
		return &ec2.SecurityGroupRuleRequest{IpProtocol: new("tcp"), FromPort: &from, ToPort: &to, CidrIpv4: &cidr, Description: new("changed")}
	}
	modify := func(group string, pairs ...any) error {
		in := &ec2.ModifySecurityGroupRulesRequest{GroupId: &group}
		for n := 0; n < len(pairs); n += 2 {
			id, _ := pairs[n].(string)
			to, _ := pairs[n+1].(*ec2.SecurityGroupRuleRequest)
			in.SecurityGroupRules = append(in.SecurityGroupRules, ec2.SecurityGroupRuleUpdate{SecurityGroupRuleId: &id, SecurityGroupRule: to})
		}
		_, err := r.ModifySecurityGroupRules(r.ctx, in)
		return err
	}
	both := rule(1, 2, "10.0.0.0/8")
	both.CidrIpv6 = new("::/0")
	named := rule(1, 2, "10.0.0.0/8")
	named.CidrIpv4, named.ReferencedGroupId = nil, &db
	want(t, "nothing", modify(web), "MissingParameter")
	want(t, "no rule", modify(web, first, nil), "MissingParameter")
	want(t, "malformed", modify(web, "x", rule(1, 2, "10.0.0.0/8")), "InvalidSecurityGroupRuleId.Malformed")
	want(t, "of another group", modify(db, first, rule(1, 2, "10.0.0.0/8")), "InvalidSecurityGroupRuleId.NotFound")
	want(t, "twice", modify(web, first, rule(1, 2, "10.0.0.0/8"), first, rule(3, 4, "10.0.0.0/8")), "InvalidParameterValue")
	want(t, "two sources", modify(web, first, both), "InvalidParameterCombination")
	want(t, "another kind of source", modify(web, first, named), "InvalidParameterValue")
	want(t, "a duplicate", modify(web, first, rule(80, 80, "10.0.0.0/8")), "InvalidPermission.Duplicate")
	want(t, "a bad one beside a good one", modify(web, first, rule(1, 2, "10.0.0.0/8"), second, rule(9, 1, "10.0.0.0/8")), "InvalidParameterValue")
	want(t, "two that swap", modify(web, first, rule(80, 80, "10.0.0.0/8"), second, rule(22, 22, "10.0.0.0/8")), "")
	out := must(r.DescribeSecurityGroupRules(r.ctx, &ec2.DescribeSecurityGroupRulesRequest{SecurityGroupRuleIds: []string{first}}))(t).SecurityGroupRules[0]
	if *out.FromPort != 80 || *out.Description != "changed" || *out.IsEgress || len(out.Tags) != 1 {
		t.Errorf("the first rule is %+v", out)
	}
	groups := must(r.GetSecurityGroupsForVpc(r.ctx, &ec2.GetSecurityGroupsForVpcRequest{VpcId: &r.net.VPC.ID, Filters: filters("group-name", "web")}))(t).SecurityGroupForVpcs
	if len(groups) != 1 || *groups[0].GroupId != web || *groups[0].PrimaryVpcId != r.net.VPC.ID {
		t.Errorf("groups of the VPC: %+v", groups)
	}
	_, err := r.GetSecurityGroupsForVpc(r.bob, &ec2.GetSecurityGroupsForVpcRequest{VpcId: &r.net.VPC.ID})
	want(t, "alice's VPC", err, "InvalidVpcID.NotFound")
}

// TestParallelRules checks that rules which are added and removed at the same time are all there, and gone.
func TestParallelRules(t *testing.T) {
	r := newRig(t)
	web := r.newSecurityGroup("web")
	const each = 20
	for n := range int32(each) {
		want(t, "before", r.ingress(web, tcp(n, n, "10.0.0.0/8")), "")
	}
	var all sync.WaitGroup
	for n := range int32(each) {
		all.Go(func() { want(t, "add", r.ingress(web, tcp(100+n, 100+n, "10.0.0.0/8")), "") })
		all.Go(func() {
			_, err := r.RevokeSecurityGroupIngress(r.ctx, &ec2.RevokeSecurityGroupIngressRequest{GroupId: &web, IpPermissions: []ec2.IpPermission{tcp(n, n, "10.0.0.0/8")}})
			want(t, "remove", err, "")
		})
	}
	all.Wait()
	rules := r.securityGroup(web).IpPermissions
	if len(rules) != each {
		t.Errorf("%d rules are left, want %d", len(rules), each)
	}
	for _, p := range rules {
		if *p.FromPort < 100 {
			t.Errorf("port %d is still open", *p.FromPort)
		}
	}
}
