package chain

import (
	"context"
	"fmt"

	"github.com/vauban-cloud/vauban/driver/block"
)

// Source is a snapshot's chain that is open.
type Source struct {
	Chain
	Close func()
}

// Opener opens a snapshot's chain. Its methods are the reads of block.Direct.
type Opener func(ctx context.Context, s block.Keyed) (*Source, error)

// Changed implements block.Direct.
func (open Opener) Changed(ctx context.Context, first, second block.Keyed, from int64, limit int) ([]block.Change, error) {
	out, err := open.changed(ctx, first, second, from, limit)
	if err != nil {
		return nil, fmt.Errorf("compare snapshot %s with %q: %w", second.ID, first.ID, err)
	}
	return out, nil
}

func (open Opener) changed(ctx context.Context, first, second block.Keyed, from int64, limit int) (out []block.Change, err error) {
	was := &Source{}
	if first.ID != "" {
		if was, err = open(ctx, first); err != nil {
			return nil, err
		}
		defer was.Close()
	}
	is, err := open(ctx, second)
	if err != nil {
		return nil, err
	}
	defer is.Close()
	return Changed(ctx, was.Chain, is.Chain, from, limit)
}

// ReadBlock implements block.Direct.
func (open Opener) ReadBlock(ctx context.Context, s block.Keyed, index int64) ([]byte, error) {
	c, err := open(ctx, s)
	if err == nil {
		defer c.Close()
		var data []byte
		if data, err = c.Read(max(0, index)); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("read block %d of snapshot %s: %w", index, s.ID, err)
}
