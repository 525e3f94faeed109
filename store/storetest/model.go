package storetest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/store"
)

// Model runs random transactions on a store and on plain maps, closes and opens
// the store between them, and compares what both return and hold. It makes that
// many runs, unless the flag -rapid.checks says otherwise.
func Model(t *testing.T, fresh Fresh, runs int) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(strconv.Itoa(runs)); err != nil {
			t.Fatal(err)
		}
		defer f.Value.Set(f.DefValue) //nolint:errcheck // it was accepted once
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{place: fresh(t), model: newModel(), mirror: map[string]int64{}}
		m.open(rt)
		defer func() { m.store.Close() }() //nolint:errcheck // the last transaction was durable without it
		rt.Repeat(map[string]func(*rapid.T){
			"transaction": m.transaction,
			"reopen":      m.reopen,
			"changes":     m.changes,
			"keep view":   m.keepView,
			"":            m.check,
		})
	})
}

// model is what a store should hold.
type model struct {
	revision  int64
	things    map[string]Thing
	revisions map[string]int64 // of things
	owners    map[string]string
	wrote     bool // in the transaction under way
}

func newModel() *model {
	return &model{things: map[string]Thing{}, revisions: map[string]int64{}, owners: map[string]string{}}
}

// machine is the store and the model side by side.
type machine struct {
	place  Place
	store  *store.Store
	model  *model
	view   *store.View // an old one, and
	then   *model      // what was in it
	mirror mirror      // what Changes told, and
	since  int64       // up to when
}

func (m *machine) open(t *rapid.T) {
	var err error
	if m.store, err = Open(context.Background(), m.place); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.store.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *machine) keepView(*rapid.T) {
	m.view, m.then = m.store.View(), m.model
}

func (m *machine) check(t *rapid.T) {
	m.model.check(t, m.store.View())
	if got := m.store.View().Revision(); got != m.model.revision {
		t.Fatalf("revision %d, want %d", got, m.model.revision)
	}
	if m.view != nil {
		m.then.check(t, m.view)
	}
}

func (m *machine) changes(t *rapid.T) {
	if m.model.revision == m.since || len(m.model.things) == 0 {
		return // it might wait for ever
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // there may be claims only
	list, next, err := m.store.Changes(ctx, m.since)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Deleted {
			delete(m.mirror, c.Key)
		} else {
			m.mirror[c.Key] = c.Revision
		}
	}
	m.since = next
	if !maps.Equal(m.mirror, m.model.revisions) {
		t.Fatalf("the changes lead to %v, want %v", m.mirror, m.model.revisions)
	}
}

// step is one call in a transaction.
type step struct {
	Verb  string
	Thing Thing
	Claim string
	At    int64
}

func (m *machine) transaction(t *rapid.T) {
	name := rapid.SampledFrom(strings.Split("abcdef", ""))
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			Verb: rapid.SampledFrom([]string{"create", "put", "swap", "modify", "delete", "claim", "release", "release all"}).Draw(t, "verb"),
			Thing: Thing{
				ID: name.Draw(t, "id"), Group: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "group"),
				Tags: rapid.MapOfN(name, rapid.String(), 0, 2).Draw(t, "tags"), N: rapid.IntRange(0, 2).Draw(t, "n"),
			},
			Claim: name.Draw(t, "claim"),
			At:    m.model.revision - int64(rapid.IntRange(-1, 2).Draw(t, "age")),
		}
	}), 0, 8).Draw(t, "steps")
	fail := rapid.IntRange(0, 4).Draw(t, "fail") == 0
	failed := errors.New("failed")

	var next *model
	err := m.store.Update(context.Background(), func(tx *store.Tx) error {
		next = m.model.begin()
		for _, s := range steps {
			got, want := s.run(tx), next.run(s)
			if !errors.Is(got, want) && fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%+v: %v, want %v", s, got, want)
			}
		}
		next.check(t, tx)
		if fail {
			return failed
		}
		return nil
	})
	switch {
	case fail && !errors.Is(err, failed), !fail && err != nil:
		t.Fatalf("update: %v", err)
	case !fail && next.wrote:
		m.model = next
	}
}

func (s step) run(tx *store.Tx) error {
	id := s.Thing.ID
	switch s.Verb {
	case "create":
		return things.Create(tx, s.Thing)
	case "put":
		return things.Put(tx, s.Thing)
	case "swap":
		return things.Swap(tx, s.Thing, s.At)
	case "modify":
		return things.Modify(tx, id, func(v *Thing) error { v.N += s.Thing.N; return nil })
	case "delete":
		return things.Delete(tx, id)
	case "claim":
		return tx.Claim("letter", s.Claim, id)
	case "release":
		tx.Release("letter", s.Claim)
	case "release all":
		tx.ReleaseAll(id)
	}
	return nil
}

func (m *model) begin() *model {
	return &model{m.revision + 1, maps.Clone(m.things), maps.Clone(m.revisions), maps.Clone(m.owners), false}
}

func (m *model) run(s step) error {
	id := s.Thing.ID
	old, there := m.things[id]
	owner, held := m.owners[s.Claim]
	switch {
	case s.Verb == "create" && there:
		return store.ErrExists
	case s.Verb == "swap" && m.revisions[id] != s.At:
		return store.ErrConflict
	case (s.Verb == "modify" || s.Verb == "delete") && !there:
		return store.ErrNotFound
	case s.Verb == "claim" && held && owner != id:
		return &store.ClaimedError{Space: "letter", Value: s.Claim, Owner: owner}
	}
	switch s.Verb {
	case "create", "put", "swap":
		m.put(s.Thing)
	case "modify":
		old.N += s.Thing.N
		m.put(old)
	case "delete":
		delete(m.things, id)
		delete(m.revisions, id)
		m.wrote = true
	case "claim":
		m.owners[s.Claim] = id
		m.wrote = m.wrote || !held
	case "release":
		delete(m.owners, s.Claim)
		m.wrote = m.wrote || held
	case "release all":
		maps.DeleteFunc(m.owners, func(_, owner string) bool {
			m.wrote = m.wrote || owner == id
			return owner == id
		})
	}
	return nil
}

func (m *model) put(v Thing) {
	if old, ok := m.things[v.ID]; ok && fmt.Sprintf("%+v", old) == fmt.Sprintf("%+v", v) {
		return
	}
	m.things[v.ID], m.revisions[v.ID], m.wrote = v, m.revision, true
}

// check compares all that can be read with the model.
func (m *model) check(t *rapid.T, r store.Reader) {
	t.Helper()
	ids := slices.Sorted(maps.Keys(m.things))
	if got, want := keys(things.All(r)), strings.Join(ids, " "); got != want {
		t.Fatalf("all: %s, want %s", got, want)
	}
	found := map[string][]string{}
	for _, id := range ids {
		v, ok := things.Get(r, id)
		if got, want := fmt.Sprintf("%+v", v), fmt.Sprintf("%+v", m.things[id]); !ok || got != want {
			t.Fatalf("%s: %s, want %s", id, got, want)
		}
		if got, _ := things.Revision(r, id); got != m.revisions[id] {
			t.Fatalf("%s: revision %d, want %d", id, got, m.revisions[id])
		}
		for _, l := range v.Labels() {
			found[l] = append(found[l], id)
		}
	}
	for l := range strings.FieldsSeq("group/x group/y tag/a tag/b tag/c tag/d tag/e tag/f") {
		if got, want := keys(things.Select(r, l)), strings.Join(found[l], " "); got != want {
			t.Fatalf("label %s: %s, want %s", l, got, want)
		}
	}
	for l := range strings.SplitSeq("abcdef", "") {
		if got, ok := store.Owner(r, "letter", l); got != m.owners[l] || ok != (m.owners[l] != "") {
			t.Fatalf("claim %s: %s, want %s", l, got, m.owners[l])
		}
	}
}
