package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLines holds that information is written a little late, together, and in order, and a
// warning at once.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &lines{out: &out}
		log := slog.New(slog.NewTextHandler(l, nil))
		count := func(want int) {
			t.Helper()
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			if n := strings.Count(out.String(), "\n"); n != want {
				t.Errorf("%d lines are written, want %d:\n%s", n, want, out.String())
			}
		}
		for range 2 { // the timer is used again
			out.Reset()
			log.Info("one")
			log.Info("two")
			count(0)
			time.Sleep(linesLate)
			count(2)
		}
		log.Info("three")
		log.Warn("four")
		count(4)
		log.Info(strings.Repeat("x", linesMost))
		count(5)
		log.Info("six")
		if err := l.Flush(); err != nil {
			t.Error(err)
		}
		count(6)
	})
}
