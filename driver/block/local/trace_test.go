//go:build linux

package local_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// wnothread has wait4 look at the calling thread's children alone (linux/wait.h).
const wnothread = 0x20000000

// changing are the system calls that change files.
var changing = map[uint64]bool{
	unix.SYS_WRITE: true, unix.SYS_PWRITE64: true, unix.SYS_FTRUNCATE: true, unix.SYS_FSYNC: true, unix.SYS_FDATASYNC: true,
	unix.SYS_MKDIRAT: true, unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true, unix.SYS_LINKAT: true, unix.SYS_UNLINKAT: true,
	unix.SYS_FCHMOD: true, unix.SYS_FCHMODAT: true, unix.SYS_FCHOWN: true, unix.SYS_FCHOWNAT: true,
	unix.SYS_CHMOD: true, unix.SYS_CHOWN: true, unix.SYS_LCHOWN: true, unix.SYS_MKDIR: true, unix.SYS_RENAME: true, unix.SYS_LINK: true, unix.SYS_UNLINK: true,
	unix.SYS_EXECVE: true,
}

// changes reports whether a system call changes files.
func changes(r syscall.PtraceRegs) bool {
	return changing[r.Orig_rax] || r.Orig_rax == unix.SYS_OPENAT && r.Rdx&unix.O_CREAT != 0
}

// killAt runs this test's program with the variables, and kills it before the n-th system
// call that changes files after its mark, a getsid. It reports whether the program ended before.
func killAt(t *testing.T, n int, variables ...string) (ended bool) {
	t.Helper()
	type result struct {
		ended bool
		err   error
	}
	results := make(chan result)
	var output strings.Builder
	go func() {
		runtime.LockOSThread() // the tracer is a thread
		defer runtime.UnlockOSThread()
		ended, err := traceUntil(n, &output, variables)
		results <- result{ended, err}
	}()
	r := <-results
	if r.err != nil || output.Len() > 0 {
		t.Fatalf("victim: %v: %s", r.err, &output)
	}
	return r.ended
}

func traceUntil(n int, output *strings.Builder, variables []string) (ended bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	said, err := os.CreateTemp("", "vauban-victim-")
	if err != nil {
		return false, err
	}
	defer func() {
		text, readErr := os.ReadFile(said.Name())
		output.Write(text)
		err = errors.Join(err, readErr, said.Close(), os.Remove(said.Name()))
	}()
	cmd := exec.Command(self) //nolint:noctx // killed below
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	defer cmd.Process.Release() //nolint:errcheck // it is waited for here
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return false, err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return false, err
	}
	inside, marked, seen := map[int]bool{}, false, 0
	for thread, signal := pid, 0; ; {
		if err := syscall.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, err
		}
		for { // whoever has ended is not let go on
			if thread, err = unix.Wait4(-1, &status, unix.WALL|wnothread, nil); err != nil {
				return false, err
			}
			if status.Stopped() {
				break
			}
			if thread == pid {
				return !status.Signaled(), nil
			}
		}
		signal = 0
		switch stop := status.StopSignal(); stop {
		case unix.SIGTRAP | 0x80: // before and after a system call
			inside[thread] = !inside[thread]
			var registers syscall.PtraceRegs
			if err := syscall.PtraceGetRegs(thread, &registers); err != nil || !inside[thread] {
				continue
			}
			marked = marked || registers.Orig_rax == unix.SYS_GETSID
			if marked && changes(registers) {
				seen++
			}
			if seen == n {
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					return false, err
				}
			}
		case unix.SIGTRAP, unix.SIGSTOP: // of the tracing
		default:
			signal = int(stop)
		}
	}
}
