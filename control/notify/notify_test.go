package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
)

type oneKey struct{ *seal.Key }

func (k oneKey) BucketKey(context.Context, string) (*seal.Key, error) { return k.Key, nil }

// rig is a real engine, from which couriers deliver.
type rig struct {
	testing.TB
	*object.Store
	dir string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{TB: t, dir: t.TempDir()}
	r.open()
	t.Cleanup(func() { r.no(r.Close()) })
	return r
}

func (r *rig) no(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) open() {
	r.Helper()
	key, err := seal.New(seal.NewKey())
	r.no(err)
	r.Store, err = object.Open(object.Config{Dir: r.dir, Keys: oneKey{key}, MinFree: 1})
	r.no(err)
}

// leave leaves an event of a key in a queue.
func (r *rig) leave(queue, key string, at time.Time) {
	r.Helper()
	size := int64(5)
	body, err := json.Marshal(cloud.ObjectEvent{
		Event: "s3:ObjectCreated:Put", Notification: "n-1", Time: at, Bucket: "one", Owner: "000000000001", Key: key, ETag: "e", Size: &size, Principal: "AWS:AIDA", SourceIP: "10.0.0.1", RequestID: "R",
	})
	r.no(err)
	r.no(r.Leave(r.Context(), object.Note{Queue: queue, Body: body}))
}

// run starts a courier, and returns what ends it.
func (r *rig) run(c Config, destinations ...string) (end func(), courier *Courier) {
	r.Helper()
	for _, text := range destinations {
		d, err := Parse(text)
		r.no(err)
		c.Destinations = append(c.Destinations, d)
	}
	c.Dead = filepath.Join(r.dir, "undelivered")
	c.Objects, c.Region, c.Owner, c.Log = r.Store, "eu-paris-1", func(string) string { return "canonical" }, slog.New(slog.DiscardHandler)
	c.MinDelay, c.MaxDelay = time.Millisecond, 10*time.Millisecond
	or(&c.MaxAge, 24*time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	courier = New(c)
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- courier.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		r.no(<-done)
	})
	r.Cleanup(end)
	return end, courier
}

// until waits for something to be true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (r *rig) empty(queue string) bool {
	list, err := r.Peek(r.Context(), queue, 1)
	r.no(err)
	return len(list) == 0
}

// hook is a webhook that remembers what it took.
type hook struct {
	*httptest.Server
	down     atomic.Bool
	refusing atomic.Value // the key, or "*", of what is answered with 400
	asked    atomic.Int64

	mu    sync.Mutex
	keys  []string // guarded by mu
	last  string   // body; guarded by mu
	login string   // guarded by mu
}

func newHook(t testing.TB) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if h.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(q.Body)
		var m struct {
			Event   string
			Records []struct {
				S3 struct{ Object struct{ Key string } }
			}
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		h.asked.Add(1)
		if bad, _ := h.refusing.Load().(string); bad == "*" || bad != "" && bad == m.Records[0].S3.Object.Key {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, x := range m.Records {
			h.keys = append(h.keys, x.S3.Object.Key)
		}
		h.last = string(body)
		h.login, _, _ = q.BasicAuth()
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) got() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.keys, " ")
}

func TestWebhook(t *testing.T) {
	r, h := newRig(t), newHook(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	r.leave("hook", "a b+ü/c", at)
	r.run(Config{Now: func() time.Time { return at }}, "hook="+strings.Replace(h.URL, "//", "//ann:secret@", 1))
	until(t, "it is empty", func() bool { return r.empty("hook") })
	h.mu.Lock()
	defer h.mu.Unlock()
	var m message
	r.no(json.Unmarshal([]byte(h.last), &m))
	sequencer := m.Records[0].S3.Object.Sequencer
	want := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-paris-1","eventTime":"2026-01-02T03:04:05.006Z","eventName":"ObjectCreated:Put",` +
		`"userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"10.0.0.1"},"responseElements":{"x-amz-id-2":"Ug==","x-amz-request-id":"R"},` +
		`"s3":{"s3SchemaVersion":"1.0","configurationId":"n-1","bucket":{"name":"one","ownerIdentity":{"principalId":"canonical"},"arn":"arn:aws:s3:::one"},` +
		`"object":{"key":"a+b%2B%C3%BC/c","size":5,"eTag":"e","sequencer":"` + sequencer + `"}}}]}`
	if h.last != want {
		t.Errorf("it is\n%s, want\n%s", h.last, want)
	}
	if h.login != "ann" {
		t.Errorf("it came from %q", h.login)
	}
}

// A destination that is down holds up its own queue only, and loses nothing; a restart of
// everything neither.
func TestRetriesInOrder(t *testing.T) {
	r, bad, good := newRig(t), newHook(t), newHook(t)
	bad.down.Store(true)
	var want []string
	for k := range 2*batch + 5 {
		want = append(want, fmt.Sprint(k))
		r.leave("bad", fmt.Sprint(k), time.Now())
	}
	r.leave("good", "g", time.Now())
	end, c := r.run(Config{}, "bad="+bad.URL, "good="+good.URL)
	until(t, "the good one has it", func() bool { return good.got() == "g" })
	until(t, "the bad one fails", func() bool { return c.Failing()["bad"] != nil })
	if c.Failing()["good"] != nil || strings.Contains(c.Failing()["bad"].Error(), bad.URL) {
		t.Errorf("failing are %v", c.Failing())
	}
	end()
	r.no(r.Close())
	r.open()
	bad.down.Store(false)
	_, c = r.run(Config{}, "bad="+bad.URL, "good="+good.URL)
	until(t, "the bad one has all", func() bool { return r.empty("bad") })
	if got := bad.got(); got != strings.Join(want, " ") {
		t.Errorf("it has %q", got)
	}
	r.leave("bad", "later", time.Now())
	until(t, "the bad one has what comes later", func() bool { return strings.HasSuffix(bad.got(), " later") })
	until(t, "nothing fails", func() bool { return len(c.Failing()) == 0 })
}

func TestFile(t *testing.T) {
	r, path := newRig(t), filepath.Join(t.TempDir(), "queue")
	r.no(os.WriteFile(path, []byte(`{"half`), 0o600))
	for _, key := range []string{"a", "b"} {
		r.leave("file", key, time.Now())
	}
	r.run(Config{}, "file=file://"+path)
	until(t, "it is empty", func() bool { return r.empty("file") })
	text, err := os.ReadFile(path)
	r.no(err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 3 || lines[0] != `{"half` || !strings.Contains(lines[1], `"key":"a"`) || !strings.Contains(lines[2], `"key":"b"`) {
		t.Errorf("it holds %q", lines)
	}
	r.no(os.Remove(path)) // as who rotates it does
	r.leave("file", "c", time.Now())
	until(t, "there is another file", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(text), `"key":"c"`) && strings.HasSuffix(string(text), "\n")
	})
}

// What nobody takes is given up one day, and bounded until then.
func TestBounds(t *testing.T) {
	r, h := newRig(t), newHook(t)
	h.down.Store(true)
	r.leave("hook", "old", time.Now().Add(-2*time.Hour))
	for k := range 20 {
		r.leave("hook", fmt.Sprint(k), time.Now())
	}
	r.leave("gone", "old", time.Now().Add(-2*time.Hour))
	r.leave("gone", "new", time.Now())
	_, c := r.run(Config{MaxLength: 10, MaxAge: time.Hour}, "hook="+h.URL)
	until(t, "all but ten are dropped", func() bool {
		queues, err := r.Queues(t.Context())
		r.no(err)
		return len(queues) == 2 && queues[0].Length == 1 && queues[1].Length == 10
	})
	until(t, "it tells of a destination that is not there", func() bool { return c.Failing()["gone"] != nil })
	h.down.Store(false)
	until(t, "it is empty", func() bool { return r.empty("hook") })
	if got := h.got(); got != "10 11 12 13 14 15 16 17 18 19" {
		t.Errorf("it has %q", got)
	}
	if got := r.undelivered(c, "hook"); strings.Join(got, " ") != "old 0 1 2 3 4 5 6 7 8 9" {
		t.Errorf("given up are %q", got)
	}
}

// undelivered are the keys of what was given up.
func (r *rig) undelivered(c *Courier, queue string) (keys []string) {
	r.Helper()
	text, err := os.ReadFile(c.deadPath(queue))
	if os.IsNotExist(err) {
		return nil
	}
	r.no(err)
	for line := range strings.Lines(string(text)) {
		var m message
		r.no(json.Unmarshal([]byte(line), &m))
		keys = append(keys, m.Records[0].S3.Object.Key)
	}
	return keys
}

// What a webhook refuses is sent some times, and then kept apart; what comes behind it goes
// on. If it refuses everything, each of the others is sent once.
func TestRefused(t *testing.T) {
	r, h := newRig(t), newHook(t)
	h.refusing.Store("b")
	for _, key := range []string{"a", "b", "c"} {
		r.leave("hook", key, time.Now())
	}
	_, c := r.run(Config{}, "hook="+h.URL)
	until(t, "it is empty", func() bool { return r.empty("hook") })
	if got, dead := h.got(), r.undelivered(c, "hook"); got != "a c" || !slices.Equal(dead, []string{"b"}) || h.asked.Load() != tries+2 {
		t.Errorf("after %d requests it has %q, and not %q", h.asked.Load(), got, dead)
	}
	h.refusing.Store("*")
	h.asked.Store(0)
	var want []string
	for k := range batch + 50 {
		want = append(want, fmt.Sprint(k))
		r.leave("hook", fmt.Sprint(k), time.Now())
	}
	until(t, "it is empty again", func() bool { return r.empty("hook") })
	if dead := r.undelivered(c, "hook"); !slices.Equal(dead[1:], want) || h.asked.Load() != int64(tries+len(want)-1) {
		t.Errorf("after %d requests it has not %q", h.asked.Load(), dead)
	}
	if list := c.Undelivered(); !slices.Equal(list, []string{c.deadPath("hook")}) {
		t.Errorf("undelivered are %v", list)
	}
	h.refusing.Store("")
	r.leave("hook", "z", time.Now())
	until(t, "it takes again", func() bool { return r.empty("hook") })
	if got := h.got(); got != "a c z" {
		t.Errorf("it has %q", got)
	}
}

func TestRefuses(t *testing.T) {
	for status, want := range map[int]bool{200: false, 302: false, 400: true, 401: true, 404: true, 408: false, 410: true, 422: true, 425: false, 429: false, 500: false, 503: false} {
		if refuses(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func TestParse(t *testing.T) {
	for text, ok := range map[string]bool{
		"a=https://example.org/hook": true, "a-b_C9=http://ann:x@10.0.0.1:80/": true, "a@123456789012=file:///var/q": true,
		"a": false, "=https://example.org": false, "a b=https://example.org": false, "a=ftp://example.org": false, "a=https://": false,
		"a=file://host/q": false, "a=file:q": false, "a@12=https://example.org": false, "a=https://ann:s%zz@x": false,
	} {
		_, err := Parse(text)
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "s%zz") {
			t.Errorf("%v shows a password", err)
		}
	}
	d, err := Parse("a@123456789012=https://ann:secret@example.org/x")
	if err != nil || strings.Contains(d.String(), "secret") {
		t.Errorf("%s %v", d.String(), err)
	}
	c := New(Config{Destinations: []Destination{d}})
	if c.Queue("a", "123456789012") != "a" || c.Queue("a", "000000000001") != "" || c.Queue("b", "123456789012") != "" {
		t.Error("it belongs to others")
	}
}

// Redirects lead where the operator did not say.
func TestNoRedirects(t *testing.T) {
	r, h := newRig(t), newHook(t)
	away := httptest.NewServer(http.RedirectHandler(h.URL, http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	r.leave("hook", "a", time.Now())
	_, c := r.run(Config{}, "hook="+away.URL)
	until(t, "it fails", func() bool { return c.Failing()["hook"] != nil })
	if h.got() != "" {
		t.Error("it was followed")
	}
}
