package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// libraryFolders are where Debian keeps shared libraries.
func libraryFolders() []string {
	return []string{"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/libexec/sudo"}
}

// libraries adds to the tree the shared libraries and the loader that its
// programs need, from a folder of unpacked packages.
func (t tree) libraries(root string) error {
	var programs []string
	for name := range t {
		programs = append(programs, name)
	}
	slices.Sort(programs)
	for len(programs) > 0 {
		name := programs[0]
		programs = programs[1:]
		needed, err := linked(t[name].data)
		if err != nil {
			return fmt.Errorf("find libraries of %s: %w", name, err)
		}
		for _, lib := range needed {
			at, err := findLibrary(root, lib)
			if err != nil {
				return fmt.Errorf("find libraries of %s: %w", name, err)
			}
			if _, ok := t[at]; ok {
				continue
			}
			if err := t.copy(root, at); err != nil {
				return err
			}
			programs = append(programs, at)
		}
	}
	return nil
}

// findLibrary returns the path of a library's name, or of a loader's path.
func findLibrary(root, name string) (string, error) {
	if path.IsAbs(name) {
		return strings.TrimPrefix(name, "/"), nil
	}
	for _, dir := range libraryFolders() {
		if _, err := resolve(root, path.Join(dir, name)); err == nil {
			return path.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("no package has %s", name)
}

// linked returns the names of the libraries that a program is linked with, and
// the path of its loader; nothing for what is not an ELF file.
func linked(data []byte) ([]string, error) {
	if !strings.HasPrefix(string(data[:min(4, len(data))]), elf.ELFMAG) {
		return nil, nil
	}
	f, err := elf.NewFile(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			loader := make([]byte, p.Filesz)
			if _, err := p.ReadAt(loader, 0); err != nil {
				return nil, err
			}
			names = append(names, strings.TrimRight(string(loader), "\x00"))
		}
	}
	return names, nil
}

// modules returns the files of kernel modules and of all that they depend on, in
// the order in which they can be loaded. Built-in modules need no file.
func modules(root, version string, names ...string) ([]string, error) {
	dir := filepath.Join(root, "lib/modules", version)
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for line := range strings.Lines(string(builtin)) {
		files[moduleName(strings.TrimSpace(line))] = ""
	}
	if err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(p, ".ko") {
			files[moduleName(p)] = p
		}
		return err
	}); err != nil {
		return nil, err
	}
	var order []string
	var visit func(name string) error
	visit = func(name string) error {
		file, ok := files[name]
		if !ok {
			return fmt.Errorf("kernel %s has no module %s", version, name)
		}
		if file == "" || slices.Contains(order, file) {
			return nil
		}
		depends, err := dependsOf(file)
		if err != nil {
			return fmt.Errorf("read module %s: %w", name, err)
		}
		for _, d := range depends {
			if err := visit(strings.ReplaceAll(d, "-", "_")); err != nil {
				return err
			}
		}
		order = append(order, file)
		return nil
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleName is how the kernel calls the module of a file.
func moduleName(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(path.Base(file), ".ko"), "-", "_")
}

// dependsOf reads which modules a module declares to depend on.
func dependsOf(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
