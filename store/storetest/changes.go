package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

// feed shows what Changes returns: "thing/a@3 thing/b@4-", where - is a deletion.
func feed(tb testing.TB, s *store.Store, since int64) (string, int64) {
	tb.Helper()
	list, next, err := s.Changes(context.Background(), since)
	if err != nil {
		tb.Fatalf("changes: %v", err)
	}
	var words []string
	for _, c := range list {
		word := fmt.Sprintf("%s/%s@%d", c.Table, c.Key, c.Revision)
		if c.Deleted {
			word += "-"
		}
		words = append(words, word)
	}
	return strings.Join(words, " "), next
}

func changes(t *testing.T, s *store.Store) {
	put(t, s, Thing{ID: "b", Group: "x"}, Thing{ID: "a"})
	list, next, err := s.Changes(context.Background(), 0)
	is(t, err, nil)
	want := []store.Change{
		{Table: "thing", Key: "a", Labels: []string{"group/"}, Revision: 1},
		{Table: "thing", Key: "b", Labels: []string{"group/x"}, Revision: 1},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("changes: %v, want %v", list, want)
	}
	equal(t, "next", next, 1)
	update(t, s, func(tx *store.Tx) error { return counters.Put(tx, Counter{"c", 1}) })
	put(t, s, Thing{ID: "a", N: 1})
	put(t, s, Thing{ID: "a", N: 2})
	update(t, s, func(tx *store.Tx) error { return things.Delete(tx, "b") })
	got, next := feed(t, s, next)
	equal(t, "changes", got, "counter/c@2 thing/a@4 thing/b@5-")
	equal(t, "next", next, 5)
	got, _ = feed(t, s, 3)
	equal(t, "changes", got, "thing/a@4 thing/b@5-")
	got, _ = feed(t, s, 0)
	equal(t, "all", got, "counter/c@2 thing/a@4")

	// Claims are not shown, and do not wake.
	update(t, s, func(tx *store.Tx) error { return tx.Claim("x", "y", "z") })
	result := make(chan string)
	go func() {
		got, _ := feed(t, s, 5)
		result <- got
	}()
	put(t, s, Thing{ID: "b"}) // deleted documents can come back
	equal(t, "changes", <-result, "thing/b@7")
	got, _ = feed(t, s, 4)
	equal(t, "changes", got, "thing/b@7")
}

// mirror is a consumer of changes that keeps what it hears.
type mirror map[string]int64

// follow consumes changes until the document "end" appears.
func (m mirror) follow(s *store.Store) error {
	for since := int64(0); ; {
		list, next, err := s.Changes(context.Background(), since)
		if err != nil {
			return err
		}
		if len(list) == 0 || next <= since {
			return fmt.Errorf("%d changes, from %d to %d", len(list), since, next)
		}
		last, seen := since, map[string]bool{}
		for _, c := range list {
			if c.Revision < last || c.Revision <= since || c.Revision > next || seen[c.Key] {
				return fmt.Errorf("change %v between %d and %d, after %d; twice: %v", c, since, next, last, seen[c.Key])
			}
			last, seen[c.Key] = c.Revision, true
			if c.Deleted {
				delete(m, c.Key)
			} else {
				m[c.Key] = c.Revision
			}
		}
		if since = next; m["end"] != 0 {
			return nil
		}
	}
}

func manyConsumers(t *testing.T, s *store.Store) {
	var writers, consumers sync.WaitGroup
	mirrors := make([]mirror, 4)
	for i := range mirrors {
		mirrors[i] = mirror{}
		consumers.Go(func() { is(t, mirrors[i].follow(s), nil) })
	}
	for w := range 4 {
		writers.Go(func() { churn(t, s, fmt.Sprint("w", w), 60) })
	}
	writers.Wait()
	put(t, s, Thing{ID: "end"})
	consumers.Wait()
	for _, m := range mirrors {
		m.check(t, s.View())
	}
}

// churn puts and deletes some documents, n times.
func churn(t *testing.T, s *store.Store, name string, n int) {
	for i := range n {
		id := fmt.Sprint(name, i%7)
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			if _, ok := things.Get(tx, id); ok && i%3 == 0 {
				return things.Delete(tx, id)
			}
			return things.Put(tx, Thing{ID: id, N: i})
		})
		is(t, err, nil)
	}
}

func (m mirror) check(t *testing.T, v *store.View) {
	t.Helper()
	equal(t, "mirrored", len(m), things.Count(v, ""))
	for d := range things.All(v) {
		revision, _ := things.Revision(v, d.ID)
		equal(t, "mirrored revision of "+d.ID, m[d.ID], revision)
	}
}

func changesEnd(t *testing.T, s *store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, next, err := s.Changes(ctx, 0)
	is(t, err, context.Canceled)
	equal(t, "next", next, 0)
	put(t, s, Thing{ID: "a"})
	_, _, err = s.Changes(ctx, 0) // what is there needs no waiting
	is(t, err, nil)
	ended := make(chan error)
	go func() {
		_, _, err := s.Changes(context.Background(), 1)
		ended <- err
	}()
	is(t, s.Close(), nil)
	is(t, <-ended, store.ErrClosed)
}

// forgotten: whoever comes from before the remembered deletions learns of it.
func forgotten(t *testing.T, place Place) {
	s, err := Open(context.Background(), place)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, Thing{ID: "a"}, Thing{ID: "gone"})
	update(t, s, func(tx *store.Tx) error { return things.Delete(tx, "gone") })
	deleteMany(t, s)
	put(t, s, Thing{ID: "b"})
	check := func() {
		t.Helper()
		list, next, err := s.Changes(context.Background(), 1)
		is(t, err, nil)
		if len(list) != 3 || list[0].Table != "" || list[1].Key != "a" || list[2].Key != "b" {
			t.Errorf("%d changes: %.3v", len(list), list)
		}
		list, _, err = s.Changes(context.Background(), next-1)
		is(t, err, nil)
		equal(t, "recent changes", len(list), 1)
	}
	check()
	is(t, s.Close(), nil)
	s = open(t, place)
	check()
}

// deleteMany deletes more documents than are remembered.
func deleteMany(t *testing.T, s *store.Store) {
	for part := range 4 {
		update(t, s, func(tx *store.Tx) error {
			for i := range 3000 {
				name := fmt.Sprint("many", part, "-", i)
				if err := errors.Join(counters.Create(tx, Counter{Name: name}), counters.Delete(tx, name)); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
