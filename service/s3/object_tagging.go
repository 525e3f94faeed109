package s3

import (
	"context"
	"maps"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// GetObjectTagging tells the tags of an object:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html.
func (s *Service) GetObjectTagging(ctx context.Context, in *api.GetObjectTaggingRequest) (*api.GetObjectTaggingOutput, error) {
	b, info, err := s.look(ctx, &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId}, "GetObjectTagging")
	if err != nil {
		return nil, err
	}
	return &api.GetObjectTaggingOutput{TagSet: shownTags(info.Tags), VersionId: s.version(ctx, b, info.Version)}, nil
}

// PutObjectTagging replaces the tags of an object:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html.
func (s *Service) PutObjectTagging(ctx context.Context, in *api.PutObjectTaggingRequest) (*api.PutObjectTaggingOutput, error) {
	var set []api.Tag
	if in.Tagging != nil {
		set = in.Tagging.TagSet
	}
	tags, wrong := checkTags(set, maxObjectTags)
	a := &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, keys: keys{}.requestTags(tags)}
	b, info, err := s.change(ctx, a, "PutObjectTagging", func(_ cloud.Bucket, to *object.Attributes) error {
		to.Tags = tags
		return wrong
	})
	if err != nil {
		return nil, err
	}
	return &api.PutObjectTaggingOutput{VersionId: s.version(ctx, b, info.Version)}, nil
}

// DeleteObjectTagging removes the tags of an object:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html.
func (s *Service) DeleteObjectTagging(ctx context.Context, in *api.DeleteObjectTaggingRequest) (*api.DeleteObjectTaggingOutput, error) {
	a := &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId}
	b, info, err := s.change(ctx, a, "DeleteObjectTagging", func(_ cloud.Bucket, to *object.Attributes) error {
		to.Tags = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteObjectTaggingOutput{VersionId: s.version(ctx, b, info.Version)}, nil
}

// about is the object that a request is about, but for its bytes.
type about struct {
	bucket, owner *string
	key           string
	version       *string
	keys          keys
	plain         bool // the action is the same for versions that are named
	bypass        bool
}

// allow is the authorisation of an action on an object of such attributes.
func (s *Service) allow(ctx context.Context, b cloud.Bucket, a *about, action string, of object.Attributes) error {
	k := keys{}.set("s3:VersionId", a.version).existingTags(of.Tags)
	maps.Copy(k, a.keys)
	if !a.plain {
		action = versioned(action, a.version)
	}
	return s.allowSeen(ctx, action, b, a.owner, a.key, k, of)
}

// look finds an object, after the authorisation of actions.
func (s *Service) look(ctx context.Context, a *about, actions ...string) (cloud.Bucket, object.Info, error) {
	b, err := find(s.DB.View(), a.bucket)
	if err != nil {
		return b, object.Info{}, err
	}
	wrong := checkVersion(a.version)
	var info object.Info
	if wrong == nil {
		info, err = s.Objects.Head(ctx, object.GetInput{Bucket: b.ID, Key: a.key, Version: val(a.version)})
	}
	for _, action := range actions {
		if err := s.allow(ctx, b, a, action, info.Attributes); err != nil {
			return b, info, err
		}
	}
	if wrong != nil {
		return b, info, wrong
	}
	if info.Customer && err != nil {
		return b, info, nil // what is asked needs no key
	}
	if err != nil {
		return b, info, s.absent(ctx, b, a.key, a.version, info, err)
	}
	return b, info, nil
}

// change changes the attributes of an object, after the authorisation of an action.
// The authorisation sees the tags that the change would replace.
func (s *Service) change(ctx context.Context, a *about, action string, fn func(cloud.Bucket, *object.Attributes) error) (cloud.Bucket, object.Info, error) {
	b, err := find(s.DB.View(), a.bucket)
	if err != nil {
		return b, object.Info{}, err
	}
	if err := checkVersion(a.version); err != nil {
		if err := s.allow(ctx, b, a, action, object.Attributes{}); err != nil {
			return b, object.Info{}, err
		}
		return b, object.Info{}, err
	}
	asked := false
	in := object.UpdateInput{Bucket: b.ID, Key: a.key, Version: val(a.version), Bypass: a.bypass}
	if event := changes[action]; event != "" {
		in.Notes = s.notes(ctx, b, always(event))
	}
	info, err := s.Objects.UpdateWith(ctx, in, func(to *object.Attributes) error {
		asked = true
		if err := s.allow(ctx, b, a, action, *to); err != nil {
			return err
		}
		if a.bypass {
			if err := s.allowIn(ctx, "BypassGovernanceRetention", b, a.owner, a.key, a.keys); err != nil {
				return err
			}
		}
		return fn(b, to)
	})
	if err == nil || asked {
		return b, info, expressed(err)
	}
	if err := s.allow(ctx, b, a, action, object.Attributes{}); err != nil {
		return b, info, err
	}
	return b, info, s.absent(ctx, b, a.key, a.version, info, err)
}
