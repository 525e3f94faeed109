package ec2

import (
	"context"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// allow is the one authorisation of every operation: it returns the caller if
// it may do action (e.g. "RunInstances") with the subjects; none means all that
// the action could be about. A dry run ends here, with DryRunOperation.
//
// It comes before anything is told: what a request names and is not there, or is
// another account's, is asked about like something of the caller's own without
// tags, so that who may not call cannot tell the two apart.
func (s *Service) allow(ctx context.Context, action string, dryRun *bool, subjects ...subject) (cloud.Caller, error) {
	caller, err := s.ask(ctx, action, subjects...)
	if err == nil && val(dryRun) {
		err = errDryRun()
	}
	return caller, err
}

// ask is allow, but that a dry run goes on. Tags that the operation gives to
// what it makes want permission of their own:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
func (s *Service) ask(ctx context.Context, action string, subjects ...subject) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	if caller.Account == "" {
		return caller, &cloud.Error{
			Code: "AuthFailure", Status: 401,
			Message: "AWS was not able to validate the provided access credentials",
		}
	}
	region := []string{s.Place.Region}
	err := s.Authz.Authorize(ctx, policy.Request{
		Caller: caller, Action: "ec2:" + action, Resources: resources(subjects), Keys: map[string][]string{"ec2:Region": region},
	})
	if err != nil {
		return caller, err
	}
	labelled := slices.DeleteFunc(slices.Clone(subjects), func(x subject) bool { return !x.made || len(x.given) == 0 })
	if len(labelled) == 0 {
		return caller, nil
	}
	return caller, s.Authz.Authorize(ctx, policy.Request{
		Caller: caller, Action: "ec2:CreateTags", Resources: resources(labelled),
		Keys: map[string][]string{"ec2:Region": region, "ec2:CreateAction": {action}},
	})
}

func errDryRun() error {
	return &cloud.Error{
		Code: "DryRunOperation", Status: 412,
		Message: "Request would have succeeded, but DryRun flag is set.",
	}
}

// subject is a resource that an operation is about.
type subject struct {
	policy.Resource
	made  bool              // the operation makes it; its ARN ends in "/*"
	given map[string]string // tags that the request gives it
}

func resources(subjects []subject) []policy.Resource {
	if len(subjects) == 0 {
		return nil
	}
	return each(subjects, func(x subject) policy.Resource { return x.Resource })
}

// giving is the subject with tags that the request gives it:
// aws:RequestTag/KEY and aws:TagKeys.
func (x subject) giving(tags map[string]string) subject {
	if len(tags) == 0 {
		return x
	}
	x.given = tags
	x.Keys = maps.Clone(x.Keys)
	if x.Keys == nil {
		x.Keys = map[string][]string{}
	}
	x.Keys["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	for key, value := range tags {
		x.Keys["aws:RequestTag/"+key] = []string{value}
	}
	return x
}

// with is the subject with more condition keys.
func (x subject) with(more facts) subject {
	keys := more.keys()
	maps.Copy(keys, x.Keys)
	x.Keys = keys
	return x
}

// facts are condition keys of EC2, without "ec2:"; one whose value is empty is
// not there.
type facts map[string]string

func (f facts) keys() map[string][]string {
	keys := make(map[string][]string, len(f))
	for name, value := range f {
		if value != "" {
			keys["ec2:"+name] = []string{value}
		}
	}
	return keys
}
