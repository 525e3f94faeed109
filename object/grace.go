package object

import "sync"

// grace lets who removes things wait for those who may still look at them: for
// all who entered before, and for none who enters later.
type grace struct {
	mu  sync.Mutex
	now *generation // guarded by mu
}

// generation is those who entered between two waits.
type generation struct {
	inside  int // guarded by grace.mu
	retired bool
	empty   chan struct{} // closed when it is retired and nobody is inside
}

// enter returns what leave takes.
func (g *grace) enter() *generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now == nil {
		g.now = &generation{empty: make(chan struct{})}
	}
	g.now.inside++
	return g.now
}

func (g *grace) leave(n *generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n.inside--; n.inside == 0 && n.retired {
		close(n.empty)
	}
}

// wait returns when all have left who entered before. Waits must not overlap.
func (g *grace) wait() {
	g.mu.Lock()
	n := g.now
	g.now = nil
	if n == nil {
		g.mu.Unlock()
		return
	}
	n.retired = true
	if n.inside == 0 {
		close(n.empty)
	}
	g.mu.Unlock()
	<-n.empty
}

// pins keep the parts of objects that are being read.
type pins struct {
	mu    sync.Mutex
	count map[uint64]int // by manifest; guarded by mu
}

func (p *pins) pin(manifest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[uint64]int{}
	}
	p.count[manifest]++
}

func (p *pins) unpin(manifest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[manifest]--; p.count[manifest] == 0 {
		delete(p.count, manifest)
	}
}

func (p *pins) pinned(manifest uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[manifest] > 0
}
