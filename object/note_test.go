package object_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/object"
)

// note leaves what happened in a queue.
func note(queue string) object.Notes {
	return func(i object.Info) []object.Note {
		kind := "object"
		if i.Marker {
			kind = "marker"
		}
		return []object.Note{{queue, []byte(kind + " " + i.Key)}}
	}
}

func (r *rig) queued(queue string) (list []string) {
	r.t.Helper()
	all, err := r.Peek(r.ctx, queue, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	last := uint64(0)
	for _, q := range all {
		if q.Number <= last {
			r.t.Errorf("number %d comes after %d", q.Number, last)
		}
		last = q.Number
		list = append(list, string(q.Body))
	}
	return list
}

// A note is there if and only if its change took effect.
func TestNotes(t *testing.T) {
	r := newRig(t)
	b := versioned
	put := func(key string, c object.Conditions) error {
		_, err := r.Put(r.ctx, object.PutInput{Bucket: b, Key: key, Size: 1, Conditions: c, Notes: note("q")}, strings.NewReader("x"))
		return err
	}
	if err := put("a", object.Conditions{}); err != nil {
		t.Fatal(err)
	}
	if err := put("a", object.Conditions{IfNoneMatch: true}); err == nil {
		t.Fatal("it was put over another")
	}
	if _, err := r.UpdateWith(r.ctx, object.UpdateInput{Bucket: b, Key: "a", Notes: note("q")}, func(a *object.Attributes) error { a.Tags = map[string]string{"k": "v"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := r.UpdateWith(r.ctx, object.UpdateInput{Bucket: b, Key: "none", Notes: note("q")}, func(*object.Attributes) error { return nil }); err == nil {
		t.Fatal("what is not there was updated")
	}
	if _, err := r.Delete(r.ctx, b, object.DeleteInput{Key: "a", Notes: note("q")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Delete(r.ctx, b, object.DeleteInput{Key: "a", Version: object.NullVersion, Notes: note("q")}); err != nil {
		t.Fatal(err)
	}
	want := []string{"object a", "object a", "marker a"}
	if got := r.queued("q"); !slices.Equal(got, want) {
		t.Errorf("notes are %q", got)
	}
	select {
	case <-r.Noted():
	default:
		t.Error("nobody was told")
	}
	if err := r.Leave(r.ctx, object.Note{"other", []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if err := r.Leave(r.ctx, object.Note{"", nil}); err == nil {
		t.Error("a queue without a name")
	}
	first, err := r.Peek(r.ctx, "q", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Forget(r.ctx, "q", first); err != nil {
		t.Fatal(err)
	}
	if got := r.queued("q"); !slices.Equal(got, want[2:]) {
		t.Errorf("then they are %q", got)
	}
	queues, err := r.Queues(r.ctx)
	if err != nil || !slices.Equal(queues, []object.Queue{{"q", 1}, {"other", 1}}) {
		t.Errorf("queues are %v, %v", queues, err)
	}
}

// The retention that a completion brings is for uploads that began with none.
func TestRetentionOfCompletion(t *testing.T) {
	r := newRig(t)
	b := locked
	own, other := object.Retention{object.Compliance, r.config.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)}, object.Retention{object.Governance, r.config.Now().Add(2 * time.Hour).UTC().Truncate(time.Millisecond)}
	for _, begin := range []object.Retention{{}, own} {
		u, err := r.CreateUpload(r.ctx, object.UploadInput{Bucket: b, Key: "a", Attributes: object.Attributes{Retention: begin}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.PutPart(r.ctx, object.PartInput{Bucket: b, Key: "a", Upload: u.ID, Number: 1, Size: 1}, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		in := object.CompleteInput{Bucket: b, Key: "a", Upload: u.ID, Size: -1, Parts: []object.CompletePart{{Number: 1, ETag: p.ETag}}, Retention: other, Notes: note("q")}
		info, err := r.CompleteUpload(r.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		want := begin
		if begin.Mode == object.NotRetained {
			want = other
		}
		if info.Retention != want {
			t.Errorf("begun with %v it has %v", begin, info.Retention)
		}
		if _, err := r.CompleteUpload(r.ctx, in); err != nil {
			t.Errorf("again: %v", err)
		}
	}
	if got := r.queued("q"); len(got) != 2 {
		t.Errorf("notes are %q", got)
	}
}

func TestSamples(t *testing.T) {
	r := newRig(t)
	hour := time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC)
	one := object.Sample{Bucket: "b-1", Name: "one", Owner: "0", Usage: object.Usage{1, 2, 3, 4, 5, 6}, Traffic: object.Traffic{7, 8, 9, 10}}
	two := object.Sample{Bucket: "b-2", Name: "two", Owner: "0"}
	for k, list := range [][]object.Sample{{two, one}, {one}, {}} {
		if err := r.Keep(r.ctx, hour.Add(time.Duration(k)*time.Hour), list); err != nil {
			t.Fatal(err)
		}
	}
	read := func(from, until time.Time) (list []object.Sample) {
		t.Helper()
		err := r.Samples(r.ctx, from, until, func(at time.Time, s object.Sample) error {
			if at.Before(from) || !at.Before(until) {
				t.Errorf("one of %v", at)
			}
			list = append(list, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := read(hour, hour.Add(2*time.Hour)); !slices.Equal(got, []object.Sample{one, two, one}) {
		t.Errorf("samples are %+v", got)
	}
	if got := read(hour.Add(time.Second), hour.Add(time.Hour)); got != nil {
		t.Errorf("between the hours there is %+v", got)
	}
	if err := r.DropSamples(r.ctx, hour.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := read(hour, hour.Add(24*time.Hour)); !slices.Equal(got, []object.Sample{one}) {
		t.Errorf("then they are %+v", got)
	}
}
