package sqlite_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

type secretDocument struct{ ID, Secret string }

func (secretDocument) Table() string    { return "secret" }
func (d secretDocument) Key() string    { return d.ID }
func (secretDocument) Labels() []string { return nil }

// TestDeletedDocumentsAreGone: the secrets of deleted documents are in no file of the
// store, while it is open, whatever pages they have been moved over.
func TestDeletedDocumentsAreGone(t *testing.T) {
	dir := t.TempDir()
	engine, err := sqlite.New(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	engine.SetNow(func() time.Time { return now })
	s, err := store.New(t.Context(), engine, secretDocument{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // test
	var table store.Table[secretDocument]
	rng := rand.New(rand.NewPCG(1, 2))
	secret := func(n int, kept bool) string {
		return fmt.Sprintf("%v-secret-%06d-%s", kept, n, bytes.Repeat([]byte("x"), rng.IntN(700)))
	}
	const all = 2000
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(n int) bool { return n%10 == 0 }
	order := rng.Perm(all)
	for begin := 0; begin < all; begin += 50 { // many pages, split again and again
		update(func(tx *store.Tx) error {
			for _, n := range order[begin : begin+50] {
				if err := table.Create(tx, secretDocument{fmt.Sprintf("d-%06d", n), secret(n, kept(n))}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	order = rng.Perm(all)
	for begin := 0; begin < all; begin += 50 {
		update(func(tx *store.Tx) error {
			for _, n := range order[begin : begin+50] {
				if kept(n) {
					continue
				}
				if err := table.Delete(tx, fmt.Sprintf("d-%06d", n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	now = now.Add(time.Minute)
	update(func(tx *store.Tx) error { return table.Create(tx, secretDocument{"d-next", "next"}) })
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	found := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found += bytes.Count(b, []byte("true-secret-"))
		if n := bytes.Count(b, []byte("false-secret-")); n > 0 {
			t.Errorf("%s holds %d secrets of deleted documents", filepath.Base(f), n)
		}
	}
	if found < all/10 {
		t.Errorf("found %d secrets of documents that are there, want %d", found, all/10)
	}
}
