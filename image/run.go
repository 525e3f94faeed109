package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// command prepares a tool's run. The tool and all that it starts live in a process
// namespace and a mount namespace of their own: however it ends, and even if this
// process is killed, it leaves no process and no mount behind.
func (b *build) command(name string, args ...string) *exec.Cmd {
	fmt.Fprintf(b.Log, "+ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(b, name, args...)
	cmd.Dir = b.work
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL,
	}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs a tool. Its errors carry the end of what the tool said.
func (b *build) run(name string, args ...string) error { return b.runIn(b.work, name, args...) }

// runIn runs a tool in a folder.
func (b *build) runIn(dir, name string, args ...string) error {
	said := &tail{w: b.Log}
	cmd := b.command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	return finish(name, cmd.Run, said)
}

// output runs a tool and returns what it prints.
func (b *build) output(name string, args ...string) (string, error) {
	said := &tail{w: b.Log}
	var out strings.Builder
	cmd := b.command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, said
	err := finish(name, cmd.Run, said)
	return out.String(), err
}

func finish(name string, run func() error, said *tail) error {
	// The kernel counts the tool as the child of this thread, and must not take the
	// thread's end for that of the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

// tail passes on what is written, and remembers the end of it.
type tail struct {
	w   io.Writer
	end []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-800):]
	return t.w.Write(p)
}

func (t *tail) String() string { return strings.TrimSpace(string(t.end)) }

// lock waits until no other build uses the cache. The lock goes with the process.
func lock(ctx context.Context, path string, progress func(string)) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil //nolint:errcheck // nothing was written
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if !told {
			progress("wait for another build to end")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
