//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
	"github.com/vauban-cloud/vauban/seal"
)

const mib = 1 << 20

// Create implements block.Driver.
func (d *Driver) Create(ctx context.Context, v block.Volume) error {
	if err := d.create(ctx, v); err != nil {
		return fmt.Errorf("create volume %s: %w", v.ID, noSpace(err))
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
	release, err := d.turns.Take(ctx, "volume/"+v.ID)
	if err != nil {
		return err
	}
	defer release()
	home := d.path("volumes", v.ID)
	if there, err := exists(home); err != nil || there {
		return err
	}
	return d.build(ctx, home, v, emptyLayer)
}

// build makes the folder of a volume, or of what is to be one, with a new layer on what it
// starts with.
func (d *Driver) build(ctx context.Context, home string, v block.Volume, fill func(*os.File, qcow2.Image) error) error {
	if _, err := d.room(ctx); err != nil {
		return err
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	have, err := d.begin(ctx, w, v)
	if err != nil {
		return err
	}
	name, backing := have.next()
	if v.Key != nil {
		have.secrets[name] = newSecret()
	}
	if err := layerOf(w, name, qcow2.Image{Bytes: v.Bytes, Backing: backing, Secret: have.secrets[name]}, fill); err != nil {
		return err
	}
	if err := have.secrets.write(w.result(), v.ID, v.Key); err != nil {
		return err
	}
	return w.publish(home)
}

// beginning is what a volume starts on: layers that others have too, the top first.
type beginning struct {
	names   []string
	secrets secrets
}

// next is the name of a layer on these, and of the one that it stands on, if any.
func (b beginning) next() (name, backing string) {
	n := len(b.names)
	if n == 0 {
		return layerName(0), ""
	}
	if b.names[n-1] == baseLayer {
		n--
	}
	return layerName(n), b.names[0]
}

// begin gives the volume its own names of the bytes that it starts with.
func (d *Driver) begin(ctx context.Context, w workplace, v block.Volume) (beginning, error) {
	b := beginning{secrets: secrets{}}
	switch {
	case v.Image != "":
		b.names = []string{baseLayer}
		return b, d.linkBase(w, v)
	case v.Snapshot == "":
		return b, nil
	}
	release, err := d.turns.Take(ctx, "snapshot/"+v.Snapshot)
	if err != nil {
		return b, err
	}
	defer release()
	home := d.path("snapshots", v.Snapshot)
	if there, err := exists(home); err != nil {
		return b, err
	} else if !there {
		return b, fmt.Errorf("%s: %w", v.Snapshot, block.ErrNoSnapshot)
	}
	if b.names, err = layers(home); err != nil {
		return b, err
	}
	bytes, err := virtualSize(home + "/" + b.names[0])
	if err != nil {
		return b, err
	}
	if v.Bytes < bytes {
		return b, fmt.Errorf("%d bytes are too few for snapshot %s of %d", v.Bytes, v.Snapshot, bytes)
	}
	if b.secrets, err = readSecrets(home, v.Snapshot, v.SnapshotKey); err != nil {
		return b, err
	}
	return b, link(w, home, b.names)
}

// linkBase gives the volume its own name of its image's bytes.
func (d *Driver) linkBase(w workplace, v block.Volume) error {
	image := d.path("images", v.Image)
	meta, err := readMeta(image + "/meta.json")
	if err == nil {
		err = os.Link(image+"/private/disk.qcow2", w.result("base.qcow2"))
	}
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %w", v.Image, block.ErrNoImage)
	}
	if err == nil && v.Bytes < meta.Bytes {
		err = fmt.Errorf("%d bytes are too few for image %s of %d", v.Bytes, v.Image, meta.Bytes)
	}
	return err
}

// Delete implements block.Driver.
func (d *Driver) Delete(ctx context.Context, id string) error {
	if err := d.remove(ctx, "volume", id); err != nil {
		return fmt.Errorf("delete volume %s: %w", id, err)
	}
	return nil
}

// remove removes a volume or image.
func (d *Driver) remove(ctx context.Context, kind, id string) error {
	if !block.ValidName(id) {
		return nil // there is none of such a name
	}
	release, err := d.turns.Take(ctx, kind+"/"+id)
	if err != nil {
		return err
	}
	defer release()
	home := d.path(kind+"s", id)
	if there, err := exists(home); err != nil || !there {
		return err
	}
	return d.discard(home)
}

// List implements block.Driver.
func (d *Driver) List(context.Context) ([]string, error) { return d.list("volumes") }

// list returns the IDs of all volumes, or snapshots.
func (d *Driver) list(kind string) ([]string, error) {
	entries, err := os.ReadDir(d.path(kind))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	ids := make([]string, 0, len(entries))
	for _, entry := range entries {
		if block.ValidName(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

// Open implements block.Driver. The user that had the volume before loses it,
// but for what it holds open.
func (d *Driver) Open(ctx context.Context, id string, uid int, key *seal.Key) (opened []block.Layer, err error) {
	err = d.volume(ctx, id, func(home string) error {
		if opened, err = layersOf(home, id, key); err != nil {
			return err
		}
		if os.Geteuid() != 0 && uid == os.Geteuid() {
			return nil
		}
		// The folder is the driver's, so nobody can exchange what is in it; its
		// group, the user's own, may pass through.
		return errors.Join(os.Chown(home, 0, uid), os.Chmod(home, 0o710), give(opened, uid)) //nolint:gosec // as intended
	})
	if err != nil {
		return nil, fmt.Errorf("open volume %s: %w", id, err)
	}
	return opened, nil
}

// Grow implements block.Driver.
func (d *Driver) Grow(ctx context.Context, id string, bytes int64, key *seal.Key) error {
	err := d.volume(ctx, id, func(home string) error {
		all, err := layersOf(home, id, key)
		if err != nil {
			return err
		}
		have, err := virtualSize(all[0].Path)
		switch {
		case err != nil || have >= bytes:
			return err
		case bytes > d.cfg.MaxBytes || bytes%512 != 0:
			return fmt.Errorf("%d bytes are no size for a volume", bytes)
		}
		return d.grow(ctx, all[0], bytes)
	})
	if err != nil {
		return fmt.Errorf("grow volume %s: %w", id, noSpace(err))
	}
	return nil
}
