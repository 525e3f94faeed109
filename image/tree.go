package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// epoch is the time stamp of every file that a build makes, so that two builds
// from the same packages are alike. It is the first second of 2026.
const epoch = 1767225600

// tree is a file system to be: by path, without a leading slash.
type tree map[string]file

// file is one entry of a tree.
type file struct {
	mode     fs.FileMode // type, permission bits, and fs.ModeSetuid
	uid, gid int
	data     []byte
	link     string // target of a symbolic link
}

// dir adds a folder, and those above it.
func (t tree) dir(name string, perm fs.FileMode) {
	t.parents(name)
	t[name] = file{mode: fs.ModeDir | perm}
}

// parents adds the folders above a name, as far as they are not there.
func (t tree) parents(name string) {
	for d := path.Dir(name); d != "."; d = path.Dir(d) {
		if _, ok := t[d]; !ok {
			t[d] = file{mode: fs.ModeDir | 0o755}
		}
	}
}

// write adds a regular file.
func (t tree) write(name string, perm fs.FileMode, data []byte) {
	t.parents(name)
	t[name] = file{mode: perm, data: data}
}

// symlink adds a symbolic link.
func (t tree) symlink(name, target string) {
	t.parents(name)
	t[name] = file{mode: fs.ModeSymlink | 0o777, link: target}
}

// own gives a file to a user.
func (t tree) own(name string, id int) {
	f := t[name]
	f.uid, f.gid = id, id
	t[name] = f
}

// copy adds a file of a folder of unpacked packages under the same name, with
// what a link leads to in place of the link.
func (t tree) copy(root, name string) error {
	real, err := resolve(root, name)
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	info, err := os.Stat(filepath.Join(root, real))
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	data, err := os.ReadFile(filepath.Join(root, real))
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	t.write(name, info.Mode()&(fs.ModePerm|fs.ModeSetuid), data)
	return nil
}

// embed adds a folder of embedded files; scripts are executable.
func (t tree) embed(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		perm := fs.FileMode(0o644)
		if strings.HasPrefix(string(data), "#!") {
			perm = 0o755
		}
		t.write(name, perm, data)
		return nil
	})
}

// resolve follows the links of a name within root, as if root were "/".
func resolve(root, name string) (string, error) {
	for range 40 {
		target, err := os.Readlink(filepath.Join(root, name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return "", err
		case err != nil: // not a link
			return name, nil
		case path.IsAbs(target):
			name = strings.TrimPrefix(path.Clean(target), "/")
		default:
			name = strings.TrimPrefix(path.Join("/", path.Dir(name), target), "/")
		}
	}
	return "", fmt.Errorf("too many links at %s", name)
}

// store writes the tree into a folder. Needs root.
func (t tree) store(root string) error {
	names := slices.Sorted(maps.Keys(t)) // folders come before what is in them
	for _, name := range names {
		f, at := t[name], filepath.Join(root, name)
		var err error
		switch f.mode.Type() {
		case fs.ModeDir:
			err = os.Mkdir(at, 0o700)
		case fs.ModeSymlink:
			err = os.Symlink(f.link, at)
		default:
			err = os.WriteFile(at, f.data, 0o600)
		}
		if err == nil {
			err = os.Lchown(at, f.uid, f.gid) // before chmod: it drops the setuid bit
		}
		if err == nil && f.mode.Type() != fs.ModeSymlink {
			err = os.Chmod(at, f.mode)
		}
		if err != nil {
			return fmt.Errorf("store tree: %w", err)
		}
	}
	stamp := time.Unix(epoch, 0)
	for _, name := range slices.Backward(names) { // folders last: what is in them changes them
		if t[name].mode.Type() != fs.ModeSymlink {
			if err := os.Chtimes(filepath.Join(root, name), stamp, stamp); err != nil {
				return fmt.Errorf("store tree: %w", err)
			}
		}
	}
	return os.Chtimes(root, stamp, stamp)
}

// cpio writes the tree as the archive that the kernel unpacks at boot:
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
func (t tree) cpio(w io.Writer) error {
	inode, size := 0, 0
	entry := func(name string, f file) error {
		inode++
		data := f.data
		if f.mode.Type() == fs.ModeSymlink {
			data = []byte(f.link)
		}
		head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			inode, unixMode(f.mode), f.uid, f.gid, 1, epoch, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
		for _, part := range [][]byte{[]byte(head), data} {
			pad := (4 - len(part)%4) % 4
			if _, err := w.Write(append(slices.Clip(part), make([]byte, pad)...)); err != nil {
				return fmt.Errorf("write cpio archive: %w", err)
			}
			size += len(part) + pad
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := entry(name, t[name]); err != nil {
			return err
		}
	}
	return entry("TRAILER!!!", file{})
}

// unixMode is a mode in the kernel's bits.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	switch m.Type() {
	case fs.ModeDir:
		bits |= 0o040000
	case fs.ModeSymlink:
		bits |= 0o120000
	default:
		bits |= 0o100000
	}
	return bits
}
