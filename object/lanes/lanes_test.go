package lanes

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// pools are all ways to hash that this processor has.
func pools() map[string]*Pool {
	all := map[string]*Pool{"one by one": {}}
	for name, wide := range widths() {
		all[name] = &Pool{wide: wide}
	}
	return all
}

func random(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, size)
	rand.NewChaCha8(key).Read(b)
	return b
}

func check(t *testing.T, h *Hash, body []byte) {
	t.Helper()
	if got, want := fmt.Sprintf("%x", h.Sum()), fmt.Sprintf("%x", md5.Sum(body)); got != want {
		t.Errorf("MD5 of %d bytes is %s, want %s", len(body), got, want)
	}
}

// TestLanes holds that each of many MD5s at once is that of its own body, whatever
// the pieces that it comes in, also after others were given up in their midst, and that no
// byte is read after Await.
func TestLanes(t *testing.T) {
	for name, p := range pools() {
		for _, bodies := range []int{1, 2, 3, 8, 9, 40} {
			t.Run(fmt.Sprintf("%s/%d", name, bodies), func(t *testing.T) {
				var all sync.WaitGroup
				for w := range bodies {
					rng := rand.New(rand.NewPCG(uint64(w), 4))
					all.Go(func() {
						for range 5 {
							one(t, p, rng)
						}
					})
				}
				all.Wait()
				if p.open != 0 || p.taken != 0 || len(p.ready) != 0 {
					t.Errorf("%d are open, %d taken, %d ready", p.open, p.taken, len(p.ready))
				}
			})
		}
	}
}

// one hashes one body, in buffers that are used again.
func one(t *testing.T, p *Pool, rng *rand.Rand) {
	h := p.New()
	defer h.Close()
	body := random(rng.Uint64(), rng.IntN(200_000))
	var buffers [3][]byte
	var ends [3]int64
	done := 0
	for n := 0; done < len(body); n = (n + 1) % len(buffers) {
		h.Await(ends[n])
		clear(buffers[n])
		length := min(len(body)-done, 1+rng.IntN(1<<rng.IntN(18)))
		buffers[n] = append(buffers[n][:0], body[done:done+length]...)
		h.Add(buffers[n])
		done += length
		ends[n] = int64(done)
		if rng.IntN(100) == 0 {
			return // it is given up
		}
	}
	check(t, h, body)
}

// TestEveryLength holds the MD5s of short bodies, whose ends are a matter of padding.
func TestEveryLength(t *testing.T) {
	body := random(1, 300)
	for name, p := range pools() {
		for length := range len(body) {
			first, second := p.New(), p.New()
			first.Add(body[:length])
			second.Add(body[:length/2])
			second.Add(body[length/2 : length])
			check(t, first, body[:length])
			check(t, second, body[:length])
			first.Close()
			second.Close()
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestPutOff holds what makes it fast: who needs a hash has those of others computed too.
func TestPutOff(t *testing.T) {
	for name, p := range pools() {
		body := random(2, most)
		var all []*Hash
		for range width {
			h := p.New()
			defer h.Close()
			h.Add(body)
			all = append(all, h)
		}
		// The first may have been alone.
		all[1].Await(most)
		for _, h := range all {
			if h.done != most {
				t.Errorf("%s: %d bytes were hashed along", name, h.done)
			}
		}
	}
}

func FuzzLanes(f *testing.F) {
	f.Add([]byte("abc"), 1, 2)
	f.Add(random(3, 1000), 64, 640)
	all := pools()
	f.Fuzz(func(t *testing.T, body []byte, a, b int) {
		bodies := [][]byte{body}
		for _, cut := range []int{a, b, a ^ b} {
			if cut >= 0 && cut <= len(body) {
				bodies = append(bodies, body[:cut], body[cut:], bytes.Repeat(body[:cut], 3))
			}
		}
		for _, p := range all {
			var hashes []*Hash
			for _, body := range bodies {
				h := p.New()
				defer h.Close()
				h.Add(body)
				hashes = append(hashes, h)
			}
			for k, h := range hashes {
				check(t, h, bodies[k])
			}
		}
	})
}

// BenchmarkLanes hashes so many bodies, of 256 KiB each.
func BenchmarkLanes(b *testing.B) {
	body := random(4, 256<<10)
	for name, p := range pools() {
		for _, bodies := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, bodies), func(b *testing.B) {
				b.SetBytes(int64(bodies * len(body)))
				hashes := make([]*Hash, bodies)
				for b.Loop() {
					for k := range hashes {
						hashes[k] = p.New()
					}
					for _, h := range hashes {
						h.Add(body)
					}
					for _, h := range hashes {
						h.Sum()
						h.Close()
					}
				}
			})
		}
	}
}
