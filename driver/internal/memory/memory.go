//go:build linux

// Package memory makes files that are nowhere on a disk, for secrets that a program of
// another user inherits and opens by its /dev/fd.
package memory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// File returns a file with the content, which every user may read who reaches it.
func File(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("secret", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "secret")
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Chmod(0o444); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
