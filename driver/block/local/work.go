//go:build linux

package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// workplace is where one thing is made: a tool writes into tool, which is its
// user's; what is to stay is put together in result, which is the driver's.
type workplace struct {
	dir string
	uid int // the tools' user
}

func (d *Driver) newWorkplace() (workplace, error) {
	dir, err := os.MkdirTemp(d.path("work"), "")
	if err != nil {
		return workplace{}, noSpace(err)
	}
	w := workplace{dir: dir, uid: d.cfg.UID}
	err = errors.Join(os.Chmod(dir, 0o711), os.Mkdir(w.tool(), 0o700), os.Mkdir(w.result(), 0o700)) //nolint:gosec // the tools' user passes through
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chown(w.tool(), w.uid, w.uid))
	} else {
		w.uid = os.Geteuid()
	}
	if err != nil {
		w.remove()
		return workplace{}, noSpace(err)
	}
	return w, nil
}

func (w workplace) tool(name ...string) string {
	return filepath.Join(append([]string{w.dir, "tool"}, name...)...)
}

func (w workplace) result(name ...string) string {
	return filepath.Join(append([]string{w.dir, "result"}, name...)...)
}

func (w workplace) remove() { os.RemoveAll(w.dir) } //nolint:errcheck // swept at the next start

// take moves a file that a tool made into the result, as the driver's own and
// on disk. A tool that went over to the enemy may have put anything there.
func (w workplace) take(name string, to string, mode os.FileMode) (err error) {
	file, err := os.OpenFile(w.tool(name), os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var made, moved unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &made); err != nil {
		return err
	}
	if made.Mode&unix.S_IFMT != unix.S_IFREG || made.Nlink != 1 || int(made.Uid) != w.uid {
		return fmt.Errorf("%s is not a file that a tool made", name)
	}
	if err := os.Rename(w.tool(name), w.result(to)); err != nil {
		return err
	}
	if err := unix.Lstat(w.result(to), &moved); err != nil {
		return err
	}
	if moved.Ino != made.Ino || moved.Dev != made.Dev {
		return fmt.Errorf("%s was exchanged", name)
	}
	if os.Geteuid() == 0 {
		if err := file.Chown(0, 0); err != nil {
			return err
		}
	}
	return errors.Join(file.Chmod(mode), file.Sync())
}

// lend moves a file of the result to where the tools work, as theirs.
func (w workplace) lend(name string) error {
	if err := os.Rename(w.result(name), w.tool(name)); err != nil || os.Geteuid() != 0 {
		return err
	}
	return os.Chown(w.tool(name), w.uid, w.uid)
}

// publish syncs the result and gives it its name: it is there whole, or not.
func (w workplace) publish(name string) error {
	if err := syncFolder(w.result()); err != nil {
		return err
	}
	if err := os.Rename(w.result(), name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// discard makes a folder not be there any more, durably, and then removes what
// it held. Nil if it was not there. It takes no space, of which there may be none.
func (d *Driver) discard(name string) error {
	gone := d.path("work", "gone-"+filepath.Base(filepath.Dir(name))+"-"+filepath.Base(name))
	if err := os.RemoveAll(gone); err != nil { // of an earlier try
		return err
	}
	if err := os.Rename(name, gone); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(name)); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
