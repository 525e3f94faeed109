// Package indextest is the conformance suite of index.Engine: what every engine must pass.
package indextest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/object/index"
)

// Place opens an index, again and again.
type Place func() (index.Engine, error)

// Run holds an engine to the interface. fresh returns the place of a new index.
func Run(t *testing.T, fresh func(testing.TB) Place) {
	for name, test := range map[string]func(*rig){
		"rows": rows, "walk": walk, "many rows": manyRows, "order": order, "ranges": ranges, "counters": counters,
		"snapshot": snapshot, "atomic": atomicBatches, "together": together, "lazy": lazy, "alone": alone, "large": large,
	} {
		t.Run(name, func(t *testing.T) { test(newRig(t, fresh(t))) })
	}
	t.Run("model", func(t *testing.T) { model(t, fresh) })
}

// rig is an index under test.
type rig struct {
	index.Engine
	testing.TB
	place Place
}

func newRig(t testing.TB, place Place) *rig {
	r := &rig{TB: t, place: place}
	r.open()
	t.Cleanup(func() { r.must(r.Close()) })
	return r
}

func (r *rig) open() {
	r.Helper()
	e, err := r.place()
	r.must(err)
	r.Engine = e
}

// Close closes the index. A testing.TB has no such method.
func (r *rig) Close() error { return r.Engine.Close() }

func (r *rig) reopen() {
	r.Helper()
	r.must(r.Close())
	r.open()
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// commit commits what fill says.
func (r *rig) commit(fill func(index.Batch)) {
	r.Helper()
	r.must(commit(r.Engine, true, fill))
}

func commit(e index.Engine, durable bool, fill func(index.Batch)) error {
	b := e.Batch()
	defer b.Close()
	fill(b)
	return b.Commit(durable)
}

// get returns the value of a row, or "-" if there is none.
func get(t testing.TB, from index.Reader, row string) string {
	t.Helper()
	v, done, err := from.Get([]byte(row))
	if errors.Is(err, index.ErrNotFound) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	s := string(v)
	if err := done.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) has(row, want string) {
	r.Helper()
	if got := get(r, r.Engine, row); got != want {
		r.Errorf("%.60q has %.60q, want %.60q", row, got, want)
	}
}

// all lists rows as key=value.
func all(t testing.TB, in index.Reader, from, to, seek string) (list []string) {
	t.Helper()
	it, err := in.Walk([]byte(from), []byte(to))
	if err != nil {
		t.Fatal(err)
	}
	at := []byte(seek)
	if seek == "" {
		at = nil
	}
	for ok := it.SeekGE(at); ok; ok = it.Next() {
		if !it.Valid() {
			t.Fatal("it stands on a row that is not valid")
		}
		list = append(list, string(it.Key())+"="+string(it.Value()))
	}
	if it.Valid() || it.Next() {
		t.Error("it goes on behind the end")
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return list
}

func (r *rig) lists(from, to, seek string, want ...string) {
	r.Helper()
	if got := all(r, r.Engine, from, to, seek); !slices.Equal(got, want) {
		r.Errorf("from %q to %q at %q there are %q, want %q", from, to, seek, got, want)
	}
}

func numbers(n ...int64) string { return string(index.Counters(n).Append(nil)) }

func rows(r *rig) {
	every := make([]byte, 256)
	for k := range every {
		every[k] = byte(k)
	}
	long := string(bytes.Repeat([]byte{0, 0xff, 'k'}, 774)) // 2322 bytes: the longest that an object store makes
	r.has("a", "-")
	r.commit(func(b index.Batch) {
		b.Set([]byte("a"), []byte("1"))
		b.Set([]byte("empty"), nil)
		b.Set([]byte("\x00"), []byte("\x00"))
		b.Set(every, every)
		b.Set([]byte(long), []byte("long"))
	})
	check := func() {
		r.Helper()
		r.has("a", "1")
		r.has("empty", "")
		r.has("\x00", "\x00")
		r.has(string(every), string(every))
		r.has(long, "long")
		r.has("A", "-")
		r.has("", "-")
	}
	check()
	r.reopen()
	check()
	r.commit(func(b index.Batch) {
		b.Set([]byte("a"), []byte("2"))
		b.Delete([]byte("empty"))
		b.Delete([]byte("never"))
	})
	r.has("a", "2")
	r.has("empty", "-")
	b := r.Batch()
	b.Set([]byte("a"), []byte("3"))
	r.has("a", "2")
	b.Close()
	r.has("a", "2")
}

func walk(r *rig) {
	r.commit(func(b index.Batch) {
		for _, k := range []string{"b", "a", "a\x00", "a\xff", "aa", "\xff", "c"} {
			b.Set([]byte(k), []byte("1"))
		}
	})
	r.lists("a", "b", "", "a=1", "a\x00=1", "aa=1", "a\xff=1")
	r.lists("a", "b", "a", "a=1", "a\x00=1", "aa=1", "a\xff=1")
	r.lists("a", "b", "A", "a=1", "a\x00=1", "aa=1", "a\xff=1")
	r.lists("a", "b", "a\x01", "aa=1", "a\xff=1")
	r.lists("a", "b", "b")
	r.lists("a", "b", "x")
	r.lists("a\x00", "a\x00\x00", "", "a\x00=1")
	r.lists("d", "e", "")
	r.lists("a", "a", "")
	r.lists("c", "\xff\xff", "", "c=1", "\xff=1")
	it, err := r.Walk([]byte("a"), []byte("d"))
	r.must(err)
	defer it.Close()
	for _, step := range []struct{ seek, stands string }{{"b", "b"}, {"a\x01", "aa"}, {"c", "c"}, {"c\x00", ""}, {"a", "a"}, {"bb", "c"}} {
		if ok := it.SeekGE([]byte(step.seek)); ok != (step.stands != "") || ok != it.Valid() || ok && string(it.Key()) != step.stands {
			r.Errorf("at %q: found %t, valid %t", step.seek, ok, it.Valid())
		}
	}
}

// manyRows walks over more than any page.
func manyRows(r *rig) {
	const n = 3000
	name := func(k int) string { return fmt.Sprintf("r%06d", k) }
	r.commit(func(b index.Batch) {
		for k := range n {
			b.Set([]byte(name(k)), []byte{byte(k)})
		}
	})
	if got := all(r, r.Engine, "r", "s", ""); len(got) != n || got[n-1] != name(n-1)+"="+string([]byte{byte((n - 1) % 256)}) {
		r.Errorf("%d rows, want %d", len(got), n)
	}
	it, err := r.Walk([]byte("r"), []byte("s"))
	r.must(err)
	for k := range n {
		at := k * 7919 % n
		if !it.SeekGE([]byte(name(at))) || string(it.Key()) != name(at) || it.Value()[0] != byte(at) {
			r.Fatalf("%s is not found", name(at))
		}
		if k%10 == 0 && at+1 < n && (!it.Next() || string(it.Key()) != name(at+1)) {
			r.Fatalf("%s does not follow %s", name(at+1), name(at))
		}
	}
	r.must(it.Close())
}

func order(r *rig) {
	r.commit(func(b index.Batch) {
		b.Set([]byte("a"), []byte("1"))
		b.Delete([]byte("a"))
		b.Set([]byte("b"), []byte("1"))
		b.Set([]byte("b"), []byte("2"))
		b.Delete([]byte("c"))
		b.Set([]byte("c"), []byte("3"))
	})
	r.lists("a", "z", "", "b=2", "c=3")
}

func ranges(r *rig) {
	fill := func(b index.Batch) {
		for _, k := range "abcdef" {
			b.Set([]byte(string(k)), []byte("1"))
		}
	}
	r.commit(fill)
	r.commit(func(b index.Batch) { b.DeleteRange([]byte("b"), []byte("e")) })
	r.lists("a", "z", "", "a=1", "e=1", "f=1")
	r.commit(func(b index.Batch) {
		fill(b)
		b.DeleteRange([]byte("b"), []byte("e"))
		b.Set([]byte("c"), []byte("2"))
		b.DeleteRange([]byte("x"), []byte("z"))
	})
	r.lists("a", "z", "", "a=1", "c=2", "e=1", "f=1")
	r.reopen()
	r.lists("a", "z", "", "a=1", "c=2", "e=1", "f=1")
}

func counters(r *rig) {
	add := func(row string, n ...int64) func(index.Batch) {
		return func(b index.Batch) { b.Add([]byte(row), n) }
	}
	r.commit(add("n", 1))
	r.has("n", numbers(1))
	r.commit(add("n", -3, 1<<60))
	r.has("n", numbers(-2, 1<<60))
	r.commit(add("n", 5))
	r.has("n", numbers(3, 1<<60))
	r.commit(func(b index.Batch) {
		for range 10 {
			b.Add([]byte("n"), index.Counters{1, 0, 2})
		}
	})
	r.has("n", numbers(13, 1<<60, 20))
	r.lists("m", "o", "", "n="+numbers(13, 1<<60, 20))
	r.commit(func(b index.Batch) {
		b.Delete([]byte("n"))
		b.Add([]byte("n"), index.Counters{7})
	})
	r.has("n", numbers(7))
	r.commit(func(b index.Batch) {
		b.Add([]byte("n"), index.Counters{1})
		b.DeleteRange([]byte("n"), []byte("o"))
		b.Add([]byte("n"), index.Counters{2, 2})
	})
	r.has("n", numbers(2, 2))
	var all errgroup.Group
	for range 16 {
		all.Go(func() error {
			for range 20 {
				if err := commit(r.Engine, true, add("n", 1, -1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r.must(all.Wait())
	r.has("n", numbers(322, -318))
	r.reopen()
	r.has("n", numbers(322, -318))
	r.commit(func(b index.Batch) { b.Delete([]byte("n")) })
	r.has("n", "-")
}

func snapshot(r *rig) {
	r.commit(func(b index.Batch) {
		b.Set([]byte("a"), []byte("1"))
		b.Set([]byte("b"), []byte("1"))
		b.Add([]byte("n"), index.Counters{1})
	})
	s, err := r.Snapshot()
	r.must(err)
	r.commit(func(b index.Batch) {
		b.Set([]byte("a"), []byte("2"))
		b.Delete([]byte("b"))
		b.Set([]byte("c"), []byte("2"))
		b.Add([]byte("n"), index.Counters{1})
	})
	if got := all(r, s, "a", "z", ""); !slices.Equal(got, []string{"a=1", "b=1", "n=" + numbers(1)}) {
		r.Errorf("the snapshot shows %q", got)
	}
	if a, c := get(r, s, "a"), get(r, s, "c"); a != "1" || c != "-" {
		r.Errorf("the snapshot has %q and %q", a, c)
	}
	r.must(s.Close())
	r.lists("a", "z", "", "a=2", "c=2", "n="+numbers(2))
}

// atomicBatches holds that who looks sees batches whole.
func atomicBatches(r *rig) {
	var writing errgroup.Group
	over := make(chan struct{})
	writing.Go(func() error {
		defer close(over)
		for k := range 200 {
			v := fmt.Appendf(nil, "%d", k)
			if err := commit(r.Engine, k%2 == 0, func(b index.Batch) { b.Set([]byte("a"), v); b.Set([]byte("b"), v) }); err != nil {
				return err
			}
		}
		return nil
	})
	for looking := true; looking; {
		select {
		case <-over:
			looking = false
		default:
		}
		s, err := r.Snapshot()
		r.must(err)
		if a, b := get(r, s, "a"), get(r, s, "b"); a != b {
			r.Fatalf("half a batch: %q and %q", a, b)
		}
		r.must(s.Close())
	}
	r.must(writing.Wait())
	r.has("b", "199")
}

// together commits from many goroutines.
func together(r *rig) {
	const workers, each = 32, 25
	var writing errgroup.Group
	for w := range workers {
		writing.Go(func() error {
			for k := range each {
				row := fmt.Appendf(nil, "%d-%d", w, k)
				if err := commit(r.Engine, k%5 > 0, func(b index.Batch) {
					b.Set(row, row)
					b.Delete(fmt.Appendf(nil, "%d-%d", w, k-1))
					b.Add([]byte("total"), index.Counters{1})
				}); err != nil {
					return err
				}
				v, done, err := r.Get(row)
				if err != nil || !bytes.Equal(v, row) {
					return fmt.Errorf("%s has %q: %w", row, v, err)
				}
				if err := done.Close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r.must(writing.Wait())
	r.reopen()
	r.has("total", numbers(workers*each))
	if got := all(r, r.Engine, "0", ":", ""); len(got) != workers {
		r.Errorf("%d rows are left, want %d: %q", len(got), workers, got)
	}
}

// lazy commits without waiting, and then makes it last.
func lazy(r *rig) {
	for k := range 10 {
		r.must(commit(r.Engine, false, func(b index.Batch) { b.Add([]byte("n"), index.Counters{int64(k)}) }))
	}
	r.has("n", numbers(45))
	r.commit(func(index.Batch) {})
	r.reopen()
	r.has("n", numbers(45))
}

// alone holds that nobody else can open the index.
func alone(r *rig) {
	if e, err := r.place(); err == nil {
		r.Error("an index was opened twice")
		r.must(e.Close())
	}
	r.commit(func(b index.Batch) { b.Set([]byte("a"), []byte("1")) })
	r.reopen()
	r.has("a", "1")
}

// large is a batch of many rows, and of large values.
func large(r *rig) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	r.commit(func(b index.Batch) {
		for k := range 10 {
			b.Set(fmt.Appendf(nil, "large%d", k), value)
		}
		for k := range 10_000 {
			b.Set(fmt.Appendf(nil, "small%05d", k), []byte("x"))
		}
	})
	r.has("large9", string(value))
	if got := all(r, r.Engine, "small", "smalm", ""); len(got) != 10_000 {
		r.Errorf("%d rows", len(got))
	}
	r.commit(func(b index.Batch) {
		for k := range 10_000 {
			b.Delete(fmt.Appendf(nil, "small%05d", k))
		}
		b.DeleteRange([]byte("large"), []byte("largf"))
	})
	r.lists("a", "z", "")
}
