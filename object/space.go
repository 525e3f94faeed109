package object

import (
	"fmt"
	"sync"
	"time"
)

// space keeps puts from filling the disk, so that removing things, and the index,
// always have room.
type space struct {
	mu      sync.Mutex
	checked time.Time // guarded by mu
	free    uint64    // guarded by mu; when it was checked, less what was promised since
}

// spaceAge is how long to believe what was free: other programs write too.
const spaceAge = time.Second

// room refuses with ErrFull what would leave less than MinFree bytes. A file system
// that does not tell its space refuses by itself.
func (s *Store) room(size int64) error {
	p := &s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	need := s.MinFree + uint64(max(size, 0))
	if now := s.Now(); p.checked.IsZero() || now.Sub(p.checked) > spaceAge || now.Before(p.checked) || p.free < need {
		u, err := s.FS.GetDiskUsage(s.Dir)
		if err != nil {
			return nil //nolint:nilerr // as said
		}
		p.checked, p.free = now, u.AvailBytes
	}
	if p.free < need {
		return fmt.Errorf("%w: %d bytes are free, %d of them in reserve", ErrFull, p.free, s.MinFree)
	}
	p.free -= uint64(max(size, 0))
	return nil
}
