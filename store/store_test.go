package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/storetest"
)

// memory is an engine whose disk is a map, and which fails as it is told.
type memory struct {
	disk    *disk
	fail    func(step string) error // called at "read", "begin", "commit"; nil: never fails
	commits int
	blocked chan bool // if not nil, commits wait for it
}

type disk struct {
	mu       sync.Mutex
	rows     map[string]store.Row // guarded by mu
	position store.Position       // guarded by mu
}

func newDisk() *disk { return &disk{rows: map[string]store.Row{}} }

func (m *memory) failing(step string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(step)
}

func (m *memory) Read(_ context.Context, since int64, yield func(store.Row) error) (store.Position, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	for r := range maps.Values(m.disk.rows) {
		if r.Revision > since || m.disk.position.Horizon > since {
			if err := yield(r); err != nil {
				return store.Position{}, err
			}
		}
	}
	return m.disk.position, m.failing("read")
}

func (m *memory) Begin(ctx context.Context, since int64, yield func(store.Row) error) (store.Position, store.Writer, error) {
	if err := m.failing("begin"); err != nil {
		return store.Position{}, nil, err
	}
	if err := ctx.Err(); err != nil {
		return store.Position{}, nil, err
	}
	p, err := m.Read(ctx, since, yield)
	if err != nil {
		return p, nil, err
	}
	return p, m, nil
}

func (m *memory) Rollback() {}

func (m *memory) Commit(rows []store.Row, p store.Position) error {
	if m.blocked != nil {
		<-m.blocked
	}
	if err := m.failing("commit"); err != nil {
		return err
	}
	m.commits++
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	old := m.disk.position
	if p.Revision <= old.Revision || p.Horizon < old.Horizon || p.Horizon > p.Revision {
		panic(fmt.Sprintf("commit of position %v after %v", p, old))
	}
	for _, r := range rows {
		if r.Revision <= old.Revision || r.Revision > p.Revision {
			panic(fmt.Sprintf("commit of %s %s at %d, between %v and %v", r.Table, r.Key, r.Revision, old, p))
		}
		m.disk.rows[r.Table+"\x00"+r.Key] = r
	}
	maps.DeleteFunc(m.disk.rows, func(_ string, r store.Row) bool { return r.Data == nil && r.Revision <= p.Horizon })
	m.disk.position = p
	return nil
}

func (m *memory) Wait(ctx context.Context) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func (m *memory) Close() error { return nil }

func fresh(testing.TB) storetest.Place {
	d := newDisk()
	return func(context.Context) (store.Engine, error) { return &memory{disk: d}, nil }
}

func TestConformance(t *testing.T) { storetest.Run(t, fresh) }

func TestModel(t *testing.T) { storetest.Model(t, fresh, 100) }

func TestFaults(t *testing.T) { storetest.Faults(t, fresh) }

// count is a document of the tests below.
type count struct{ N int }

func (count) Table() string    { return "count" }
func (count) Key() string      { return "x" }
func (count) Labels() []string { return nil }

var counts store.Table[count]

// add is a transaction that counts.
func add(tx *store.Tx) error {
	c, _ := counts.Get(tx, "x")
	return counts.Put(tx, count{c.N + 1})
}

func read(s *store.Store) int {
	c, _ := counts.Get(s.View(), "x")
	return c.N
}

func open(t *testing.T, m *memory) *store.Store {
	t.Helper()
	s, err := store.New(t.Context(), m, count{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBatch: all that wait during a commit share the next.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{disk: newDisk(), blocked: make(chan bool)}
		s := open(t, m)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 65 {
			if i == 1 {
				synctest.Wait() // the first is being committed
			}
			go func() {
				if err := s.Update(t.Context(), add); err != nil {
					t.Error(err)
				}
			}()
		}
		go func() {
			err := s.Update(ctx, func(*store.Tx) error { t.Error("function ran"); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		cancel() // who leaves the queue is not missed
		synctest.Wait()
		for want, batch := range []int{0, 1, 65} {
			if read(s) != batch || m.commits != want {
				t.Errorf("%d written in %d commits, want %d in %d", read(s), m.commits, batch, want)
			}
			if want < 2 {
				m.blocked <- true
				synctest.Wait()
			}
		}
	})
}

// TestFailures: what Update returns, and what is there after it, when a step fails.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	retry := fmt.Errorf("%w: %w", store.ErrRetry, broken)
	unknown := fmt.Errorf("%w: %w", store.ErrUnknown, broken)
	for _, test := range []struct {
		name  string
		fails []string // steps that fail, in this order
		with  error
		want  error // nil: it was tried again
		runs  int   // of the function
	}{
		{"begin", []string{"begin"}, broken, broken, 0},
		{"begin, once", []string{"begin"}, retry, nil, 1},
		{"read", []string{"read"}, broken, broken, 0},
		{"read, twice", []string{"read", "read"}, retry, nil, 1},
		{"commit", []string{"commit"}, broken, broken, 1},
		{"commit, once", []string{"commit"}, retry, nil, 2},
		{"commit, for ever", slices.Repeat([]string{"commit"}, 5), retry, broken, 5},
		{"unknown", []string{"commit"}, unknown, store.ErrUnknown, 1},
		{"unknown, and then unreadable", []string{"commit", "read"}, unknown, store.ErrUnknown, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &memory{disk: newDisk()}
			s := open(t, m)
			defer s.Close()
			if err := s.Update(t.Context(), add); err != nil {
				t.Fatal(err)
			}
			left := test.fails
			m.fail = func(step string) error {
				if len(left) == 0 || step != left[0] {
					return nil
				}
				left = left[1:]
				return test.with
			}
			runs := 0
			err := s.Update(t.Context(), func(tx *store.Tx) error { runs++; return add(tx) })
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if len(left) > 0 || runs != test.runs {
				t.Errorf("function ran %d times, want %d; steps that did not come: %v", runs, test.runs, left)
			}
			want := 1
			if test.want == nil {
				want = 2
			}
			if read(s) != want {
				t.Errorf("count %d, want %d", read(s), want)
			}
			if err := s.Update(t.Context(), add); err != nil || read(s) != want+1 {
				t.Errorf("after it: count %d, want %d; %v", read(s), want+1, err)
			}
		})
	}
}

// TestPanicAndRetry: a batch that must run again does so without who panicked.
func TestPanicAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{disk: newDisk(), blocked: make(chan bool)}
		s := open(t, m)
		defer s.Close()
		go s.Update(t.Context(), add) //nolint:errcheck // it only keeps the others waiting
		synctest.Wait()
		for i := range 10 {
			go func() {
				defer func() {
					if r := recover(); (r == nil) != (i%2 == 0) {
						t.Errorf("update %d: panic %v", i, r)
					}
				}()
				err := s.Update(t.Context(), func(tx *store.Tx) error {
					if i%2 != 0 {
						panic("on purpose")
					}
					return add(tx)
				})
				if err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		once := store.ErrRetry
		m.blocked <- true
		synctest.Wait()
		m.fail = func(step string) error {
			if step != "commit" {
				return nil
			}
			defer func() { once = nil }()
			return once
		}
		m.blocked <- true
		m.blocked <- true
		synctest.Wait()
		if read(s) != 6 {
			t.Errorf("count %d, want 6", read(s))
		}
	})
}

// TestFailedOutcomeIsNotSeen: a function may have failed because of what another
// one of the batch wrote: if that is not committed, the failure is not true.
func TestFailedOutcomeIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{disk: newDisk(), blocked: make(chan bool)}
		s := open(t, m)
		defer s.Close()
		go s.Update(t.Context(), func(*store.Tx) error { return nil })                        //nolint:errcheck // it writes nothing
		go s.Update(t.Context(), func(tx *store.Tx) error { return tx.Claim("a", "b", "c") }) //nolint:errcheck // it only keeps the others waiting
		synctest.Wait()
		broken := errors.New("broken")
		for range 2 {
			go func() {
				err := s.Update(t.Context(), func(tx *store.Tx) error { return counts.Create(tx, count{1}) })
				if !errors.Is(err, broken) || errors.Is(err, store.ErrExists) {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		m.blocked <- true
		synctest.Wait()
		m.fail = func(string) error { return broken }
		m.blocked <- true
		synctest.Wait()
		m.fail = nil
	})
}

// TestRegress: a store whose disk went back in time does not write any more.
func TestRegress(t *testing.T) {
	m := &memory{disk: newDisk()}
	s := open(t, m)
	defer s.Close()
	for range 3 {
		if err := s.Update(t.Context(), add); err != nil {
			t.Fatal(err)
		}
	}
	m.disk.position.Revision = 1
	first := s.Update(t.Context(), add)
	m.disk.position.Revision = 7 // somebody went on from there
	second := s.Update(t.Context(), add)
	if first == nil || second == nil {
		t.Errorf("updates returned %v and %v", first, second)
	}
	if read(s) != 3 {
		t.Errorf("count %d, want 3", read(s))
	}
}

// TestDamagedDocument: the error names the document.
func TestDamagedDocument(t *testing.T) {
	for data, want := range map[string]string{
		`{"N":"x"}`: "open store: decode count x: json: cannot unmarshal string into Go struct field count.N of type int",
		`{"N":1`:    "open store: decode count x: unexpected end of JSON input",
	} {
		d := newDisk()
		d.position.Revision = 1
		d.rows["x"] = store.Row{Table: "count", Key: "x", Revision: 1, Data: []byte(data)}
		if _, err := store.New(t.Context(), &memory{disk: d}, count{}); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, fresh) }
