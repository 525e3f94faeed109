package guest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// loadOrder returns the paths of the named modules and of all that they depend
// on, each after its dependencies, as their .modinfo sections say.
func loadOrder(dir string, names []string) ([]string, error) {
	paths := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			paths[plain(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var ordered []string
	seen := make(map[string]bool)
	var visit func(name string) error
	visit = func(name string) error {
		name = plain(name)
		if seen[name] {
			return nil
		}
		seen[name] = true
		path, ok := paths[name]
		if !ok {
			return fmt.Errorf("no module %s", name)
		}
		needs, err := dependencies(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		for _, need := range needs {
			if err := visit(need); err != nil {
				return err
			}
		}
		ordered = append(ordered, path)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// plain is a module's name as the kernel compares it.
func plain(name string) string { return strings.ReplaceAll(name, "-", "_") }

func dependencies(module string) ([]string, error) {
	f, err := elf.Open(module)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(string(list), ","), nil
		}
	}
	return nil, nil
}

// writeInitrd writes an initial file system: the programs, and /modules/ in load order.
func writeInitrd(path string, programs, modules []string) error {
	var a archive
	a.add("dev", 0o40755, nil)
	a.add("modules", 0o40755, nil)
	for _, program := range programs {
		content, err := os.ReadFile(program)
		if err != nil {
			return err
		}
		a.add(filepath.Base(program), 0o100755, content)
	}
	for i, module := range modules {
		content, err := os.ReadFile(module)
		if err != nil {
			return err
		}
		a.add(fmt.Sprintf("modules/%02d-%s", i, filepath.Base(module)), 0o100644, content)
	}
	a.add("TRAILER!!!", 0, nil)
	return os.WriteFile(path, a.Bytes(), 0o644) //nolint:gosec // a guest of another user reads it
}

// archive is a cpio archive in the "newc" form that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	bytes.Buffer
	files int
}

func (a *archive) add(name string, mode int, content []byte) {
	a.files++
	// magic, inode, mode, uid, gid, links, mtime, size, device major and minor
	// of the file and of what it stands for, length of the name, checksum
	fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.files, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	a.align()
	a.Write(content)
	a.align()
}

func (a *archive) align() { a.Write(make([]byte, -a.Len()&3)) }
