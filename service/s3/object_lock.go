package s3

import (
	"context"
	"errors"
	"net/http"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// PutObjectRetention keeps a version until a time:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html.
func (s *Service) PutObjectRetention(ctx context.Context, in *api.PutObjectRetentionRequest) (*api.PutObjectRetentionOutput, error) {
	var want api.ObjectLockRetention
	if in.Retention != nil {
		want = *in.Retention
	}
	a := &about{
		bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, plain: true,
		bypass: val(in.BypassGovernanceRetention), keys: (&headers{mode: want.Mode, until: want.RetainUntilDate}).keys(),
	}
	r, wrong := s.retentionOf(want)
	_, _, err := s.change(ctx, a, "PutObjectRetention", func(_ cloud.Bucket, to *object.Attributes) error {
		to.Retention = r
		return wrong
	})
	err = missed(err, wrong)
	if err != nil {
		return nil, err
	}
	return &api.PutObjectRetentionOutput{}, nil
}

// retentionOf is what a document says.
func (s *Service) retentionOf(want api.ObjectLockRetention) (object.Retention, error) {
	switch {
	case want.EventHold != nil || want.EventHoldDuration != nil:
		return object.Retention{}, notImplemented("event holds; use retention or a legal hold")
	case (want.Mode == nil) != (want.RetainUntilDate == nil), want.Mode != nil && *want.Mode != governance && *want.Mode != compliance:
		return object.Retention{}, malformedXML()
	}
	return retention(want.Mode, want.RetainUntilDate, s.Now())
}

// missed is the error of a change, or what was wrong with its document if the object
// that it did not find hid that.
func missed(err, wrong error) error {
	if e, ok := errors.AsType[*cloud.Error](err); wrong != nil && ok && e.Code == "NoSuchKey" {
		return wrong
	}
	return err
}

// GetObjectRetention tells until when a version is kept:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html.
func (s *Service) GetObjectRetention(ctx context.Context, in *api.GetObjectRetentionRequest) (*api.GetObjectRetentionOutput, error) {
	info, err := s.lockOf(ctx, &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, plain: true}, "GetObjectRetention")
	if err != nil {
		return nil, err
	}
	if info.Retention.Mode == object.NotRetained {
		return nil, noObjectLock()
	}
	return &api.GetObjectRetentionOutput{Retention: &api.ObjectLockRetention{Mode: new(modeText(info.Retention.Mode)), RetainUntilDate: &info.Retention.Until}}, nil
}

// PutObjectLegalHold holds a version, or lets it go:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html.
func (s *Service) PutObjectLegalHold(ctx context.Context, in *api.PutObjectLegalHoldRequest) (*api.PutObjectLegalHoldOutput, error) {
	var status *string
	if in.LegalHold != nil {
		status = in.LegalHold.Status
	}
	a := &about{
		bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, plain: true,
		keys: keys{}.set("s3:object-lock-legal-hold", status),
	}
	hold, wrong := legalHold(status)
	if wrong != nil || status == nil {
		wrong = malformedXML()
	}
	_, _, err := s.change(ctx, a, "PutObjectLegalHold", func(_ cloud.Bucket, to *object.Attributes) error {
		to.Hold = hold
		return wrong
	})
	err = missed(err, wrong)
	if err != nil {
		return nil, err
	}
	return &api.PutObjectLegalHoldOutput{}, nil
}

// GetObjectLegalHold tells whether a version is held:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html.
func (s *Service) GetObjectLegalHold(ctx context.Context, in *api.GetObjectLegalHoldRequest) (*api.GetObjectLegalHoldOutput, error) {
	info, err := s.lockOf(ctx, &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId, plain: true}, "GetObjectLegalHold")
	if err != nil {
		return nil, err
	}
	status := holdOff
	if info.Hold {
		status = holdOn
	}
	return &api.GetObjectLegalHoldOutput{LegalHold: &api.ObjectLockLegalHold{Status: &status}}, nil
}

// lockOf finds a version in a bucket that has object lock.
func (s *Service) lockOf(ctx context.Context, a *about, action string) (object.Info, error) {
	b, info, err := s.look(ctx, a, action)
	if err != nil {
		return info, err
	}
	bucket, err := s.Objects.Bucket(ctx, b.ID)
	if err == nil && !bucket.Lock {
		err = object.ErrNoLock
	}
	return info, expressed(err)
}

func noObjectLock() error {
	return failure(http.StatusNotFound, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")
}
