package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

func documents(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		is(t, things.Create(tx, Thing{ID: "a", N: 1}), nil)
		is(t, things.Create(tx, Thing{ID: "a", N: 2}), store.ErrExists)
		is(t, things.Put(tx, Thing{ID: "b", N: 3}), nil)
		is(t, things.Put(tx, Thing{ID: "b", N: 4}), nil)
		is(t, things.Modify(tx, "c", func(*Thing) error { t.Error("called"); return nil }), store.ErrNotFound)
		is(t, things.Delete(tx, "c"), store.ErrNotFound)
		is(t, counters.Create(tx, Counter{"a", 5}), nil)
		got, ok := things.Get(tx, "b")
		equal(t, "own write", got.N, 4)
		equal(t, "own write is there", ok, true)
		return nil
	})
	first := s.View()
	equal(t, "revision", first.Revision(), 1)
	update(t, s, func(tx *store.Tx) error {
		is(t, things.Delete(tx, "a"), nil)
		is(t, things.Delete(tx, "a"), store.ErrNotFound)
		is(t, things.Modify(tx, "b", func(v *Thing) error { v.N++; return nil }), nil)
		is(t, things.Modify(tx, "b", func(v *Thing) error { v.N++; return nil }), nil)
		return nil
	})
	v, ok := things.Get(s.View(), "b")
	equal(t, "b", v.N, 6)
	equal(t, "b is there", ok, true)
	_, ok = things.Get(s.View(), "a")
	equal(t, "a is there", ok, false)
	c, _ := counters.Get(s.View(), "a")
	equal(t, "counter", c.N, 5)
	r, _ := things.Revision(s.View(), "b")
	equal(t, "revision of b", r, 2)
	r, ok = things.Revision(s.View(), "a")
	equal(t, "revision of a", r, 0)
	equal(t, "a has a revision", ok, false)
	v, _ = things.Get(first, "b")
	equal(t, "b in the first view", v.N, 4)
	equal(t, "things in the first view", keys(things.All(first)), "a b")
	update(t, s, func(tx *store.Tx) error { return things.Create(tx, Thing{ID: "a", N: 7}) })
	v, _ = things.Get(s.View(), "a")
	equal(t, "a again", v.N, 7)
}

// noChange: who writes what is there already wakes nobody.
func noChange(t *testing.T, s *store.Store) {
	d := Thing{ID: "a", Tags: map[string]string{"x": "1", "y": "2"}}
	put(t, s, d)
	put(t, s, d)
	update(t, s, func(tx *store.Tx) error { return things.Modify(tx, "a", func(*Thing) error { return nil }) })
	update(t, s, func(tx *store.Tx) error { return things.Swap(tx, d, 1) })
	update(t, s, func(tx *store.Tx) error { return nil })
	equal(t, "revision", s.View().Revision(), 1)
}

func swap(t *testing.T, s *store.Store) {
	update(t, s, func(tx *store.Tx) error {
		is(t, things.Swap(tx, Thing{ID: "a", N: 1}, 7), store.ErrConflict)
		is(t, things.Swap(tx, Thing{ID: "a", N: 1}, 0), nil)
		is(t, things.Swap(tx, Thing{ID: "a", N: 2}, 0), store.ErrConflict)
		return nil
	})
	r, _ := things.Revision(s.View(), "a")
	put(t, s, Thing{ID: "b"})
	err := s.Update(context.Background(), func(tx *store.Tx) error { return things.Swap(tx, Thing{ID: "a", N: 3}, r) })
	is(t, err, nil)
	err = s.Update(context.Background(), func(tx *store.Tx) error { return things.Swap(tx, Thing{ID: "a", N: 4}, r) })
	is(t, err, store.ErrConflict)
	v, _ := things.Get(s.View(), "a")
	equal(t, "a", v.N, 3)
}

// copies: nothing that a caller holds leads into the store.
func copies(t *testing.T, s *store.Store) {
	d := Thing{ID: "a", Tags: map[string]string{"k": "old"}, Parts: []string{"old"}}
	var kept *Thing
	update(t, s, func(tx *store.Tx) error {
		is(t, things.Put(tx, d), nil)
		d.Tags["k"], d.Parts[0] = "new", "new"
		return nil
	})
	check := func(want string) {
		t.Helper()
		v, _ := things.Get(s.View(), "a")
		equal(t, "tag", v.Tags["k"], want)
		equal(t, "part", v.Parts[0], want)
	}
	check("old")
	failed := errors.New("failed")
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		return things.Modify(tx, "a", func(v *Thing) error {
			v.Tags["k"], v.Parts[0] = "bad", "bad"
			return failed
		})
	})
	is(t, err, failed)
	check("old")
	update(t, s, func(tx *store.Tx) error {
		return things.Modify(tx, "a", func(v *Thing) error {
			kept = v
			v.Tags["k"], v.Parts[0] = "good", "good"
			return nil
		})
	})
	kept.Tags["k"], kept.Parts[0] = "bad", "bad"
	check("good")
	err = s.Update(context.Background(), func(tx *store.Tx) error {
		return things.Modify(tx, "a", func(v *Thing) error { v.ID = "b"; return nil })
	})
	if err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("changed the key: %v", err)
	}
}

func names(t *testing.T, s *store.Store) {
	good := []string{" ", "a/b", "é", "'; DROP TABLE document; --", strings.Repeat("x", 1024), "a\nb", `\`, "%2F", "\x01"}
	bad := []string{"", "a\x00b", "\xff", strings.Repeat("x", 1025)}
	for _, name := range good {
		put(t, s, Thing{ID: name, Group: name, Parts: []string{name}, Tags: map[string]string{"\x00": "\x00"}})
		v, ok := things.Get(s.View(), name)
		equal(t, "thing is there", ok, true)
		equal(t, "part", v.Parts[0], name)
		equal(t, "tag", v.Tags["\x00"], "\x00")
		equal(t, "group", keys(things.Select(s.View(), "group/"+name)), name)
	}
	equal(t, "things", things.Count(s.View(), ""), len(good))
	for _, name := range bad {
		err := s.Update(context.Background(), func(tx *store.Tx) error { return things.Put(tx, Thing{ID: name}) })
		if err == nil {
			t.Errorf("key %q: no error", name)
		}
	}
}

// labels: the index finds what a look at every document finds.
func labels(t *testing.T, s *store.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		update(t, s, func(tx *store.Tx) error {
			for range 10 {
				d := Thing{ID: fmt.Sprint(r.IntN(60)), Group: fmt.Sprint(r.IntN(4)), N: r.Int()}
				if r.IntN(2) == 0 {
					d.Tags = map[string]string{fmt.Sprint(r.IntN(4)): "x", fmt.Sprint(r.IntN(4)): "y"}
				}
				if _, ok := things.Get(tx, d.ID); ok && r.IntN(3) == 0 {
					is(t, things.Delete(tx, d.ID), nil)
				} else {
					is(t, things.Put(tx, d), nil)
				}
			}
			return checkLabels(tx)
		})
		if err := checkLabels(s.View()); err != nil {
			t.Fatal(err)
		}
	}
}

func checkLabels(r store.Reader) error {
	found := map[string][]string{}
	last := ""
	for d := range things.All(r) {
		if d.ID <= last {
			return fmt.Errorf("%s comes after %s", d.ID, last)
		}
		last = d.ID
		for _, l := range d.Labels() {
			found[l] = append(found[l], d.ID)
		}
	}
	for i := range 4 {
		for _, l := range []string{fmt.Sprint("group/", i), fmt.Sprint("tag/", i)} {
			if got, want := keys(things.Select(r, l)), strings.Join(found[l], " "); got != want {
				return fmt.Errorf("label %s: %s, want %s", l, got, want)
			}
			if got, want := things.Count(r, l), len(found[l]); got != want {
				return fmt.Errorf("label %s: %d, want %d", l, got, want)
			}
			after := found[l][len(found[l])/2:]
			if len(after) > 0 {
				if got, want := keys(things.From(r, l, after[0])), strings.Join(after[1:], " "); got != want {
					return fmt.Errorf("label %s after %s: %s, want %s", l, after[0], got, want)
				}
			}
		}
	}
	return nil
}

func iterators(t *testing.T, s *store.Store) {
	put(t, s, Thing{ID: "a", Group: "x"}, Thing{ID: "b", Group: "y"}, Thing{ID: "c", Group: "x"}, Thing{ID: "d", Group: "x"})
	v := s.View()
	equal(t, "all", keys(things.All(v)), "a b c d")
	equal(t, "group", keys(things.Select(v, "group/x")), "a c d")
	equal(t, "group's beginning", keys(things.Select(v, "group/")), "")
	equal(t, "after a", keys(things.From(v, "group/x", "a")), "c d")
	equal(t, "after b", keys(things.From(v, "group/x", "b")), "c d")
	equal(t, "after d", keys(things.From(v, "", "d")), "")
	equal(t, "all after b", keys(things.From(v, "", "b")), "c d")
	equal(t, "no such group", keys(things.Select(v, "group/z")), "")
	equal(t, "other table", counters.Count(v, ""), 0)
	for d := range things.All(v) {
		if d.ID == "b" {
			break
		}
	}
	update(t, s, func(tx *store.Tx) error {
		// A loop sees what was there when it began, whatever its body does.
		var seen []string
		for d := range things.Select(tx, "group/x") {
			seen = append(seen, d.ID)
			is(t, things.Put(tx, Thing{ID: d.ID, Group: "z"}), nil)
			is(t, things.Put(tx, Thing{ID: d.ID + "2", Group: "x"}), nil)
			if d.ID == "a" {
				is(t, things.Delete(tx, "d"), nil)
			}
			for inner := range things.Select(tx, "group/z") {
				if _, ok := things.Get(tx, inner.ID); !ok {
					t.Errorf("%s is not there", inner.ID)
				}
				break
			}
		}
		equal(t, "seen", strings.Join(seen, " "), "a c d")
		return nil
	})
	equal(t, "group x", keys(things.Select(s.View(), "group/x")), "a2 c2 d2")
	equal(t, "group z", keys(things.Select(s.View(), "group/z")), "a c d")
	equal(t, "the old view", keys(things.Select(v, "group/x")), "a c d")
}

// iteratorsAndCommits: a view's iteration is not disturbed by commits under it.
func iteratorsAndCommits(t *testing.T, s *store.Store) {
	var list []Thing
	for i := range 500 {
		list = append(list, Thing{ID: fmt.Sprintf("%03d", i), Group: "x"})
	}
	put(t, s, list...)
	seq := things.Select(s.View(), "group/x")
	n := 0
	for d := range seq {
		if want := fmt.Sprintf("%03d", n); d.ID != want || d.N != 0 {
			t.Fatalf("%s of N %d, want %s of 0", d.ID, d.N, want)
		}
		if n++; n%50 == 0 {
			update(t, s, func(tx *store.Tx) error {
				for d := range things.All(tx) {
					d.N++
					if d.Key() > "250" {
						is(t, things.Delete(tx, d.ID), nil)
					} else {
						is(t, things.Put(tx, d), nil)
					}
				}
				return nil
			})
		}
	}
	equal(t, "seen", n, 500)
	equal(t, "seen again", len(slices.Collect(seq)), 500)
	equal(t, "left", things.Count(s.View(), "group/x"), 251)
}

type stranger struct{}

func (stranger) Table() string    { return "stranger" }
func (stranger) Key() string      { return "x" }
func (stranger) Labels() []string { return nil }

// strangers: a table that is not in the schema is a mistake of the program.
func strangers(t *testing.T, s *store.Store) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "stranger") {
			t.Errorf("panic: %v", r)
		}
	}()
	store.Table[stranger]{}.Get(s.View(), "x")
}
