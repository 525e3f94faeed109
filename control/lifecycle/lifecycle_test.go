package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// oneKey is the key of all buckets.
type oneKey struct{ *seal.Key }

func (k oneKey) BucketKey(context.Context, string) (*seal.Key, error) { return k.Key, nil }

// rig is a Reconciler on a real store and a real engine, with one bucket.
type rig struct {
	testing.TB
	*Reconciler
	clock time.Time
	at    cloud.Bucket
}

// start is in the middle of a day.
var start = time.Date(2026, 1, 15, 10, 30, 0, 0, time.UTC)

func newRig(t testing.TB, v object.Versioning, rules ...cloud.LifecycleRule) *rig {
	t.Helper()
	r := &rig{TB: t, clock: start}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	r.no(err)
	t.Cleanup(func() { r.no(db.Close()) })
	key, err := seal.New(seal.NewKey())
	r.no(err)
	objects, err := object.Open(object.Config{Dir: t.TempDir(), Keys: oneKey{key}, Now: func() time.Time { return r.clock }, MinFree: 1, MinPart: 1})
	r.no(err)
	t.Cleanup(func() { r.no(objects.Close()) })
	r.Reconciler = New(Config{DB: db, Objects: objects, Now: func() time.Time { return r.clock }, Rate: 1_000_000})
	r.at = cloud.Bucket{Meta: cloud.Meta{ID: "b-1", Account: "000000000001"}, Name: "one", Lifecycle: rules}
	r.no(objects.CreateBucket(t.Context(), r.at.ID))
	if v != object.Unversioned {
		r.no(objects.SetVersioning(t.Context(), r.at.ID, v))
	}
	r.save()
	return r
}

func (r *rig) no(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// save writes the bucket's document.
func (r *rig) save() {
	r.Helper()
	r.no(r.DB.Update(r.Context(), func(tx *store.Tx) error { return buckets.Put(tx, r.at) }))
}

func (r *rig) put(key string, change ...func(*object.PutInput)) object.Info {
	r.Helper()
	in := object.PutInput{Bucket: r.at.ID, Key: key, Size: 5}
	for _, c := range change {
		c(&in)
	}
	i, err := r.Objects.Put(r.Context(), in, strings.NewReader(strings.Repeat("x", int(in.Size))))
	r.no(err)
	return i
}

func (r *rig) remove(key, version string) {
	r.Helper()
	_, err := r.Objects.Delete(r.Context(), r.at.ID, object.DeleteInput{Key: key, Version: version})
	r.no(err)
}

func size(n int64) func(*object.PutInput) { return func(in *object.PutInput) { in.Size = n } }

func tagged(key, value string) func(*object.PutInput) {
	return func(in *object.PutInput) { in.Tags = map[string]string{key: value} }
}

// on lets time go on until a time, and walks through the bucket.
func (r *rig) on(until time.Time) {
	r.Helper()
	r.clock = until
	for range 1000 {
		if _, err := r.Reconcile(r.Context(), r.at.ID); err != nil {
			r.Fatal(err)
		}
		if run, ok := runs.Get(r.DB.View(), r.at.ID); !ok || run.Done {
			return
		}
	}
	r.Fatal("it does not end")
}

// left is what there is: "key" of a current version, "-key" of a marker, "key'" of an
// old version.
func (r *rig) left() string {
	r.Helper()
	list := []string{}
	for v, err := range r.Objects.All(r.Context(), r.at.ID, "") {
		r.no(err)
		name := v.Key
		if v.Marker {
			name = "-" + name
		}
		if !v.Latest {
			name += "'"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

func (r *rig) want(what, left string) {
	r.Helper()
	if got := r.left(); got != left {
		r.Errorf("%s: there is %q, want %q", what, got, left)
	}
}

func days(n int) *cloud.LifecycleExpiration { return &cloud.LifecycleExpiration{Days: n} }

// midnight is the n-th after the start.
func midnight(n int) time.Time { return start.Truncate(24*time.Hour).AddDate(0, 0, n) }

func TestExpiration(t *testing.T) {
	rule := func(f cloud.LifecycleFilter) cloud.LifecycleRule {
		return cloud.LifecycleRule{ID: "r", Filter: f, Expiration: days(3)}
	}
	for name, c := range map[string]struct {
		rule cloud.LifecycleRule
		left string // of a, big, logs/a, logs/blue and small
	}{
		"all":            {rule(cloud.LifecycleFilter{}), ""},
		"disabled":       {cloud.LifecycleRule{ID: "r", Disabled: true, Expiration: days(3)}, "a big logs/a logs/blue small"},
		"prefix":         {rule(cloud.LifecycleFilter{Prefix: new("logs/")}), "a big small"},
		"legacy prefix":  {cloud.LifecycleRule{ID: "r", Legacy: new("logs/"), Expiration: days(3)}, "a big small"},
		"tag":            {rule(cloud.LifecycleFilter{Tags: map[string]string{"color": "blue"}}), "a big logs/a small"},
		"other value":    {rule(cloud.LifecycleFilter{Tags: map[string]string{"color": "red"}}), "a big logs/a logs/blue small"},
		"above":          {rule(cloud.LifecycleFilter{Above: new(int64(5))}), "a logs/a logs/blue small"},
		"below":          {rule(cloud.LifecycleFilter{Below: new(int64(5))}), "a big logs/a logs/blue"},
		"and":            {rule(cloud.LifecycleFilter{And: true, Prefix: new("logs/"), Tags: map[string]string{"color": "blue"}, Above: new(int64(1))}), "a big logs/a small"},
		"date":           {cloud.LifecycleRule{ID: "r", Filter: cloud.LifecycleFilter{Prefix: new("a")}, Expiration: &cloud.LifecycleExpiration{Date: midnight(4)}}, "big logs/a logs/blue small"},
		"date to come":   {cloud.LifecycleRule{ID: "r", Expiration: &cloud.LifecycleExpiration{Date: midnight(5)}}, "a big logs/a logs/blue small"},
		"nothing to end": {cloud.LifecycleRule{ID: "r", Abort: 1}, "a big logs/a logs/blue small"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, object.Unversioned, c.rule)
			r.put("a")
			r.put("big", size(6))
			r.put("logs/a")
			r.put("logs/blue", tagged("color", "blue"))
			r.put("small", size(4))
			r.on(midnight(4).Add(-time.Second))
			r.want("before midnight", "a big logs/a logs/blue small")
			r.on(midnight(4))
			r.want("after it", c.left)
		})
	}
}

// A day may be short, for tests of others.
func TestShortDay(t *testing.T) {
	r := newRig(t, object.Unversioned, cloud.LifecycleRule{ID: "r", Expiration: days(2)})
	r.Day = 10 * time.Second
	r.put("a")
	r.on(start.Add(19 * time.Second))
	r.want("early", "a")
	r.on(start.Add(20 * time.Second))
	r.want("in time", "")
}

func TestVersions(t *testing.T) {
	r := newRig(t, object.Enabled,
		cloud.LifecycleRule{ID: "now", Expiration: days(1)},
		cloud.LifecycleRule{ID: "old", Noncurrent: &cloud.NoncurrentExpiry{Days: 5, Newer: 2}})
	for range 4 {
		r.put("a")
	}
	r.put("b")
	r.remove("b", "")
	r.on(midnight(2))
	r.want("the current ones are hidden", "-a a' a' a' a' -b b'")
	r.on(midnight(6))
	r.want("two old ones stay beside those of the markers' time", "-a a' a' -b b'")
	r.at.Lifecycle = cloud.Lifecycle{{ID: "old", Noncurrent: &cloud.NoncurrentExpiry{Days: 1}}}
	r.save()
	r.on(midnight(8))
	r.want("all old ones go", "-a -b")
	r.at.Lifecycle = cloud.Lifecycle{{ID: "markers", Expiration: &cloud.LifecycleExpiration{Markers: new(true)}}}
	r.save()
	r.put("c")
	r.remove("c", "")
	r.on(midnight(8).Add(time.Hour))
	r.want("markers that hide nothing go at once, since the rules are new", "-c c'")
}

// Days of an expiration count for markers that hide nothing, too.
func TestOldMarkers(t *testing.T) {
	r := newRig(t, object.Enabled, cloud.LifecycleRule{ID: "r", Filter: cloud.LifecycleFilter{Prefix: new("a")}, Expiration: days(2)})
	for _, key := range []string{"a", "b"} {
		r.remove(key, "")
	}
	r.on(midnight(2))
	r.want("early", "-a -b")
	r.on(midnight(3))
	r.want("in time", "-b")
}

func TestSuspended(t *testing.T) {
	r := newRig(t, object.Suspended, cloud.LifecycleRule{ID: "r", Expiration: days(1)})
	r.put("a")
	r.on(midnight(2))
	r.want("a null marker took its place", "-a")
}

// What is retained or held stays, whatever the rules say, and goes later.
func TestLocks(t *testing.T) {
	r := newRig(t, object.Enabled, cloud.LifecycleRule{ID: "r", Expiration: days(1), Noncurrent: &cloud.NoncurrentExpiry{Days: 1}})
	r.no(r.Objects.EnableLock(r.Context(), r.at.ID))
	retained := func(m object.Mode) func(*object.PutInput) {
		return func(in *object.PutInput) { in.Retention = object.Retention{Mode: m, Until: midnight(10)} }
	}
	r.put("compliance", retained(object.Compliance))
	r.put("governance", retained(object.Governance))
	held := r.put("held", func(in *object.PutInput) { in.Hold = true })
	r.put("free")
	r.on(midnight(2))
	r.on(midnight(5))
	r.want("while they are locked", "-compliance compliance' -free -governance governance' -held held'")
	r.on(midnight(11))
	r.want("after the retention", "-compliance -governance -held held'")
	_, err := r.Objects.Update(r.Context(), r.at.ID, "held", held.Version, false, func(a *object.Attributes) error { a.Hold = false; return nil })
	r.no(err)
	r.on(midnight(12))
	r.on(midnight(13))
	r.want("after the hold", "")
}

func TestUploads(t *testing.T) {
	r := newRig(t, object.Unversioned, cloud.LifecycleRule{ID: "r", Filter: cloud.LifecycleFilter{Prefix: new("a")}, Abort: 2})
	for _, key := range []string{"a", "b"} {
		u, err := r.Objects.CreateUpload(r.Context(), object.UploadInput{Bucket: r.at.ID, Key: key})
		r.no(err)
		_, err = r.Objects.PutPart(r.Context(), object.PartInput{Bucket: r.at.ID, Key: key, Upload: u.ID, Number: 1, Size: 1}, strings.NewReader("x"))
		r.no(err)
	}
	uploads := func() int64 {
		u, err := r.Objects.Usage(r.Context(), r.at.ID)
		r.no(err)
		return u.Uploads*10 + u.Pending
	}
	r.on(midnight(2))
	if n := uploads(); n != 22 {
		t.Errorf("early: %d", n)
	}
	r.on(midnight(3))
	if n := uploads(); n != 11 {
		t.Errorf("in time: %d", n)
	}
}

// A walk goes on where it was, in steps of any size, over keys with many versions and
// markers at the end of pages.
func TestResumes(t *testing.T) {
	r := newRig(t, object.Enabled, cloud.LifecycleRule{
		ID: "r", Expiration: &cloud.LifecycleExpiration{Markers: new(true)}, Noncurrent: &cloud.NoncurrentExpiry{Days: 1, Newer: 1},
	})
	const page = 10
	for k := range page - 1 {
		r.put(fmt.Sprintf("a%04d", k))
	}
	r.put("b") // under the marker that ends the first page
	r.remove("b", "")
	r.remove("c", "")
	for range page + 5 {
		r.put("many")
	}
	r.clock, r.Slice = midnight(2), 1
	steps, before := 0, ""
	for ; ; steps++ {
		// Each step by another process.
		next := New(r.Config)
		next.page = page
		if _, err := next.Reconcile(t.Context(), r.at.ID); err != nil {
			t.Fatal(err)
		}
		run, _ := runs.Get(r.DB.View(), r.at.ID)
		if run.Done {
			break
		}
		if at := run.After + run.AfterVersion; at == before && !run.Uploads {
			t.Fatalf("it stays at %q", at)
		} else {
			before = at
		}
	}
	if steps < 2 {
		t.Errorf("it took %d steps", steps)
	}
	left := strings.Fields(r.left())
	if got := strings.Join(left[page-1:], " "); got != "-b b' many many'" {
		t.Errorf("behind %d others there is %q", page-1, got)
	}
}

// New rules count at once, the same ones once a day.
func TestOnceADay(t *testing.T) {
	r := newRig(t, object.Unversioned, cloud.LifecycleRule{ID: "r", Expiration: &cloud.LifecycleExpiration{Date: midnight(-10)}})
	r.on(start)
	r.put("a")
	again, err := r.Reconcile(t.Context(), r.at.ID)
	r.no(err)
	if want := midnight(1).Sub(start); again != want {
		t.Errorf("it looks again in %v, not %v", again, want)
	}
	r.want("on the same day", "a")
	r.at.Lifecycle[0].ID = "another"
	r.save()
	r.on(start)
	r.want("with other rules", "")
	r.at.Lifecycle = nil
	r.save()
	r.on(start)
	if _, ok := runs.Get(r.DB.View(), r.at.ID); ok {
		t.Error("without rules the progress is still there")
	}
}

// What changed since it was looked at is not removed.
func TestRemovesWhatItSaw(t *testing.T) {
	r := newRig(t, object.Unversioned, cloud.LifecycleRule{ID: "r", Expiration: days(1)})
	r.put("a")
	r.clock = midnight(3)
	w := &walk{Reconciler: r.Reconciler, b: r.at, run: cloud.LifecycleRun{Bucket: r.at.ID}, now: r.clock, unversioned: true}
	l, err := r.Objects.Versions(t.Context(), r.at.ID, object.VersionsInput{ListInput: object.ListInput{Max: 10}})
	r.no(err)
	r.no(w.current(t.Context(), &l.Versions[0]))
	r.put("a")
	r.no(w.remove(t.Context()))
	r.want("the new one", "a")
}

func TestEvents(t *testing.T) {
	r := newRig(t, object.Enabled, cloud.LifecycleRule{ID: "r", Expiration: days(1), Noncurrent: &cloud.NoncurrentExpiry{Days: 1}})
	r.at.Notifications = []cloud.Notification{{ID: "n", Queue: "q", Events: []string{"s3:LifecycleExpiration:*"}}}
	r.save()
	r.put("a")
	r.on(midnight(2))
	r.on(midnight(4))
	notes, err := r.Objects.Peek(t.Context(), "q", 10)
	r.no(err)
	var events []string
	for _, n := range notes {
		var e cloud.ObjectEvent
		r.no(json.Unmarshal(n.Body, &e))
		events = append(events, e.Event+" "+e.Key+" "+e.Principal)
	}
	want := []string{"s3:LifecycleExpiration:DeleteMarkerCreated a s3.amazonaws.com", "s3:LifecycleExpiration:Delete a s3.amazonaws.com"}
	if !slices.Equal(events, want) {
		t.Errorf("events are %q", events)
	}
}

func TestBucketGone(t *testing.T) {
	r := newRig(t, object.Unversioned, cloud.LifecycleRule{ID: "r", Expiration: days(1)})
	r.on(start)
	r.no(r.Objects.DeleteBucket(t.Context(), r.at.ID))
	r.clock = midnight(1)
	if _, err := r.Reconcile(t.Context(), r.at.ID); err != nil {
		t.Errorf("without objects: %v", err)
	}
	r.no(r.DB.Update(t.Context(), func(tx *store.Tx) error { return buckets.Delete(tx, r.at.ID) }))
	r.on(midnight(1))
	if _, ok := runs.Get(r.DB.View(), r.at.ID); ok {
		t.Error("the progress outlives the bucket")
	}
}
