// Package storetest is what every engine of package store must pass: one suite of
// conformance, a model-based test, faults at every step, and crashes.
//
// A test of an engine passes a Fresh; everything else is the same for all.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

// Place opens the documents of one place. An engine for a single process opens
// only when the one before is closed.
type Place func(ctx context.Context) (store.Engine, error)

// Fresh makes a place without documents, which goes with the test.
type Fresh func(tb testing.TB) Place

// Thing is the documents of most tests.
type Thing struct {
	ID    string
	Group string            `json:",omitempty"`
	Tags  map[string]string `json:",omitempty"`
	Parts []string          `json:",omitempty"`
	N     int
}

// Table is "thing".
func (Thing) Table() string { return "thing" }

// Key is the ID.
func (t Thing) Key() string { return t.ID }

// Labels are one for the group, and one for each tag.
func (t Thing) Labels() []string {
	labels := []string{"group/" + t.Group}
	for k := range t.Tags {
		labels = append(labels, "tag/"+k)
	}
	return labels
}

// Counter is a second table, without labels.
type Counter struct {
	Name string
	N    int
}

// Table is "counter".
func (Counter) Table() string { return "counter" }

// Key is the name.
func (c Counter) Key() string { return c.Name }

// Labels are none.
func (Counter) Labels() []string { return nil }

var (
	things   store.Table[Thing]
	counters store.Table[Counter]
)

// Open opens a store with the documents of this package.
func Open(ctx context.Context, place Place) (*store.Store, error) {
	e, err := place(ctx)
	if err != nil {
		return nil, err
	}
	return store.New(ctx, e, Thing{}, Counter{}, Machine{})
}

// Run is the suite of conformance.
func Run(t *testing.T, fresh Fresh) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *store.Store)
	}{
		{"documents", documents},
		{"no change", noChange},
		{"swap", swap},
		{"copies", copies},
		{"names", names},
		{"labels", labels},
		{"iterators", iterators},
		{"iterators and commits", iteratorsAndCommits},
		{"strangers", strangers},
		{"claims", claims},
		{"failing function", failingFunction},
		{"panicking function", panickingFunction},
		{"transaction outlives its function", leakedTx},
		{"1000 writers of a document", manyWriters},
		{"write skew", writeSkew},
		{"views are whole", wholeViews},
		{"own writes", ownWrites},
		{"cancelled while waiting", cancelled},
		{"changes", changes},
		{"changes to several consumers", manyConsumers},
		{"changes end", changesEnd},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, fresh(t))
			test.run(t, s)
		})
	}
	t.Run("reopening", func(t *testing.T) { reopening(t, fresh(t)) })
	t.Run("forgotten deletions", func(t *testing.T) { forgotten(t, fresh(t)) })
	t.Run("closing", func(t *testing.T) { closing(t, fresh(t)) })
	t.Run("unknown tables", func(t *testing.T) { unknownTables(t, fresh(t)) })
	t.Run("bad schema", func(t *testing.T) { badSchema(t, fresh(t)) })
}

// open opens a store that is closed with the test.
func open(tb testing.TB, place Place) *store.Store {
	tb.Helper()
	s, err := Open(context.Background(), place)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { shut(tb, s) })
	return s
}

func shut(tb testing.TB, s *store.Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Errorf("close: %v", err)
	}
}

// update is Update that must succeed.
func update(tb testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	tb.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		tb.Fatalf("update: %v", err)
	}
}

// put stores things in one transaction.
func put(tb testing.TB, s *store.Store, list ...Thing) {
	tb.Helper()
	update(tb, s, func(tx *store.Tx) error {
		for _, v := range list {
			if err := things.Put(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// keys are the keys that a sequence yields, joined by spaces.
func keys(seq func(func(Thing) bool)) string {
	var list []string
	for v := range seq {
		list = append(list, v.ID)
	}
	return strings.Join(list, " ")
}

func is(tb testing.TB, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("error is %v, want %v", err, want)
	}
}

func equal[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: %v, want %v", what, got, want)
	}
}

// dump is all documents with their revisions, as text.
func dump(v *store.View) string {
	var b strings.Builder
	fmt.Fprintln(&b, "revision", v.Revision())
	for d := range things.All(v) {
		line(&b, things, v, d)
	}
	for d := range counters.All(v) {
		line(&b, counters, v, d)
	}
	return b.String()
}

func line[T store.Document](b *strings.Builder, table store.Table[T], v *store.View, d T) {
	data, err := json.Marshal(d)
	revision, ok := table.Revision(v, d.Key())
	fmt.Fprintln(b, d.Table(), d.Key(), revision, ok, string(data), err)
}
