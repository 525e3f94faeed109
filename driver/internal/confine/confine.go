//go:build linux

// Package confine starts programs that handle what tenants control, such as
// emulators and image tools, with as little power as they can do with.
//
// A confined program runs as an unprivileged user with that user's own group, in
// its own session and in empty network, IPC and UTS namespaces. It has no
// capabilities, can gain none (bounding set empty, no_new_privs set), leaves no
// core file, and inherits only the files that it is given. Started by another
// user than root, it keeps that user and the namespaces of its parent, and only
// the rest holds. The package does not limit what files the user may open.
package confine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// User is whom a program runs as, and within which limits.
type User struct {
	UID    int   // user, and group
	Groups []int // supplementary groups; none as a rule
	// Limits as prlimit(1) takes them, e.g. "cpu=60" or "fsize=1048576".
	Limits []string
	// Network leaves the program in the network of its parent: for clients of a cluster.
	Network bool
}

// Start starts the program and returns once it runs. It outlives this process.
func Start(cmd *exec.Cmd, user User) error {
	if err := prepare(cmd, user); err != nil {
		return err
	}
	return onLostThread(cmd.Start)
}

// Run runs the program to its end, as cmd.Run does. If this process dies, the
// program is killed.
func Run(cmd *exec.Cmd, user User) error {
	if err := prepare(cmd, user); err != nil {
		return err
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return onLostThread(cmd.Run) // the child dies with its thread, which therefore waits
}

// onLostThread runs fn on a thread of its own, which has renounced. What a
// thread gives up it gives up for good, and its children inherit that; the
// goroutine ends locked to the thread, so the thread ends with it.
func onLostThread(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := renounce()
		if err == nil {
			err = fn()
		}
		result <- err
	}()
	return <-result
}

// prepare makes cmd run under prlimit(1), which limits it before it begins:
// Go cannot limit a child, and limiting it afterwards takes a capability that
// containers seldom have.
func prepare(cmd *exec.Cmd, user User) error {
	if _, err := exec.LookPath(cmd.Path); err != nil {
		return err
	}
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		return fmt.Errorf("limit %s: %w", cmd.Path, err)
	}
	args := []string{"prlimit", "--core=0"}
	for _, limit := range user.Limits {
		args = append(args, "--"+limit)
	}
	cmd.Args = append(append(args, "--", cmd.Path), cmd.Args[1:]...)
	cmd.Path = prlimit
	if cmd.Env == nil {
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return nil
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if !user.Network {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(user.UID), Gid: uint32(user.UID)} //nolint:gosec // callers check UIDs
	for _, group := range user.Groups {
		cmd.SysProcAttr.Credential.Groups = append(cmd.SysProcAttr.Credential.Groups, uint32(group)) //nolint:gosec // from the file system
	}
	return nil
}

// renounce gives up, for the calling thread and its children to be, every way
// to gain privileges by executing a program, and keeps files that this process
// happened to inherit from going on to its children.
func renounce() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark files close-on-exec: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) { // beyond the last that the kernel knows
			return nil
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
}
