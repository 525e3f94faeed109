package matrix

import (
	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
)

const (
	controls = "SERVICE_CONTROL_POLICY"
	ofType   = "organizations:PolicyType"
)

// organizationRows are the operations on the organization. Its management account
// alone may call most of them; administrators of its members may not.
var organizationRows = table{
	"organizations:DescribeOrganization": func(w *world) row {
		return row{account: Management, in: &api.DescribeOrganizationInput{}, shared: []string{Management, w.organization().ID}}
	},
	"organizations:CreateOrganization": func(*world) row {
		return row{
			account: Management, in: &api.CreateOrganizationRequest{}, other: "AlreadyInOrganizationException",
			ends: "AlreadyInOrganizationException",
		}
	},
	"organizations:LeaveOrganization": func(*world) row {
		return row{in: &api.LeaveOrganizationInput{}, other: "ConstraintViolationException", ends: "ConstraintViolationException"}
	},
	"organizations:RemoveAccountFromOrganization": func(w *world) row {
		r := managed(&api.RemoveAccountFromOrganizationRequest{AccountId: new(Alice)}, on(w.memberARN()))
		r.ends = "ConstraintViolationException"
		return r
	},
	"organizations:ListAWSServiceAccessForOrganization": func(*world) row { return managed(&api.ListAWSServiceAccessForOrganizationRequest{}) },
	"organizations:ListRoots":                           func(*world) row { return managed(&api.ListRootsRequest{}) },

	"organizations:ListAccounts": func(*world) row { return managed(&api.ListAccountsRequest{}) },
	"organizations:CreateAccount": func(*world) row {
		return managed(&api.CreateAccountRequest{AccountName: new("new"), Email: new("new@example.org")})
	},
	"organizations:ListCreateAccountStatus": func(w *world) row {
		w.request()
		return managed(&api.ListCreateAccountStatusRequest{})
	},
	"organizations:DescribeCreateAccountStatus": func(w *world) row {
		return managed(&api.DescribeCreateAccountStatusRequest{CreateAccountRequestId: w.request()})
	},
	"organizations:DescribeAccount": func(w *world) row {
		return managed(&api.DescribeAccountRequest{AccountId: new(Alice)}, on(w.memberARN(), blue, "blue"))
	},
	"organizations:CloseAccount": func(w *world) row {
		return managed(&api.CloseAccountRequest{AccountId: new(Alice)}, on(w.memberARN(), blue, "blue"))
	},
	"organizations:MoveAccount": func(w *world) row {
		o := w.organization()
		id, unit := w.unit()
		return managed(
			&api.MoveAccountRequest{AccountId: new(Alice), SourceParentId: &o.Root, DestinationParentId: &id},
			on(w.memberARN()), on(w.rootARN()), on(unit, blue, "blue"),
		)
	},
	"organizations:ListParents": func(w *world) row {
		return managed(&api.ListParentsRequest{ChildId: new(Alice)}, on(w.memberARN()))
	},
	"organizations:ListAccountsForParent": func(w *world) row {
		return managed(&api.ListAccountsForParentRequest{ParentId: new(w.organization().Root)}, on(w.rootARN()))
	},
	"organizations:ListChildren": func(w *world) row {
		return managed(&api.ListChildrenRequest{ParentId: new(w.organization().Root), ChildType: new("ACCOUNT")}, on(w.rootARN()))
	},
	"organizations:ListOrganizationalUnitsForParent": func(w *world) row {
		id, unit := w.unit()
		return managed(&api.ListOrganizationalUnitsForParentRequest{ParentId: &id}, on(unit, blue, "blue"))
	},

	"organizations:CreateOrganizationalUnit": func(w *world) row {
		return managed(&api.CreateOrganizationalUnitRequest{ParentId: new(w.organization().Root), Name: new("unit")}, on(w.rootARN()))
	},
	"organizations:DescribeOrganizationalUnit": func(w *world) row {
		id, unit := w.unit()
		return managed(&api.DescribeOrganizationalUnitRequest{OrganizationalUnitId: &id}, on(unit, blue, "blue"))
	},
	"organizations:UpdateOrganizationalUnit": func(w *world) row {
		id, unit := w.unit()
		return managed(&api.UpdateOrganizationalUnitRequest{OrganizationalUnitId: &id, Name: new("renamed")}, on(unit, blue, "blue"))
	},
	"organizations:DeleteOrganizationalUnit": func(w *world) row {
		id, unit := w.unit()
		return managed(&api.DeleteOrganizationalUnitRequest{OrganizationalUnitId: &id}, on(unit, blue, "blue"))
	},

	"organizations:CreatePolicy": func(w *world) row {
		return managed(
			&api.CreatePolicyRequest{Name: new("bound"), Description: new(""), Type: new(controls), Content: new(document)},
			on(w.Place.GlobalARN("organizations", Management, "policy/"+w.organization().ID+"/service_control_policy/*"), ofType, controls),
		)
	},
	"organizations:DescribePolicy": func(w *world) row {
		id, p := w.control()
		return managed(&api.DescribePolicyRequest{PolicyId: &id}, on(p, blue, "blue", ofType, controls))
	},
	"organizations:UpdatePolicy": func(w *world) row {
		id, p := w.control()
		return managed(&api.UpdatePolicyRequest{PolicyId: &id, Name: new("renamed")}, on(p, blue, "blue", ofType, controls))
	},
	"organizations:DeletePolicy": func(w *world) row {
		id, p := w.control()
		return managed(&api.DeletePolicyRequest{PolicyId: &id}, on(p, blue, "blue", ofType, controls))
	},
	"organizations:ListPolicies": func(w *world) row {
		w.control()
		return managed(&api.ListPoliciesRequest{Filter: new(controls)}, on("*", ofType, controls))
	},
	"organizations:AttachPolicy": func(w *world) row {
		id, p := w.control()
		return managed(
			&api.AttachPolicyRequest{PolicyId: &id, TargetId: new(Alice)},
			on(p, blue, "blue", ofType, controls), on(w.memberARN(), blue, "blue", ofType, controls),
		)
	},
	"organizations:DetachPolicy": func(w *world) row {
		id, p := w.control()
		made[*api.AttachPolicyOutput](w, Management, &api.AttachPolicyRequest{PolicyId: &id, TargetId: new(Alice)})
		return managed(
			&api.DetachPolicyRequest{PolicyId: &id, TargetId: new(Alice)},
			on(p, blue, "blue", ofType, controls), on(w.memberARN(), blue, "blue", ofType, controls),
		)
	},
	"organizations:ListPoliciesForTarget": func(w *world) row {
		return managed(&api.ListPoliciesForTargetRequest{TargetId: new(Alice), Filter: new(controls)}, on(w.memberARN(), blue, "blue", ofType, controls))
	},
	"organizations:ListTargetsForPolicy": func(w *world) row {
		id, p := w.control()
		return managed(&api.ListTargetsForPolicyRequest{PolicyId: &id}, on(p, blue, "blue", ofType, controls))
	},
	"organizations:EnablePolicyType": func(w *world) row {
		root := w.organization().Root
		made[*api.DisablePolicyTypeResponse](w, Management, &api.DisablePolicyTypeRequest{RootId: &root, PolicyType: new(controls)})
		return managed(&api.EnablePolicyTypeRequest{RootId: &root, PolicyType: new(controls)}, on(w.rootARN(), ofType, controls))
	},
	"organizations:DisablePolicyType": func(w *world) row {
		return managed(&api.DisablePolicyTypeRequest{RootId: new(w.organization().Root), PolicyType: new(controls)}, on(w.rootARN(), ofType, controls))
	},
	"organizations:DescribeEffectivePolicy": func(w *world) row {
		r := managed(
			&api.DescribeEffectivePolicyRequest{TargetId: new(Alice), PolicyType: new("TAG_POLICY")},
			on(w.memberARN(), blue, "blue", ofType, "TAG_POLICY"),
		)
		r.ends = "EffectivePolicyNotFoundException" // there are no policies of the types that have effective ones
		return r
	},

	"organizations:TagResource": func(w *world) row {
		return managed(
			&api.TagResourceRequest{ResourceId: new(Alice), Tags: []api.Tag{{Key: new("stage"), Value: new("test")}}},
			on(w.memberARN(), blue, "blue", "aws:RequestTag/stage", "test"),
		)
	},
	"organizations:UntagResource": func(w *world) row {
		return managed(&api.UntagResourceRequest{ResourceId: new(Alice), TagKeys: []string{"team"}}, on(w.memberARN(), blue, "blue", "aws:TagKeys", "team"))
	},
	"organizations:ListTagsForResource": func(w *world) row {
		id, p := w.control()
		return managed(&api.ListTagsForResourceRequest{ResourceId: &id}, on(p, blue, "blue", ofType, controls))
	},
}

// managed is the row of an operation that only the management account may call.
func managed(in any, needs ...need) row {
	return row{account: Management, in: in, needs: needs, other: "AccessDeniedException"}
}

func (w *world) organization() cloud.Organization {
	o, _ := organization.Get(w.DB.View(), cloud.OrganizationKey)
	return o
}

// entityARN names an entity of the organization, e.g. kind "ou".
func (w *world) entityARN(kind, id string) string {
	return w.Place.GlobalARN("organizations", Management, kind+"/"+w.organization().ID+"/"+id)
}

func (w *world) rootARN() string { return w.entityARN("root", w.organization().Root) }

// memberARN names Alice's account in the organization, and tags it.
func (w *world) memberARN() string {
	w.Helper()
	made[*api.TagResourceOutput](w, Management, &api.TagResourceRequest{ResourceId: new(Alice), Tags: blueOrganization})
	return w.entityARN("account", Alice)
}

var blueOrganization = []api.Tag{{Key: new("team"), Value: new("blue")}}

// unit makes an organizational unit.
func (w *world) unit() (id, arn string) {
	w.Helper()
	u := made[*api.CreateOrganizationalUnitResponse](w, Management, &api.CreateOrganizationalUnitRequest{
		ParentId: new(w.organization().Root), Name: new("teams"), Tags: blueOrganization,
	}).OrganizationalUnit
	return *u.Id, *u.Arn
}

// control makes a control policy.
func (w *world) control() (id, arn string) {
	w.Helper()
	p := made[*api.CreatePolicyResponse](w, Management, &api.CreatePolicyRequest{
		Name: new("bound"), Description: new(""), Type: new(controls), Content: new(everythingAllowed), Tags: blueOrganization,
	}).Policy.PolicySummary
	return *p.Id, *p.Arn
}

const everythingAllowed = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// request asks for an account, and returns the ID of the request.
func (w *world) request() *string {
	w.Helper()
	return made[*api.CreateAccountResponse](w, Management, &api.CreateAccountRequest{AccountName: new("old"), Email: new("old@example.org")}).CreateAccountStatus.Id
}
