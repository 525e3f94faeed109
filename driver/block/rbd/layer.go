//go:build linux

package rbd

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
	"github.com/vauban-cloud/vauban/seal"
)

// frozen is the RBD snapshot by which a layer that does not change any more is read.
const frozen = "frozen"

// slack is by how much a layer's RBD image is larger than the largest volume: qcow2's tables
// take less than a thousandth. RBD images take no space before they are written to, so all
// are as large as they may ever have to be, and guests grow their volumes by themselves.
const slack = 32 << 30

// newName is a name for an RBD image that never was before.
func (d *Driver) newName() string { return d.cfg.Name + "." + hex.EncodeToString(seal.NewKey()[:8]) }

func newSecret() []byte { return []byte(base64.StdEncoding.EncodeToString(seal.NewKey())) }

// newLayer makes an empty layer; secret is nil for one that is not encrypted. What it stands on
// is in the records alone: QEMU would look for a name in its header as a file. No record names
// it yet.
func (d *Driver) newLayer(ctx context.Context, bytes int64, secret []byte) (name string, err error) {
	f, err := os.CreateTemp(d.cfg.Dir, "layer-")
	if err != nil {
		return "", err
	}
	defer f.Close()                             //nolint:errcheck // it is removed
	if err := os.Remove(f.Name()); err != nil { // what tools inherit needs no name
		return "", err
	}
	if err := errors.Join(qcow2.Create(f, qcow2.Image{Bytes: bytes, Secret: secret}), f.Chmod(0o444)); err != nil {
		return "", err
	}
	name = d.newName()
	err = d.upload(ctx, f, name)
	if err == nil {
		err = d.rbd(ctx, "resize", "--no-progress", "--size", strconv.FormatInt((d.cfg.MaxBytes+slack)>>20, 10), d.spec(name))
	}
	if err != nil {
		d.discard(ctx, name)
		return "", err
	}
	return name, nil
}

// imageOptions are those of all RBD images. Objects of 8 MiB halve the work of removing
// images that are large and empty.
func imageOptions() []string {
	return []string{"--object-size", "8M", "--image-feature", "layering,exclusive-lock,object-map,fast-diff"}
}

// upload makes an RBD image of a file, which the tools' user must be able to read.
func (d *Driver) upload(ctx context.Context, f *os.File, name string) error {
	_, err := d.run(ctx, call{
		name: "rbd", args: slices.Concat([]string{"import", "--no-progress"}, imageOptions(), []string{fmt.Sprintf("/dev/fd/%d", firstFile), d.spec(name)}),
		files: []*os.File{f}, patience: copyPatience,
	})
	return err
}

// freeze makes what a layer is now what all others read of it.
func (d *Driver) freeze(ctx context.Context, name string) error {
	err := d.rbd(ctx, "snap", "create", "--no-progress", d.spec(name)+"@"+frozen)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// discard removes what an interrupted call made, now or at the next start.
func (d *Driver) discard(ctx context.Context, names ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.Patience)
	defer cancel()
	used := d.named()
	for _, name := range names {
		if name == "" || used[name] {
			continue
		}
		if err := d.removeImage(ctx, name); err != nil {
			d.cfg.Log.Warn("layer is left in the pool until the next start", "layer", name, "err", err)
		}
	}
}

// lastWatch is for how long the cluster believes that a client that died has an image open.
const lastWatch = 40 * time.Second

// removeImage removes an RBD image and its snapshot; nil if it is not there.
func (d *Driver) removeImage(ctx context.Context, name string) error {
	err := d.rbd(ctx, "snap", "rm", "--no-progress", d.spec(name)+"@"+frozen)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	for deadline := time.Now().Add(lastWatch); ; {
		err := d.rbd(ctx, "rm", "--no-progress", d.spec(name))
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) && !strings.Contains(err.Error(), "watchers") || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// allImages are the RBD images of the pool that are this driver's.
func (d *Driver) allImages(ctx context.Context) ([]string, error) {
	out, err := d.look(ctx, call{name: "rbd", args: []string{"ls", "--format", "json", d.cfg.Pool}})
	if err != nil {
		return nil, err
	}
	var all, ours []string
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("read the answer of rbd: %w", err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, d.cfg.Name+".") {
			ours = append(ours, name)
		}
	}
	return ours, nil
}

// sweep goes on with what was being removed, and removes what no record names.
func (d *Driver) sweep(ctx context.Context) error {
	for key, r := range d.records {
		if r.Gone {
			if err := d.erase(ctx, key, r); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	all, err := d.allImages(ctx)
	if err == nil {
		d.discard(ctx, all...)
	}
	return err
}

// remove removes a volume, snapshot or image: first it is not there any more, then its bytes.
func (d *Driver) remove(ctx context.Context, key string) error {
	release, err := d.turns.Take(ctx, key)
	if err != nil {
		return err
	}
	defer release()
	r, ok, err := d.find(ctx, key)
	if err != nil || !ok && !r.Gone {
		return err
	}
	if err := d.endServers(ctx, key); err != nil {
		return err
	}
	r.Gone = true
	if err := d.room(ctx); errors.Is(err, block.ErrNoSpace) {
		d.know(key, r, true) // a full pool takes no note of it before it has less to hold
	} else if err := d.put(ctx, key, r); err != nil {
		return err
	}
	return d.erase(ctx, key, r)
}

// endServers ends whatever serves a volume or snapshot.
func (d *Driver) endServers(ctx context.Context, key string) error {
	kind, id, _ := strings.Cut(key, "/")
	switch kind {
	case "volume":
		return d.takeBack(ctx, id)
	case "snapshot", "filling":
		return d.endAccess(ctx, serverOf(id), true)
	}
	return nil
}

// erase removes the layers that only this record, which is gone, names, and the record.
func (d *Driver) erase(ctx context.Context, key string, r record) error {
	used := d.named()
	for _, name := range r.images() {
		if used[name] {
			continue
		}
		if err := d.removeImage(ctx, name); err != nil {
			return err
		}
	}
	return d.drop(ctx, key)
}

// weigh is how many bytes a chain takes in the pool, copies aside.
func (d *Driver) weigh(ctx context.Context, layers []layer) (total int64, err error) {
	for _, l := range layers {
		spec := d.spec(l.Name)
		if l.Frozen {
			spec += "@" + frozen
		}
		out, err := d.look(ctx, call{name: "rbd", args: []string{"du", "--format", "json", spec}})
		if err != nil {
			return 0, err
		}
		var answer struct {
			Images []struct {
				Used int64 `json:"used_size"`
			} `json:"images"`
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return 0, fmt.Errorf("read the answer of rbd: %w", err)
		}
		for _, i := range answer.Images {
			total += i.Used
		}
	}
	return total, nil
}
