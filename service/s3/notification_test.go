package s3

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
)

// desks are destinations: "desk" of everybody, "alices" of alice's account.
type desks struct{}

func (desks) Queue(name, account string) string {
	if name == "desk" || name == "alices" && account == alice {
		return name
	}
	return ""
}

// notify puts a configuration of queues, and returns what became of it.
func (r *rig) notify(queues ...api.QueueConfiguration) error {
	return second(r.PutBucketNotificationConfiguration(r.ctx, &api.PutBucketNotificationConfigurationRequest{
		Bucket: new("one"), NotificationConfiguration: &api.NotificationConfiguration{QueueConfigurations: queues},
	}))
}

// events are those that wait for a destination; they are taken away.
func (r *rig) events(queue string) (list []cloud.ObjectEvent) {
	r.Helper()
	notes := must(r.Objects.Peek(r.Context(), queue, 1000))(r)
	for _, n := range notes {
		var e cloud.ObjectEvent
		if err := json.Unmarshal(n.Body, &e); err != nil {
			r.Fatal(err)
		}
		list = append(list, e)
	}
	if err := r.Objects.Forget(r.Context(), queue, notes); err != nil {
		r.Fatal(err)
	}
	return list
}

func TestNotificationConfiguration(t *testing.T) {
	r := newRig(t)
	r.Destinations = desks{}
	r.bucket("one")
	region := r.Place.Region
	desk, alices := "arn:aws:sqs:"+region+":"+alice+":desk", "arn:aws:sqs:"+region+":"+alice+":alices"
	filter := func(rules ...string) *api.NotificationConfigurationFilter {
		f := &api.S3KeyFilter{}
		for k := 0; k < len(rules); k += 2 {
			f.FilterRules = append(f.FilterRules, api.FilterRule{Name: &rules[k], Value: &rules[k+1]})
		}
		return &api.NotificationConfigurationFilter{Key: f}
	}
	q := func(arn string, f *api.NotificationConfigurationFilter, events ...string) api.QueueConfiguration {
		return api.QueueConfiguration{QueueArn: &arn, Filter: f, Events: events}
	}
	named := func(id string, c api.QueueConfiguration) api.QueueConfiguration { c.Id = &id; return c }
	const created, put, removed = "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"
	for name, c := range map[string]struct {
		in   []api.QueueConfiguration
		code string
	}{
		"none":                 {nil, ""},
		"one":                  {[]api.QueueConfiguration{q(desk, nil, created)}, ""},
		"of the account":       {[]api.QueueConfiguration{q(alices, nil, created)}, ""},
		"prefixes apart":       {[]api.QueueConfiguration{q(desk, filter("prefix", "a"), created), q(desk, filter("Prefix", "b"), put)}, ""},
		"suffixes apart":       {[]api.QueueConfiguration{q(desk, filter("suffix", "a"), created), q(desk, filter("suffix", "b"), created)}, ""},
		"events apart":         {[]api.QueueConfiguration{q(desk, nil, created), q(alices, nil, removed)}, ""},
		"overlapping":          {[]api.QueueConfiguration{q(desk, nil, created), q(alices, nil, put)}, "InvalidArgument"},
		"overlapping prefixes": {[]api.QueueConfiguration{q(desk, filter("prefix", "a"), created), q(alices, filter("prefix", "ab", "suffix", "x"), put)}, "InvalidArgument"},
		"same ID":              {[]api.QueueConfiguration{named("i", q(desk, nil, created)), named("i", q(desk, nil, removed))}, "InvalidArgument"},
		"long ID":              {[]api.QueueConfiguration{named(strings.Repeat("i", 256), q(desk, nil, created))}, "InvalidArgument"},
		"no events":            {[]api.QueueConfiguration{q(desk, nil)}, "MalformedXML"},
		"unknown event":        {[]api.QueueConfiguration{q(desk, nil, "s3:Object*")}, "InvalidArgument"},
		"what never happens":   {[]api.QueueConfiguration{q(desk, nil, "s3:ObjectRestore:*")}, "NotImplemented"},
		"two prefixes":         {[]api.QueueConfiguration{q(desk, filter("prefix", "a", "prefix", "b"), created)}, "InvalidArgument"},
		"other filter":         {[]api.QueueConfiguration{q(desk, filter("infix", "a"), created)}, "InvalidArgument"},
		"long filter":          {[]api.QueueConfiguration{q(desk, filter("prefix", strings.Repeat("a", 1025)), created)}, "InvalidArgument"},
		"unknown destination":  {[]api.QueueConfiguration{q("arn:aws:sqs:"+region+":"+alice+":none", nil, created)}, "InvalidArgument"},
		"other account":        {[]api.QueueConfiguration{q("arn:aws:sqs:"+region+":"+bob+":desk", nil, created)}, "InvalidArgument"},
		"other region":         {[]api.QueueConfiguration{q("arn:aws:sqs:us-east-1:"+alice+":desk", nil, created)}, "InvalidArgument"},
		"other service":        {[]api.QueueConfiguration{q("arn:aws:sns:"+region+":"+alice+":desk", nil, created)}, "InvalidArgument"},
		"no ARN":               {[]api.QueueConfiguration{q("desk", nil, created)}, "InvalidArgument"},
	} {
		want(t, name, r.notify(c.in...), c.code)
	}
	want(t, "nothing", second(r.PutBucketNotificationConfiguration(r.ctx, &api.PutBucketNotificationConfigurationRequest{Bucket: new("one")})), "MalformedXML")
	want(t, "EventBridge", second(r.PutBucketNotificationConfiguration(r.ctx, &api.PutBucketNotificationConfigurationRequest{
		Bucket: new("one"), NotificationConfiguration: &api.NotificationConfiguration{EventBridgeConfiguration: &api.EventBridgeConfiguration{}},
	})), "NotImplemented")
	want(t, "none again", r.notify(), "")
	r.events("desk")
	topic, function := "arn:aws:sns:"+region+":"+alice+":desk", "arn:aws:lambda:"+region+":"+alice+":function:alices"
	all := &api.NotificationConfiguration{
		QueueConfigurations:          []api.QueueConfiguration{named("q", q(desk, filter("Prefix", "a", "suffix", ".txt"), put))},
		TopicConfigurations:          []api.TopicConfiguration{{Id: new("t"), TopicArn: &topic, Events: []string{removed}}},
		LambdaFunctionConfigurations: []api.LambdaFunctionConfiguration{{Id: new("l"), LambdaFunctionArn: &function, Events: []string{"s3:ObjectTagging:*"}}},
	}
	must(r.PutBucketNotificationConfiguration(r.ctx, &api.PutBucketNotificationConfigurationRequest{Bucket: new("one"), NotificationConfiguration: all}))(t)
	got := must(r.GetBucketNotificationConfiguration(r.ctx, &api.GetBucketNotificationConfigurationRequest{Bucket: new("one")}))(t)
	shown := func(c *api.NotificationConfiguration) string {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if shown(got) != shown(all) {
		t.Errorf("it comes back as %s", shown(got))
	}
	if tests := r.events("desk"); len(tests) != 2 || tests[0].Event != cloud.TestEvent || tests[0].Bucket != "one" {
		t.Errorf("the tests are %+v", tests)
	}
	must(r.PutBucketNotificationConfiguration(r.ctx, &api.PutBucketNotificationConfigurationRequest{Bucket: new("one"), NotificationConfiguration: all}))(t)
	if tests := r.events("desk"); tests != nil {
		t.Errorf("destinations that it had are tested again: %+v", tests)
	}
}

// Every change of an object is told by the name of its event, if its key fits.
func TestEvents(t *testing.T) {
	r := newRig(t)
	r.Destinations = desks{}
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: new("one"), ObjectLockEnabledForBucket: new(true)}))(t)
	one, key := new("one"), new("in/a")
	put := func(key string) *string {
		return must(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: one, Key: &key, Body: strings.NewReader("hello")}))(t).VersionId
	}
	put("in/before")
	want(t, "configure", r.notify(api.QueueConfiguration{
		Id: new("n"), QueueArn: new("arn:aws:sqs:" + r.Place.Region + ":" + alice + ":desk"), Events: []string{"s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectRetention:Put"},
		Filter: &api.NotificationConfigurationFilter{Key: &api.S3KeyFilter{FilterRules: []api.FilterRule{{Name: new("prefix"), Value: new("in/")}}}},
	}), "")
	r.events("desk")
	put("out/a")
	version := put("in/a")
	want(t, "a put that fails", second(r.PutObject(r.ctx, &api.PutObjectRequest{Bucket: one, Key: key, Body: strings.NewReader("x"), IfNoneMatch: new("*")})), "PreconditionFailed")
	must(r.CopyObject(r.ctx, &api.CopyObjectRequest{Bucket: one, Key: new("in/copy"), CopySource: new("one/out/a")}))(t)
	u := must(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{Bucket: one, Key: new("in/parts")}))(t)
	p := must(r.UploadPart(r.ctx, &api.UploadPartRequest{Bucket: one, Key: new("in/parts"), UploadId: u.UploadId, PartNumber: new(int32(1)), Body: strings.NewReader("x")}))(t)
	must(r.CompleteMultipartUpload(r.ctx, &api.CompleteMultipartUploadRequest{
		Bucket: one, Key: new("in/parts"), UploadId: u.UploadId, MultipartUpload: &api.CompletedMultipartUpload{Parts: []api.CompletedPart{{PartNumber: new(int32(1)), ETag: p.ETag}}},
	}))(t)
	must(r.PutObjectTagging(r.ctx, &api.PutObjectTaggingRequest{Bucket: one, Key: key, Tagging: &api.Tagging{TagSet: []api.Tag{{Key: new("k"), Value: new("v")}}}}))(t)
	must(r.DeleteObjectTagging(r.ctx, &api.DeleteObjectTaggingRequest{Bucket: one, Key: key}))(t)
	must(r.PutObjectRetention(r.ctx, &api.PutObjectRetentionRequest{Bucket: one, Key: key, Retention: &api.ObjectLockRetention{}}))(t)
	must(r.DeleteObject(r.ctx, &api.DeleteObjectRequest{Bucket: one, Key: key}))(t)
	must(r.DeleteObjects(r.ctx, &api.DeleteObjectsRequest{Bucket: one, Delete: &api.Delete{Objects: []api.ObjectIdentifier{{Key: key, VersionId: version}}}}))(t)
	must(r.GetObject(r.ctx, &api.GetObjectRequest{Bucket: one, Key: new("in/copy")}))(t)
	list := r.events("desk")
	var got []string
	for _, e := range list {
		got = append(got, strings.TrimPrefix(e.Event, "s3:")+" "+e.Key)
	}
	wanted := []string{
		"ObjectCreated:Put in/a", "ObjectCreated:Copy in/copy", "ObjectCreated:CompleteMultipartUpload in/parts", "ObjectTagging:Put in/a", "ObjectTagging:Delete in/a",
		"ObjectRetention:Put in/a", "ObjectRemoved:DeleteMarkerCreated in/a", "ObjectRemoved:Delete in/a",
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("events are %q", got)
	}
	first := list[0]
	if first.Version != *version || *first.Size != 5 || first.ETag != "5d41402abc4b2a76b9719d911017c592" || first.Notification != "n" || first.Principal != "AWS:"+alice || first.Owner != alice {
		t.Errorf("the first is %+v", first)
	}
	if last := list[len(list)-1]; last.Version != *version || last.Size != nil || last.ETag != "" {
		t.Errorf("the last is %+v", last)
	}
}
