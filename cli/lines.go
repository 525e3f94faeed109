package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lines writes the lines of a log several at a time: each request is one, and a write
// for each costs as much as much of the request. Lines of information are written
// within linesLate, or when there are linesMost bytes of them; any other is written at once, with
// all before it. A process that is killed outright loses the last linesLate of
// information.
type lines struct {
	out io.Writer

	mu      sync.Mutex
	waiting []byte      // guarded by mu
	timer   *time.Timer // guarded by mu; nil until the first line waits
}

const (
	linesLate = 100 * time.Millisecond
	linesMost = 32 << 10
)

// Write takes one line, as slog's handlers write them. Its error may be that of lines
// before.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.waiting) == 0
	l.waiting = append(l.waiting, line...)
	switch {
	case len(l.waiting) >= linesMost || !bytes.Contains(line, []byte("level=INFO ")):
		return len(line), l.write()
	case l.timer == nil:
		l.timer = time.AfterFunc(linesLate, func() { l.Flush() }) //nolint:errcheck // nobody to tell
	case first:
		l.timer.Reset(linesLate)
	}
	return len(line), nil
}

// Flush writes what waits.
func (l *lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write()
}

func (l *lines) write() error {
	if len(l.waiting) == 0 {
		return nil
	}
	_, err := l.out.Write(l.waiting)
	l.waiting = l.waiting[:0]
	return err
}
