package object

import (
	"crypto/md5" //nolint:gosec // it is what ETags are
	"hash"
	"sync"

	md5simd "github.com/minio/md5-simd"
)

// lanes compute the MD5s of bodies that come at the same time side by side, in the lanes of
// one processor's vectors: one MD5 alone is bound by its own chain of steps. Memory is
// that of a fixed number of hashers, which are used again and never closed: the module
// does not forget one that was.
type lanes struct {
	once   sync.Once
	server md5simd.Server
	free   chan md5simd.Hasher
}

func (l *lanes) open() {
	l.server, l.free = md5simd.NewServer(), make(chan md5simd.Hasher, md5simd.Lanes)
	for range md5simd.Lanes {
		l.free <- l.server.NewHash()
	}
}

// take returns an MD5 in a lane, or if all are taken one by itself, and how to give
// it back.
func (l *lanes) take() (h hash.Hash, done func()) {
	l.once.Do(l.open)
	select {
	case h := <-l.free:
		return h, func() {
			h.Reset()
			l.free <- h
		}
	default:
		return md5.New(), func() {} //nolint:gosec // as above
	}
}

// close ends the lanes. All must have been given back.
func (l *lanes) close() {
	l.once.Do(func() {})
	if l.server != nil {
		l.server.Close()
	}
}
