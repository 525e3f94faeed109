package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamUsers are the operations on users and groups. Others' users are looked for in
// their own account, where there are none of that name.
var iamUsers = table{
	"iam:CreateUser": func(w *world) row {
		edge := w.policy("edge")
		return row{
			in: &api.CreateUserRequest{UserName: new("dave"), Path: new(path), Tags: blueIAM, PermissionsBoundary: &edge},
			needs: []need{
				on(w.iamARN("user/team/dave"), "aws:RequestTag/team", "blue", bounded, edge),
				also("iam:TagUser", w.iamARN("user/team/dave"), "aws:RequestTag/team", "blue"),
			},
			other: "NoSuchEntity", // of the boundary
		}
	},
	"iam:GetUser": onCarol(func() any { return &api.GetUserRequest{UserName: new("carol")} }),
	"iam:ListUsers": func(w *world) row {
		w.carol()
		return row{in: &api.ListUsersRequest{}}
	},
	"iam:UpdateUser": func(w *world) row {
		carol, _ := w.carol()
		return row{
			in:    &api.UpdateUserRequest{UserName: new("carol"), NewUserName: new("caroline"), NewPath: new("/staff/")},
			needs: []need{on(carol, blue, "blue"), on(w.iamARN("user/staff/caroline"))},
			other: "NoSuchEntity",
		}
	},
	"iam:DeleteUser":   onCarol(func() any { return &api.DeleteUserRequest{UserName: new("carol")} }),
	"iam:TagUser":      onCarol(func() any { return &api.TagUserRequest{UserName: new("carol"), Tags: blueIAM} }, "aws:RequestTag/team", "blue"),
	"iam:UntagUser":    onCarol(func() any { return &api.UntagUserRequest{UserName: new("carol"), TagKeys: []string{"team"}} }, "aws:TagKeys", "team"),
	"iam:ListUserTags": onCarol(func() any { return &api.ListUserTagsRequest{UserName: new("carol")} }),
	"iam:PutUserPolicy": onBoundedCarol(func() any {
		return &api.PutUserPolicyRequest{UserName: new("carol"), PolicyName: new("p"), PolicyDocument: new(document)}
	}),
	"iam:GetUserPolicy": func(w *world) row {
		r := w.carolRow(&api.GetUserPolicyRequest{UserName: new("carol"), PolicyName: new("p")})
		w.putUserPolicy()
		return r
	},
	"iam:DeleteUserPolicy": func(w *world) row {
		r := onBoundedCarol(func() any { return &api.DeleteUserPolicyRequest{UserName: new("carol"), PolicyName: new("p")} })(w)
		w.putUserPolicy()
		return r
	},
	"iam:ListUserPolicies": onCarol(func() any { return &api.ListUserPoliciesRequest{UserName: new("carol")} }),
	"iam:AttachUserPolicy": func(w *world) row {
		carol, edge := w.carol()
		p := w.policy("rules")
		return row{
			in:    &api.AttachUserPolicyRequest{UserName: new("carol"), PolicyArn: &p},
			needs: []need{on(carol, blue, "blue", attached, p, bounded, edge)},
			other: "NoSuchEntity",
		}
	},
	"iam:DetachUserPolicy": func(w *world) row {
		carol, edge := w.carol()
		p := w.policy("rules")
		made[*api.AttachUserPolicyOutput](w, Alice, &api.AttachUserPolicyRequest{UserName: new("carol"), PolicyArn: &p})
		return row{
			in:    &api.DetachUserPolicyRequest{UserName: new("carol"), PolicyArn: &p},
			needs: []need{on(carol, blue, "blue", attached, p, bounded, edge)},
			other: "NoSuchEntity",
		}
	},
	"iam:ListAttachedUserPolicies": onCarol(func() any { return &api.ListAttachedUserPoliciesRequest{UserName: new("carol")} }),
	"iam:PutUserPermissionsBoundary": func(w *world) row {
		carol, _ := w.carol()
		p := w.policy("rules")
		return row{
			in:    &api.PutUserPermissionsBoundaryRequest{UserName: new("carol"), PermissionsBoundary: &p},
			needs: []need{on(carol, blue, "blue", bounded, p)},
			other: "NoSuchEntity",
		}
	},
	"iam:DeleteUserPermissionsBoundary": onBoundedCarol(func() any { return &api.DeleteUserPermissionsBoundaryRequest{UserName: new("carol")} }),
	"iam:ListGroupsForUser":             onCarol(func() any { return &api.ListGroupsForUserRequest{UserName: new("carol")} }),

	"iam:CreateGroup": func(w *world) row {
		return row{in: &api.CreateGroupRequest{GroupName: new("staff"), Path: new(path)}, needs: []need{on(w.iamARN("group/team/staff"))}}
	},
	"iam:GetGroup":    onStaff(func() any { return &api.GetGroupRequest{GroupName: new("staff")} }),
	"iam:DeleteGroup": onStaff(func() any { return &api.DeleteGroupRequest{GroupName: new("staff")} }),
	"iam:ListGroups": func(w *world) row {
		w.staff()
		return row{in: &api.ListGroupsRequest{}}
	},
	"iam:UpdateGroup": func(w *world) row {
		return row{
			in:    &api.UpdateGroupRequest{GroupName: new("staff"), NewGroupName: new("crew"), NewPath: new("/all/")},
			needs: []need{on(w.staff()), on(w.iamARN("group/all/crew"))},
			other: "NoSuchEntity",
		}
	},
	"iam:AddUserToGroup": func(w *world) row {
		w.carol()
		return onStaff(func() any { return &api.AddUserToGroupRequest{GroupName: new("staff"), UserName: new("carol")} })(w)
	},
	"iam:RemoveUserFromGroup": func(w *world) row {
		w.carol()
		r := onStaff(func() any { return &api.RemoveUserFromGroupRequest{GroupName: new("staff"), UserName: new("carol")} })(w)
		made[*api.AddUserToGroupOutput](w, Alice, &api.AddUserToGroupRequest{GroupName: new("staff"), UserName: new("carol")})
		return r
	},
	"iam:PutGroupPolicy": onStaff(func() any {
		return &api.PutGroupPolicyRequest{GroupName: new("staff"), PolicyName: new("p"), PolicyDocument: new(document)}
	}),
	"iam:GetGroupPolicy": func(w *world) row {
		r := onStaff(func() any { return &api.GetGroupPolicyRequest{GroupName: new("staff"), PolicyName: new("p")} })(w)
		w.putGroupPolicy()
		return r
	},
	"iam:DeleteGroupPolicy": func(w *world) row {
		r := onStaff(func() any { return &api.DeleteGroupPolicyRequest{GroupName: new("staff"), PolicyName: new("p")} })(w)
		w.putGroupPolicy()
		return r
	},
	"iam:ListGroupPolicies":         onStaff(func() any { return &api.ListGroupPoliciesRequest{GroupName: new("staff")} }),
	"iam:ListAttachedGroupPolicies": onStaff(func() any { return &api.ListAttachedGroupPoliciesRequest{GroupName: new("staff")} }),
	"iam:AttachGroupPolicy": onStaff(func() any {
		return &api.AttachGroupPolicyRequest{GroupName: new("staff"), PolicyArn: new(readOnly)}
	}, attached, readOnly),
	"iam:DetachGroupPolicy": func(w *world) row {
		r := onStaff(func() any { return &api.DetachGroupPolicyRequest{GroupName: new("staff"), PolicyArn: new(readOnly)} }, attached, readOnly)(w)
		made[*api.AttachGroupPolicyOutput](w, Alice, &api.AttachGroupPolicyRequest{GroupName: new("staff"), PolicyArn: new(readOnly)})
		return r
	},
}

// onCarol is the row of an operation on the user carol, with pairs of condition
// keys and their values.
func onCarol(in func() any, pairs ...string) func(*world) row {
	return func(w *world) row { return w.carolRow(in(), pairs...) }
}

func (w *world) carolRow(in any, pairs ...string) row {
	w.Helper()
	carol, _ := w.carol()
	return row{in: in, needs: []need{on(carol, append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
}

// onBoundedCarol is onCarol where the action knows the user's boundary.
func onBoundedCarol(in func() any) func(*world) row {
	return func(w *world) row {
		carol, edge := w.carol()
		return row{in: in(), needs: []need{on(carol, blue, "blue", bounded, edge)}, other: "NoSuchEntity"}
	}
}

// onStaff is the row of an operation on the group staff. Groups have no tags.
func onStaff(in func() any, pairs ...string) func(*world) row {
	return func(w *world) row {
		return row{in: in(), needs: []need{on(w.staff(), pairs...)}, other: "NoSuchEntity"}
	}
}

func (w *world) putUserPolicy() {
	w.Helper()
	made[*api.PutUserPolicyOutput](w, Alice, &api.PutUserPolicyRequest{UserName: new("carol"), PolicyName: new("p"), PolicyDocument: new(document)})
}

func (w *world) putGroupPolicy() {
	w.Helper()
	made[*api.PutGroupPolicyOutput](w, Alice, &api.PutGroupPolicyRequest{GroupName: new("staff"), PolicyName: new("p"), PolicyDocument: new(document)})
}
