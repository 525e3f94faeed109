package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object/blob"
)

func open(t *testing.T, on vfs.FS, numbers *atomic.Uint64) *blob.Store {
	t.Helper()
	s, err := blob.Open(blob.Config{Dir: "/b", FS: on, SegmentSize: 1000, Number: func() uint64 { return numbers.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func read(t *testing.T, s *blob.Store, r blob.Ref) []byte {
	t.Helper()
	f, err := s.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, r.Size)
	if n, err := f.ReadAt(b, 0); n != len(b) {
		t.Fatalf("read %d bytes of %s, %v", n, r, err)
	}
	return b
}

func body(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 50+n) }

// TestSegments holds that blobs which are appended at the same time are read as they
// were, also in the next run, and that a scan finds all of them.
func TestSegments(t *testing.T) {
	on, numbers := vfs.NewMem(), new(atomic.Uint64)
	s := open(t, on, numbers)
	refs := make([]blob.Ref, 100)
	var all sync.WaitGroup
	for n := range refs {
		if n%20 == 0 { // what comes together may be in one segment, however full that gets
			all.Wait()
		}
		all.Go(func() {
			r, err := s.Append(t.Context(), fmt.Appendf(nil, "owner %d", n), body(n))
			if err != nil {
				t.Error(err)
			}
			refs[n] = r
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), nil, body(1)); err == nil {
		t.Error("a closed store takes blobs")
	}
	s = open(t, on, numbers)
	if _, err := s.Append(t.Context(), nil, body(1)); err != nil {
		t.Fatal(err)
	}
	found := map[blob.Ref]string{}
	units, err := s.Units(blob.Packed)
	if err != nil {
		t.Fatal(err)
	}
	openUnits := 0
	for _, u := range units {
		if u.Open {
			openUnits++
			continue
		}
		err := s.Scan(t.Context(), u.Number, func(owner []byte, r blob.Ref, data []byte) error {
			found[r] = string(owner)
			if !bytes.Equal(data, read(t, s, r)) {
				t.Errorf("%s was scanned otherwise than it is read", r)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if openUnits != 1 || len(found) != len(refs) || len(units) < 5 {
		t.Errorf("%d segments, %d of them open, hold %d blobs", len(units), openUnits, len(found))
	}
	for n, r := range refs {
		if found[r] != fmt.Sprint("owner ", n) || !bytes.Equal(read(t, s, r), body(n)) {
			t.Errorf("%s belongs to %q", r, found[r])
		}
	}
	if err := s.Remove(blob.Packed, refs[0].Unit); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(refs[0]); !errors.Is(err, blob.ErrGone) {
		t.Errorf("a segment that was removed: %v", err)
	}
	if err := s.Remove(blob.Packed, refs[0].Unit); err != nil {
		t.Errorf("removed again: %v", err)
	}
	stop := errors.New("enough")
	if err := s.Scan(t.Context(), units[len(units)-1].Number, func([]byte, blob.Ref, []byte) error { return stop }); !errors.Is(err, stop) && !errors.Is(err, blob.ErrGone) {
		t.Errorf("a scan that was stopped: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Scan(ctx, refs[99].Unit, func([]byte, blob.Ref, []byte) error { return nil }); !errors.Is(err, context.Canceled) && !errors.Is(err, blob.ErrGone) {
		t.Errorf("a scan that was cancelled: %v", err)
	}
}

func TestFiles(t *testing.T) {
	s := open(t, vfs.NewMem(), new(atomic.Uint64))
	w, err := s.Create(-1)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Write(body(100)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.Commit()
	if err != nil || r.Size != 450 || r.Kind != blob.Alone {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := w.Abort(); err != nil || !bytes.Equal(read(t, s, r), bytes.Repeat([]byte{100}, 450)) {
		t.Errorf("aborted after it was committed: %v", err)
	}
	f, err := s.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(blob.Alone, r.Unit); err != nil {
		t.Fatal(err)
	}
	if n, err := f.ReadAt(make([]byte, 450), 0); n != 450 {
		t.Errorf("a file that was open is gone: %v", err)
	}
	f.Close()
	gone, err := s.Create(450)
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Write([]byte("x")); err == nil {
		t.Error("what was aborted is written to")
	}
	if units, err := s.Units(blob.Alone); err != nil || len(units) != 0 {
		t.Errorf("%v are left, %v", units, err)
	}
	if _, err := s.Open(r); !errors.Is(err, blob.ErrGone) {
		t.Errorf("a file that was removed: %v", err)
	}
}

func TestVerify(t *testing.T) {
	var b []byte
	for n := range 3 {
		b = append(b, blob.Finish(bytes.Repeat([]byte{byte(n)}, blob.BlockSize-blob.SumSize))...)
	}
	b = append(b, blob.Finish([]byte("end"))...)
	size := int64(len(b))
	if err := blob.Verify(bytes.NewReader(b), size); err != nil {
		t.Error(err)
	}
	for _, at := range []int{0, blob.BlockSize - 1, blob.BlockSize, 2*blob.BlockSize + 5, len(b) - 1} {
		b[at] ^= 1
		if err := blob.Verify(bytes.NewReader(b), size); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("byte %d was changed: %v", at, err)
		}
		b[at] ^= 1
	}
	if err := blob.Verify(bytes.NewReader(b[:len(b)-1]), size); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("cut: %v", err)
	}
	broken := errors.New("broken")
	if err := blob.Verify(failing{broken}, size); !errors.Is(err, broken) || errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("unreadable: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

var _ io.ReaderAt = failing{}
