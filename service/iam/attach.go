package iam

import (
	"context"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxAttached is how many managed policies a user, a group or a role can have.
const maxAttached = 10

// attach attaches a managed policy; one that is attached already stays so.
func attach[T entity](ctx context.Context, s *Service, k *kind[T], action string, name, arn *string) error {
	c, v, err := find(ctx, s, k, name, question{action: action, keys: keys{}.with(policyKey, val(arn)), bounded: true})
	if err != nil {
		return err
	}
	return change(ctx, s, k, v, func(tx *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		if err := s.attachable(tx, c.Account, "policyArn", val(arn)); err != nil {
			return err
		}
		g := k.grants(v)
		switch {
		case slices.Contains(g.Attached, *arn):
			return nil
		case len(g.Attached) >= maxAttached:
			return quota(k.attached, maxAttached)
		}
		g.Attached = append(g.Attached, *arn)
		return nil
	})
}

func detach[T entity](ctx context.Context, s *Service, k *kind[T], action string, name, arn *string) error {
	_, v, err := find(ctx, s, k, name, question{action: action, keys: keys{}.with(policyKey, val(arn)), bounded: true})
	if err != nil {
		return err
	}
	if err := checkPolicyARN("policyArn", val(arn)); err != nil {
		return err
	}
	return change(ctx, s, k, v, func(_ *store.Tx, v *T) error {
		if err := k.guarded(*v); err != nil {
			return err
		}
		g := k.grants(v)
		i := slices.Index(g.Attached, *arn)
		if i < 0 {
			return noPolicy(*arn)
		}
		g.Attached = slices.Delete(g.Attached, i, i+1)
		return nil
	})
}

// listAttached returns a page of the managed policies of an entity whose path has
// the prefix.
func listAttached[T entity](ctx context.Context, s *Service, k *kind[T], action string, name, pathPrefix *string, items *int32, marker *string) ([]api.AttachedPolicy, *bool, *string, error) {
	c, v, err := find(ctx, s, k, name, question{action: action})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := checkPathPrefix(pathPrefix); err != nil {
		return nil, nil, nil, err
	}
	p, err := s.page(c, action, v.Key(), items, marker)
	if err != nil {
		return nil, nil, nil, err
	}
	var arns []string
	for _, arn := range k.grants(&v).Attached {
		if strings.HasPrefix(policyPath(arn), val(pathPrefix)) {
			arns = append(arns, arn)
		}
	}
	arns, more, next := cut(p, arns, policyOrder)
	return showAttached(arns), more, next, nil
}

func showAttached(arns []string) []api.AttachedPolicy {
	list := make([]api.AttachedPolicy, 0, len(arns))
	for _, arn := range arns {
		list = append(list, api.AttachedPolicy{PolicyArn: new(arn), PolicyName: new(policyName(arn))})
	}
	return list
}

// policyName is the name in the ARN of a managed policy.
func policyName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// policyPath is the path in the ARN of a managed policy, and what follows it.
func policyPath(arn string) string {
	_, path, _ := strings.Cut(arn, ":policy/")
	return "/" + path
}

// policyOrder orders ARNs of managed policies by name.
func policyOrder(arn string) string { return cloud.IAMName(policyName(arn)) + " " + arn }
