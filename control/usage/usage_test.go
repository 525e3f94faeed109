package usage

import (
	"context"
	"log/slog"
	"path/filepath"
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

func TestMeter(t *testing.T) {
	no := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	no(err)
	t.Cleanup(func() { no(db.Close()) })
	key, err := seal.New(seal.NewKey())
	no(err)
	objects, err := object.Open(object.Config{Dir: t.TempDir(), Keys: oneKey{key}, MinFree: 1})
	no(err)
	t.Cleanup(func() { no(objects.Close()) })
	hour := time.Date(2026, 2, 3, 4, 0, 0, 0, time.UTC)
	clock := hour.Add(10 * time.Minute)
	open := func() *Meter {
		return New(Config{DB: db, Objects: objects, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return clock }, Keep: 24 * time.Hour})
	}
	put := func(bucket, key string) {
		t.Helper()
		_, err := objects.Put(ctx, object.PutInput{Bucket: bucket, Key: key, Size: 5}, strings.NewReader("hello"))
		no(err)
	}
	for _, name := range []string{"one", "two"} {
		no(objects.CreateBucket(ctx, "b-"+name))
		no(db.Update(ctx, func(tx *store.Tx) error {
			return buckets.Put(tx, cloud.Bucket{Meta: cloud.Meta{ID: "b-" + name, Account: "000000000001"}, Name: name})
		}))
	}
	no(db.Update(ctx, func(tx *store.Tx) error {
		return buckets.Put(tx, cloud.Bucket{Meta: cloud.Meta{ID: "b-half"}, Name: "half"})
	}))
	put("b-one", "a")

	samples := func() map[string]object.Sample {
		t.Helper()
		out := map[string]object.Sample{}
		no(objects.Samples(ctx, hour.AddDate(0, 0, -2), clock.Add(time.Second), func(at time.Time, s object.Sample) error {
			out[at.Format("15 ")+s.Name] = s
			return nil
		}))
		return out
	}
	m := open()
	m.Note("b-one", object.Traffic{Reads: 1, Out: 5})
	m.Note("b-gone", object.Traffic{Reads: 1})
	no(m.Sample(ctx))
	put("b-one", "b")
	m.Note("b-one", object.Traffic{Writes: 1, In: 5})
	now, err := m.Current(ctx)
	no(err)
	if len(now) != 2 || now[0].Objects != 2 || now[0].Traffic != (object.Traffic{Writes: 1, In: 5}) {
		t.Errorf("now there is %+v", now)
	}
	no(m.Sample(ctx)) // as at an orderly end
	if got := samples(); len(got) != 2 || got["04 one"].Objects != 1 || got["04 one"].Bytes != 5 || got["04 one"].Traffic != (object.Traffic{Reads: 1, Writes: 1, In: 5, Out: 5}) || got["04 one"].Owner != "000000000001" {
		t.Errorf("after two in an hour: %+v", got)
	}
	clock = hour.Add(time.Hour)
	no(open().Sample(ctx))
	if got := samples(); len(got) != 4 || got["05 one"].Objects != 2 || got["05 one"].Traffic != (object.Traffic{}) || got["04 one"].Objects != 1 {
		t.Errorf("after another hour: %+v", got)
	}
	clock = hour.Add(25 * time.Hour)
	no(open().Sample(ctx))
	n := 0
	no(objects.Samples(ctx, hour.AddDate(0, 0, -2), hour.Add(time.Second), func(time.Time, object.Sample) error { n++; return nil }))
	if n != 0 {
		t.Errorf("%d old samples are kept", n)
	}
}
