package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// openBuckets opens the objects of a rig, with a bucket.
func (r *rig) openBuckets() {
	r.Helper()
	if err := r.openObjects(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(r.closeObjects)
	if err := r.openTending(); err != nil {
		r.Fatal(err)
	}
	if err := r.objects.CreateBucket(r.Context(), "b-1"); err != nil {
		r.Fatal(err)
	}
	err := r.db.Update(r.Context(), func(tx *store.Tx) error {
		b := cloud.Bucket{Meta: cloud.Meta{ID: "b-1", Account: "000000000001"}, Name: "one", Logging: &cloud.BucketLogging{Bucket: "b-1", Name: "one", Prefix: "log/"}}
		b.Sealed = r.directory.Keys.Objects.Seal("bucket/b-1", make([]byte, 32))
		if err := tx.Claim(cloud.BucketNames, "one", b.ID); err != nil {
			return err
		}
		return buckets.Create(tx, b)
	})
	if err != nil {
		r.Fatal(err)
	}
}

// What a crash in the middle of CreateBucket has left goes at the next start; what holds
// something stays.
func TestSweepBuckets(t *testing.T) {
	r := newRig(t)
	r.openBuckets()
	for _, id := range []string{"b-empty", "b-upload"} {
		if err := r.objects.CreateBucket(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	// The key of a bucket that nobody knows is the caller's.
	key := make([]byte, 32)
	if _, err := r.objects.CreateUpload(t.Context(), object.UploadInput{Bucket: "b-upload", Key: "k", CustomerKey: key}); err != nil {
		t.Fatal(err)
	}
	if err := r.sweepBuckets(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := r.objects.Buckets()
	slices.Sort(left)
	if !slices.Equal(left, []string{"b-1", "b-upload"}) {
		t.Errorf("there are %v", left)
	}
	if !strings.Contains(r.log.String(), "b-upload") {
		t.Error("the operator does not learn of it")
	}
}

// Requests are counted for, and logged into, the bucket that they name; what waits is
// kept at the end.
func TestAudit(t *testing.T) {
	r := newRig(t)
	r.openBuckets()
	for _, rec := range []gateway.Record{
		{Service: "s3", Operation: "PutObject", Status: 200, HTTP: gateway.Exchange{Method: "PUT", Path: "/one/a", Received: 5}},
		{Service: "s3", Operation: "GetObject", Status: 200, HTTP: gateway.Exchange{Method: "GET", Path: "/one/a", Sent: 7}},
		{Service: "s3", Operation: "ListObjectsV2", Status: 200, HTTP: gateway.Exchange{Method: "GET", Path: "/one", Sent: 9}},
		{Service: "s3", Operation: "GetObject", Status: 404, HTTP: gateway.Exchange{Method: "GET", Path: "/none/a"}},
		{Service: "s3", Operation: "ListBuckets", Status: 200, HTTP: gateway.Exchange{Method: "GET", Path: "/"}},
		{Service: "ec2", Operation: "RunInstances", Status: 200},
	} {
		r.audit(t.Context(), rec)
	}
	want := BucketUsage{Account: "000000000001", Bucket: "one", ID: "b-1", Reads: 1, Writes: 2, In: 5, Out: 16}
	usage := func(f UsageFilter) BucketUsage {
		t.Helper()
		list, err := r.bucketUsage(t.Context(), f)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v gives %+v, %v", f, list, err)
		}
		list[0].Time = time.Time{}
		return list[0]
	}
	if got := usage(UsageFilter{Bucket: "one"}); got != want {
		t.Errorf("usage is %+v", got)
	}
	for _, f := range []UsageFilter{{Bucket: "two"}, {Account: "000000000002"}} {
		if list, err := r.bucketUsage(t.Context(), f); err != nil || len(list) != 0 {
			t.Errorf("%+v gives %+v, %v", f, list, err)
		}
	}
	r.tending.end(r.running.log)
	if u, err := r.objects.Usage(t.Context(), "b-1"); err != nil || u.Objects != 1 {
		t.Errorf("%d log objects, %v", u.Objects, err)
	}
	r.clock.Store(time.Now().Unix())
	want.Objects, want.Versions = 1, 1
	got := usage(UsageFilter{Account: "000000000001", Since: time.Now().Add(-2 * time.Hour)})
	want.Bytes = got.Bytes // of the log
	if got != want || got.Bytes == 0 {
		t.Errorf("the sample is %+v", got)
	}
}

func TestDestinations(t *testing.T) {
	for list, good := range map[string]bool{"": true, "a=https://example.org b=file:///q": true, "a=https://example.org a=file:///q": false, "nonsense": false} {
		c := Default()
		c.Destinations = strings.Fields(list)
		err := c.Validate()
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "--notification-destination") {
			t.Errorf("%q: %v", list, err)
		}
	}
}
