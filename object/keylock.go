package object

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

// keyLocks is how many locks the keys share. A lock is held while a change is
// synced, and so that nobody reads what a crash could take back.
const keyLocks = 8192

// keyLock is the lock of a share of the keys. It remembers which of them was read last,
// until one of them may change: what is read often is seldom looked up.
type keyLock struct {
	sync.RWMutex
	last atomic.Pointer[seen] // stored by holders, of a current version
}

// seen is a record that was read. It is never changed, and as many readers have it as like.
type seen struct {
	bucket string
	*record
}

// maxSeen is the longest row, in bytes, that is remembered: all locks together take 10 MB
// or so.
const maxSeen = 512

// Lock is for who may change the share's keys.
func (l *keyLock) Lock() {
	l.RWMutex.Lock()
	l.last.Store(nil)
}

func (s *Store) key(bucket, key string) *keyLock {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(bucket)
	h.WriteByte(0)
	h.WriteString(key)
	return &s.keys[h.Sum64()%keyLocks]
}

// read returns the current version of a key, nil if there is none. The caller holds the
// lock, which is the key's, and changes nothing of the record.
func (s *Store) read(l *keyLock, bucket, key string) (*record, error) {
	if last := l.last.Load(); last != nil && last.Key == key && last.bucket == bucket {
		return last.record, nil
	}
	r, err := s.record(keyRow(tableCurrent, bucket, key), key)
	if err == nil && r != nil && r.row <= maxSeen {
		r.Key = strings.Clone(key) // the caller's may be a piece of something large
		l.last.Store(&seen{strings.Clone(bucket), r})
	}
	return r, err
}
