package block

import (
	"context"
	"io"
	"os"

	"github.com/vauban-cloud/vauban/seal"
)

// Transfers moves disks into the engine and out of it, as snapshots. Drivers that can
// have it.
type Transfers interface {
	// Import makes a snapshot of a disk of unknown origin, after checking it, with a key of
	// its own. One that is there already is left alone, and in is not looked at. Nothing
	// stays of an import that fails or whose context ends. *BadImageError if the disk cannot
	// be taken.
	Import(ctx context.Context, snapshot string, in Incoming, key *seal.Key) (Imported, error)
	// Export writes a snapshot as a disk of a format, "raw", "vmdk" (stream-optimised) or
	// "vhd" (dynamic), has deliver read it, and removes it. *BadImageError if the format
	// cannot hold it, ErrNoSnapshot if it is not there.
	Export(ctx context.Context, snapshot, format string, key *seal.Key, progress func(percent float64), deliver func(disk *os.File, bytes int64) error) error
}

// Incoming is a disk to import.
type Incoming struct {
	// Open opens the bytes, and tells how many there are.
	Open   func(ctx context.Context) (io.ReadCloser, int64, error)
	Format string // "qcow2", "raw", "vmdk", "vhd", "vhdx" or "ova"; empty to detect
	Boots  bool   // refuse it unless guests can be expected to boot from it
	// Progress, if not nil, is told now and then, from other goroutines, what is being done
	// ("downloading", "validating", "converting"), and how much of that, in percent.
	Progress func(stage string, percent float64)
}

// Imported is what Import found.
type Imported struct {
	Bytes  int64  // virtual size
	Stored int64  // bytes that it takes on the disk
	Source int64  // bytes that were read
	Format string // of those of Incoming
	// Warning is why guests may not boot from it after all; empty: they can be expected to.
	Warning string `json:",omitempty"`
}
