package object_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/object"
)

// BenchmarkStore measures the store alone, without HTTP, on the disk of the
// temporary folder, in turns with what the disk itself can do.
//
// Metrics: the store's in /s or MB/s; "disk", what it is compared with; "ratio".
func BenchmarkStore(b *testing.B) {
	for _, m := range []struct {
		name    string
		workers int
		size    int
		op      func(*bencher, int) error
		disk    func(*bencher) func() error // nil: not compared
	}{
		{"put/4KiB", 64, 4096, (*bencher).put, (*bencher).appendSynced},
		{"put/1MiB", 8, 1 << 20, (*bencher).put, (*bencher).writeFile},
		{"put/10MiB", 4, 10 << 20, (*bencher).put, (*bencher).writeFile},
		{"get/4KiB", 16, 4096, (*bencher).get, nil},
		{"head/4KiB", 16, 4096, (*bencher).head, nil},
		{"get/1MiB", 8, 1 << 20, (*bencher).get, (*bencher).readFile},
		{"get/10MiB", 4, 10 << 20, (*bencher).get, (*bencher).readFile},
		{"delete/4KiB", 16, 4096, (*bencher).delete, nil},
		{"list/1000", 1, 4096, (*bencher).list, nil},
	} {
		b.Run(m.name, func(b *testing.B) {
			s := newBencher(b, m.size)
			s.prepare(m.name)
			var store, disk time.Duration
			diskOps := 0
			b.ResetTimer()
			const turns = 4
			for turn := range turns {
				from, to := b.N*turn/turns, b.N*(turn+1)/turns
				store += s.run(m.workers, from, to, m.op)
				if m.disk != nil {
					do := m.disk(s)
					n := max(1, min(to-from, 2000))
					disk += s.run(1, 0, n, func(*bencher, int) error { return do() })
					diskOps += n
				}
			}
			unit, per := "/s", 1.0
			if m.size > 4096 {
				unit, per = "MB/s", float64(m.size)/1e6
			}
			if m.name == "list/1000" {
				unit, per = "keys/s", 1000
			}
			rate := float64(b.N) * per / store.Seconds()
			b.ReportMetric(rate, unit)
			if m.disk != nil {
				d := float64(diskOps) * per / disk.Seconds()
				b.ReportMetric(d, "disk")
				b.ReportMetric(rate/d, "ratio")
			}
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			b.ReportMetric(float64(mem.HeapInuse)/1e6, "heap-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// bencher is a store under measure.
type bencher struct {
	*rig
	b    *testing.B
	body []byte
	key  func(n int) string
	have int    // keys that there are
	url  string // of a server over the store, for fetch
}

func newBencher(b *testing.B, size int) *bencher {
	s, err := object.Open(object.Config{Dir: b.TempDir(), Keys: oneKey{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	r := &bencher{rig: &rig{Store: s, t: b, ctx: b.Context()}, b: b, body: random(1, size), key: func(n int) string { return fmt.Sprintf("photos/2026/%09d.jpg", n) }}
	r.must(s.CreateBucket(r.ctx, "b"))
	return r
}

// prepare puts what is to be read.
func (s *bencher) prepare(name string) {
	n := 0
	switch {
	case name[:3] == "put":
		return
	case name[:4] == "list":
		n = 20_000
	case name[:3] == "del":
		n = s.b.N
	case name[:5] == "fetch":
		n = 32
		server := httptest.NewServer(http.HandlerFunc(s.serve))
		s.b.Cleanup(server.Close)
		s.url = server.URL
	case len(s.body) > 4096:
		n = 32
	default:
		n = 5000
	}
	s.have = n
	s.run(64, 0, n, (*bencher).put)
}

func (s *bencher) run(workers, from, to int, op func(*bencher, int) error) time.Duration {
	var next atomic.Int64
	next.Store(int64(from))
	var all errgroup.Group
	begin := time.Now()
	for range workers {
		all.Go(func() error {
			for n := int(next.Add(1)) - 1; n < to; n = int(next.Add(1)) - 1 {
				if err := op(s, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		s.b.Fatal(err)
	}
	return time.Since(begin)
}

func (s *bencher) put(n int) error {
	_, err := s.Put(context.Background(), object.PutInput{Bucket: "b", Key: s.key(n), Size: int64(len(s.body))}, bytes.NewReader(s.body))
	return err
}

func (s *bencher) get(n int) error {
	r, _, err := s.Get(context.Background(), object.GetInput{Bucket: "b", Key: s.key(n * 7919 % s.have)})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.WriteTo(io.Discard)
	return err
}

// serve answers with an object, and nothing else of S3.
func (s *bencher) serve(w http.ResponseWriter, q *http.Request) {
	r, _, err := s.Get(q.Context(), object.GetInput{Bucket: "b", Key: q.URL.Path[1:]})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer r.Close()
	w.Header().Set("Content-Length", strconv.FormatInt(r.Length, 10))
	r.WriteTo(w) //nolint:errcheck // the client counts
}

// fetch is get with a socket on the way.
func (s *bencher) fetch(n int) error {
	q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+"/"+s.key(n*7919%s.have), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if got, err := io.Copy(io.Discard, answer.Body); err != nil || got != int64(len(s.body)) {
		return fmt.Errorf("%d bytes came: %w", got, err)
	}
	return nil
}

func (s *bencher) head(n int) error {
	_, err := s.Head(context.Background(), object.GetInput{Bucket: "b", Key: s.key(n * 7919 % s.have)})
	return err
}

func (s *bencher) delete(n int) error {
	_, err := s.Delete(context.Background(), "b", object.DeleteInput{Key: s.key(n)})
	return err
}

func (s *bencher) list(n int) error {
	l, err := s.List(context.Background(), "b", object.ListInput{Prefix: "photos/", After: s.key(n % 19 * 1000), Max: 1000})
	if err == nil && len(l.Objects) != 1000 {
		err = fmt.Errorf("listed %d keys", len(l.Objects))
	}
	return err
}

// appendSynced appends a body to a file and syncs it: what one writer could do.
func (s *bencher) appendSynced() func() error {
	f, err := os.Create(filepath.Join(s.b.TempDir(), "log"))
	s.must(err)
	s.b.Cleanup(func() { f.Close() })
	return func() error {
		if _, err := f.Write(s.body); err != nil {
			return err
		}
		return f.Sync()
	}
}

// writeFile writes a body to a new file and syncs it.
func (s *bencher) writeFile() func() error {
	dir, n := s.b.TempDir(), 0
	return func() error {
		n++
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(s.body); err != nil {
			return err
		}
		return f.Sync()
	}
}

// readFile reads a file of a body, as often as it is there already.
func (s *bencher) readFile() func() error {
	name := filepath.Join(s.b.TempDir(), "file")
	s.must(os.WriteFile(name, s.body, 0o600))
	buf := make([]byte, 256<<10)
	return func() error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		return err
	}
}

// BenchmarkEncryption measures what encrypting costs: the rates of an encrypted and of a
// plain store, in turns, and how the first is to the second; and the same of the processor
// time of both, which depends less on what else the machine does.
func BenchmarkEncryption(b *testing.B) {
	for _, m := range []struct {
		name    string
		workers int
		size    int
		op      func(*bencher, int) error
	}{
		{"put/4KiB", 64, 4096, (*bencher).put},
		{"get/4KiB", 16, 4096, (*bencher).get},
		{"put/1MiB", 8, 1 << 20, (*bencher).put},
		{"get/1MiB", 8, 1 << 20, (*bencher).get},
		{"fetch/1MiB", 8, 1 << 20, (*bencher).fetch},
	} {
		b.Run(m.name, func(b *testing.B) {
			sealed, plain := newBencher(b, m.size), newBencher(b, m.size)
			plain.Unencrypted()
			sealed.prepare(m.name)
			plain.prepare(m.name)
			b.ResetTimer()
			const turns = 6
			var took, used [2]time.Duration
			begin := processorTime(b)
			lap := func(k int) {
				now := processorTime(b)
				used[k] += now - begin
				begin = now
			}
			for turn := range turns {
				from, to := b.N*turn/turns, b.N*(turn+1)/turns
				took[0] += sealed.run(m.workers, from, to, m.op)
				lap(0)
				took[1] += plain.run(m.workers, from, to, m.op)
				lap(1)
			}
			b.ReportMetric(float64(b.N)/took[0].Seconds(), "sealed/s")
			b.ReportMetric(float64(b.N)/took[1].Seconds(), "plain/s")
			b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
			b.ReportMetric(used[1].Seconds()/used[0].Seconds(), "cpu-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processorTime is what the process has used of all processors.
func processorTime(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
