package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fetch downloads Debian packages into the cache, as far as they are not there,
// and returns their files in order.
func (b *build) fetch(names ...string) ([]string, error) {
	dir := filepath.Join(b.Cache, "debs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var files []string
	err := b.withLists(func() (err error) {
		files, err = b.locate(dir, names)
		return err
	})
	return files, err
}

// withLists does what needs apt's package lists; if that fails, again with new
// ones: they may be missing, or older than the mirror.
func (b *build) withLists(do func() error) error {
	if do() == nil || b.Err() != nil {
		return b.Err()
	}
	b.step("update the package lists")
	if err := b.run("apt-get", "update", "-q"); err != nil {
		return err
	}
	return do()
}

// locate has apt download what is not there yet, and finds the files.
func (b *build) locate(dir string, names []string) ([]string, error) {
	// The command runs where the packages are not: apt is silent of those it sees.
	out, err := b.output("apt-get", append([]string{"--print-uris", "download"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("find packages: %w", err)
	}
	var files []string
	missing := false
	for line := range strings.Lines(out) {
		// 'http://…/busybox_1.35.0-4_amd64.deb' busybox_1%3a1.35.0-4_amd64.deb 452120 SHA256:…
		f := strings.Fields(line)
		if len(f) < 3 {
			return nil, fmt.Errorf("find packages: apt-get says %q", line)
		}
		file := filepath.Join(dir, f[1])
		files = append(files, file)
		if info, err := os.Stat(file); err != nil || fmt.Sprint(info.Size()) != f[2] {
			missing = true
		}
	}
	if len(files) != len(names) {
		return nil, fmt.Errorf("find packages: apt-get knows %d of %s", len(files), strings.Join(names, ", "))
	}
	if !missing {
		return files, nil
	}
	b.step("download %d packages", len(names))
	// As root, because apt's unprivileged user may not reach the cache folder.
	args := append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, names...)
	if err := b.runIn(dir, "apt-get", args...); err != nil {
		return nil, fmt.Errorf("download packages: %w", err)
	}
	return files, nil
}

// unpack puts the files of packages into a folder, without running any scripts.
func (b *build) unpack(dir string, files ...string) error {
	for _, f := range files {
		if err := b.run("dpkg-deb", "-x", f, dir); err != nil {
			return err
		}
	}
	return nil
}

// newestKernel is the package that the metapackage stands for.
func (b *build) newestKernel(meta string) (name string, err error) {
	err = b.withLists(func() error {
		out, err := b.output("apt-cache", "depends", "--important", meta)
		if err != nil {
			return fmt.Errorf("find the kernel: %w", err)
		}
		for line := range strings.Lines(out) {
			if found, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
				name = found
				return nil
			}
		}
		return fmt.Errorf("find the kernel: apt knows nothing that %s depends on", meta)
	})
	return name, err
}
