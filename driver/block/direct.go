package block

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/vauban-cloud/vauban/seal"
)

// BlockBytes is the size of a block of a snapshot. The i-th begins at i times that.
const BlockBytes = 512 << 10

// Direct reads snapshots, and makes them, block by block. Drivers that can have it. Keys are
// the snapshots' own, nil for those that are not encrypted.
type Direct interface {
	// Changed returns which blocks may differ between two snapshots, and always all that do:
	// in order from the given one on, limit of them at most. With first.ID empty they are those
	// that the second holds; what a snapshot does not hold reads as zeroes.
	Changed(ctx context.Context, first, second Keyed, from int64, limit int) ([]Change, error)
	// ReadBlock returns the BlockBytes of a block; beyond the snapshot's end they are zeroes.
	ReadBlock(ctx context.Context, s Keyed, index int64) ([]byte, error)
	// Begin makes a snapshot that is to be filled. Until it is finished no other method but
	// DeleteSnapshot knows of it.
	Begin(ctx context.Context, f Filling) error
	// WriteBlock puts BlockBytes into a snapshot that was begun, over what is there.
	// ErrNoSnapshot if there is none, or it is finished.
	WriteBlock(ctx context.Context, s Keyed, index int64, data []byte) error
	// Finish makes a begun snapshot one as any other, and tells what was put into it; sum asks
	// for the checksum, which reads it all. Again, it tells the same.
	Finish(ctx context.Context, s Keyed, sum bool) (Filled, error)
}

// Keyed is a snapshot with its key.
type Keyed struct {
	ID  string
	Key *seal.Key
}

// Change is a block that two snapshots may have different bytes in.
type Change struct {
	Index         int64
	First, Second bool // whether they hold it
}

// Filling is a snapshot to fill.
type Filling struct {
	Keyed
	Bytes  int64 // a multiple of BlockBytes, and no fewer than the parent's
	Parent Keyed // whose bytes it begins with; no ID: zeroes
}

// Filled is what was put into a snapshot.
type Filled struct {
	Bytes  int64             // that it keeps on the disk, shared ones included
	Blocks int               // that were written
	Sum    [sha256.Size]byte // SHA-256 of the SHA-256s of these, in order; zero if not asked for
}

// Validate returns why no driver can begin the snapshot, or nil.
func (f Filling) Validate() error {
	switch {
	case !ValidName(f.ID):
		return fmt.Errorf("snapshot ID %q is not a name", f.ID)
	case f.Parent.ID != "" && !ValidName(f.Parent.ID):
		return fmt.Errorf("snapshot ID %q is not a name", f.Parent.ID)
	case f.Bytes <= 0 || f.Bytes%BlockBytes != 0:
		return fmt.Errorf("snapshot %s: %d bytes are not whole blocks", f.ID, f.Bytes)
	}
	return nil
}

// ValidateBlock returns why the data is no block of a snapshot of so many bytes, or nil.
func ValidateBlock(bytes, index int64, data []byte) error {
	switch {
	case len(data) != BlockBytes:
		return fmt.Errorf("%d bytes are no block", len(data))
	case index < 0 || index >= bytes/BlockBytes:
		return fmt.Errorf("block %d is not within %d bytes", index, bytes)
	}
	return nil
}
