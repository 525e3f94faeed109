//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/seal"
)

// exportFolder is what names of folders begin with in which a snapshot is written as a disk.
const exportFolder = "export-"

// Import implements block.Transfers. The intake checks and converts, on the host; the pool
// gets what came of it.
func (d *Driver) Import(ctx context.Context, snapshot string, in block.Incoming, key *seal.Key) (block.Imported, error) {
	got, err := d.importSnapshot(ctx, snapshot, in, key)
	if err != nil {
		return block.Imported{}, fmt.Errorf("import snapshot %s: %w", snapshot, err)
	}
	return got, nil
}

func (d *Driver) importSnapshot(ctx context.Context, snapshot string, in block.Incoming, key *seal.Key) (got block.Imported, err error) {
	if !block.ValidName(snapshot) {
		return got, fmt.Errorf("snapshot ID %q is not a name", snapshot)
	}
	release, err := d.turns.Take(ctx, "snapshot/"+snapshot)
	if err != nil {
		return got, err
	}
	defer release()
	r, ok, err := d.find(ctx, "snapshot/"+snapshot)
	if err != nil {
		return got, err
	}
	if ok {
		if r.Import == nil {
			return got, errors.New("there is a snapshot of that name, and it was not imported")
		}
		return *r.Import, nil
	}
	if err := d.room(ctx); err != nil {
		return got, err
	}
	if err := d.intake.DeleteSnapshot(ctx, snapshot); err != nil { // what an interrupted call left
		return got, err
	}
	defer d.intake.DeleteSnapshot(context.WithoutCancel(ctx), snapshot) //nolint:errcheck // the next call does it
	if got, err = d.intake.Import(ctx, snapshot, in, key); err != nil {
		return got, err
	}
	return got, d.takeSnapshot(ctx, snapshot, &got, key)
}

// takeSnapshot moves a snapshot from the intake to the pool.
func (d *Driver) takeSnapshot(ctx context.Context, snapshot string, got *block.Imported, key *seal.Key) error {
	all, err := d.intake.Layers(snapshot, key)
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("the intake made %d layers, not one", len(all))
	}
	l := layer{Name: d.newName(), Frozen: true}
	if all[0].Secret != nil {
		l.Secret = key.Seal(snapshot+"/"+l.Name, all[0].Secret)
	}
	err = d.uploadPath(ctx, all[0].Path, l.Name)
	if err == nil {
		err = d.freeze(ctx, l.Name)
	}
	if err == nil {
		got.Stored, err = d.weigh(ctx, []layer{l})
	}
	if err == nil {
		err = d.put(ctx, "snapshot/"+snapshot, record{Layers: []layer{l}, Bytes: got.Bytes, Import: got})
	}
	if err != nil {
		d.discard(ctx, l.Name)
	}
	return err
}

// Export implements block.Transfers. The disk is written on the host, and removed.
func (d *Driver) Export(ctx context.Context, snapshot, format string, key *seal.Key, progress func(float64), deliver func(*os.File, int64) error) error {
	if err := d.exportSnapshot(ctx, snapshot, format, key, progress, deliver); err != nil {
		return fmt.Errorf("export snapshot %s: %w", snapshot, err)
	}
	return nil
}

func (d *Driver) exportSnapshot(ctx context.Context, snapshot, format string, key *seal.Key, progress func(float64), deliver func(*os.File, int64) error) error {
	if !block.ValidName(snapshot) {
		return block.ErrNoSnapshot
	}
	release, err := d.turns.Take(ctx, "snapshot/"+snapshot) // its layers stay
	if err != nil {
		return err
	}
	defer release()
	r, ok, err := d.find(ctx, "snapshot/"+snapshot)
	if err == nil && !ok {
		err = block.ErrNoSnapshot
	}
	if err != nil {
		return err
	}
	form, err := local.ExportForm(format, r.Bytes)
	if err != nil {
		return err
	}
	secrets, err := r.secrets(snapshot, key)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(d.cfg.Dir, exportFolder)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // swept at the next start
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, d.cfg.UID, d.cfg.UID); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "disk")
	if err := d.write(ctx, r, secrets, form, path, progress); err != nil {
		return err
	}
	return local.Deliver(path, deliver)
}

// write has a tool write a chain as one disk on the host.
func (d *Driver) write(ctx context.Context, r record, secrets [][]byte, form []string, path string, progress func(float64)) error {
	_, free, err := d.intake.Space(ctx)
	if err != nil {
		return err
	}
	most := free
	if form[1] == "raw" { // with holes: no more than the layers hold
		stored, err := d.weigh(ctx, r.Layers)
		if err != nil {
			return err
		}
		if stored > free {
			return fmt.Errorf("%w on the host: %d bytes, %d are free", block.ErrNoSpace, stored, free)
		}
		most = r.Bytes
	}
	if progress == nil {
		progress = func(float64) {}
	}
	n := &nodes{d: d}
	source := n.chain(r.Layers, secrets)
	args := append([]string{"-p"}, form...)
	c := call{patience: copyPatience, output: local.Meter(progress), limits: []string{fmt.Sprintf("fsize=%d", most)}}
	_, err = n.image(ctx, c, "convert", append(args, name(source), path)...)
	return err
}
