package object

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestLanes holds that each of many MD5s at once is that of its own body, also after
// others were given up in their midst.
func TestLanes(t *testing.T) {
	var l lanes
	defer l.close()
	var all sync.WaitGroup
	for w := range 40 {
		rng := rand.New(rand.NewPCG(uint64(w), 4))
		all.Go(func() {
			for range 20 {
				h, done := l.take()
				body := make([]byte, rng.IntN(200_000))
				for k := range body {
					body[k] = byte(rng.Uint32())
				}
				for rest := body; len(rest) > 0; {
					n := min(len(rest), rng.IntN(70_000)+1)
					h.Write(rest[:n])
					rest = rest[n:]
				}
				if rng.IntN(3) > 0 { // else it is given up
					if got, want := fmt.Sprintf("%x", h.Sum(nil)), fmt.Sprintf("%x", md5.Sum(body)); got != want {
						t.Errorf("MD5 of %d bytes is %s, want %s", len(body), got, want)
					}
				}
				done()
			}
		})
	}
	all.Wait()
}

// BenchmarkMD5 hashes with so many writers at once.
func BenchmarkMD5(b *testing.B) {
	for _, writers := range []int{1, 2, 4, 8} {
		for _, wide := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/lanes=%v", writers, wide), func(b *testing.B) {
				var l lanes
				defer l.close()
				body := make([]byte, 256<<10)
				b.SetBytes(int64(len(body) * writers * 4))
				for b.Loop() {
					var all sync.WaitGroup
					for range writers {
						all.Go(func() {
							h, done := md5.New(), func() {}
							if wide {
								h, done = l.take()
							}
							for range 4 {
								h.Write(body)
							}
							h.Sum(nil)
							done()
						})
					}
					all.Wait()
				}
			})
		}
	}
}
