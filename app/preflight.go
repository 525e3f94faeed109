package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const leastDisk = 4 << 30 // bytes: two images and room for a few guests

// Preflight reports what the machine lacks, in one line that names the remedy.
func (c Config) Preflight() error {
	if err := c.Validate(); err != nil {
		return err
	}
	checks := []func() error{c.checkRoot, checkTun, checkTools, c.checkPool, c.checkDisk, c.checkPort}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (Config) checkRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("vauban needs root to make networks and to run each guest as a user of its own: run it with sudo")
	}
	return nil
}

func checkTun() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return errors.New("/dev/net/tun is missing: load the module with `modprobe tun`, or in a container pass `--device /dev/net/tun`")
	case err != nil:
		return fmt.Errorf("/dev/net/tun cannot be opened (%w): in a container, allow it with `--device /dev/net/tun --cap-add NET_ADMIN`", err)
	}
	return f.Close()
}

// tools are the programs that guests, disks and networks stand on, with the Debian
// packages that bring them.
var tools = [][2]string{ //nolint:gochecknoglobals // a constant table
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"qemu-img", "qemu-utils"},
	{"nft", "nftables"},
}

func checkTools() error {
	var missing, packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t[0]); err != nil {
			missing, packages = append(missing, t[0]), append(packages, t[1])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s not found: install with `apt-get install -y --no-install-recommends %s`",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}

func (c Config) checkDisk() error {
	dir := c.Data
	for {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("read free space of %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < leastDisk { //nolint:gosec // block sizes are positive
		return fmt.Errorf("%s has %d MiB free and vauban needs %d: free some, or choose another file system with --data",
			dir, free>>20, leastDisk>>20)
	}
	return nil
}

func (c Config) checkPort() error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use by another program: stop it, or choose another address with --listen", c.Listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is not an address of this machine: choose one with --listen", c.Listen)
	case err != nil:
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", c.Listen, err)
	}
	return l.Close()
}
