//go:build linux

// Package lock keeps two drivers from working in one folder at the same time.
//
// It guarantees that at most one holder has a folder, in any process, and that
// a holder's death gives it back.
package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld says that somebody else has the folder.
var ErrHeld = errors.New("folder is in use")

// patience is how long Take waits. A process that was about to execute another
// program when its parent died holds the parent's lock until it has.
const patience = time.Second

// Lock is a folder that is held.
type Lock struct{ file *os.File }

// Take takes the folder, or returns ErrHeld.
func Take(dir string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &Lock{file}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	file.Close() //nolint:errcheck // nothing was written
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrHeld
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// Release gives the folder back, also if a child holds a copy of the file.
func (l *Lock) Release() error {
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}
