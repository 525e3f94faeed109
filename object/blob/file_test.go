package blob_test

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object/blob"
)

// TestFileOnDisk holds that a large blob on a real disk is what was written, in whatever pieces:
// whole pages go past the kernel's cache, and ends are filled up and written over.
func TestFileOnDisk(t *testing.T) {
	numbers := new(atomic.Uint64)
	s, err := blob.Open(blob.Config{Dir: t.TempDir(), FS: vfs.Default, SegmentSize: 1000, Number: func() uint64 { return numbers.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{}).Read(all) //nolint:errcheck // it does not fail
	for _, pieces := range [][]int{
		{1}, {4095}, {4096}, {4097}, {65536, 340}, {65536, 65536, 4096}, {10, 20, 4066, 4096}, {4097, 4095, 4096}, {8192, 100, 8092, 70000}, {0, 262144, 0, 17},
	} {
		for _, known := range []bool{false, true} {
			size := 0
			for _, n := range pieces {
				size += n
			}
			declared := int64(-1)
			if known {
				declared = int64(size)
			}
			w, err := s.Create(declared)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, n := range pieces {
				if k, err := w.Write(all[at : at+n]); k != n || err != nil {
					t.Fatalf("%v: wrote %d of %d bytes, %v", pieces, k, n, err)
				}
				at += n
			}
			r, err := w.Commit()
			if err != nil || r.Size != int64(size) {
				t.Fatalf("%v: %+v, %v", pieces, r, err)
			}
			if !bytes.Equal(read(t, s, r), all[:size]) {
				t.Errorf("%v are read otherwise", pieces)
			}
		}
	}
}
