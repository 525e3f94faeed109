package policy

import "sync"

// Cache remembers what Parse returned, so that the same text is compiled once.
// Its zero value is ready, and it is safe for concurrent use. It holds as many
// documents as its size says, or somewhat fewer; which are forgotten is decided
// by when they were last asked for, roughly.
type Cache struct {
	// Size is how many documents to hold; 0 means 4096. It must not change
	// after the first use.
	Size int

	mu sync.RWMutex
	// Two generations: what is asked for moves to the young one, and when that
	// has half of the size, the old one is forgotten. Guarded by mu.
	young, old map[cacheKey]*Document
}

type cacheKey struct {
	text string
	kind Kind
}

// Parse is Parse, except that documents which it returned before come from the
// cache. Errors are not remembered.
func (c *Cache) Parse(text string, kind Kind) (*Document, error) {
	key := cacheKey{text, kind}
	c.mu.RLock()
	d := c.young[key]
	old := d == nil && c.old[key] != nil
	if old {
		d = c.old[key]
	}
	c.mu.RUnlock()
	if d != nil && !old {
		return d, nil
	}
	if d == nil {
		var err error
		if d, err = Parse(text, kind); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.young[key]; have != nil { // somebody was faster
		return have, nil
	}
	if c.young == nil {
		c.young = map[cacheKey]*Document{}
	}
	c.young[key] = d
	if len(c.young) >= max(1, c.size()/2) {
		c.young, c.old = map[cacheKey]*Document{}, c.young
	}
	return d, nil
}

// Len returns how many documents the cache holds; one may count twice.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}

func (c *Cache) size() int {
	if c.Size <= 0 {
		return 4096
	}
	return c.Size
}
