package accesslog

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

type oneKey struct{ *seal.Key }

func (k oneKey) BucketKey(context.Context, string) (*seal.Key, error) { return k.Key, nil }

// rig is a Writer with a bucket "one" that logs into "logs".
type rig struct {
	testing.TB
	*Writer
	clock     time.Time
	one, logs cloud.Bucket
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{TB: t, clock: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	r.no(err)
	t.Cleanup(func() { r.no(db.Close()) })
	key, err := seal.New(seal.NewKey())
	r.no(err)
	now := func() time.Time { return r.clock }
	objects, err := object.Open(object.Config{Dir: t.TempDir(), Keys: oneKey{key}, Now: now, MinFree: 1})
	r.no(err)
	t.Cleanup(func() { r.no(objects.Close()) })
	r.Writer = New(Config{
		DB: db, Objects: objects, Place: cloud.DefaultPlace(), Owner: func(account string) string { return "canonical-" + account[11:] },
		Log: slog.New(slog.DiscardHandler), Now: now, Every: time.Hour, Most: 4000,
	})
	r.one = cloud.Bucket{Meta: cloud.Meta{ID: "b-1", Account: "000000000001"}, Name: "one", Logging: &cloud.BucketLogging{Bucket: "b-2", Name: "logs", Prefix: "to/"}}
	r.logs = cloud.Bucket{Meta: cloud.Meta{ID: "b-2", Account: "000000000001"}, Name: "logs"}
	r.no(objects.CreateBucket(t.Context(), r.logs.ID))
	r.save(r.one, r.logs)
	return r
}

func (r *rig) no(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) save(list ...cloud.Bucket) {
	r.Helper()
	r.no(r.DB.Update(r.Context(), func(tx *store.Tx) error {
		for _, b := range list {
			if err := buckets.Put(tx, b); err != nil {
				return err
			}
		}
		return nil
	}))
}

// written is what the log objects hold, by key.
func (r *rig) written() map[string]string {
	r.Helper()
	out := map[string]string{}
	for v, err := range r.Objects.All(r.Context(), r.logs.ID, "") {
		r.no(err)
		body, _, err := r.Objects.Get(r.Context(), object.GetInput{Bucket: r.logs.ID, Key: v.Key})
		r.no(err)
		text, err := io.ReadAll(body)
		r.no(err)
		r.no(body.Close())
		out[v.Key] = string(text)
	}
	return out
}

var access = Access{
	Time: time.Date(2026, 2, 3, 4, 0, 0, 0, time.UTC), RequestID: "R", Operation: "GetObject", Key: "a b/ü", Version: "v", Method: "GET",
	URI: "/one/a%20b/%C3%BC?X-Amz-Signature=abc&X-Amz-Date=now", Proto: "HTTP/1.1", Status: 206, Sent: 10, Size: 100,
	Total: 70 * time.Millisecond, First: 7 * time.Millisecond, Agent: `curl "x"`, SourceIP: "10.0.0.1", HostID: "H", Auth: "QueryString", Host: "one.s3.localhost",
	Caller: cloud.Caller{Account: "000000000001", Type: cloud.PrincipalUser, ARN: "arn:aws:iam::000000000001:user/ann"},
}

func TestLine(t *testing.T) {
	r := newRig(t)
	other := Access{Time: access.Time, Operation: "PutBucketPolicy", Method: "PUT", URI: "/one?policy", Proto: "HTTP/1.1", Status: 403, Code: "AccessDenied", Size: -1, TLS: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256"}
	for want, a := range map[string]Access{
		`canonical-1 one [03/Feb/2026:04:00:00 +0000] 10.0.0.1 arn:aws:iam::000000000001:user/ann R REST.GET.OBJECT a%20b/%C3%BC "GET /one/a%20b/%C3%BC?X-Amz-Signature=-&X-Amz-Date=now HTTP/1.1" 206 - 10 100 70 7 "-" "curl %22x%22" v H SigV4 - QueryString one.s3.localhost - - - eu-paris-1` + "\n": access,
		`canonical-1 one [03/Feb/2026:04:00:00 +0000] - - - REST.PUT.BUCKETPOLICY - "PUT /one?policy HTTP/1.1" 403 AccessDenied - - 0 0 "-" "-" - - - TLS_AES_128_GCM_SHA256 - - TLSv1.3 - - eu-paris-1` + "\n":                                                                                           other,
	} {
		if got := a.line("canonical-1", "one", r.requester(a.Caller), "eu-paris-1"); got != want {
			t.Errorf("it is\n%swant\n%s", got, want)
		}
	}
	if got := r.requester(cloud.Caller{Account: "000000000002", Type: cloud.PrincipalRoot}); got != "canonical-2" {
		t.Errorf("a root is %s", got)
	}
}

// Lines of one bucket come together, in order, under a key of the wanted form.
func TestLogObjects(t *testing.T) {
	for name, c := range map[string]struct {
		partition, key string
		objects        int
	}{
		"simple":   {"", `^to/2026-02-03-04-05-06-[0-9A-F]{16}$`, 1},
		"delivery": {"DeliveryTime", `^to/000000000001/eu-paris-1/one/2026/02/03/2026-02-03-04-05-06-[0-9A-F]{16}$`, 1},
		"event":    {"EventTime", `^to/000000000001/eu-paris-1/one/2026/02/0[23]/2026-02-0[23]-00-00-00-[0-9A-F]{16}$`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.one.Logging.Partition = c.partition
			yesterday := access
			yesterday.Time, yesterday.RequestID = access.Time.AddDate(0, 0, -1), "Y"
			r.Note(r.one, yesterday)
			r.Note(r.one, access)
			r.Note(r.logs, access) // which logs nothing
			r.no(r.Flush(t.Context()))
			r.no(r.Flush(t.Context())) // nothing is left
			lines := 0
			for key, text := range r.written() {
				if !regexp.MustCompile(c.key).MatchString(key) {
					t.Errorf("a key is %s", key)
				}
				lines += strings.Count(text, "\n")
			}
			if n := len(r.written()); n != c.objects || lines != 2 {
				t.Errorf("%d objects, %d lines", n, lines)
			}
		})
	}
}

// The target's default retention and notifications count.
func TestTarget(t *testing.T) {
	r := newRig(t)
	r.no(r.Objects.SetVersioning(t.Context(), r.logs.ID, object.Enabled))
	r.no(r.Objects.EnableLock(t.Context(), r.logs.ID))
	r.logs.Retention = &cloud.DefaultRetention{Mode: "COMPLIANCE", Days: 2}
	r.logs.Notifications = []cloud.Notification{{ID: "n", Queue: "q", Events: []string{"s3:ObjectCreated:Put"}}}
	r.save(r.logs)
	r.Note(r.one, access)
	r.no(r.Flush(t.Context()))
	for key := range r.written() {
		i, err := r.Objects.Head(t.Context(), object.GetInput{Bucket: r.logs.ID, Key: key})
		r.no(err)
		if i.Retention.Mode != object.Compliance || !i.Retention.Until.Equal(r.clock.AddDate(0, 0, 2)) {
			t.Errorf("it is retained %+v", i.Retention)
		}
	}
	if notes, err := r.Objects.Peek(t.Context(), "q", 10); err != nil || len(notes) != 1 {
		t.Errorf("%d events, %v", len(notes), err)
	}
}

// What waits is bounded, survives a failure, and is dropped only where it cannot go.
func TestBounds(t *testing.T) {
	r := newRig(t)
	for range 100 {
		r.Note(r.one, access)
	}
	if r.size > r.Most || r.lost == 0 {
		t.Errorf("%d bytes wait, %d lines are lost", r.size, r.lost)
	}
	select {
	case <-r.full:
	default:
		t.Error("nobody was told that much waits")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Flush(canceled); err == nil {
		t.Fatal("it was written all the same")
	}
	waits := r.size
	r.no(r.Flush(t.Context()))
	if r.size != 0 || len(r.written()) != 1 {
		t.Errorf("%d of %d bytes wait, there are %d objects", r.size, waits, len(r.written()))
	}
	r.one.Logging.Bucket = "b-gone"
	r.Note(r.one, access)
	r.no(r.Flush(t.Context()))
	if r.size != 0 {
		t.Errorf("%d bytes wait for a bucket that is gone", r.size)
	}
}

func TestRun(t *testing.T) {
	r := newRig(t)
	r.Every = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.Note(r.one, access)
	for deadline := time.Now().Add(time.Minute); len(r.written()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it writes nothing")
		}
	}
	cancel()
	r.no(<-done)
}
