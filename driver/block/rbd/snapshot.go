//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// Cut implements block.Snapshots.
func (d *Driver) Cut(ctx context.Context, volume, snapshot string, key *seal.Key) error {
	err := d.volume(ctx, volume, func(r record) error {
		if !block.ValidName(snapshot) {
			return fmt.Errorf("snapshot ID %q is not a name", snapshot)
		}
		if _, kept, err := d.find(ctx, "snapshot/"+snapshot); err != nil || kept {
			return err
		}
		if r.Cuts[snapshot] != "" {
			return nil // it was cut
		}
		return d.cut(ctx, volume, snapshot, r, key)
	})
	if err != nil {
		return fmt.Errorf("cut volume %s for snapshot %s: %w", volume, snapshot, err)
	}
	return nil
}

func (d *Driver) cut(ctx context.Context, volume, snapshot string, r record, key *seal.Key) error {
	if err := d.room(ctx); err != nil {
		return err
	}
	bytes, err := d.virtualSize(ctx, r.Layers[0])
	if err != nil {
		return err
	}
	top, err := d.addLayer(ctx, volume, bytes, key)
	if err != nil {
		return err
	}
	r.Cuts[snapshot] = r.Layers[0].Name
	r.Layers = slices.Insert(r.Layers, 0, top)
	if err := d.put(ctx, "volume/"+volume, r); err != nil {
		d.discard(ctx, top.Name)
		return err
	}
	return nil
}

// Keep implements block.Snapshots.
func (d *Driver) Keep(ctx context.Context, volume, snapshot string, volumeKey, snapshotKey *seal.Key) (bytes int64, err error) {
	err = d.volume(ctx, volume, func(r record) error {
		if !block.ValidName(snapshot) {
			return fmt.Errorf("snapshot ID %q is not a name", snapshot)
		}
		return d.keep(ctx, volume, snapshot, r, volumeKey, snapshotKey)
	})
	if err == nil || errors.Is(err, block.ErrNoVolume) { // it may have gone since
		kept, ok, found := d.find(ctx, "snapshot/"+snapshot)
		if found != nil {
			return 0, found
		}
		if ok {
			return d.weigh(ctx, kept.Layers)
		}
	}
	return 0, fmt.Errorf("keep snapshot %s of volume %s: %w", snapshot, volume, err)
}

func (d *Driver) keep(ctx context.Context, volume, snapshot string, r record, volumeKey, snapshotKey *seal.Key) error {
	_, kept, err := d.find(ctx, "snapshot/"+snapshot)
	if err != nil {
		return err
	}
	from := r.index(r.Cuts[snapshot])
	if from < 0 {
		if kept {
			return nil
		}
		return errors.New("it was not cut")
	}
	if err := d.freeze(ctx, r.Layers[from].Name); err != nil {
		return err
	}
	r.Layers[from].Frozen = true
	if !kept {
		if err := d.putSnapshot(ctx, volume, snapshot, r, from, volumeKey, snapshotKey); err != nil {
			return err
		}
	}
	delete(r.Cuts, snapshot)
	return d.put(ctx, "volume/"+volume, r)
}

// putSnapshot makes the snapshot of the volume's layers from one on.
func (d *Driver) putSnapshot(ctx context.Context, volume, snapshot string, r record, from int, volumeKey, snapshotKey *seal.Key) error {
	bytes, err := d.virtualSize(ctx, r.Layers[from])
	if err != nil {
		return err
	}
	secrets, err := r.secrets(volume, volumeKey)
	if err != nil {
		return err
	}
	layers, err := passOn(r.Layers[from:], secrets[from:], snapshot, snapshotKey)
	if err != nil {
		return err
	}
	return d.put(ctx, "snapshot/"+snapshot, record{Layers: layers, Bytes: bytes})
}

// CopySnapshot implements block.Snapshots.
func (d *Driver) CopySnapshot(ctx context.Context, from, to string, fromKey, toKey *seal.Key) (int64, error) {
	layers, err := d.copySnapshot(ctx, from, to, fromKey, toKey)
	if err == nil {
		var bytes int64
		if bytes, err = d.weigh(ctx, layers); err == nil {
			return bytes, nil
		}
	}
	return 0, fmt.Errorf("copy snapshot %s to %s: %w", from, to, err)
}

func (d *Driver) copySnapshot(ctx context.Context, from, to string, fromKey, toKey *seal.Key) ([]layer, error) {
	if !block.ValidName(to) || from == to {
		return nil, fmt.Errorf("snapshot ID %q is not a name of a copy", to)
	}
	release, err := d.turns.Take(ctx, "snapshot/"+to)
	if err != nil {
		return nil, err
	}
	defer release()
	there, ok, err := d.find(ctx, "snapshot/"+to)
	if err != nil || ok {
		return there.Layers, err
	}
	keep, err := d.turns.Take(ctx, "snapshot/"+from)
	if err != nil {
		return nil, err
	}
	defer keep()
	r, ok, err := d.find(ctx, "snapshot/"+from)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", from, block.ErrNoSnapshot)
	}
	secrets, err := r.secrets(from, fromKey)
	if err != nil {
		return nil, err
	}
	plain := slices.ContainsFunc(r.Layers, func(l layer) bool { return l.Secret == nil })
	if toKey != nil && plain {
		return d.encryptedCopy(ctx, to, r, secrets, toKey)
	}
	if r.Layers, err = passOn(r.Layers, secrets, to, toKey); err != nil {
		return nil, err
	}
	return r.Layers, d.put(ctx, "snapshot/"+to, record{Layers: r.Layers, Bytes: r.Bytes})
}

// encryptedCopy makes a snapshot of one encrypted layer of a chain that has plain ones.
func (d *Driver) encryptedCopy(ctx context.Context, to string, r record, secrets [][]byte, key *seal.Key) ([]layer, error) {
	if err := d.room(ctx); err != nil {
		return nil, err
	}
	secret := newSecret()
	name, err := d.newLayer(ctx, r.Bytes, secret)
	if err != nil {
		return nil, err
	}
	l := layer{Name: name, Secret: key.Seal(to+"/"+name, secret)}
	if err = d.rewrite(ctx, r.Layers, secrets, l, secret); err == nil {
		err = d.freeze(ctx, name)
	}
	l.Frozen = true
	if err == nil {
		err = d.put(ctx, "snapshot/"+to, record{Layers: []layer{l}, Bytes: r.Bytes})
	}
	if err != nil {
		d.discard(ctx, name)
		return nil, err
	}
	return []layer{l}, nil
}

// DeleteSnapshot implements block.Snapshots.
func (d *Driver) DeleteSnapshot(ctx context.Context, id string) error {
	if !block.ValidName(id) {
		return nil // there is none of such a name
	}
	if err := d.remove(ctx, "snapshot/"+id); err != nil {
		return fmt.Errorf("delete snapshot %s: %w", id, err)
	}
	return nil
}

// ListSnapshots implements block.Snapshots.
func (d *Driver) ListSnapshots(context.Context) ([]string, error) { return d.list("snapshot"), nil }
