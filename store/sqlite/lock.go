package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lock takes the lock file, which the kernel frees when the process ends, however
// it ends. It is a file of its own: SQLite's locks on the state file let other
// programs read it, for a backup.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path)
		err = fmt.Errorf("it is in use by process %s: stop that first", strings.TrimSpace(string(holder)))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
