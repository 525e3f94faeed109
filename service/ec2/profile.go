package ec2

import (
	"context"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

var roleTable store.Table[cloud.Role]

// profileRef is an instance profile as a request names it. The zero profileRef is none.
type profileRef struct {
	cloud.InstanceProfile        // zero if there is none of that name
	arn                   string // that it has, or would have
	role                  cloud.Role
}

// findProfile finds the instance profile that a request names by ARN or name,
// with the role that it carries. With an error it still returns the ARN.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IamInstanceProfileSpecification.html
func findProfile(a asking, spec *ec2.IamInstanceProfileSpecification) (p profileRef, err error) {
	arn, name := val(spec.Arn), val(spec.Name)
	p.arn = arn
	if arn == "" {
		p.arn = a.Place.GlobalARN("iam", a.c.Account, "instance-profile/"+name)
	}
	if arn != "" && name != "" {
		return p, cloud.Errorf("InvalidParameterCombination", "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'")
	}
	named := name
	if arn != "" {
		named = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	found, ok := identity.InstanceProfile(a.r, a.c.Account, named)
	full := a.Place.GlobalARN("iam", a.c.Account, found.Resource())
	switch {
	case arn != "" && (!ok || full != arn):
		return p, cloud.Errorf("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", arn)
	case !ok:
		return p, cloud.Errorf("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
	}
	p.InstanceProfile, p.arn = found, full
	if p.role, ok = roleTable.Get(a.r, found.Role); !ok {
		return p, cloud.Errorf("InvalidParameterValue", `IAM Instance Profile "%s" has no associated IAM Roles`, full)
	}
	return p, nil
}

// pass asks whether the caller may hand the profile's role to EC2 for an
// instance, e.g. ".../instance/*" for one that is about to be made.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func (p profileRef) pass(ctx context.Context, a asking, instance string) error {
	if p.role.ID == "" {
		return nil // none, or findProfile has refused it
	}
	return a.Authz.Authorize(ctx, policy.Request{
		Caller: a.c, Action: "iam:PassRole",
		Resources: []policy.Resource{{ARN: a.Place.GlobalARN("iam", p.role.Account, p.role.Resource()), Tags: p.role.Tags}},
		Keys:      map[string][]string{"iam:PassedToService": {identity.EC2}, "iam:AssociatedResourceArn": {instance}},
	})
}
