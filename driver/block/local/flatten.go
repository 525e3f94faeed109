//go:build linux

package local

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// mostLayers is with how many layers a snapshot is made one of a single layer, which shares
// nothing with those before it: then launches from an image of an instance of an image and
// so on stay fast. A volume that goes on has longer chains, and each multiple is put
// together, so that on average a snapshot costs a sixteenth of the volume besides what it
// shares.
const mostLayers = 16

// Flatten implements block.Flattener.
func (d *Driver) Flatten(ctx context.Context, snapshot string, key *seal.Key) (int64, error) {
	if err := d.flatten(ctx, snapshot, key); err != nil {
		return 0, fmt.Errorf("flatten snapshot %s: %w", snapshot, noSpace(err))
	}
	return weigh(d.path("snapshots", snapshot))
}

func (d *Driver) flatten(ctx context.Context, snapshot string, key *seal.Key) error {
	home := d.path("snapshots", snapshot)
	if there, err := exists(home); err != nil {
		return err
	} else if !there || !block.ValidName(snapshot) {
		return block.ErrNoSnapshot
	}
	names, err := layers(home)
	if err != nil {
		return err
	}
	above := len(names)
	if names[above-1] == baseLayer {
		above--
	}
	if above%mostLayers != 0 {
		return nil
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	b, err := d.begin(ctx, w, block.Volume{Snapshot: snapshot, SnapshotKey: key, Bytes: d.cfg.MaxBytes})
	if err != nil {
		return err
	}
	var secret []byte
	if key != nil {
		secret = newSecret()
	}
	if b, err = d.rewrite(ctx, w, b, secret); err != nil {
		return err
	}
	if err := b.secrets.write(w.result(), snapshot, key); err != nil {
		return err
	}
	return d.exchange(ctx, w, snapshot)
}

// exchange puts what was made in the place of a snapshot, at once, unless that has gone.
func (d *Driver) exchange(ctx context.Context, w workplace, snapshot string) error {
	release, err := d.turns.Take(ctx, "snapshot/"+snapshot)
	if err != nil {
		return err
	}
	defer release()
	home := d.path("snapshots", snapshot)
	if there, err := exists(home); err != nil {
		return err
	} else if !there {
		return block.ErrNoSnapshot
	}
	if err := syncFolder(w.result()); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, w.result(), unix.AT_FDCWD, home, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("exchange %s: %w", home, err)
	}
	return syncFolder(d.path("snapshots"))
}
