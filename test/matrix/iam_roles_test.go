package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamRoles are the operations on roles and instance profiles.
var iamRoles = table{
	"iam:CreateRole": func(w *world) row {
		edge := w.policy("edge")
		return row{
			in: &api.CreateRoleRequest{RoleName: new("build"), Path: new(path), AssumeRolePolicyDocument: new(trust), Tags: blueIAM, PermissionsBoundary: &edge},
			needs: []need{
				on(w.iamARN("role/team/build"), "aws:RequestTag/team", "blue", bounded, edge),
				also("iam:TagRole", w.iamARN("role/team/build"), "aws:RequestTag/team", "blue"),
			},
			other: "NoSuchEntity", // of the boundary
		}
	},
	"iam:GetRole": onDeploy(func() any { return &api.GetRoleRequest{RoleName: new("deploy")} }),
	"iam:ListRoles": func(w *world) row {
		w.deploy()
		return row{in: &api.ListRolesRequest{}}
	},
	"iam:DeleteRole":            onDeploy(func() any { return &api.DeleteRoleRequest{RoleName: new("deploy")} }),
	"iam:UpdateRole":            onDeploy(func() any { return &api.UpdateRoleRequest{RoleName: new("deploy"), Description: new("x")} }),
	"iam:UpdateRoleDescription": onDeploy(func() any { return &api.UpdateRoleDescriptionRequest{RoleName: new("deploy"), Description: new("x")} }),
	"iam:UpdateAssumeRolePolicy": onDeploy(func() any {
		return &api.UpdateAssumeRolePolicyRequest{RoleName: new("deploy"), PolicyDocument: new(trust)}
	}),
	"iam:TagRole":      onTaggedDeploy(func() any { return &api.TagRoleRequest{RoleName: new("deploy"), Tags: blueIAM} }, "aws:RequestTag/team", "blue"),
	"iam:UntagRole":    onTaggedDeploy(func() any { return &api.UntagRoleRequest{RoleName: new("deploy"), TagKeys: []string{"team"}} }, "aws:TagKeys", "team"),
	"iam:ListRoleTags": onTaggedDeploy(func() any { return &api.ListRoleTagsRequest{RoleName: new("deploy")} }),
	"iam:PutRolePolicy": onDeploy(func() any {
		return &api.PutRolePolicyRequest{RoleName: new("deploy"), PolicyName: new("p"), PolicyDocument: new(document)}
	}),
	"iam:GetRolePolicy": func(w *world) row {
		r := onTaggedDeploy(func() any { return &api.GetRolePolicyRequest{RoleName: new("deploy"), PolicyName: new("p")} })(w)
		w.putRolePolicy()
		return r
	},
	"iam:DeleteRolePolicy": func(w *world) row {
		r := onDeploy(func() any { return &api.DeleteRolePolicyRequest{RoleName: new("deploy"), PolicyName: new("p")} })(w)
		w.putRolePolicy()
		return r
	},
	"iam:ListRolePolicies":         onTaggedDeploy(func() any { return &api.ListRolePoliciesRequest{RoleName: new("deploy")} }),
	"iam:ListAttachedRolePolicies": onTaggedDeploy(func() any { return &api.ListAttachedRolePoliciesRequest{RoleName: new("deploy")} }),
	"iam:AttachRolePolicy": func(w *world) row {
		deploy, edge := w.deploy()
		p := w.policy("rules")
		return row{
			in:    &api.AttachRolePolicyRequest{RoleName: new("deploy"), PolicyArn: &p},
			needs: []need{on(deploy, blue, "blue", attached, p, bounded, edge)},
			other: "NoSuchEntity",
		}
	},
	"iam:DetachRolePolicy": func(w *world) row {
		deploy, edge := w.deploy()
		p := w.policy("rules")
		made[*api.AttachRolePolicyOutput](w, Alice, &api.AttachRolePolicyRequest{RoleName: new("deploy"), PolicyArn: &p})
		return row{
			in:    &api.DetachRolePolicyRequest{RoleName: new("deploy"), PolicyArn: &p},
			needs: []need{on(deploy, blue, "blue", attached, p, bounded, edge)},
			other: "NoSuchEntity",
		}
	},
	"iam:PutRolePermissionsBoundary": func(w *world) row {
		deploy, _ := w.deploy()
		p := w.policy("rules")
		return row{
			in:    &api.PutRolePermissionsBoundaryRequest{RoleName: new("deploy"), PermissionsBoundary: &p},
			needs: []need{on(deploy, blue, "blue", bounded, p)},
			other: "NoSuchEntity",
		}
	},
	"iam:DeleteRolePermissionsBoundary": onDeploy(func() any { return &api.DeleteRolePermissionsBoundaryRequest{RoleName: new("deploy")} }),
	"iam:ListInstanceProfilesForRole": func(w *world) row {
		r := onTaggedDeploy(func() any { return &api.ListInstanceProfilesForRoleRequest{RoleName: new("deploy")} })(w)
		w.filled()
		return r
	},
	"iam:CreateServiceLinkedRole": func(w *world) row {
		return row{
			in: &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("autoscaling.amazonaws.com")},
			needs: []need{on(
				w.iamARN("role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
				"iam:AWSServiceName", "autoscaling.amazonaws.com",
			)},
		}
	},
	"iam:DeleteServiceLinkedRole": func(w *world) row {
		arn := w.linked()
		return row{
			in:    &api.DeleteServiceLinkedRoleRequest{RoleName: new("AWSServiceRoleForAutoScaling")},
			needs: []need{on(arn)},
			other: "NoSuchEntity",
		}
	},
	"iam:GetServiceLinkedRoleDeletionStatus": func(w *world) row {
		arn := w.linked()
		task := made[*api.DeleteServiceLinkedRoleResponse](w, Alice, &api.DeleteServiceLinkedRoleRequest{RoleName: new("AWSServiceRoleForAutoScaling")}).DeletionTaskId
		return row{
			in:    &api.GetServiceLinkedRoleDeletionStatusRequest{DeletionTaskId: task},
			needs: []need{on(arn)},
			other: "NoSuchEntity",
		}
	},

	"iam:CreateInstanceProfile": func(w *world) row {
		arn := w.iamARN("instance-profile/team/servers")
		return row{
			in:    &api.CreateInstanceProfileRequest{InstanceProfileName: new("servers"), Path: new(path), Tags: blueIAM},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagInstanceProfile", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:GetInstanceProfile":      onServers(func() any { return &api.GetInstanceProfileRequest{InstanceProfileName: new("servers")} }),
	"iam:DeleteInstanceProfile":   onServers(func() any { return &api.DeleteInstanceProfileRequest{InstanceProfileName: new("servers")} }),
	"iam:ListInstanceProfileTags": onServers(func() any { return &api.ListInstanceProfileTagsRequest{InstanceProfileName: new("servers")} }),
	"iam:TagInstanceProfile": onServers(func() any {
		return &api.TagInstanceProfileRequest{InstanceProfileName: new("servers"), Tags: blueIAM}
	}, "aws:RequestTag/team", "blue"),
	"iam:UntagInstanceProfile": onServers(func() any {
		return &api.UntagInstanceProfileRequest{InstanceProfileName: new("servers"), TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),
	"iam:ListInstanceProfiles": func(w *world) row {
		w.servers()
		return row{in: &api.ListInstanceProfilesRequest{}}
	},
	"iam:AddRoleToInstanceProfile": func(w *world) row {
		deploy, _ := w.deploy()
		return row{
			in:    &api.AddRoleToInstanceProfileRequest{InstanceProfileName: new("servers"), RoleName: new("deploy")},
			needs: []need{on(w.servers(), blue, "blue"), also("iam:PassRole", deploy, blue, "blue")},
			other: "NoSuchEntity",
		}
	},
	"iam:RemoveRoleFromInstanceProfile": func(w *world) row {
		w.deploy()
		return row{
			in:    &api.RemoveRoleFromInstanceProfileRequest{InstanceProfileName: new("servers"), RoleName: new("deploy")},
			needs: []need{on(w.filled(), blue, "blue")},
			other: "NoSuchEntity",
		}
	},
}

// onDeploy is the row of an operation on the role deploy whose action knows the
// role's boundary; onTaggedDeploy is that of others.
func onDeploy(in func() any) func(*world) row {
	return func(w *world) row {
		deploy, edge := w.deploy()
		return row{in: in(), needs: []need{on(deploy, blue, "blue", bounded, edge)}, other: "NoSuchEntity"}
	}
}

func onTaggedDeploy(in func() any, pairs ...string) func(*world) row {
	return func(w *world) row {
		deploy, _ := w.deploy()
		return row{in: in(), needs: []need{on(deploy, append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}

// onServers is the row of an operation on the instance profile servers.
func onServers(in func() any, pairs ...string) func(*world) row {
	return func(w *world) row {
		return row{in: in(), needs: []need{on(w.servers(), append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}

func (w *world) putRolePolicy() {
	w.Helper()
	made[*api.PutRolePolicyOutput](w, Alice, &api.PutRolePolicyRequest{RoleName: new("deploy"), PolicyName: new("p"), PolicyDocument: new(document)})
}

// filled makes the instance profile servers with the role deploy.
func (w *world) filled() string {
	w.Helper()
	arn := w.servers()
	made[*api.AddRoleToInstanceProfileOutput](w, Alice, &api.AddRoleToInstanceProfileRequest{InstanceProfileName: new("servers"), RoleName: new("deploy")})
	return arn
}

// linked makes the service-linked role of Auto Scaling.
func (w *world) linked() string {
	w.Helper()
	return *made[*api.CreateServiceLinkedRoleResponse](w, Alice, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("autoscaling.amazonaws.com")}).Role.Arn
}
