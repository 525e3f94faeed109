package iam

import (
	"net/url"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
)

func TestServiceLinkedRoleLife(t *testing.T) {
	r := newRig(t)
	made := must(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("autoscaling.amazonaws.com"), Description: new("for groups")}))(t).Role
	if *made.Arn != "arn:aws:iam::"+alice+":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling" || *made.Description != "for groups" {
		t.Errorf("made %+v", made)
	}
	if trust, err := url.QueryUnescape(*made.AssumeRolePolicyDocument); err != nil || !strings.Contains(trust, `"Service":["autoscaling.amazonaws.com"]`) {
		t.Errorf("trusts %s, %v", trust, err)
	}
	for _, c := range []struct {
		what, service string
		suffix        *string
		want, message string
	}{
		{"again", "autoscaling.amazonaws.com", nil, "InvalidInput", "Service role name AWSServiceRoleForAutoScaling has been taken in this account, please try a different suffix."},
		{"with a suffix", "autoscaling.amazonaws.com", new("web"), "", ""},
		{"with the same suffix", "autoscaling.amazonaws.com", new("web"), "InvalidInput", "Service role name AWSServiceRoleForAutoScaling_web has been taken in this account, please try a different suffix."},
		{"with a bad suffix", "autoscaling.amazonaws.com", new("a b"), "ValidationError", ""},
		{"with a long suffix", "autoscaling.amazonaws.com", new(strings.Repeat("x", 60)), "ValidationError", ""},
		{"with a suffix of another service", "es.amazonaws.com", new("web"), "InvalidInput", "Custom suffix is not allowed for es.amazonaws.com"},
		{"of no service", "nothing.amazonaws.com", nil, "InvalidInput", ""},
		{"in other letters", "ES.amazonaws.com", nil, "InvalidInput", ""},
		{"without a service", "", nil, "ValidationError", ""},
	} {
		err := second(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: &c.service, CustomSuffix: c.suffix}))
		if c.message == "" {
			want(t, c.what, err, c.want)
		} else {
			want(t, c.what, err, c.want, c.message)
		}
	}
	name := made.RoleName
	task := must(r.DeleteServiceLinkedRole(r.ctx, &api.DeleteServiceLinkedRoleRequest{RoleName: name}))(t).DeletionTaskId
	if !strings.HasPrefix(*task, "task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/") {
		t.Errorf("task is %s", *task)
	}
	status := &api.GetServiceLinkedRoleDeletionStatusRequest{DeletionTaskId: task}
	if got := must(r.GetServiceLinkedRoleDeletionStatus(r.ctx, status))(t); *got.Status != "SUCCEEDED" {
		t.Errorf("status is %s", *got.Status)
	}
	want(t, "another account's task", second(r.GetServiceLinkedRoleDeletionStatus(r.bob, status)), "NoSuchEntity")
	want(t, "no task", second(r.GetServiceLinkedRoleDeletionStatus(r.ctx, &api.GetServiceLinkedRoleDeletionStatusRequest{DeletionTaskId: new("task/x")})), "NoSuchEntity")
	want(t, "gone", second(r.GetRole(r.ctx, &api.GetRoleRequest{RoleName: name})), "NoSuchEntity")
	want(t, "delete again", second(r.DeleteServiceLinkedRole(r.ctx, &api.DeleteServiceLinkedRoleRequest{RoleName: name})), "NoSuchEntity")
}

// Tenants can neither change what belongs to a service, nor make what looks like it.
func TestServiceLinkedRolesAreTheServices(t *testing.T) {
	r := newRig(t)
	name := must(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("elasticloadbalancing.amazonaws.com")}))(t).Role.RoleName
	trust := new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + alice + `"},"Action":"sts:AssumeRole"}}`)
	admin := new("arn:aws:iam::aws:policy/AdministratorAccess")
	must(r.CreateInstanceProfile(r.ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: new("p")}))(t)
	for what, err := range map[string]error{
		"delete":           second(r.DeleteRole(r.ctx, &api.DeleteRoleRequest{RoleName: name})),
		"trust":            second(r.UpdateAssumeRolePolicy(r.ctx, &api.UpdateAssumeRolePolicyRequest{RoleName: name, PolicyDocument: trust})),
		"attach":           second(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: name, PolicyArn: admin})),
		"put":              second(r.PutRolePolicy(r.ctx, &api.PutRolePolicyRequest{RoleName: name, PolicyName: new("p"), PolicyDocument: new(allowing("*"))})),
		"bound":            second(r.PutRolePermissionsBoundary(r.ctx, &api.PutRolePermissionsBoundaryRequest{RoleName: name, PermissionsBoundary: admin})),
		"unbound":          second(r.DeleteRolePermissionsBoundary(r.ctx, &api.DeleteRolePermissionsBoundaryRequest{RoleName: name})),
		"in a profile":     second(r.AddRoleToInstanceProfile(r.ctx, &api.AddRoleToInstanceProfileRequest{RoleName: name, InstanceProfileName: new("p")})),
		"a longer session": second(r.UpdateRole(r.ctx, &api.UpdateRoleRequest{RoleName: name, MaxSessionDuration: new(int32(7200))})),
	} {
		want(t, what, err, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForElasticLoadBalancing' - this role is only modifiable by AWS")
	}
	// Its description and tags are the tenant's.
	must(r.UpdateRoleDescription(r.ctx, &api.UpdateRoleDescriptionRequest{RoleName: name, Description: new("load balancers")}))(t)
	must(r.TagRole(r.ctx, &api.TagRoleRequest{RoleName: name, Tags: tags("team", "web")}))(t)

	err := second(r.CreateRole(r.ctx, &api.CreateRoleRequest{RoleName: new("fake"), Path: new("/aws-service-role/es.amazonaws.com/"), AssumeRolePolicyDocument: trust}))
	if code(err) == "" {
		t.Error("a role was made where those of services are")
	}
	must(r.CreateRole(r.ctx, &api.CreateRoleRequest{RoleName: new("own"), AssumeRolePolicyDocument: trust}))(t)
	want(t, "delete an own role", second(r.DeleteServiceLinkedRole(r.ctx, &api.DeleteServiceLinkedRoleRequest{RoleName: new("own")})), "NoSuchEntity")
}

// A permission to make roles of services can be one for a service.
func TestServiceLinkedRoleCondition(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.grant("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"arn:aws:iam::*:role/aws-service-role/*","Condition":{"StringLike":{"iam:AWSServiceName":"es.amazonaws.com"}}}}`)
	for service, wanted := range map[string]string{"es.amazonaws.com": "", "rds.amazonaws.com": "AccessDenied", "nothing.amazonaws.com": "AccessDenied"} {
		_, err := r.CreateServiceLinkedRole(r.as("user/carol"), &api.CreateServiceLinkedRoleRequest{AWSServiceName: &service})
		want(t, service, err, wanted)
	}
}

// Deletions do not pile up.
func TestRoleDeletionsAreForgotten(t *testing.T) {
	r := newRig(t)
	var first string
	for i := range maxDeletions + 1 {
		role := must(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("es.amazonaws.com")}))(t).Role
		task := *must(r.DeleteServiceLinkedRole(r.ctx, &api.DeleteServiceLinkedRoleRequest{RoleName: role.RoleName}))(t).DeletionTaskId
		if i == 0 {
			first = task
		}
		r.cloud.Seconds.Add(1)
	}
	if n := deletionTable.Count(r.db().View(), cloud.AccountLabel(alice)); n != maxDeletions {
		t.Errorf("%d deletions are kept", n)
	}
	want(t, "the first", second(r.GetServiceLinkedRoleDeletionStatus(r.ctx, &api.GetServiceLinkedRoleDeletionStatusRequest{DeletionTaskId: &first})), "NoSuchEntity")
}
