//go:build linux

// Package local keeps volumes and images as qcow2 files in a folder.
//
// It guarantees, beside the contracts of block.Driver and block.Images:
//   - What is in the folder is whole: volumes and images are made aside, synced,
//     and appear by one rename. What a killed process left is swept at the next start.
//   - A volume is reachable, with the image that it began as, by the one user it
//     was opened for, and by no other. An image's bytes are reachable by nobody.
//   - A volume holds its image's bytes by a hard link of its own, so deleting an
//     image never touches a volume, and the bytes go with the last that needs them.
//   - Files of unknown origin are only ever read by tools that run confined, after
//     their headers were checked here for references to anything outside the file.
//
// The folder:
//
//	volumes/<id>/base.qcow2            the image that it began as, if it did
//	volumes/<id>/disk.qcow2            the volume, on that
//	volumes/<id>/disk-<n>.qcow2        what it has become since the n-th snapshot
//	volumes/<id>/keys.json             sealed secrets of the encrypted ones of these
//	volumes/<id>/cut-<snapshot>        the layer that the snapshot is to end with
//	snapshots/<id>/                    layers and keys as above, none of which changes
//	filling/<id>/                      the same, of one that is being filled block by block
//	images/<id>/private/disk.qcow2     the image
//	images/<id>/{kernel,initrd}        if it has them
//	images/<id>/meta.json              block.Meta
//	work/                              what is being made or removed
//
// It needs Linux, qemu-img, and one file system for all of the folder. Without
// root it works for its own user alone.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/lock"
	"github.com/vauban-cloud/vauban/driver/internal/turn"
)

// ErrInUse says that another Driver, perhaps of another process, is open on the folder.
var ErrInUse = lock.ErrHeld

// Config is how a Driver works.
type Config struct {
	Dir      string        // the driver's own folder, absolute, in folders that guests' users may pass through; made if missing
	UID      int           // the unprivileged user that image tools run as; 0: 65534 (nobody)
	Reserve  int64         // bytes of the file system that are left alone; 0: 1 GiB
	MaxBytes int64         // the largest virtual size of an image or volume; 0: 16 TiB
	Patience time.Duration // for a tool, conversions aside; 0: a minute
	Unpacked int64         // bytes that an import may unpack to, however few it has; 0: 1 GiB
}

// Driver keeps volumes and images in a folder. It implements block.Driver and
// block.Images.
type Driver struct {
	cfg   Config
	lock  *lock.Lock // on the folder, while the driver is open
	turns turn.Turns // by kind and ID
}

var (
	_ block.Driver = (*Driver)(nil)
	_ block.Images = (*Driver)(nil)
)

// New opens the folder, and sweeps what earlier processes left unfinished.
// ErrInUse if another Driver has it.
func New(cfg Config) (*Driver, error) {
	if !filepath.IsAbs(cfg.Dir) {
		return nil, fmt.Errorf("open block store: folder %q is not absolute", cfg.Dir)
	}
	if cfg.UID == 0 {
		cfg.UID = 65534
	}
	if cfg.Reserve == 0 {
		cfg.Reserve = 1 << 30
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 16 << 40
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Unpacked == 0 {
		cfg.Unpacked = 1 << 30
	}
	d := &Driver{cfg: cfg}
	if err := d.open(); err != nil {
		d.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("open block store: %w", err)
	}
	return d, nil
}

func (d *Driver) open() error {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return fmt.Errorf("%w (Debian package qemu-utils)", err)
	}
	for _, dir := range []string{d.cfg.Dir, d.path("volumes"), d.path("images"), d.path("snapshots"), d.path("filling"), d.path("work")} {
		// Guests pass through these, and see nothing in them, whatever the umask is.
		if err := errors.Join(os.MkdirAll(dir, 0o711), os.Chmod(dir, 0o711)); err != nil { //nolint:gosec // as said
			return err
		}
	}
	held, err := lock.Take(d.cfg.Dir)
	if err != nil {
		return err
	}
	d.lock = held
	left, err := os.ReadDir(d.path("work"))
	if err != nil {
		return err
	}
	for _, entry := range left {
		if err := os.RemoveAll(d.path("work", entry.Name())); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// Close lets go of the folder. Calls that are under way must have returned.
func (d *Driver) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Release()
}

func (d *Driver) path(elements ...string) string {
	return filepath.Join(append([]string{d.cfg.Dir}, elements...)...)
}

// Space implements block.Driver; what is free excludes the reserve.
func (d *Driver) Space(context.Context) (size, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.cfg.Dir, &st); err != nil {
		return 0, 0, fmt.Errorf("measure %s: %w", d.cfg.Dir, err)
	}
	size = int64(st.Blocks) * st.Bsize                     //nolint:gosec // sizes of real file systems
	free = max(0, int64(st.Bavail)*st.Bsize-d.cfg.Reserve) //nolint:gosec // sizes of real file systems
	return size, free, nil
}

// room returns how many bytes may be written, or block.ErrNoSpace.
func (d *Driver) room(ctx context.Context) (int64, error) {
	_, free, err := d.Space(ctx)
	if err == nil && free == 0 {
		err = fmt.Errorf("%w: only the reserve of %d bytes is left", block.ErrNoSpace, d.cfg.Reserve)
	}
	return free, err
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// noSpace names the error of a full disk.
func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", block.ErrNoSpace, err)
	}
	return err
}
