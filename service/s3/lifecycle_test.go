package s3

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// rules puts a lifecycle, and returns what became of it.
func (r *rig) rules(bucket string, rules ...api.LifecycleRule) error {
	return second(r.PutBucketLifecycleConfiguration(r.ctx, &api.PutBucketLifecycleConfigurationRequest{
		Bucket: &bucket, LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: rules},
	}))
}

// expiring is a rule that ends objects after a day.
func expiring(f *api.LifecycleRuleFilter) api.LifecycleRule {
	return api.LifecycleRule{ID: new("r"), Status: new("Enabled"), Filter: f, Expiration: &api.LifecycleExpiration{Days: new(int32(1))}}
}

func TestLifecycleRules(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	all, tag := &api.LifecycleRuleFilter{Prefix: new("")}, api.Tag{Key: new("k"), Value: new("v")}
	with := func(f *api.LifecycleRuleFilter, change func(*api.LifecycleRule)) api.LifecycleRule {
		rule := api.LifecycleRule{ID: new("r"), Status: new("Enabled"), Filter: f}
		change(&rule)
		return rule
	}
	expiration := func(f *api.LifecycleRuleFilter, e api.LifecycleExpiration) api.LifecycleRule {
		return with(f, func(r *api.LifecycleRule) { r.Expiration = &e })
	}
	and := func(a api.LifecycleRuleAndOperator) *api.LifecycleRuleFilter {
		return &api.LifecycleRuleFilter{And: &a}
	}
	midnight := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		rule api.LifecycleRule
		code string
	}{
		"days":          {expiring(all), ""},
		"empty filter":  {expiring(&api.LifecycleRuleFilter{}), ""},
		"disabled":      {with(all, func(r *api.LifecycleRule) { *r = expiring(all); r.Status = new("Disabled") }), ""},
		"date":          {expiration(all, api.LifecycleExpiration{Date: &midnight}), ""},
		"markers":       {expiration(all, api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}), ""},
		"tag":           {expiring(&api.LifecycleRuleFilter{Tag: &tag}), ""},
		"sizes":         {expiring(and(api.LifecycleRuleAndOperator{ObjectSizeGreaterThan: new(int64(0)), ObjectSizeLessThan: new(int64(9))})), ""},
		"and":           {expiring(and(api.LifecycleRuleAndOperator{Prefix: new("p"), Tags: []api.Tag{tag}})), ""},
		"legacy prefix": {with(nil, func(r *api.LifecycleRule) { *r = expiring(nil); r.Prefix = new("logs/") }), ""},
		"noncurrent": {with(all, func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(3)), NewerNoncurrentVersions: new(int32(2))}
		}), ""},
		"abort": {with(all, func(r *api.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(7))}
		}), ""},

		"no status":         {with(all, func(r *api.LifecycleRule) { *r = expiring(all); r.Status = nil }), "MalformedXML"},
		"bad status":        {with(all, func(r *api.LifecycleRule) { *r = expiring(all); r.Status = new("enabled") }), "MalformedXML"},
		"long ID":           {with(all, func(r *api.LifecycleRule) { *r = expiring(all); r.ID = new(strings.Repeat("x", 256)) }), "InvalidArgument"},
		"no action":         {with(all, func(*api.LifecycleRule) {}), "InvalidRequest"},
		"neither filter":    {expiring(nil), "MalformedXML"},
		"both":              {with(all, func(r *api.LifecycleRule) { *r = expiring(all); r.Prefix = new("") }), "MalformedXML"},
		"two conditions":    {expiring(&api.LifecycleRuleFilter{Prefix: new("p"), Tag: &tag}), "MalformedXML"},
		"and beside":        {expiring(&api.LifecycleRuleFilter{Prefix: new("p"), And: &api.LifecycleRuleAndOperator{Prefix: new("p"), Tags: []api.Tag{tag}}}), "MalformedXML"},
		"and of one":        {expiring(and(api.LifecycleRuleAndOperator{Prefix: new("p")})), "MalformedXML"},
		"tag twice":         {expiring(and(api.LifecycleRuleAndOperator{Tags: []api.Tag{tag, tag}})), "InvalidRequest"},
		"no size":           {expiring(and(api.LifecycleRuleAndOperator{ObjectSizeGreaterThan: new(int64(9)), ObjectSizeLessThan: new(int64(9))})), "InvalidRequest"},
		"negative size":     {expiring(&api.LifecycleRuleFilter{ObjectSizeGreaterThan: new(int64(-1))}), "InvalidRequest"},
		"below nothing":     {expiring(&api.LifecycleRuleFilter{ObjectSizeLessThan: new(int64(0))}), "InvalidRequest"},
		"no days":           {expiration(all, api.LifecycleExpiration{Days: new(int32(0))}), "InvalidArgument"},
		"empty expiration":  {expiration(all, api.LifecycleExpiration{}), "MalformedXML"},
		"days and markers":  {expiration(all, api.LifecycleExpiration{Days: new(int32(1)), ExpiredObjectDeleteMarker: new(true)}), "MalformedXML"},
		"noon":              {expiration(all, api.LifecycleExpiration{Date: new(midnight.Add(12 * time.Hour))}), "InvalidArgument"},
		"markers with tags": {expiration(&api.LifecycleRuleFilter{Tag: &tag}, api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}), "InvalidRequest"},
		"markers of a size": {expiration(&api.LifecycleRuleFilter{ObjectSizeLessThan: new(int64(5))}, api.LifecycleExpiration{ExpiredObjectDeleteMarker: new(true)}), "InvalidRequest"},
		"no noncurrent days": {with(all, func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NewerNoncurrentVersions: new(int32(2))}
		}), "MalformedXML"},
		"zero noncurrent days": {with(all, func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(0))}
		}), "InvalidArgument"},
		"too many newer": {with(all, func(r *api.LifecycleRule) {
			r.NoncurrentVersionExpiration = &api.NoncurrentVersionExpiration{NoncurrentDays: new(int32(1)), NewerNoncurrentVersions: new(int32(101))}
		}), "InvalidArgument"},
		"abort at once": {with(all, func(r *api.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{}
		}), "InvalidArgument"},
		"abort with tags": {with(&api.LifecycleRuleFilter{Tag: &tag}, func(r *api.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(1))}
		}), "InvalidRequest"},
		"transition": {with(all, func(r *api.LifecycleRule) {
			r.Transitions = []api.Transition{{Days: new(int32(30)), StorageClass: new("GLACIER")}}
		}), "NotImplemented"},
		"noncurrent transition": {with(all, func(r *api.LifecycleRule) {
			r.NoncurrentVersionTransitions = []api.NoncurrentVersionTransition{{NoncurrentDays: new(int32(30)), StorageClass: new("GLACIER")}}
		}), "NotImplemented"},
	} {
		err := r.rules("one", c.rule)
		want(t, name, err, c.code)
		if err != nil {
			continue
		}
		got := must(r.GetBucketLifecycleConfiguration(r.ctx, &api.GetBucketLifecycleConfigurationRequest{Bucket: new("one")}))(t)
		if c.rule.Filter != nil && c.rule.Filter.And != nil && c.rule.Filter.And.Tags == nil {
			c.rule.Filter.And.Tags = []api.Tag{}
		}
		if len(got.Rules) != 1 || !reflect.DeepEqual(got.Rules[0], c.rule) {
			t.Errorf("%s: it comes back as %+v", name, got.Rules)
		}
	}
	want(t, "none", r.rules("one"), "MalformedXML")
	want(t, "too many", r.rules("one", make([]api.LifecycleRule, 1001)...), "MalformedXML")
	want(t, "same ID", r.rules("one", expiring(all), expiring(all)), "InvalidArgument")
	want(t, "nothing", second(r.PutBucketLifecycleConfiguration(r.ctx, &api.PutBucketLifecycleConfigurationRequest{Bucket: new("one")})), "MalformedXML")
	for size, answer := range map[string]string{"": "all_storage_classes_128K", "varies_by_storage_class": "varies_by_storage_class"} {
		must(r.PutBucketLifecycleConfiguration(r.ctx, &api.PutBucketLifecycleConfigurationRequest{
			Bucket: new("one"), TransitionDefaultMinimumObjectSize: opt(size), LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{expiring(all)}},
		}))(t)
		if got := must(r.GetBucketLifecycleConfiguration(r.ctx, &api.GetBucketLifecycleConfigurationRequest{Bucket: new("one")}))(t); *got.TransitionDefaultMinimumObjectSize != answer {
			t.Errorf("the size of transitions is %s, want %s", *got.TransitionDefaultMinimumObjectSize, answer)
		}
	}
	want(t, "another size of transitions", second(r.PutBucketLifecycleConfiguration(r.ctx, &api.PutBucketLifecycleConfigurationRequest{
		Bucket: new("one"), TransitionDefaultMinimumObjectSize: new("any"), LifecycleConfiguration: &api.BucketLifecycleConfiguration{Rules: []api.LifecycleRule{expiring(all)}},
	})), "InvalidRequest")
	nameless := expiring(all)
	nameless.ID = nil
	want(t, "without IDs", r.rules("one", nameless, nameless), "")
	must(r.DeleteBucketLifecycle(r.ctx, &api.DeleteBucketLifecycleRequest{Bucket: new("one")}))(t)
	want(t, "get none", second(r.GetBucketLifecycleConfiguration(r.ctx, &api.GetBucketLifecycleConfigurationRequest{Bucket: new("one")})), "NoSuchLifecycleConfiguration")
}

// Whoever puts or reads an object learns when it ends, and who uploads when that does.
func TestExpirationHeaders(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	later := expiring(&api.LifecycleRuleFilter{Tag: &api.Tag{Key: new("k"), Value: new("v")}})
	later.ID, later.Expiration.Days = new("by tag & days"), new(int32(30))
	abort := api.LifecycleRule{ID: new("abort"), Status: new("Enabled"), Filter: &api.LifecycleRuleFilter{}, AbortIncompleteMultipartUpload: &api.AbortIncompleteMultipartUpload{DaysAfterInitiation: new(int32(7))}}
	want(t, "rules", r.rules("one", later, expiring(&api.LifecycleRuleFilter{Prefix: new("logs/")}), abort), "")
	due := func(days int) time.Time { // the clock stands within a day
		return r.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, days+1)
	}
	tagged := `expiry-date="` + due(30).Format(time.RFC1123)[:26] + `GMT", rule-id="by+tag+%26+days"`
	logs := `expiry-date="` + due(1).Format(time.RFC1123)[:26] + `GMT", rule-id="r"`
	for key, c := range map[string]struct {
		tags *string
		want string
	}{"a": {nil, ""}, "b": {new("k=v"), tagged}, "logs/c": {nil, logs}, "logs/d": {new("k=v"), logs}} {
		put := must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: new("one"), Key: &key, Tagging: c.tags, Body: strings.NewReader("x")}))(t)
		head := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: new("one"), Key: &key}))(t)
		get := must(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: new("one"), Key: &key}))(t)
		if err := get.Body.(interface{ Close() error }).Close(); err != nil {
			t.Error(err)
		}
		for what, got := range map[string]*string{"put": put.Expiration, "head": head.Expiration, "get": get.Expiration} {
			if val(got) != c.want {
				t.Errorf("%s %s: it ends %q, want %q", what, key, val(got), c.want)
			}
		}
	}
	u := must(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{Bucket: new("one"), Key: new("u")}))(t)
	if val(u.AbortRuleId) != "abort" || !u.AbortDate.Equal(due(7)) {
		t.Errorf("the upload ends at %v by %q", u.AbortDate, val(u.AbortRuleId))
	}
	parts := must(r.ListParts(r.ctx, &api.ListPartsRequest{Bucket: new("one"), Key: new("u"), UploadId: u.UploadId}))(t)
	if val(parts.AbortRuleId) != "abort" || !parts.AbortDate.Equal(due(7)) {
		t.Errorf("its list says %v by %q", parts.AbortDate, val(parts.AbortRuleId))
	}
}

// The lifecycle goes through the wire as AWS's own client writes and reads it.
func TestLifecycleThroughTheSDK(t *testing.T) {
	r := newRig(t)
	c := r.serve()
	r.bucket("one")
	if err := sdkLifecycle(context.WithoutCancel(t.Context()), c); err != nil {
		t.Fatal(err)
	}
	got := must(r.GetBucketLifecycleConfiguration(r.ctx, &api.GetBucketLifecycleConfigurationRequest{Bucket: new("one")}))(t)
	if len(got.Rules) != 1 || *got.Rules[0].Filter.And.Prefix != "p/" || len(got.Rules[0].Filter.And.Tags) != 1 || *got.Rules[0].NoncurrentVersionExpiration.NewerNoncurrentVersions != 3 {
		t.Errorf("it came as %+v", got.Rules)
	}
}
