//go:build linux

package rbd

import (
	"context"
	"fmt"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

var _ block.Flattener = (*Driver)(nil)

// mostLayers is with how many layers a snapshot is made one of a single layer.
const mostLayers = 16

// Flatten implements block.Flattener.
func (d *Driver) Flatten(ctx context.Context, snapshot string, key *seal.Key) (bytes int64, err error) {
	layers, err := d.flatten(ctx, snapshot, key)
	if err == nil {
		bytes, err = d.weigh(ctx, layers)
	}
	if err != nil {
		return 0, fmt.Errorf("flatten snapshot %s: %w", snapshot, err)
	}
	return bytes, nil
}

func (d *Driver) flatten(ctx context.Context, snapshot string, key *seal.Key) ([]layer, error) {
	if !block.ValidName(snapshot) {
		return nil, block.ErrNoSnapshot
	}
	r, unpin, err := d.pin(ctx, "snapshot/"+snapshot)
	if err != nil || len(r.Layers)%mostLayers != 0 {
		unpin()
		return r.Layers, err
	}
	secrets, err := r.secrets(snapshot, key)
	var l layer
	if err == nil {
		l, err = d.whole(ctx, snapshot, r, secrets, key)
	}
	unpin()
	if err == nil {
		err = d.exchange(ctx, "snapshot/"+snapshot, r, l)
	}
	if err == nil {
		err = d.endAccess(ctx, serverOf(snapshot), false) // it has the old layers open
	}
	d.discard(ctx, append(r.images(), l.Name)...) // those that no record names
	return []layer{l}, err
}

// pin returns a snapshot's record, whose layers stay until unpin, whatever becomes of it.
func (d *Driver) pin(ctx context.Context, key string) (r record, unpin func(), err error) {
	release, err := d.turns.Take(ctx, key)
	if err != nil {
		return r, func() {}, err
	}
	defer release()
	r, ok, err := d.find(ctx, key)
	if err == nil && !ok {
		err = block.ErrNoSnapshot
	}
	if err != nil {
		return r, func() {}, err
	}
	pinned := "pinned/" + d.newName()
	d.mu.Lock()
	d.unsure[pinned] = r
	d.mu.Unlock()
	return r, func() {
		d.mu.Lock()
		delete(d.unsure, pinned)
		d.mu.Unlock()
	}, nil
}

// whole makes one layer of a chain for an owner; secrets are the chain's. No record names it yet.
func (d *Driver) whole(ctx context.Context, owner string, r record, secrets [][]byte, key *seal.Key) (l layer, err error) {
	if err := d.room(ctx); err != nil {
		return l, err
	}
	var secret []byte
	if key != nil {
		secret = newSecret()
	}
	if l.Name, err = d.newLayer(ctx, r.Bytes, secret); err != nil {
		return l, err
	}
	if key != nil {
		l.Secret = key.Seal(owner+"/"+l.Name, secret)
	}
	if err = d.rewrite(ctx, r.Layers, secrets, l, secret); err == nil {
		err = d.freeze(ctx, l.Name)
	}
	l.Frozen = true
	return l, err
}

// exchange puts a layer in the place of a snapshot's chain, unless that has gone.
func (d *Driver) exchange(ctx context.Context, key string, was record, l layer) error {
	release, err := d.turns.Take(ctx, key)
	if err != nil {
		return err
	}
	defer release()
	r, ok, err := d.find(ctx, key)
	if err != nil {
		return err
	}
	if !ok || r.index(was.Layers[0].Name) != 0 {
		return block.ErrNoSnapshot
	}
	r.Layers = []layer{l}
	return d.put(ctx, key, r)
}
