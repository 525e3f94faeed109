//go:build linux

package process_test

import (
	"errors"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/internal/process"
)

// start starts a program that does not end by itself.
func start(t *testing.T) (*exec.Cmd, *process.Handle) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h, err := process.Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h.Child = cmd
	return cmd, h
}

func TestKill(t *testing.T) {
	cmd, h := start(t)
	defer h.Close()
	for range 2 { // the second time it has ended
		if err := h.Kill(); err != nil {
			t.Fatal(err)
		}
		if !h.Await() {
			t.Fatal("the handle is closed")
		}
	}
	if cmd.ProcessState == nil {
		t.Error("the child was not waited for")
	}
	if _, err := process.Open(cmd.Process.Pid); !errors.Is(err, unix.ESRCH) {
		t.Errorf("open what has ended: %v", err)
	}
}

func TestClose(t *testing.T) {
	cmd, h := start(t)
	waits := make(chan bool)
	go func() { waits <- h.Await() }()
	h.Close()
	h.Close()
	if <-waits {
		t.Error("a process that lives is said to have ended")
	}
	if err := h.Kill(); err == nil {
		t.Error("a closed handle kills")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}
