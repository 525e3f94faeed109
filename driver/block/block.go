// Package block is the narrow interface to the engine that keeps volumes, snapshots
// and images. Drivers: local (files), rbd (a Ceph pool) and fake; all pass blocktest.
package block

import (
	"context"
	"errors"
	"io"

	"github.com/vauban-cloud/vauban/seal"
)

// ErrNoSpace says that the engine has no room for it.
var ErrNoSpace = errors.New("no space left for volumes")

// ErrNoVolume says that the engine has no volume of that ID.
var ErrNoVolume = errors.New("no such volume")

// ErrNoSnapshot says that the engine has no snapshot of that ID.
var ErrNoSnapshot = errors.New("no such snapshot")

// ErrNoImage says that the engine has no image of that ID.
var ErrNoImage = errors.New("no such image")

// Driver keeps volumes. All methods are idempotent, and durable when they
// return: a volume is whole or not there, whenever the process is killed. The
// caller retries.
type Driver interface {
	// Create makes a volume, a copy-on-write child of the image or snapshot if one is
	// named.
	Create(ctx context.Context, v Volume) error
	// Delete removes the volume's bytes; nil if it is not there.
	Delete(ctx context.Context, id string) error
	// List returns the IDs of all volumes.
	List(ctx context.Context) ([]string, error)
	// Open gives the user, and nobody else, the volume's files, and says how to
	// plug them in, the one that is written to first. User 0 takes them back from whoever
	// has them: user numbers come to be used again. key is that of an encrypted volume;
	// without it the layers have no secrets. ErrNoVolume if it is not there.
	Open(ctx context.Context, id string, uid int, key *seal.Key) ([]Layer, error)
	// Grow makes a volume that nobody has open as large as that; nil if it is already, or
	// larger.
	Grow(ctx context.Context, id string, bytes int64, key *seal.Key) error
	// Space returns the size of the engine and what is free, in bytes.
	Space(ctx context.Context) (size, free int64, err error)
}

// Snapshots keeps what volumes were at an instant. Drivers that can have it.
type Snapshots interface {
	// Cut has the volume go on in a new layer, which Open tells from then on: what it was
	// shall be the snapshot. Whoever has the volume open must be made to write to that layer
	// before Keep; until then it writes to the old one, which loses nothing. key is the
	// volume's. ErrNoVolume if it is not there.
	Cut(ctx context.Context, volume, snapshot string, key *seal.Key) error
	// Keep makes the snapshot of what the volume was at its Cut, with a key of its own,
	// and returns how many bytes it keeps on the disk, shared ones included. Nobody writes to
	// those layers any more, and nobody can. The first call's Cut must have been made.
	Keep(ctx context.Context, volume, snapshot string, volumeKey, snapshotKey *seal.Key) (bytes int64, err error)
	// CopySnapshot makes another snapshot of the same bytes. If the copy is to be encrypted
	// and the source is not, all bytes are written anew.
	CopySnapshot(ctx context.Context, from, to string, fromKey, toKey *seal.Key) (bytes int64, err error)
	// DeleteSnapshot removes it; nil if it is not there. Volumes made from it stay whole.
	DeleteSnapshot(ctx context.Context, id string) error
	// ListSnapshots returns the IDs of all snapshots.
	ListSnapshots(ctx context.Context) ([]string, error)
}

// Flattener is for drivers whose snapshots become slower to start from with the number of
// those that came before them.
type Flattener interface {
	// Flatten puts a snapshot's bytes together anew if they lie in too many places, and
	// returns how many bytes it keeps on the disk. Volumes can be made of it all the while.
	// ErrNoSnapshot if it is not there, or has gone meanwhile.
	Flatten(ctx context.Context, snapshot string, key *seal.Key) (bytes int64, err error)
}

// Layer is a file of a volume, or what a server exports as one. What one does not hold, the
// next does.
type Layer struct {
	Path   string // of the file, or of the server's Unix socket
	Export string // by which the NBD server knows it; empty for a file
	Format string // "qcow2" or "raw"
	Secret []byte // LUKS passphrase of an encrypted one; nil if it is not
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

// Source is an image to store. Disk is a path to a qcow2, raw, VMDK, VHD or VHDX file.
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
	// Snapshot is the snapshot whose bytes it starts with, and SnapshotKey its key, if it is
	// encrypted.
	Snapshot    string
	SnapshotKey *seal.Key
	// Key seals the secrets of an encrypted volume; nil: it is not encrypted. Without it
	// nobody can read the volume: to lose it is to destroy the volume.
	Key *seal.Key
}
