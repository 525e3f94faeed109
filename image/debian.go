package image

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// debianFiles are what is ours in debian-12: debian/root lies on its disk before
// the packages are configured, debian/customize runs when they are.
//
//go:embed debian
var debianFiles embed.FS

const (
	debianSuite = "bookworm"
	debianSize  = 2 << 30 // bytes; it grows into its volume
)

// debianPackages are what is installed beside the essential ones.
func debianPackages() []string {
	return []string{
		"linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd-sysv", "systemd-resolved", "udev", "dbus",
		"cloud-init", "cloud-guest-utils", "qemu-guest-agent", "openssh-server", "sudo", "e2fsprogs", "fdisk",
		"iproute2", "iputils-ping", "netbase", "ca-certificates", "curl", "wget", "procps", "kmod", "less", "vim-tiny", "nano",
		"bash-completion",
	}
}

// buildDebian makes a Debian that boots by itself from one partition.
func buildDebian(b *build) error {
	root, raw := b.path("root"), b.path("disk.raw")
	if err := b.bootstrap(root); err != nil {
		return err
	}
	b.step("make the disk")
	// GRUB follows the links that the kernel's package keeps up to date.
	args := kernelArgs + " root=" + rootPartition() + " ro"
	config := filepath.Join(root, "boot/grub/grub.cfg")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(config), 0o755),
		os.WriteFile(config, grubConfig("/vmlinuz", "/initrd.img", args), 0o644),
		os.WriteFile(filepath.Join(root, "etc/fstab"), fmt.Appendf(nil, "%s / ext4 defaults,noatime,x-systemd.growfs 0 1\n", rootPartition()), 0o644),
	); err != nil {
		return err
	}
	if err := b.fileSystem(raw, root, "debian", firstSector*sector, debianSize); err != nil {
		return err
	}
	if err := b.bootable(raw); err != nil {
		return err
	}
	return b.pack(raw)
}

// bootstrap installs Debian into a folder.
func (b *build) bootstrap(root string) error {
	own, hook := b.path("own"), b.path("customize")
	t := tree{}
	files, err := fs.Sub(debianFiles, "debian/root")
	if err != nil {
		return err
	}
	if err := errors.Join(t.embed(files), os.Mkdir(own, 0o755)); err != nil {
		return err
	}
	if err := t.store(own); err != nil {
		return err
	}
	script, err := debianFiles.ReadFile("debian/customize")
	if err != nil {
		return err
	}
	archives := filepath.Join(b.Cache, "archives")
	if err := errors.Join(os.WriteFile(hook, script, 0o755), os.MkdirAll(archives, 0o755)); err != nil {
		return err
	}
	b.step("install Debian's packages: a minute or two")
	args := []string{
		"--variant=minbase", "--mode=root", "--format=directory", "--skip=essential/unlink",
		"--include=" + strings.Join(debianPackages(), ","),
		"--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io",
		// Packages that were downloaded before are there already, and all are kept.
		`--setup-hook=mkdir -p "$1/var/cache/apt/archives"`,
		"--setup-hook=sync-in " + quote(archives) + " /var/cache/apt/archives",
		"--essential-hook=sync-in " + quote(own) + " /",
		"--customize-hook=" + hook,
		"--customize-hook=sync-out /var/cache/apt/archives " + quote(archives),
		debianSuite, root,
	}
	mirrors, err := b.mirrors(debianSuite)
	if err != nil {
		return err
	}
	return b.run("mmdebstrap", append(args, mirrors...)...)
}

// quote makes one word of a path, for the shell.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// mirrors returns where this machine's apt gets a suite, its updates and its
// security fixes from; nothing if it does not know the suite, which means
// Debian's own servers.
func (b *build) mirrors(suite string) ([]string, error) {
	out, err := b.output("apt-get", "indextargets", "--format",
		"$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)|$(RELEASE)", "Created-By: Packages")
	if err != nil {
		return nil, fmt.Errorf("ask apt for its mirrors: %w", err)
	}
	var mirrors []string
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 5 || f[0] != "Debian" || f[2] != "main" || seen[f[4]] {
			continue
		}
		if f[1] == suite || strings.HasPrefix(f[1], suite+"-") && !strings.HasSuffix(f[1], "-backports") {
			seen[f[4]] = true
			mirrors = append(mirrors, fmt.Sprintf("deb %s %s main", f[3], f[4]))
		}
	}
	return mirrors, nil
}
