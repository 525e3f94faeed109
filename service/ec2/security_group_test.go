package ec2

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// newSecurityGroup makes a group in alice's default VPC and returns its ID.
func (r *rig) newSecurityGroup(name string) string {
	r.Helper()
	out := must(r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{GroupName: new(name), Description: new("a group")}))(r)
	return *out.GroupId
}

func (r *rig) ingress(group string, p ...ec2.IpPermission) error {
	_, err := r.AuthorizeSecurityGroupIngress(r.ctx, &ec2.AuthorizeSecurityGroupIngressRequest{GroupId: new(group), IpPermissions: p})
	return err
}

func (r *rig) egress(group string, p ...ec2.IpPermission) error {
	_, err := r.AuthorizeSecurityGroupEgress(r.ctx, &ec2.AuthorizeSecurityGroupEgressRequest{GroupId: new(group), IpPermissions: p})
	return err
}

// tcp and tcpFrom are permissions for ports, from a range and from a group.
func tcp(from, to int32, cidr string) ec2.IpPermission {
	return ec2.IpPermission{IpProtocol: new("tcp"), FromPort: new(from), ToPort: new(to), IpRanges: []ec2.IpRange{{CidrIp: new(cidr)}}}
}

func tcpFrom(from, to int32, group string) ec2.IpPermission {
	return ec2.IpPermission{IpProtocol: new("tcp"), FromPort: new(from), ToPort: new(to), UserIdGroupPairs: []ec2.UserIdGroupPair{{GroupId: new(group)}}}
}

// securityGroup describes one group.
func (r *rig) securityGroup(id string) ec2.SecurityGroup {
	r.Helper()
	return must(r.DescribeSecurityGroups(r.ctx, &ec2.DescribeSecurityGroupsRequest{GroupIds: []string{id}}))(r).SecurityGroups[0]
}

func TestCreateSecurityGroup(t *testing.T) {
	r := newRig(t)
	other := r.addVPC()
	for _, c := range []struct {
		what    string
		in      ec2.CreateSecurityGroupRequest
		code    string
		message string
	}{
		{"plain", ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d")}, "", ""},
		{
			"again",
			ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d")},
			"InvalidGroup.Duplicate",
			"The security group 'web' already exists for VPC '" + r.net.VPC.ID + "'",
		},
		{"trimmed", ec2.CreateSecurityGroupRequest{GroupName: new(" web "), Description: new("d")}, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '" + r.net.VPC.ID + "'"},
		{"case matters", ec2.CreateSecurityGroupRequest{GroupName: new("Web"), Description: new("d")}, "", ""},
		{"other VPC", ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("d"), VpcId: &other.VPC.ID}, "", ""},
		{"no name", ec2.CreateSecurityGroupRequest{Description: new("d")}, "MissingParameter", "The request must contain the parameter GroupName"},
		{"no description", ec2.CreateSecurityGroupRequest{GroupName: new("x")}, "MissingParameter", "The request must contain the parameter GroupDescription"},
		{"default", ec2.CreateSecurityGroupRequest{GroupName: new("default"), Description: new("d")}, "InvalidParameterValue", "Cannot use reserved security group name: default"},
		{"like an ID", ec2.CreateSecurityGroupRequest{GroupName: new("sg-x"), Description: new("d")}, "InvalidParameterValue", "Invalid group name. Group names may not be in the format sg-*."},
		{"255 characters", ec2.CreateSecurityGroupRequest{GroupName: new(strings.Repeat("x", 255)), Description: new(strings.Repeat("x", 255))}, "", ""},
		{"long name", ec2.CreateSecurityGroupRequest{GroupName: new(strings.Repeat("x", 256)), Description: new("d")}, "InvalidParameterValue", ""},
		{
			"long description",
			ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new(strings.Repeat("x", 256))},
			"InvalidParameterValue",
			"Invalid security group description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
		},
		{"quotes", ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new(`it's`)}, "InvalidParameterValue", ""},
		{
			"beyond ASCII",
			ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("é")},
			"InvalidParameterValue",
			"Value (é) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.",
		},
		{"every sign", ec2.CreateSecurityGroupRequest{GroupName: new("a" + ruleSigns + "z"), Description: new(ruleSigns)}, "", ""},
		{
			"unknown VPC",
			ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("d"), VpcId: new("vpc-00000000000000000")},
			"InvalidVpcID.NotFound",
			"The vpc ID 'vpc-00000000000000000' does not exist",
		},
		{"bad VPC", ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("d"), VpcId: new("vpc-zz")}, "InvalidVpcID.Malformed", `Invalid id: "vpc-zz"`},
		{
			"bob's VPC",
			ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("d"), VpcId: &r.bobs.VPC.ID},
			"InvalidVpcID.NotFound",
			"The vpc ID '" + r.bobs.VPC.ID + "' does not exist",
		},
		{"dry run", ec2.CreateSecurityGroupRequest{GroupName: new("dry"), Description: new("d"), DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
		{
			"wrong tags",
			ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("d"), TagSpecifications: tagSpec("instance", "a", "b")},
			"InvalidParameterValue",
			"'instance' is not a valid taggable resource type for this operation.",
		},
	} {
		_, err := r.CreateSecurityGroup(r.ctx, &c.in)
		if c.message == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.message)
		}
	}

	out := must(r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{
		GroupName: new("tagged"), Description: new("d"), TagSpecifications: tagSpec("security-group", "b", "2", "a", "1"),
	}))(t)
	if len(out.Tags) != 2 || *out.Tags[0].Key != "a" || *out.SecurityGroupArn != "arn:aws:ec2:eu-paris-1:"+alice+":security-group/"+*out.GroupId {
		t.Errorf("created %+v", out)
	}
	g := r.securityGroup(*out.GroupId)
	if len(g.IpPermissions) != 0 || len(g.IpPermissionsEgress) != 1 || *g.IpPermissionsEgress[0].IpProtocol != "-1" ||
		*g.IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" || g.IpPermissionsEgress[0].FromPort != nil {
		t.Errorf("a new group lets through %+v in, %+v out", g.IpPermissions, g.IpPermissionsEgress)
	}
}

func TestDeleteSecurityGroup(t *testing.T) {
	r := newRig(t)
	web, db := r.newSecurityGroup("web"), r.newSecurityGroup("db")
	remove := func(in ec2.DeleteSecurityGroupRequest) error {
		_, err := r.DeleteSecurityGroup(r.ctx, &in)
		return err
	}
	want(t, "neither", remove(ec2.DeleteSecurityGroupRequest{}), "MissingParameter", "The request must contain the parameter groupName or groupId")
	want(t, "default", remove(ec2.DeleteSecurityGroupRequest{GroupName: new("default")}), "CannotDelete",
		`the specified group: "`+r.net.Group.ID+`" name: "default" cannot be deleted by a user`)
	want(t, "unknown name", remove(ec2.DeleteSecurityGroupRequest{GroupName: new("x")}), "InvalidGroup.NotFound", "The security group 'x' does not exist in default VPC '"+r.net.VPC.ID+"'")
	want(t, "bad ID", remove(ec2.DeleteSecurityGroupRequest{GroupId: new("web")}), "InvalidGroupId.Malformed", `Invalid id: "web" (expecting "sg-...")`)
	want(t, "unknown ID", remove(ec2.DeleteSecurityGroupRequest{GroupId: new("sg-01234567")}), "InvalidGroup.NotFound", "The security group 'sg-01234567' does not exist")
	want(t, "bob's", remove(ec2.DeleteSecurityGroupRequest{GroupId: &r.bobs.Group.ID}), "InvalidGroup.NotFound")
	want(t, "dry run", remove(ec2.DeleteSecurityGroupRequest{GroupId: &web, DryRun: new(true)}), "DryRunOperation")

	want(t, "db from web", r.ingress(db, tcpFrom(5432, 5432, web)), "")
	want(t, "web from itself", r.ingress(web, tcpFrom(1, 2, web)), "")
	want(t, "named by a rule", remove(ec2.DeleteSecurityGroupRequest{GroupId: &web}), "DependencyViolation", "resource "+web+" has a dependent object")
	n := r.addInterface("", port{groups: []string{db}})
	want(t, "in use", remove(ec2.DeleteSecurityGroupRequest{GroupId: &db}), "DependencyViolation")
	r.removeInterface(n)
	want(t, "free", remove(ec2.DeleteSecurityGroupRequest{GroupName: new("db")}), "")
	want(t, "names only itself", remove(ec2.DeleteSecurityGroupRequest{GroupId: &web}), "")
	want(t, "gone", remove(ec2.DeleteSecurityGroupRequest{GroupId: &web}), "InvalidGroup.NotFound")
	r.newSecurityGroup("web") // its name is free again
}

func TestDescribeSecurityGroups(t *testing.T) {
	r := newRig(t)
	web := r.newSecurityGroup("web")
	ids := func(in ec2.DescribeSecurityGroupsRequest) ([]string, error) {
		out, err := r.DescribeSecurityGroups(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.SecurityGroups, func(g ec2.SecurityGroup) string { return *g.GroupName }), nil
	}
	for _, c := range []struct {
		what string
		in   ec2.DescribeSecurityGroupsRequest
		want []string
		code string
	}{
		{"all", ec2.DescribeSecurityGroupsRequest{}, []string{"default", "web"}, ""},
		{"by ID", ec2.DescribeSecurityGroupsRequest{GroupIds: []string{web}}, []string{"web"}, ""},
		{"by name", ec2.DescribeSecurityGroupsRequest{GroupNames: []string{"web", "default"}}, []string{"default", "web"}, ""},
		{"by both", ec2.DescribeSecurityGroupsRequest{GroupIds: []string{web}, GroupNames: []string{"web"}}, []string{"web"}, ""},
		{"ID and filter", ec2.DescribeSecurityGroupsRequest{GroupIds: []string{web}, Filters: filters("group-name", "default")}, nil, ""},
		{"unknown name", ec2.DescribeSecurityGroupsRequest{GroupNames: []string{"x"}}, nil, "InvalidGroup.NotFound"},
		{"bob's", ec2.DescribeSecurityGroupsRequest{GroupIds: []string{r.bobs.Group.ID}}, nil, "InvalidGroup.NotFound"},
		{"ID and page", ec2.DescribeSecurityGroupsRequest{GroupIds: []string{web}, MaxResults: new(int32(5))}, nil, "InvalidParameterCombination"},
		{"page too small", ec2.DescribeSecurityGroupsRequest{MaxResults: new(int32(4))}, nil, "InvalidParameterValue"},
		{"dry run", ec2.DescribeSecurityGroupsRequest{DryRun: new(true)}, nil, "DryRunOperation"},
	} {
		got, err := ids(c.in)
		want(t, c.what, err, c.code)
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
}

func TestParallelRuleChangesLoseNone(t *testing.T) {
	const groups, each = 20, 50
	r := newRig(t)
	var wg sync.WaitGroup
	errs := make(chan error, groups*each)
	ids := make([]string, groups)
	for i := range ids {
		ids[i] = r.newSecurityGroup(fmt.Sprint("group ", i))
		for n := range each {
			wg.Go(func() {
				errs <- r.ingress(ids[i], tcp(int32(n), int32(n), "10.0.0.0/8"))
			})
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		want(t, "authorize", err, "")
	}
	for _, id := range ids {
		ports := map[int32]bool{}
		for _, p := range r.securityGroup(id).IpPermissions {
			ports[*p.FromPort] = true
		}
		if len(ports) != each {
			t.Errorf("group %s has %d rules, want %d", id, len(ports), each)
		}
	}
}

func TestSecurityGroupOfNobody(t *testing.T) {
	r := newRig(t)
	_, err := r.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsRequest{})
	want(t, "anonymous", err, "AuthFailure")
	stranger := cloud.WithCaller(t.Context(), cloud.Caller{Account: "999999999999"})
	_, err = r.CreateSecurityGroup(stranger, &ec2.CreateSecurityGroupRequest{GroupName: new("x"), Description: new("d")})
	want(t, "no default VPC", err, "VPCIdNotSpecified")
}
