// Package fake keeps volumes and images in memory, by name and size alone.
//
// It guarantees the contract of block.Driver and block.Images (it passes
// blocktest) and survives the Drivers opened on it, so that tests can restart a
// control plane. There are no bytes but
// those that were put into snapshots block by block: the paths that Open and Boot return
// exist nowhere.
package fake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// Config is how a simulated engine behaves.
type Config struct {
	Bytes int64 // room for all volumes at full size; 0: 1 PiB
	// Before and After are asked in every call ("create", "delete", "list",
	// "open", "space", "put", "boot", "deleteimage"; id is empty where there is
	// none); an error is the call's result. Before: nothing was done. After: it
	// was, but the answer is lost. They may be called concurrently. nil: no faults.
	Before, After func(op, id string) error
}

// Driver keeps simulated volumes and images. It implements block.Driver and
// block.Images.
type Driver struct {
	cfg Config

	mu        sync.Mutex
	volumes   map[string]block.Volume // guarded by mu
	users     map[string]int          // guarded by mu: who opened a volume last
	images    map[string]image        // guarded by mu
	cuts      map[string]int64        // guarded by mu; bytes of volumes by volume and snapshot
	snapshots map[string]int64        // guarded by mu; bytes by ID
	used      int64                   // guarded by mu
	holds     map[string]blocks       // guarded by mu; what snapshots, volumes and cuts hold, by ID, of those that hold any
	fillings  map[string]*filling     // guarded by mu
	filled    map[string]blocks       // guarded by mu; what was put into snapshots
}

type image struct {
	meta           block.Meta
	kernel, initrd bool
}

// New returns an empty engine.
func New(cfg Config) *Driver {
	if cfg.Bytes == 0 {
		cfg.Bytes = 1 << 50
	}
	if cfg.Before == nil {
		cfg.Before = func(string, string) error { return nil }
	}
	if cfg.After == nil {
		cfg.After = func(string, string) error { return nil }
	}
	return &Driver{
		cfg: cfg, volumes: make(map[string]block.Volume), users: make(map[string]int), images: make(map[string]image),
		cuts: make(map[string]int64), snapshots: make(map[string]int64),
		holds: make(map[string]blocks), fillings: make(map[string]*filling), filled: make(map[string]blocks),
	}
}

// do runs fn, with mu held, between the injected faults.
func (d *Driver) do(ctx context.Context, op, id string, fn func() error) error {
	err := d.cfg.Before(op, id)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		d.mu.Lock()
		err = fn()
		d.mu.Unlock()
	}
	if err == nil {
		err = d.cfg.After(op, id)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, id, err)
	}
	return nil
}

// Create implements block.Driver.
func (d *Driver) Create(ctx context.Context, v block.Volume) error {
	return d.do(ctx, "create", v.ID, func() error {
		if err := v.Validate(); err != nil {
			return err
		}
		if _, ok := d.volumes[v.ID]; ok {
			return nil
		}
		if v.Image != "" {
			i, ok := d.images[v.Image]
			if !ok {
				return block.ErrNoImage
			}
			if v.Bytes < i.meta.Bytes {
				return fmt.Errorf("%d bytes are too few for image %s of %d", v.Bytes, v.Image, i.meta.Bytes)
			}
		}
		if bytes, ok := d.snapshots[v.Snapshot]; v.Snapshot != "" && !ok {
			return fmt.Errorf("%s: %w", v.Snapshot, block.ErrNoSnapshot)
		} else if v.Bytes < bytes {
			return fmt.Errorf("%d bytes are too few for snapshot %s of %d", v.Bytes, v.Snapshot, bytes)
		}
		if d.used+v.Bytes > d.cfg.Bytes {
			return block.ErrNoSpace
		}
		d.used += v.Bytes
		d.volumes[v.ID] = v
		d.share(v.Snapshot, v.ID)
		return nil
	})
}

// share has one hold what the other does. mu is held.
func (d *Driver) share(from, to string) {
	if held, ok := d.holds[from]; ok {
		d.holds[to] = held
	}
}

// Delete implements block.Driver.
func (d *Driver) Delete(ctx context.Context, id string) error {
	return d.do(ctx, "delete", id, func() error {
		d.used -= d.volumes[id].Bytes
		delete(d.volumes, id)
		delete(d.users, id)
		delete(d.holds, id)
		return nil
	})
}

// List implements block.Driver.
func (d *Driver) List(ctx context.Context) (ids []string, err error) {
	err = d.do(ctx, "list", "", func() error {
		ids = slices.Sorted(maps.Keys(d.volumes))
		return nil
	})
	return ids, err
}

// Open implements block.Driver.
func (d *Driver) Open(ctx context.Context, id string, uid int, _ *seal.Key) (layers []block.Layer, err error) {
	err = d.do(ctx, "open", id, func() error {
		if _, ok := d.volumes[id]; !ok {
			return block.ErrNoVolume
		}
		d.users[id] = uid
		layers = []block.Layer{{Path: "/fake/volumes/" + id, Format: "qcow2"}}
		return nil
	})
	return layers, err
}

// User returns the user that opened the volume last.
func (d *Driver) User(id string) (uid int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	uid, ok = d.users[id]
	return uid, ok
}

// Space implements block.Driver.
func (d *Driver) Space(ctx context.Context) (size, free int64, err error) {
	err = d.do(ctx, "space", "", func() error {
		size, free = d.cfg.Bytes, d.cfg.Bytes-d.used
		return nil
	})
	return size, free, err
}

// Put implements block.Images. It reads src.Disk as bytes, whatever the format.
func (d *Driver) Put(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	var meta block.Meta
	err := d.do(ctx, "put", id, func() error {
		if !block.ValidName(id) {
			return fmt.Errorf("image ID %q is not a name", id)
		}
		if i, ok := d.images[id]; ok {
			meta = i.meta
			return nil
		}
		var err error
		if meta, err = read(src); err != nil {
			return err
		}
		d.images[id] = image{meta: meta, kernel: src.Kernel != nil, initrd: src.Initrd != nil}
		return nil
	})
	return meta, err
}

// read consumes the source.
func read(src block.Source) (block.Meta, error) {
	f, err := os.Open(src.Disk)
	if err != nil {
		return block.Meta{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return block.Meta{}, err
	}
	if n == 0 {
		return block.Meta{}, &block.BadImageError{Reason: "it is empty"}
	}
	for _, r := range []io.Reader{src.Kernel, src.Initrd} {
		if r == nil {
			continue
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return block.Meta{}, err
		}
	}
	return block.Meta{Bytes: (n + 511) / 512 * 512, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// Boot implements block.Images.
func (d *Driver) Boot(ctx context.Context, id string) (kernel, initrd string, err error) {
	err = d.do(ctx, "boot", id, func() error {
		i, ok := d.images[id]
		if !ok {
			return block.ErrNoImage
		}
		if i.kernel {
			kernel = "/fake/images/" + id + "/kernel"
		}
		if i.initrd {
			initrd = "/fake/images/" + id + "/initrd"
		}
		return nil
	})
	return kernel, initrd, err
}

// DeleteImage implements block.Images.
func (d *Driver) DeleteImage(ctx context.Context, id string) error {
	return d.do(ctx, "deleteimage", id, func() error {
		delete(d.images, id)
		return nil
	})
}
