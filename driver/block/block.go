// Package block is the narrow interface to the engine that keeps volumes and
// images. Drivers: local (files) and fake; both pass blocktest.
package block

import (
	"context"
	"errors"
	"io"
)

// ErrNoSpace says that the engine has no room for it.
var ErrNoSpace = errors.New("no space left for volumes")

// ErrNoVolume says that the engine has no volume of that ID.
var ErrNoVolume = errors.New("no such volume")

// ErrNoImage says that the engine has no image of that ID.
var ErrNoImage = errors.New("no such image")

// Driver keeps volumes. All methods are idempotent, and durable when they
// return: a volume is whole or not there, whenever the process is killed. The
// caller retries.
type Driver interface {
	// Create makes a volume, a copy-on-write child of the image if one is named.
	Create(ctx context.Context, v Volume) error
	// Delete removes the volume's bytes; nil if it is not there.
	Delete(ctx context.Context, id string) error
	// List returns the IDs of all volumes.
	List(ctx context.Context) ([]string, error)
	// Open gives the user, and nobody else, the volume's file, and says how to
	// plug it in. User 0 takes it back from whoever has it: user numbers come to
	// be used again. ErrNoVolume if it is not there.
	Open(ctx context.Context, id string, uid int) (path, format string, err error)
	// Space returns the size of the engine and what is free, in bytes.
	Space(ctx context.Context) (size, free int64, err error)
}

// Images keeps what volumes start from.
type Images interface {
	// Put stores an image under its ID, with its kernel and initrd if it has
	// them (nil if not), after checking it; Meta says what it found. An image
	// that is there already is left alone. *BadImageError if it is not one that
	// can be taken.
	Put(ctx context.Context, id string, src Source) (Meta, error)
	// Boot returns the host paths of an image's kernel and initrd, each empty if
	// it has none.
	Boot(ctx context.Context, id string) (kernel, initrd string, err error)
	// DeleteImage removes it; nil if it is not there. Volumes made from it stay whole.
	DeleteImage(ctx context.Context, id string) error
}

// Source is an image to store. Disk is a path to a qcow2, raw or VMDK file.
type Source struct {
	Disk           string
	Format         string // empty to detect
	Kernel, Initrd io.Reader
	// Progress, if not nil, is told now and then, from another goroutine, how
	// much of the disk was converted, in percent.
	Progress func(percent float64)
}

// BadImageError says why a file is not an image that can be taken, in words
// that its owner understands.
type BadImageError struct{ Reason string }

func (e *BadImageError) Error() string { return "image refused: " + e.Reason }

// Meta is what Put found.
type Meta struct {
	Bytes  int64 // virtual size
	SHA256 string
}

// Volume is a volume to make.
type Volume struct {
	ID    string
	Bytes int64
	Image string // image ID, or empty
}
