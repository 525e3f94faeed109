// Package lanes computes the MD5s of bodies that come at the same time side by side, in the
// lanes of one processor's vectors. One MD5 is bound by its own chain of steps: eight
// take little longer than one.
//
// So it puts work off. What is added waits until somebody cannot go on without
// its own; that one hashes, and takes along whatever waits of others. Nothing is
// hashed by a goroutine of its own, but for a body that is alone, whose hashing then goes on
// beside whatever else is done with it.
//
// It guarantees the MD5s of RFC 1321, on any processor; those without AVX2 hash one
// body after another. It does not copy: bytes that were added must stay as they are
// until Await says so.
package lanes

import (
	"crypto/md5" //nolint:gosec // it is what ETags are
	"runtime"
	"slices"
	"sync"
)

const (
	width = 8        // lanes
	most  = 64 << 10 // bytes of each lane at a time: the scheduler cannot interrupt it
)

// Pool is hashes that help each other. It is safe for concurrent use.
type Pool struct {
	wide func(state *[4][width]uint32, data *[width]*byte, blocks int) // nil: no lanes

	mu      sync.Mutex
	open    int     // guarded by mu; hashes that were not closed
	running int     // guarded by mu; goroutines that hash
	taken   int     // guarded by mu; hashes that are in a lane
	ready   []*Hash // guarded by mu; those that have something to hash, and are in no lane
}

// NewPool makes a pool for the processor that there is.
func NewPool() *Pool { return &Pool{wide: wide()} }

// Hash is one MD5. It belongs to one caller at a time, who closes it.
type Hash struct {
	pool *Pool
	part []byte // the block that has begun
	size int64  // bytes that were added

	wake  chan struct{} // told when the caller should look again
	queue [][]byte      // guarded by pool.mu; whole blocks that are to be hashed
	state state         // guarded by pool.mu, or of who hashes while it is taken; of the first done bytes
	done  int64         // guarded by pool.mu
	taken bool          // guarded by pool.mu; it is in a lane
	want  int64         // guarded by pool.mu; what the caller waits for done to be
}

// New begins an MD5.
func (p *Pool) New() *Hash {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return &Hash{pool: p, part: make([]byte, 0, md5.BlockSize), wake: make(chan struct{}, 1), state: initial}
}

// Add adds bytes, which must not change before Await has returned for them.
func (h *Hash) Add(b []byte) {
	h.size += int64(len(b))
	var begun []byte
	if len(h.part) > 0 {
		n := min(len(b), md5.BlockSize-len(h.part))
		h.part, b = append(h.part, b[:n]...), b[n:]
		if len(h.part) < md5.BlockSize {
			return
		}
		begun, h.part = h.part, make([]byte, 0, md5.BlockSize)
	}
	whole := len(b) &^ (md5.BlockSize - 1)
	h.part = append(h.part, b[whole:]...)

	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := len(h.queue) > 0
	for _, piece := range [][]byte{begun, b[:whole]} {
		if len(piece) > 0 {
			h.queue = append(h.queue, piece)
		}
	}
	if waits || len(h.queue) == 0 {
		return
	}
	p.ready = append(p.ready, h)
	if p.open == 1 && p.running == 0 {
		p.running++
		go p.ahead()
	}
}

// Await returns once the first n bytes that were added may change.
func (h *Hash) Await(n int64) {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	h.want = n &^ (md5.BlockSize - 1) // what is behind them was copied
	if h.done < h.want && !h.taken && len(p.ready) < min(p.open, width) {
		p.mu.Unlock()
		runtime.Gosched() // others may add something
		p.mu.Lock()
	}
	for h.done < h.want {
		if h.taken || !p.room() {
			h.sleep()
			continue
		}
		p.running++
		p.step()
		p.running--
	}
	h.want = 0
	p.pass()
}

// Sum returns the MD5 of all that was added.
func (h *Hash) Sum() []byte {
	h.Await(h.size)
	return h.state.open(h.part, h.size).Sum(nil)
}

// Close lets go of what was added. Nothing may be called after it, but for Close.
func (h *Hash) Close() {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.part == nil {
		return
	}
	for h.taken {
		h.want = h.done + 1
		h.sleep()
	}
	p.ready = slices.DeleteFunc(p.ready, func(other *Hash) bool { return other == h })
	h.queue, h.part = nil, nil
	p.open--
}

// sleep waits to be woken. The caller holds mu, and looks again afterwards.
func (h *Hash) sleep() {
	h.pool.mu.Unlock()
	<-h.wake
	h.pool.mu.Lock()
}

func (h *Hash) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// room reports whether there is work for one more who hashes: else it waits for those
// who do to take it along. The caller holds mu.
func (p *Pool) room() bool { return len(p.ready)+p.taken > p.running*width }

// pass wakes one who needs something hashed if nobody hashes any more. The caller holds mu.
func (p *Pool) pass() {
	if p.running > 0 {
		return
	}
	if k := slices.IndexFunc(p.ready, (*Hash).needs); k >= 0 {
		p.ready[k].rouse()
	}
}

// needs reports whether somebody waits for h.
func (h *Hash) needs() bool { return h.want > h.done }

// ahead hashes for one body that is alone. It counts as running.
func (p *Pool) ahead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.open == 1 && len(p.ready) > 0 {
		p.step()
	}
	p.running--
	p.pass()
}

// step hashes as much as all that it takes have, first of those that are needed. The
// caller holds mu, which is free meanwhile, and counts as running.
func (p *Pool) step() {
	var lanes [width]*Hash
	var pieces [width][]byte
	hashes := p.take(lanes[:0])
	n := most
	for k, h := range hashes {
		pieces[k] = h.queue[0]
		n = min(n, len(pieces[k]))
	}
	p.mu.Unlock()
	p.addAll(hashes, &pieces, n)
	p.mu.Lock()
	p.taken -= len(hashes)
	for _, h := range hashes {
		needed := h.needs()
		h.taken = false
		h.done += int64(n)
		if h.queue[0] = h.queue[0][n:]; len(h.queue[0]) == 0 {
			h.queue = slices.Delete(h.queue, 0, 1)
		}
		if len(h.queue) > 0 {
			p.ready = append(p.ready, h)
		}
		if needed && !h.needs() {
			h.rouse()
		}
	}
}

// take takes at most width hashes.
func (p *Pool) take(into []*Hash) []*Hash {
	for _, needed := range []bool{true, false} {
		p.ready = slices.DeleteFunc(p.ready, func(h *Hash) bool {
			if h.needs() != needed || len(into) == width {
				return false
			}
			h.taken = true
			into = append(into, h)
			return true
		})
	}
	p.taken += len(into)
	return into
}
