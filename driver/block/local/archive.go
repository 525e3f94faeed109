//go:build linux

package local

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"
)

// archiveHead is how many bytes of a file tell whether it is a tar archive.
const archiveHead = 512

// Bounds of an archive.
const (
	maxMembers = 64
	maxSkipped = 64 * mib // bytes of what is not a disk
)

// isArchive reports whether a file that begins so is a tar archive, such as an OVA.
func isArchive(head []byte) bool {
	return len(head) >= 262 && string(head[257:262]) == "ustar"
}

// diskOf returns the one VMDK of an Open Virtual Appliance of so many bytes. Names say
// nothing but which member it is; links, and whatever else is no file, are not followed.
// Members after the disk are not looked at by its reader, but for another disk, which
// is an error.
func diskOf(archive io.Reader, size int64) (io.Reader, error) {
	members := &appliance{tar: tar.NewReader(archive), left: size}
	if err := members.next(); errors.Is(err, io.EOF) {
		return nil, refuse("it is an archive without a VMDK")
	} else if err != nil {
		return nil, err
	}
	return members, nil
}

// appliance reads the first disk of an archive.
type appliance struct {
	tar     *tar.Reader
	left    int64 // bytes that the members can have
	members int
	skipped int64
}

// next goes to the next disk; io.EOF if there is none.
func (a *appliance) next() error {
	for {
		h, err := a.tar.Next()
		if errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			return spoilt(err)
		}
		if a.members++; a.members > maxMembers {
			return refuse("it is an archive of more than %d members", maxMembers)
		}
		if h.Typeflag == tar.TypeReg && h.Size > a.left {
			return refuse("a member of the archive claims %d bytes, more than the archive has", h.Size)
		}
		if strings.EqualFold(path.Ext(h.Name), ".vmdk") {
			if h.Typeflag != tar.TypeReg {
				return refuse("a disk of the archive is not a file")
			}
			return nil
		}
		if h.Typeflag != tar.TypeReg {
			return refuse("a member of the archive is not a file")
		}
		if a.skipped += h.Size; a.skipped > maxSkipped {
			return refuse("the archive has more than %d bytes beside its disk", maxSkipped)
		}
	}
}

// Read reads the disk, at whose end there must not be another.
func (a *appliance) Read(p []byte) (int, error) {
	n, err := a.tar.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return n, refuse("the archive unpacks to more than it has")
	}
	if errors.Is(err, io.EOF) {
		switch more := a.next(); {
		case errors.Is(more, io.EOF):
			return n, io.EOF
		case more != nil:
			return n, more
		}
		return n, refuse("the archive has more than one disk: import each by itself")
	}
	if err != nil {
		err = spoilt(err)
	}
	return n, err
}

// spoilt is the archive's fault if its reader says so.
func spoilt(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		return refuse("the archive is damaged or cut off")
	}
	return err
}
