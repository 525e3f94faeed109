package node

import (
	"context"
	"errors"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
)

// errDraining says that the host is to be empty.
var errDraining = errors.New("the host is shutting down")

// ChangedBlocks returns which blocks may differ between two snapshots that this host keeps,
// from the given one on, limit of them at most; those that the second holds if first is nil.
func (a *Agent) ChangedBlocks(ctx context.Context, first, second *cloud.Snapshot, from int64, limit int) (out []cloud.BlockChange, err error) {
	err = a.directly(func(d block.Direct) error {
		was, err := a.keyed(first)
		if err != nil {
			return err
		}
		is, err := a.keyed(second)
		if err != nil {
			return err
		}
		changes, err := d.Changed(ctx, was, is, from, limit)
		for _, c := range changes {
			out = append(out, cloud.BlockChange(c))
		}
		return err
	})
	return out, err
}

// ReadBlock returns the bytes of a block of a snapshot that this host keeps.
func (a *Agent) ReadBlock(ctx context.Context, s *cloud.Snapshot, index int64) (data []byte, err error) {
	err = a.directly(func(d block.Direct) error {
		k, err := a.keyed(s)
		if err == nil {
			data, err = d.ReadBlock(ctx, k, index)
		}
		return err
	})
	return data, err
}

// WriteBlock puts a block into a snapshot that is being filled on this host; parent is the
// one that it begins with, nil if there is none.
func (a *Agent) WriteBlock(ctx context.Context, s, parent *cloud.Snapshot, index int64, data []byte) error {
	return a.directly(func(d block.Direct) error {
		if !s.Seen.Begun { // as far as the caller knows
			if err := a.beginFilling(ctx, d, s, parent); err != nil {
				return err
			}
		}
		k, err := a.keyed(s)
		if err != nil {
			return err
		}
		return d.WriteBlock(ctx, k, index, data)
	})
}

func (a *Agent) directly(do func(block.Direct) error) error {
	if !a.begin() {
		return errDraining
	}
	defer a.done()
	d, err := a.direct()
	if err != nil {
		return err
	}
	return do(d)
}
