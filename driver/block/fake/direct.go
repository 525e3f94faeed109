package fake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/driver/block"
)

var _ block.Direct = (*Driver)(nil)

// blocks are bytes that were put, by index. What is shared never changes.
type blocks map[int64][]byte

// filling is a snapshot that was begun.
type filling struct {
	bytes  int64
	parent string
	put    blocks
}

func (d *Driver) held(id string) (blocks, error) {
	if _, ok := d.snapshots[id]; !ok {
		return nil, fmt.Errorf("%s: %w", id, block.ErrNoSnapshot)
	}
	return d.holds[id], nil
}

// Changed implements block.Direct.
func (d *Driver) Changed(ctx context.Context, first, second block.Keyed, from int64, limit int) (out []block.Change, err error) {
	err = d.do(ctx, "changed", second.ID, func() error {
		var was blocks
		if first.ID != "" {
			if was, err = d.held(first.ID); err != nil {
				return err
			}
		}
		is, err := d.held(second.ID)
		if err != nil {
			return err
		}
		all := maps.Clone(was)
		if all == nil {
			all = blocks{}
		}
		maps.Copy(all, is)
		for _, i := range slices.Sorted(maps.Keys(all)) {
			if i >= from && len(out) < limit && (was[i] == nil || !bytes.Equal(was[i], is[i])) {
				out = append(out, block.Change{Index: i, First: was[i] != nil, Second: is[i] != nil})
			}
		}
		return nil
	})
	return out, err
}

// ReadBlock implements block.Direct.
func (d *Driver) ReadBlock(ctx context.Context, s block.Keyed, index int64) (data []byte, err error) {
	data = make([]byte, block.BlockBytes)
	err = d.do(ctx, "readblock", s.ID, func() error {
		held, err := d.held(s.ID)
		copy(data, held[index])
		return err
	})
	return data, err
}

// Begin implements block.Direct.
func (d *Driver) Begin(ctx context.Context, f block.Filling) error {
	return d.do(ctx, "begin", f.ID, func() error {
		if err := f.Validate(); err != nil {
			return err
		}
		if _, done := d.snapshots[f.ID]; done || d.fillings[f.ID] != nil {
			return nil
		}
		if size, ok := d.snapshots[f.Parent.ID]; f.Parent.ID != "" && !ok {
			return fmt.Errorf("%s: %w", f.Parent.ID, block.ErrNoSnapshot)
		} else if f.Bytes < size {
			return fmt.Errorf("%d bytes are too few for snapshot %s of %d", f.Bytes, f.Parent.ID, size)
		}
		d.fillings[f.ID] = &filling{f.Bytes, f.Parent.ID, blocks{}}
		return nil
	})
}

// WriteBlock implements block.Direct.
func (d *Driver) WriteBlock(ctx context.Context, s block.Keyed, index int64, data []byte) error {
	return d.do(ctx, "writeblock", s.ID, func() error {
		f := d.fillings[s.ID]
		if f == nil {
			return block.ErrNoSnapshot
		}
		if err := block.ValidateBlock(f.bytes, index, data); err != nil {
			return err
		}
		f.put[index] = bytes.Clone(data)
		return nil
	})
}

// Finish implements block.Direct.
func (d *Driver) Finish(ctx context.Context, s block.Keyed, sum bool) (out block.Filled, err error) {
	err = d.do(ctx, "finish", s.ID, func() error {
		if f := d.fillings[s.ID]; f != nil {
			all := maps.Clone(d.holds[f.parent])
			if all == nil {
				all = blocks{}
			}
			maps.Copy(all, f.put)
			d.snapshots[s.ID], d.holds[s.ID], d.filled[s.ID] = f.bytes, all, f.put
			delete(d.fillings, s.ID)
		}
		put, ok := d.filled[s.ID]
		if !ok {
			return block.ErrNoSnapshot
		}
		out = block.Filled{Bytes: int64(len(put)) * block.BlockBytes, Blocks: len(put)}
		if sum {
			h := sha256.New()
			for _, i := range slices.Sorted(maps.Keys(put)) {
				one := sha256.Sum256(put[i])
				h.Write(one[:])
			}
			h.Sum(out.Sum[:0])
		}
		return nil
	})
	return out, err
}
