package s3

import (
	"reflect"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

func TestBucketLogging(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	r.bucket("logs")
	must(r.CreateBucket(r.bob, &api.CreateBucketRequest{Bucket: new("bobs")}))(t)
	on := func(change func(*api.LoggingEnabled)) *api.LoggingEnabled {
		l := &api.LoggingEnabled{TargetBucket: new("logs"), TargetPrefix: new("one/")}
		change(l)
		return l
	}
	form := func(f api.TargetObjectKeyFormat) *api.LoggingEnabled {
		return on(func(l *api.LoggingEnabled) { l.TargetObjectKeyFormat = &f })
	}
	for name, c := range map[string]struct {
		in   *api.LoggingEnabled
		code string
	}{
		"plain":       {on(func(*api.LoggingEnabled) {}), ""},
		"itself":      {on(func(l *api.LoggingEnabled) { l.TargetBucket = new("one") }), ""},
		"simple":      {form(api.TargetObjectKeyFormat{SimplePrefix: &api.SimplePrefix{}}), ""},
		"delivery":    {form(api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{PartitionDateSource: new("DeliveryTime")}}), ""},
		"event":       {form(api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{PartitionDateSource: new("EventTime")}}), ""},
		"off":         {nil, ""},
		"no prefix":   {on(func(l *api.LoggingEnabled) { l.TargetPrefix = nil }), "MalformedXML"},
		"no target":   {on(func(l *api.LoggingEnabled) { l.TargetBucket = nil }), "MalformedXML"},
		"neither":     {form(api.TargetObjectKeyFormat{}), "MalformedXML"},
		"other date":  {form(api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{PartitionDateSource: new("Today")}}), "MalformedXML"},
		"grants":      {on(func(l *api.LoggingEnabled) { l.TargetGrants = []api.TargetGrant{{Permission: new("READ")}} }), "AccessControlListNotSupported"},
		"none":        {on(func(l *api.LoggingEnabled) { l.TargetBucket = new("none") }), "InvalidTargetBucketForLogging"},
		"bob's":       {on(func(l *api.LoggingEnabled) { l.TargetBucket = new("bobs") }), "InvalidTargetBucketForLogging"},
		"long prefix": {on(func(l *api.LoggingEnabled) { l.TargetPrefix = new(strings.Repeat("x", 513)) }), "InvalidArgument"},
	} {
		_, err := r.PutBucketLogging(r.ctx, &api.PutBucketLoggingRequest{Bucket: new("one"), BucketLoggingStatus: &api.BucketLoggingStatus{LoggingEnabled: c.in}})
		want(t, name, err, c.code)
		if err != nil {
			continue
		}
		if got := must(r.GetBucketLogging(r.ctx, &api.GetBucketLoggingRequest{Bucket: new("one")}))(t).LoggingEnabled; !reflect.DeepEqual(got, c.in) {
			t.Errorf("%s: it comes back as %+v", name, got)
		}
	}
	want(t, "nothing", second(r.PutBucketLogging(r.ctx, &api.PutBucketLoggingRequest{Bucket: new("one")})), "MalformedXML")
	byDefault := form(api.TargetObjectKeyFormat{PartitionedPrefix: &api.PartitionedPrefix{}})
	must(r.PutBucketLogging(r.ctx, &api.PutBucketLoggingRequest{Bucket: new("one"), BucketLoggingStatus: &api.BucketLoggingStatus{LoggingEnabled: byDefault}}))(t)
	got := must(r.GetBucketLogging(r.ctx, &api.GetBucketLoggingRequest{Bucket: new("one")}))(t).LoggingEnabled
	if source := got.TargetObjectKeyFormat.PartitionedPrefix.PartitionDateSource; *source != "EventTime" {
		t.Errorf("the date is of %s", *source)
	}
}
