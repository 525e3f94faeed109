package node

import (
	"slices"
	"sync"
)

// locks keep those apart who open a volume for a guest and those who change what
// its files are.
type locks struct {
	mu   sync.Mutex
	held map[string]*held // guarded by mu
}

type held struct {
	sync.Mutex
	users int // guarded by locks.mu
}

// take waits for all of the volumes, and returns what lets go of them.
func (l *locks) take(volumes ...string) (release func()) {
	ids := slices.Compact(slices.Sorted(slices.Values(volumes)))
	for _, id := range ids {
		l.mu.Lock()
		if l.held == nil {
			l.held = map[string]*held{}
		}
		h := l.held[id]
		if h == nil {
			h = &held{}
			l.held[id] = h
		}
		h.users++
		l.mu.Unlock()
		h.Lock()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, id := range ids {
			h := l.held[id]
			h.Unlock()
			if h.users--; h.users == 0 {
				delete(l.held, id)
			}
		}
	}
}
