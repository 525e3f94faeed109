package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

type doc struct{ ID, Group string }

func (doc) Table() string      { return "doc" }
func (d doc) Key() string      { return d.ID }
func (d doc) Labels() []string { return []string{"group/" + d.Group} }

var docs store.Table[doc]

func TestSmoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, doc{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, func(tx *store.Tx) error {
		docs.Create(tx, doc{"a", "1"})
		docs.Create(tx, doc{"b", "1"})
		tx.Claim("ip", "1", "a")
		return docs.Modify(tx, "b", func(d *doc) error { d.Group = "2"; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(ctx, path, doc{}); err == nil {
		t.Fatal("second opening")
	} else {
		t.Log(err)
	}
	list, rev, err := s.Changes(ctx, 0)
	t.Log(list, rev, err)
	s.Close()
	if s, err = sqlite.Open(ctx, path, doc{}); err != nil {
		t.Fatal(err)
	}
	list, rev, err = s.Changes(ctx, 0)
	t.Log(list, rev, err)
	o, ok := store.Owner(s.View(), "ip", "1")
	t.Log(o, ok)
	for d := range docs.Select(s.View(), "group/2") {
		t.Log(d)
	}
	s.Close()
}
