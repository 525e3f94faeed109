//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

// Begin implements block.Direct.
func (d *Driver) Begin(ctx context.Context, f block.Filling) error {
	if err := d.beginFilling(ctx, f); err != nil {
		return fmt.Errorf("begin snapshot %s: %w", f.ID, noSpace(err))
	}
	return nil
}

func (d *Driver) beginFilling(ctx context.Context, f block.Filling) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Bytes > d.cfg.MaxBytes {
		return fmt.Errorf("%d bytes are more than %d", f.Bytes, d.cfg.MaxBytes)
	}
	release, err := d.turns.Take(ctx, "filling/"+f.ID)
	if err != nil {
		return err
	}
	defer release()
	for _, kind := range []string{"snapshots", "filling"} {
		if there, err := exists(d.path(kind, f.ID)); err != nil || there {
			return err
		}
	}
	v := block.Volume{ID: f.ID, Bytes: f.Bytes, Key: f.Key, Snapshot: f.Parent.ID, SnapshotKey: f.Parent.Key}
	return d.build(ctx, d.path("filling", f.ID), v, func(file *os.File, i qcow2.Image) error { return qcow2.CreateLinear(file, i) })
}

// WriteBlock implements block.Direct.
func (d *Driver) WriteBlock(ctx context.Context, s block.Keyed, index int64, data []byte) error {
	if err := d.writeBlock(ctx, s, index, data); err != nil {
		return fmt.Errorf("write block %d of snapshot %s: %w", index, s.ID, noSpace(err))
	}
	return nil
}

func (d *Driver) writeBlock(ctx context.Context, s block.Keyed, index int64, data []byte) error {
	if !block.ValidName(s.ID) {
		return block.ErrNoSnapshot
	}
	if _, err := d.room(ctx); err != nil {
		return err
	}
	release, err := d.turns.Take(ctx, "filling/"+s.ID)
	if err != nil {
		return err
	}
	defer release()
	all, err := layersOf(d.path("filling", s.ID), s.ID, s.Key)
	if errors.Is(err, os.ErrNotExist) {
		return block.ErrNoSnapshot
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(all[0].Path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	err = put(f, all[0].Secret, index, data)
	return errors.Join(err, f.Close())
}

// put writes a block, to disk.
func put(f *os.File, secret []byte, index int64, data []byte) error {
	top, err := qcow2.OpenLinear(f, secret)
	if err != nil {
		return err
	}
	if err := block.ValidateBlock(top.Bytes(), index, data); err != nil {
		return err
	}
	if _, err := top.WriteAt(data, index*block.BlockBytes); err != nil {
		return err
	}
	return f.Sync()
}

// Finish implements block.Direct.
func (d *Driver) Finish(ctx context.Context, s block.Keyed, sum bool) (block.Filled, error) {
	out, err := d.finish(ctx, s, sum)
	if err != nil {
		return out, fmt.Errorf("finish snapshot %s: %w", s.ID, noSpace(err))
	}
	return out, nil
}

func (d *Driver) finish(ctx context.Context, s block.Keyed, sum bool) (out block.Filled, err error) {
	if !block.ValidName(s.ID) {
		return out, block.ErrNoSnapshot
	}
	release, err := d.turns.Take(ctx, "filling/"+s.ID)
	if err != nil {
		return out, err
	}
	defer release()
	home, kept := d.path("filling", s.ID), d.path("snapshots", s.ID)
	if there, err := exists(home); err != nil {
		return out, err
	} else if there {
		names, err := layers(home)
		if err == nil {
			err = d.freeze(home + "/" + names[0])
		}
		if err == nil {
			err = os.Rename(home, kept)
		}
		if err == nil {
			err = errors.Join(syncFolder(d.path("snapshots")), syncFolder(d.path("filling")))
		}
		if err != nil {
			return out, err
		}
	}
	c, err := d.openSource(ctx, s)
	if err != nil {
		return out, err
	}
	defer c.Close()
	if out.Bytes, err = weigh(kept); err != nil {
		return out, err
	}
	return out, c.Count(ctx, &out, sum)
}
