// Package space handles network namespaces: it makes, names, enters and holds them.
//
// It guarantees that code run in a namespace has a thread of its own there, and
// that no thread comes back from one half way. Names are those of ip-netns(8), and
// one process at a time may give and take the same name.
package space

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// names is where named network namespaces are kept, as ip-netns(8) has it.
const names = "/run/netns"

// ErrNone says that no namespace is at a path.
var ErrNone = errors.New("no namespace")

// Space is a network namespace held open: it stays the same one when its name is
// taken away, and is gone when nobody holds it and no process or thread is in it.
type Space struct{ file *os.File }

// Find opens the namespace of the name; ErrNone if there is none.
func Find(name string) (*Space, error) { return Open(filepath.Join(names, name)) }

// Open opens the namespace at path; ErrNone if none is there.
func Open(path string) (*Space, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", path, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("open namespace: %w", err)
	}
	// The empty file that a name is mounted on is no namespace.
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || st.Type != unix.NSFS_MAGIC {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, ErrNone)
	}
	return &Space{f}, nil
}

// Close lets go of the namespace.
func (s *Space) Close() { s.file.Close() }

// Fd is the file descriptor that holds the namespace, until Close.
func (s *Space) Fd() int { return int(s.file.Fd()) }

// Path leads this process to the namespace, until Close.
func (s *Space) Path() string { return fmt.Sprintf("/proc/self/fd/%d", s.Fd()) }

// Same reports whether both are the same namespace.
func (s *Space) Same(o *Space) bool {
	a, errA := s.file.Stat()
	b, errB := o.file.Stat()
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// Do runs fn in the namespace, on a thread that nothing else uses meanwhile. A
// thread that cannot go back home is thrown away.
func (s *Space) Do(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // a goroutine that ends locked takes its thread along
		home, err := Open("/proc/thread-self/ns/net")
		if err != nil {
			result <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(s.Fd(), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter namespace: %w", err)
			return
		}
		err = fn()
		if unix.Setns(home.Fd(), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// New makes a namespace.
func New() (*Space, error) {
	type made struct {
		s   *Space
		err error
	}
	result := make(chan made, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is thrown away
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- made{err: fmt.Errorf("make namespace: %w", err)}
			return
		}
		s, err := Open("/proc/thread-self/ns/net")
		result <- made{s, err}
	}()
	m := <-result
	return m.s, m.err
}

// Name gives the namespace a name; what had it loses it.
func (s *Space) Name(name string) error {
	unlock, err := prepare()
	if err != nil {
		return fmt.Errorf("prepare %s: %w", names, err)
	}
	defer unlock()
	if err := Unname(name); err != nil {
		return err
	}
	path := filepath.Join(names, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY|os.O_EXCL, 0o400)
	if err != nil {
		return fmt.Errorf("name namespace: %w", err)
	}
	f.Close()
	if err := unix.Mount(s.Path(), path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("name namespace %s: %w", name, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// prepare makes the folder a shared mount, so that a name taken away in one mount
// namespace is gone from all of them, and locks it against who else does that.
func prepare() (unlock func(), err error) {
	if err := os.MkdirAll(names, 0o755); err != nil { //nolint:gosec // the mode that ip-netns(8) gives it
		return nil, err
	}
	folder, err := os.Open(names)
	if err != nil {
		return nil, err
	}
	unlock = func() { folder.Close() }
	if err = unix.Flock(int(folder.Fd()), unix.LOCK_EX); err == nil {
		err = share()
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func share() error {
	err := unix.Mount("", names, "", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // not a mount yet
		return err
	}
	if err := unix.Mount(names, names, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", names, "", unix.MS_SHARED|unix.MS_REC, "")
}

// Unname takes a namespace's name away; nil if nothing has it.
func Unname(name string) error {
	path := filepath.Join(names, name)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break // no mount (any more)
		}
		if err != nil {
			return fmt.Errorf("take the name of namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take the name of namespace: %w", err)
	}
	return nil
}

// Named returns what follows the prefix in the names that have it.
func Named(prefix string) ([]string, error) {
	entries, err := os.ReadDir(names)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var rest []string
	for _, e := range entries {
		if id, has := strings.CutPrefix(e.Name(), prefix); has {
			rest = append(rest, id)
		}
	}
	return rest, nil
}
