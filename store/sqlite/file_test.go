package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// page is a document that fills pages.
type page struct {
	N    int
	Text string
}

func (page) Table() string      { return "page" }
func (p page) Key() string      { return fmt.Sprint("page", p.N) }
func (p page) Labels() []string { return nil }

var pages store.Table[page]

// filled returns the path of a closed file with documents.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := openFile(t, path)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for n := range 100 {
			if err := pages.Put(tx, page{n, strings.Repeat("x", 1000)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func openFile(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, page{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// overwrite writes bytes at the offset.
func overwrite(t *testing.T, path string, at int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// run runs SQL on the file, as another program.
func run(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(statements)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRefused: a file that is not as it should be is refused, with the remedy, and
// left as it is.
func TestRefused(t *testing.T) {
	const damaged = "it is damaged"
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"not a database": {func(t *testing.T, path string) { overwrite(t, path, 0, []byte("hello, world")) }, damaged},
		"truncated": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 20_000); err != nil {
				t.Fatal(err)
			}
		}, damaged},
		"a page of zeros": {func(t *testing.T, path string) { overwrite(t, path, 10*4096, make([]byte, 4096)) }, damaged},
		"noise": {func(t *testing.T, path string) {
			overwrite(t, path, 4096, bytes.Repeat([]byte{0xa5}, 20*4096))
		}, damaged},
		"a damaged document": {func(t *testing.T, path string) {
			run(t, path, `UPDATE document SET data = '{"N":' WHERE key = 'page7'`)
		}, "decode page page7"},
		"no position": {func(t *testing.T, path string) { run(t, path, "DELETE FROM position") }, damaged},
		"another program's": {func(t *testing.T, path string) {
			run(t, path, "PRAGMA application_id = 1")
		}, "another program: name another file"},
		"newer": {func(t *testing.T, path string) { run(t, path, "PRAGMA user_version = 99") }, "run that version, or restore a backup"},
		"a folder": {func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			test.spoil(t, path)
			before, _ := os.ReadFile(path)
			s, err := sqlite.Open(t.Context(), path, page{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path", err, test.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "state.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestSecondProcess(t *testing.T) {
	path := filled(t)
	s := openFile(t, path)
	_, err := sqlite.Open(t.Context(), path, page{})
	if want := fmt.Sprintf("%s: it is in use by process %d", path, os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return pages.Delete(tx, "page1") }); err != nil {
		t.Errorf("after it: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	openFile(t, path).Close()
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "50%", "what?", "#1", "ü", "x.db?mode=memory", ":memory:"} {
		path := filepath.Join(t.TempDir(), name)
		s := openFile(t, path)
		err := s.Update(t.Context(), func(tx *store.Tx) error { return pages.Put(tx, page{N: 1}) })
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
		s = openFile(t, path)
		if n := pages.Count(s.View(), ""); n != 1 {
			t.Errorf("%s: %d documents, want 1", name, n)
		}
		s.Close()
	}
}

// TestBackup: another program may read the file meanwhile, and does not disturb.
func TestBackup(t *testing.T) {
	path := filled(t)
	s := openFile(t, path)
	defer s.Close()
	db, err := sql.Open("sqlite", path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	count := func() (n int) {
		if err := tx.QueryRow("SELECT count(*) FROM document WHERE data IS NOT NULL").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 100 {
		t.Errorf("%d documents, want 100", n)
	}
	for n := range 50 {
		err := s.Update(t.Context(), func(tx *store.Tx) error { return pages.Delete(tx, page{N: n}.Key()) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 100 {
		t.Errorf("%d documents later in the same transaction, want 100", n)
	}
}

// TestFullDisk: what does not fit is refused, nothing else is lost, and it goes on
// when there is space again.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("vauban-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path, ballast := filepath.Join(dir, "state.db"), filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, path)
	var full error
	written := 0
	put := func(n int) error {
		return s.Update(context.Background(), func(tx *store.Tx) error { return pages.Put(tx, page{n, strings.Repeat("x", 20_000)}) })
	}
	for n := 0; full == nil && n < 1000; n++ {
		if full = put(n); full == nil {
			written++
		}
	}
	if full == nil || !strings.Contains(full.Error(), "free space on its disk") || errors.Is(full, store.ErrUnknown) {
		t.Errorf("when the disk is full: %v", full)
	}
	if n := pages.Count(s.View(), ""); n != written {
		t.Errorf("%d documents, want %d", n, written)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := put(1000); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = openFile(t, path)
	defer s.Close()
	if n := pages.Count(s.View(), ""); n != written+1 {
		t.Errorf("%d documents after opening again, want %d", n, written+1)
	}
}

// TestDurable: SQLite ignores a setting that it does not understand.
func TestDurable(t *testing.T) {
	e, err := sqlite.New(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "busy_timeout": "10000"} {
		if got, err := e.Pragma(t.Context(), name); got != want || err != nil {
			t.Errorf("%s is %s, want %s; %v", name, got, want, err)
		}
	}
}
