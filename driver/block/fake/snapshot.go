package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

var (
	_ block.Snapshots = (*Driver)(nil)
	_ block.Flattener = (*Driver)(nil)
)

// Flatten implements block.Flattener: its snapshots are whole.
func (d *Driver) Flatten(ctx context.Context, snapshot string, _ *seal.Key) (bytes int64, err error) {
	err = d.do(ctx, "flatten", snapshot, func() error {
		var ok bool
		if bytes, ok = d.snapshots[snapshot]; !ok {
			return block.ErrNoSnapshot
		}
		return nil
	})
	return bytes, err
}

// Grow implements block.Driver.
func (d *Driver) Grow(ctx context.Context, id string, bytes int64, _ *seal.Key) error {
	return d.do(ctx, "grow", id, func() error {
		v, ok := d.volumes[id]
		switch {
		case !ok:
			return block.ErrNoVolume
		case bytes <= v.Bytes:
			return nil
		case d.used+bytes-v.Bytes > d.cfg.Bytes:
			return block.ErrNoSpace
		}
		d.used += bytes - v.Bytes
		v.Bytes = bytes
		d.volumes[id] = v
		return nil
	})
}

// Cut implements block.Snapshots.
func (d *Driver) Cut(ctx context.Context, volume, snapshot string, _ *seal.Key) error {
	return d.do(ctx, "cut", volume, func() error {
		v, ok := d.volumes[volume]
		if !ok {
			return block.ErrNoVolume
		}
		if _, kept := d.snapshots[snapshot]; !kept {
			d.cuts[volume+"/"+snapshot] = v.Bytes
			d.share(volume, volume+"/"+snapshot)
		}
		return nil
	})
}

// Keep implements block.Snapshots.
func (d *Driver) Keep(ctx context.Context, volume, snapshot string, _, _ *seal.Key) (bytes int64, err error) {
	err = d.do(ctx, "keep", snapshot, func() error {
		var kept, cut bool
		if bytes, kept = d.snapshots[snapshot]; kept {
			return nil
		}
		if bytes, cut = d.cuts[volume+"/"+snapshot]; !cut {
			return errors.New("it was not cut")
		}
		d.share(volume+"/"+snapshot, snapshot)
		delete(d.cuts, volume+"/"+snapshot)
		delete(d.holds, volume+"/"+snapshot)
		d.snapshots[snapshot] = bytes
		return nil
	})
	return bytes, err
}

// CopySnapshot implements block.Snapshots.
func (d *Driver) CopySnapshot(ctx context.Context, from, to string, _, _ *seal.Key) (bytes int64, err error) {
	err = d.do(ctx, "copysnapshot", to, func() error {
		var ok bool
		if bytes, ok = d.snapshots[to]; ok {
			return nil
		}
		if bytes, ok = d.snapshots[from]; !ok {
			return fmt.Errorf("%s: %w", from, block.ErrNoSnapshot)
		}
		d.snapshots[to] = bytes
		d.share(from, to)
		return nil
	})
	return bytes, err
}

// DeleteSnapshot implements block.Snapshots.
func (d *Driver) DeleteSnapshot(ctx context.Context, id string) error {
	return d.do(ctx, "deletesnapshot", id, func() error {
		delete(d.snapshots, id)
		delete(d.holds, id)
		delete(d.filled, id)
		delete(d.fillings, id)
		return nil
	})
}

// ListSnapshots implements block.Snapshots.
func (d *Driver) ListSnapshots(ctx context.Context) (ids []string, err error) {
	err = d.do(ctx, "listsnapshots", "", func() error {
		ids = slices.Sorted(maps.Keys(d.snapshots))
		return nil
	})
	return ids, err
}
