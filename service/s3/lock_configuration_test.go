package s3

import (
	"context"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
)

// lock puts an object lock's configuration, and returns what became of it.
func (r *rig) lock(bucket string, d *api.DefaultRetention) error {
	c := &api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled")}
	if d != nil {
		c.Rule = &api.ObjectLockRule{DefaultRetention: d}
	}
	return second(r.PutObjectLockConfiguration(r.ctx, &api.PutObjectLockConfigurationRequest{Bucket: &bucket, ObjectLockConfiguration: c}))
}

func (r *rig) versioning(bucket, status string) error {
	return second(r.PutBucketVersioning(r.ctx, &api.PutBucketVersioningRequest{Bucket: &bucket, VersioningConfiguration: &api.VersioningConfiguration{Status: &status}}))
}

func TestObjectLockConfiguration(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	days := func(mode string, n int32) *api.DefaultRetention { return &api.DefaultRetention{Mode: &mode, Days: &n} }
	want(t, "unversioned", r.lock("one", nil), "InvalidBucketState")
	must(r.PutBucketVersioning(r.ctx, &api.PutBucketVersioningRequest{Bucket: new("one"), VersioningConfiguration: &api.VersioningConfiguration{Status: new("Enabled")}}))(t)
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: new("before"), Body: strings.NewReader("x")}))(t)
	for name, c := range map[string]struct {
		in   *api.ObjectLockConfiguration
		code string
	}{
		"nothing":     {nil, "MalformedXML"},
		"not enabled": {&api.ObjectLockConfiguration{}, "MalformedXML"},
		"bad state":   {&api.ObjectLockConfiguration{ObjectLockEnabled: new("On")}, "MalformedXML"},
		"empty rule":  {&api.ObjectLockConfiguration{ObjectLockEnabled: new("Enabled"), Rule: &api.ObjectLockRule{}}, "MalformedXML"},
	} {
		want(t, name, second(r.PutObjectLockConfiguration(r.ctx, &api.PutObjectLockConfigurationRequest{Bucket: new("one"), ObjectLockConfiguration: c.in})), c.code)
	}
	for name, c := range map[string]struct {
		in   *api.DefaultRetention
		code string
	}{
		"no mode":   {&api.DefaultRetention{Days: new(int32(1))}, "MalformedXML"},
		"bad mode":  {days("FOREVER", 1), "MalformedXML"},
		"no period": {&api.DefaultRetention{Mode: new("GOVERNANCE")}, "MalformedXML"},
		"two":       {&api.DefaultRetention{Mode: new("GOVERNANCE"), Days: new(int32(1)), Years: new(int32(1))}, "MalformedXML"},
		"zero":      {days("GOVERNANCE", 0), "InvalidArgument"},
		"too long":  {days("GOVERNANCE", 36501), "InvalidArgument"},
		"event":     {&api.DefaultRetention{Mode: new("GOVERNANCE"), Days: new(int32(1)), DefaultEventHold: &api.EventHoldDuration{}}, "NotImplemented"},
	} {
		want(t, name, r.lock("one", c.in), c.code)
	}
	want(t, "suspend before", r.versioning("one", "Suspended"), "")
	want(t, "lock a suspended one", r.lock("one", nil), "InvalidBucketState")
	want(t, "enable again", r.versioning("one", "Enabled"), "")
	want(t, "lock", r.lock("one", days("GOVERNANCE", 2)), "")
	want(t, "suspend", r.versioning("one", "Suspended"), "InvalidBucketState")
	got := must(r.GetObjectLockConfiguration(r.ctx, &api.GetObjectLockConfigurationRequest{Bucket: new("one")}))(t).ObjectLockConfiguration
	if d := got.Rule.DefaultRetention; *got.ObjectLockEnabled != "Enabled" || *d.Mode != "GOVERNANCE" || *d.Days != 2 || d.Years != nil {
		t.Errorf("it is %+v", got)
	}
	want(t, "no default", r.lock("one", nil), "")
	got = must(r.GetObjectLockConfiguration(r.ctx, &api.GetObjectLockConfigurationRequest{Bucket: new("one")}))(t).ObjectLockConfiguration
	if got.Rule != nil {
		t.Errorf("it is %+v", got.Rule)
	}
}

// New objects are retained as the bucket says, unless their writers say more, whatever
// way they come; parts count from the end of their upload.
func TestDefaultRetention(t *testing.T) {
	r := newRig(t)
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: new("one"), ObjectLockEnabledForBucket: new(true)}))(t)
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: new("before"), Body: strings.NewReader("x")}))(t)
	u := must(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{Bucket: new("one"), Key: new("parts")}))(t)
	want(t, "lock", r.lock("one", &api.DefaultRetention{Mode: new("COMPLIANCE"), Years: new(int32(1))}), "")
	own := r.Now().Add(time.Hour).UTC()
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: new("own"), Body: strings.NewReader("x"), ObjectLockMode: new("GOVERNANCE"), ObjectLockRetainUntilDate: &own}))(t)
	must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: new("put"), Body: strings.NewReader("x")}))(t)
	must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: new("one"), Key: new("copy"), CopySource: new("one/own")}))(t)
	p := must(r.UploadPart(r.ctx, &api.UploadPartRequest{Bucket: new("one"), Key: new("parts"), UploadId: u.UploadId, PartNumber: new(int32(1)), Body: strings.NewReader("x")}))(t)
	r.cloud.Seconds.Add(3600)
	must(r.CompleteMultipartUpload(r.ctx, &api.CompleteMultipartUploadRequest{
		Bucket: new("one"), Key: new("parts"), UploadId: u.UploadId, MultipartUpload: &api.CompletedMultipartUpload{Parts: []api.CompletedPart{{PartNumber: new(int32(1)), ETag: p.ETag}}},
	}))(t)
	end := r.Now().UTC().AddDate(1, 0, 0)
	for key, until := range map[string]time.Time{"put": end.Add(-time.Hour), "copy": end.Add(-time.Hour), "parts": end} {
		got := must(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: new("one"), Key: &key}))(t).Retention
		if *got.Mode != "COMPLIANCE" || !got.RetainUntilDate.Equal(until.Truncate(time.Millisecond)) {
			t.Errorf("%s: %s until %v, want %v", key, *got.Mode, *got.RetainUntilDate, until)
		}
	}
	got := must(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: new("one"), Key: new("own")}))(t).Retention
	if *got.Mode != "GOVERNANCE" || !got.RetainUntilDate.Equal(own) {
		t.Errorf("own: %+v", got)
	}
	want(t, "before", second(r.GetObjectRetention(r.ctx, &api.GetObjectRetentionRequest{Bucket: new("one"), Key: new("before")})), "NoSuchObjectLockConfiguration")
}

// Nobody breaks a lock, by any way that removes or replaces versions: not the root of
// the bucket's account either.
func TestNobodyBreaksLocks(t *testing.T) {
	r := newRig(t)
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: new("one"), ObjectLockEnabledForBucket: new(true)}))(t)
	until := r.Now().Add(48 * time.Hour).UTC()
	versions := map[string]*string{}
	for key, change := range map[string]func(*api.PutObjectRequest){
		"compliance": func(in *api.PutObjectRequest) {
			in.ObjectLockMode, in.ObjectLockRetainUntilDate = new("COMPLIANCE"), &until
		},
		"governance": func(in *api.PutObjectRequest) {
			in.ObjectLockMode, in.ObjectLockRetainUntilDate = new("GOVERNANCE"), &until
		},
		"held": func(in *api.PutObjectRequest) { in.ObjectLockLegalHoldStatus = new("ON") },
	} {
		in := &api.PutObjectRequest{Bucket: new("one"), Key: &key, Body: strings.NewReader("precious")}
		change(in)
		versions[key] = must(r.PutObject(r.ctx, in))(t).VersionId
	}
	clerk := r.user(alice, "clerk", `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]}`)
	remove := func(ctx context.Context, key string, bypass bool) error {
		return second(r.DeleteObject(ctx, &api.DeleteObjectRequest{Bucket: new("one"), Key: &key, VersionId: versions[key], BypassGovernanceRetention: &bypass}))
	}
	batch := func(key string, bypass bool) string {
		out := must(r.DeleteObjects(r.ctx, &api.DeleteObjectsRequest{Bucket: new("one"), BypassGovernanceRetention: &bypass, Delete: &api.Delete{Objects: []api.ObjectIdentifier{{Key: &key, VersionId: versions[key]}}}}))(t)
		if len(out.Errors) == 0 {
			return ""
		}
		return *out.Errors[0].Code
	}
	retention := func(ctx context.Context, key string, to *api.ObjectLockRetention, bypass bool) error {
		return second(r.PutObjectRetention(ctx, &api.PutObjectRetentionRequest{Bucket: new("one"), Key: &key, VersionId: versions[key], Retention: to, BypassGovernanceRetention: &bypass}))
	}
	shorter, sooner := &api.ObjectLockRetention{Mode: new("COMPLIANCE"), RetainUntilDate: new(until.Add(-time.Hour))}, &api.ObjectLockRetention{Mode: new("GOVERNANCE"), RetainUntilDate: &until}
	for key := range versions {
		// Ways that leave the version where it is.
		must(r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: new("one"), Key: &key}))(t)
		must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: &key, Body: strings.NewReader("other")}))(t)
		must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: new("one"), Key: &key, CopySource: new("one/" + key), MetadataDirective: new("REPLACE")}))(t)
		for _, bypass := range []bool{false, true} {
			refused := "AccessDenied"
			if key == "governance" && bypass {
				continue // at the end
			}
			want(t, key+": delete", remove(r.ctx, key, bypass), refused)
			if got := batch(key, bypass); got != refused {
				t.Errorf("%s: delete many: %q", key, got)
			}
			if key != "held" {
				want(t, key+": shorten", retention(r.ctx, key, shorter, bypass), refused)
				want(t, key+": lift", retention(r.ctx, key, &api.ObjectLockRetention{}, bypass), refused)
			}
			if key == "compliance" {
				want(t, key+": weaken", retention(r.ctx, key, sooner, bypass), refused)
			}
		}
	}
	want(t, "bypass without the permission", remove(clerk, "governance", true), "AccessDenied")
	want(t, "shorten without it", retention(clerk, "governance", shorter, true), "AccessDenied")
	want(t, "delete the bucket", second(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("one")})), "BucketNotEmpty")
	want(t, "suspend versioning", r.versioning("one", "Suspended"), "InvalidBucketState")
	want(t, "take the default away", r.lock("one", nil), "")
	b, _ := find(r.DB.View(), new("one"))
	for key, version := range versions {
		i, err := r.Objects.Head(t.Context(), object.GetInput{Bucket: b.ID, Key: key, Version: *version})
		if err != nil || i.Size != 8 {
			t.Errorf("%s: %+v %v", key, i, err)
		}
	}
	want(t, "bypass with the permission", remove(r.ctx, "governance", true), "")
	must(r.PutObjectLegalHold(r.ctx, &api.PutObjectLegalHoldRequest{Bucket: new("one"), Key: new("held"), VersionId: versions["held"], LegalHold: &api.ObjectLockLegalHold{Status: new("OFF")}}))(t)
	want(t, "after the hold", remove(r.ctx, "held", false), "")
	r.cloud.Seconds.Add(48*3600 + 1)
	want(t, "after the retention", remove(r.ctx, "compliance", false), "")
}
