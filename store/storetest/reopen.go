package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/vauban-cloud/vauban/store"
)

func reopening(t *testing.T, place Place) {
	var want string
	for round := range 3 {
		s, err := Open(context.Background(), place)
		if err != nil {
			t.Fatal(err)
		}
		if round > 0 {
			equal(t, "documents", dump(s.View()), want)
			owner, _ := store.Owner(s.View(), "ip", "1")
			equal(t, "owner", owner, fmt.Sprint("a", round-1))
			got, _ := feed(t, s, 1)
			equal(t, "changes", got, fmt.Sprintf("thing/b@%d- counter/n@%d thing/a@%[2]d", round*3-1, round*3))
		}
		put(t, s, Thing{ID: "a", N: -1}, Thing{ID: "b", Tags: map[string]string{"x": "<&>"}})
		update(t, s, func(tx *store.Tx) error { return things.Delete(tx, "b") })
		update(t, s, func(tx *store.Tx) error {
			tx.Release("ip", "1")
			is(t, tx.Claim("ip", "1", fmt.Sprint("a", round)), nil)
			is(t, counters.Put(tx, Counter{"n", round}), nil)
			return things.Put(tx, Thing{ID: "a", N: round, Parts: []string{"\u2028", "𝄞", "\x00"}})
		})
		want = dump(s.View())
		equal(t, "revision", s.View().Revision(), int64(round*3+3))
		is(t, s.Close(), nil)
	}
}

// other is a table that a part of the program does not know.
type other struct {
	ID  string
	Big int64
}

func (other) Table() string    { return "other" }
func (o other) Key() string    { return o.ID }
func (other) Labels() []string { return []string{"x"} }

// unknownTables: a store opened with a smaller schema keeps what it cannot read.
func unknownTables(t *testing.T, place Place) {
	var others store.Table[other]
	with := func(do func(s *store.Store), schema ...store.Document) {
		t.Helper()
		e, err := place(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.New(context.Background(), e, schema...)
		if err != nil {
			t.Fatal(err)
		}
		do(s)
		is(t, s.Close(), nil)
	}
	with(func(s *store.Store) {
		update(t, s, func(tx *store.Tx) error { return others.Put(tx, other{"o", 1<<62 + 1}) })
	}, other{}, Thing{})
	with(func(s *store.Store) {
		put(t, s, Thing{ID: "a"})
		got, _ := feed(t, s, 0)
		equal(t, "changes", got, "other/o@1 thing/a@2")
	}, Thing{})
	with(func(s *store.Store) {
		o, _ := others.Get(s.View(), "o")
		equal(t, "other", o, other{"o", 1<<62 + 1})
		equal(t, "others with the label", others.Count(s.View(), "x"), 1)
	}, other{}, Thing{})
}

type nameless struct{ stranger }

func (nameless) Table() string { return "" }

type twin struct{ Thing }

func badSchema(t *testing.T, place Place) {
	for _, schema := range [][]store.Document{{nameless{}}, {Thing{}, twin{}}, {&Thing{}}} {
		e, err := place(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s, err := store.New(context.Background(), e, schema...); err == nil {
			t.Errorf("schema %T: no error", schema)
			s.Close() //nolint:errcheck // it should not be there
		}
	}
}
