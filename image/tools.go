package image

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// tool is a program that building needs, and the package that has it.
type tool struct{ program, pkg string }

func tools() []tool {
	return []tool{
		{"apt-get", "apt"},
		{"dpkg-deb", "dpkg"},
		{"mke2fs", "e2fsprogs"},
		{"qemu-img", "qemu-utils"},
		{"grub-mkimage", "grub-common"},
		{grubFolder + "/boot.img", "grub-pc-bin"},
		{"mmdebstrap", "mmdebstrap"},
	}
}

// check says what is missing on this machine, and how to get it.
func check() error {
	var missing []string
	for _, t := range tools() {
		if strings.HasPrefix(t.program, "/") {
			if _, err := os.Stat(t.program); err == nil {
				continue
			}
		} else if _, err := exec.LookPath(t.program); err == nil {
			continue
		}
		missing = append(missing, t.pkg)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("building images needs more programs: run 'apt-get install %s'", strings.Join(slices.Compact(missing), " "))
	}
	if os.Geteuid() != 0 {
		return errors.New("building images needs root, because the files in them belong to many users")
	}
	return nil
}
