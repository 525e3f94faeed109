//go:build linux

package rbd

import (
	"context"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// Create implements block.Driver.
func (d *Driver) Create(ctx context.Context, v block.Volume) error {
	if err := d.create(ctx, v); err != nil {
		return fmt.Errorf("create volume %s: %w", v.ID, err)
	}
	return nil
}

func (d *Driver) create(ctx context.Context, v block.Volume) error {
	if err := v.Validate(); err != nil {
		return err
	}
	if v.Bytes > d.cfg.MaxBytes {
		return fmt.Errorf("%d bytes are more than %d", v.Bytes, d.cfg.MaxBytes)
	}
	key := "volume/" + v.ID
	release, err := d.turns.Take(ctx, key)
	if err != nil {
		return err
	}
	defer release()
	if r, ok, err := d.find(ctx, key); err != nil || ok {
		return err
	} else if r.Gone { // it comes back
		if err := d.erase(ctx, key, r); err != nil {
			return err
		}
	}
	below, keep, err := d.begin(ctx, v)
	if err != nil {
		return err
	}
	defer keep() // what it starts with, until its own record names it
	if err := d.room(ctx); err != nil {
		return err
	}
	top, err := d.addLayer(ctx, v.ID, v.Bytes, v.Key)
	if err != nil {
		return err
	}
	if err := d.put(ctx, key, record{Layers: slices.Insert(below, 0, top)}); err != nil {
		d.discard(ctx, top.Name)
		return err
	}
	return nil
}

// addLayer makes an empty layer for an owner.
func (d *Driver) addLayer(ctx context.Context, owner string, bytes int64, key *seal.Key) (layer, error) {
	var l layer
	var secret []byte
	if key != nil {
		secret = newSecret()
	}
	var err error
	if l.Name, err = d.newLayer(ctx, bytes, secret); err != nil {
		return l, err
	}
	if key != nil {
		l.Secret = key.Seal(owner+"/"+l.Name, secret)
	}
	return l, nil
}

// begin returns the layers that a volume starts on. Until keep is called they stay.
func (d *Driver) begin(ctx context.Context, v block.Volume) (below []layer, keep func(), err error) {
	key, missing := "image/"+v.Image, block.ErrNoImage
	if v.Snapshot != "" {
		key, missing = "snapshot/"+v.Snapshot, block.ErrNoSnapshot
	}
	if v.Image == "" && v.Snapshot == "" {
		return nil, func() {}, nil
	}
	keep, err = d.turns.Take(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if below, err = d.inherit(ctx, v, key, missing); err != nil {
		keep()
	}
	return below, keep, err
}

// inherit is the chain of an image or snapshot, sealed for the volume.
func (d *Driver) inherit(ctx context.Context, v block.Volume, key string, missing error) ([]layer, error) {
	r, ok, err := d.find(ctx, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, missing)
	}
	if v.Bytes < r.Bytes {
		return nil, fmt.Errorf("%d bytes are too few for %s of %d", v.Bytes, key, r.Bytes)
	}
	secrets, err := r.secrets(v.Snapshot, v.SnapshotKey)
	if err != nil {
		return nil, err
	}
	return passOn(r.Layers, secrets, v.ID, v.Key)
}

// Delete implements block.Driver.
func (d *Driver) Delete(ctx context.Context, id string) error {
	if !block.ValidName(id) {
		return nil // there is none of such a name
	}
	if err := d.remove(ctx, "volume/"+id); err != nil {
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	return nil
}

// List implements block.Driver.
func (d *Driver) List(context.Context) ([]string, error) { return d.list("volume"), nil }

// volume runs fn with the record of a volume that is there, as the only call about it.
func (d *Driver) volume(ctx context.Context, id string, fn func(record) error) error {
	if !block.ValidName(id) {
		return block.ErrNoVolume
	}
	release, err := d.turns.Take(ctx, "volume/"+id)
	if err != nil {
		return err
	}
	defer release()
	r, ok, err := d.find(ctx, "volume/"+id)
	if err != nil {
		return err
	}
	if !ok {
		return block.ErrNoVolume
	}
	return fn(r)
}

// Open implements block.Driver. The user that had the volume before loses it at once.
func (d *Driver) Open(ctx context.Context, id string, uid int, key *seal.Key) (opened []block.Layer, err error) {
	err = d.volume(ctx, id, func(r record) error {
		secrets, err := r.secrets(id, key)
		if err != nil {
			return err
		}
		for i, l := range r.Layers {
			opened = append(opened, block.Layer{Path: d.socket(id), Export: l.Name, Format: "qcow2", Secret: secrets[i]})
		}
		if uid == 0 {
			return d.takeBack(ctx, id)
		}
		return d.serve(ctx, id, uid, r)
	})
	if err != nil {
		return nil, fmt.Errorf("open volume %s: %w", id, err)
	}
	return opened, nil
}

// Grow implements block.Driver.
func (d *Driver) Grow(ctx context.Context, id string, bytes int64, key *seal.Key) error {
	err := d.volume(ctx, id, func(r record) error {
		have, err := d.virtualSize(ctx, r.Layers[0])
		switch {
		case err != nil || have >= bytes:
			return err
		case bytes > d.cfg.MaxBytes || bytes%512 != 0:
			return fmt.Errorf("%d bytes are no size for a volume", bytes)
		}
		if err := d.takeBack(ctx, id); err != nil {
			return err
		}
		secrets, err := r.secrets(id, key)
		if err != nil {
			return err
		}
		return d.resize(ctx, r.Layers[0], secrets[0], bytes)
	})
	if err != nil {
		return fmt.Errorf("grow volume %s: %w", id, err)
	}
	return nil
}
