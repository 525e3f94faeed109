package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/blob"
)

// memory is a Backend without segments, as an object store elsewhere would be: each
// blob is a unit of its own. It survives the store, and can fail.
type memory struct {
	mu     sync.Mutex
	number func() uint64     // guarded by mu
	units  map[uint64][]byte // guarded by mu
	fail   error             // of everything that makes bytes durable; guarded by mu
}

func newMemory() *memory { return &memory{units: map[uint64][]byte{}} }

func (m *memory) config(c *object.Config) {
	c.Backend = func(number func() uint64) (object.Backend, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.number = number
		return m, nil
	}
}

func (m *memory) names() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.units {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

func (m *memory) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *memory) keep(n uint64, data []byte) (blob.Ref, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return blob.Ref{}, m.fail
	}
	m.units[n] = bytes.Clone(data)
	return blob.Ref{Kind: blob.Alone, Unit: n, Size: int64(len(data))}, nil
}

func (m *memory) take() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.number()
}

func (m *memory) Append(_ context.Context, _, data []byte) (blob.Ref, error) {
	if len(data) == 0 {
		return blob.Ref{}, nil
	}
	return m.keep(m.take(), data)
}

func (m *memory) Create(int64) (blob.Writer, error) {
	return &memoryWriter{m: m, number: m.take()}, nil
}

func (m *memory) Open(r blob.Ref) (blob.Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.units[r.Unit]
	if !ok {
		return nil, blob.ErrGone
	}
	return memoryReader{bytes.NewReader(b)}, nil
}

func (m *memory) Units(kind blob.Kind) (all []blob.Unit, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.units {
		if kind == blob.Alone {
			all = append(all, blob.Unit{Kind: kind, Number: n})
		}
	}
	return all, nil
}

func (*memory) Scan(context.Context, uint64, func([]byte, blob.Ref, []byte) error) error {
	return errors.New("there are no segments")
}

func (m *memory) Remove(_ blob.Kind, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.units, n)
	return nil
}

type memoryReader struct{ *bytes.Reader }

func (memoryReader) Close() error { return nil }

type memoryWriter struct {
	m      *memory
	number uint64
	bytes.Buffer
}

func (w *memoryWriter) Commit() (blob.Ref, error) { return w.m.keep(w.number, w.Bytes()) }
func (w *memoryWriter) Abort() error              { return nil }

var _ io.Writer = (*memoryWriter)(nil)

// TestOtherBackend holds that nothing but the interface is needed, and what a failing
// backend leads to.
func TestOtherBackend(t *testing.T) {
	m := newMemory()
	r := newRig(t, m.config)
	broken := errors.New("the cluster is away")
	for _, n := range []int{100, 300_000} {
		m.setFail(nil)
		r.put(plain, "a", random(1, n))
		m.setFail(broken)
		_, err := r.tryPut(plain, "a", random(2, n))
		r.wants(err, broken)
		r.reopen()
		r.holds(plain, "a", "", random(1, n))
	}
	r.must(r.Maintain(r.ctx))
	if names := m.names(); len(names) != 1 {
		t.Errorf("units %v are left, want one", names)
	}
	if s, damage := r.scrub(); s.Blobs != 1 || len(damage) != 0 {
		t.Errorf("scrubbed %+v, damaged %v", s, damage)
	}
	m.mu.Lock()
	for n := range m.units {
		m.units[n] = slices.Clone(m.units[n][:10])
	}
	m.mu.Unlock()
	_, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a"})
	r.wants(err, object.ErrCorrupt)
}
