package object_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/object"
)

// meeting lets bodies on once so many of them have come to their middle.
type meeting struct {
	left sync.WaitGroup
	once [40]sync.Once
}

// TestManyLargeBodies puts large bodies all of which are half way at the same time: more than
// get much memory.
func TestManyLargeBodies(t *testing.T) {
	r := newRig(t)
	var m meeting
	m.left.Add(len(m.once))
	var all sync.WaitGroup
	body := func(n int) []byte { return random(uint64(n), 1_800_000+n*1000) }
	for n := range m.once {
		all.Go(func() {
			b := body(n)
			half := io.MultiReader(bytes.NewReader(b[:900_000]), readerFunc(func([]byte) (int, error) {
				m.once[n].Do(m.left.Done)
				m.left.Wait()
				return 0, io.EOF
			}), bytes.NewReader(b[900_000:]))
			size := int64(len(b))
			if n%3 == 0 {
				size = -1
			}
			info, err := r.Put(r.ctx, object.PutInput{Bucket: plain, Key: fmt.Sprint(n), Size: size}, half)
			if err != nil || info.ETag != etag(b) {
				t.Errorf("body %d: ETag %q, want %q; %v", n, info.ETag, etag(b), err)
			}
		})
	}
	all.Wait()
	for n := range m.once {
		r.holds(plain, fmt.Sprint(n), "", body(n))
	}
	if n := r.WideBodies(); n != 0 {
		t.Errorf("%d bodies have much memory, and there are none", n)
	}
}

// readerFunc is a function as a reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
