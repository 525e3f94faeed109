//go:build linux

// Package process holds on to processes that may be another's children.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"
)

// Handle means one process, whatever its number means later.
type Handle struct {
	PID   int
	Child *exec.Cmd // to be waited for at its end; nil if it is another's child

	pidfd *os.File
	leave sync.Once
}

// Open returns a handle of the process of that number; unix.ESRCH if there is none.
func Open(pid int) (*Handle, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	return &Handle{PID: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// Await returns true when the process has ended, or false when the handle is closed.
func (h *Handle) Await() bool {
	raw, err := h.pidfd.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a file descriptor
			n, err := unix.Poll(ready, 0)
			return err == nil && n == 1
		})
	}
	if err != nil {
		return false // the handle was closed
	}
	if h.Child != nil {
		h.Child.Wait() //nolint:errcheck // its output says why it ended
	}
	return true
}

// Kill ends the process at once; nil if it has ended.
func (h *Handle) Kill() error {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) }); err != nil {
		return err
	}
	if sent != nil && !errors.Is(sent, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", h.PID, sent)
	}
	return nil
}

// Close lets go of the process, which lives on.
func (h *Handle) Close() {
	h.leave.Do(func() { h.pidfd.Close() }) //nolint:errcheck // nothing was written
}
