package iam

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
)

// maxVersions is how many texts a managed policy keeps.
const maxVersions = 5

const versionPattern = `v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`

var versionID = regexp.MustCompile(`^` + versionPattern + `$`)

// CreatePolicyVersion gives a managed policy another text, in force or not.
func (s *Service) CreatePolicyVersion(ctx context.Context, in *api.CreatePolicyVersionRequest) (*api.CreatePolicyVersionResponse, error) {
	p, err := s.findOwn(ctx, "CreatePolicyVersion", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	var v cloud.PolicyVersion
	err = s.changePolicy(ctx, p, func(p *cloud.ManagedPolicy) error {
		if len(p.Versions) >= maxVersions {
			return cloud.Errorf("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Last++
		v = cloud.PolicyVersion{ID: fmt.Sprintf("v%d", p.Last), Document: *in.PolicyDocument, Created: s.Judge.Now().UTC()}
		p.Versions, p.Updated = append(p.Versions, v), v.Created
		if val(in.SetAsDefault) {
			p.Default = v.ID
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreatePolicyVersionResponse{PolicyVersion: new(showVersion(v, val(in.SetAsDefault)))}, nil
}

// showVersion is a version without its text.
func showVersion(v cloud.PolicyVersion, isDefault bool) api.PolicyVersion {
	return api.PolicyVersion{CreateDate: new(v.Created), IsDefaultVersion: new(isDefault), VersionId: new(v.ID)}
}

// GetPolicyVersion shows a text of a managed policy.
func (s *Service) GetPolicyVersion(ctx context.Context, in *api.GetPolicyVersionRequest) (*api.GetPolicyVersionResponse, error) {
	_, p, err := s.findPolicy(ctx, "GetPolicyVersion", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	i, err := findVersion(p, in.PolicyArn, in.VersionId)
	if err != nil {
		return nil, err
	}
	out := showVersion(p.Versions[i], p.Versions[i].ID == p.Default)
	out.Document = encoded(p.Versions[i].Document)
	return &api.GetPolicyVersionResponse{PolicyVersion: &out}, nil
}

// findVersion returns the index of the version that a request names.
func findVersion(p cloud.ManagedPolicy, arn, version *string) (int, error) {
	id := val(version)
	if !versionID.MatchString(id) {
		return 0, constraint("versionId", id, "%s", mustMatch(versionPattern))
	}
	i := slices.IndexFunc(p.Versions, func(v cloud.PolicyVersion) bool { return v.ID == id })
	if i < 0 {
		return 0, noSuch("Policy %s version %s does not exist or is not attachable.", *arn, id)
	}
	return i, nil
}

// ListPolicyVersions lists the versions of a managed policy, the newest first.
func (s *Service) ListPolicyVersions(ctx context.Context, in *api.ListPolicyVersionsRequest) (*api.ListPolicyVersionsResponse, error) {
	c, policy, err := s.findPolicy(ctx, "ListPolicyVersions", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListPolicyVersions", policy.ID, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	type numbered struct {
		version cloud.PolicyVersion
		order   string
	}
	all := make([]numbered, 0, len(policy.Versions))
	for i, v := range policy.Versions {
		all = append(all, numbered{v, fmt.Sprint(len(policy.Versions) - i)}) // one digit: they are five at most
	}
	page, more, marker := cut(p, all, func(n numbered) string { return n.order })
	out := &api.ListPolicyVersionsResponse{Versions: []api.PolicyVersion{}, IsTruncated: more, Marker: marker}
	for _, n := range page {
		out.Versions = append(out.Versions, showVersion(n.version, n.version.ID == policy.Default))
	}
	return out, nil
}

// SetDefaultPolicyVersion puts a version in force, for everybody who has the policy.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, in *api.SetDefaultPolicyVersionRequest) (*api.SetDefaultPolicyVersionOutput, error) {
	p, err := s.findOwn(ctx, "SetDefaultPolicyVersion", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	return done[api.SetDefaultPolicyVersionOutput](s.changePolicy(ctx, p, func(p *cloud.ManagedPolicy) error {
		i, err := findVersion(*p, in.PolicyArn, in.VersionId)
		if err != nil {
			return err
		}
		p.Default = p.Versions[i].ID
		return nil
	}))
}

// DeletePolicyVersion deletes a version that is not in force.
func (s *Service) DeletePolicyVersion(ctx context.Context, in *api.DeletePolicyVersionRequest) (*api.DeletePolicyVersionOutput, error) {
	p, err := s.findOwn(ctx, "DeletePolicyVersion", in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	return done[api.DeletePolicyVersionOutput](s.changePolicy(ctx, p, func(p *cloud.ManagedPolicy) error {
		i, err := findVersion(*p, in.PolicyArn, in.VersionId)
		switch {
		case err != nil:
			return err
		case p.Versions[i].ID == p.Default:
			return cloud.Errorf("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	}))
}
