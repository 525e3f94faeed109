//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vauban-cloud/vauban/driver/block"
)

// Put implements block.Images. The intake checks and converts, on the host; the pool gets
// what came of it.
func (d *Driver) Put(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	meta, err := d.putImage(ctx, id, src)
	if err != nil {
		return block.Meta{}, fmt.Errorf("put image %s: %w", id, err)
	}
	return meta, nil
}

func (d *Driver) putImage(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	if !block.ValidName(id) {
		return block.Meta{}, fmt.Errorf("image ID %q is not a name", id)
	}
	release, err := d.turns.Take(ctx, "image/"+id)
	if err != nil {
		return block.Meta{}, err
	}
	defer release()
	r, ok, err := d.find(ctx, "image/"+id)
	if err != nil || ok {
		return block.Meta{Bytes: r.Bytes, SHA256: r.SHA256}, err
	}
	if r.Gone { // it comes back
		if err := d.erase(ctx, "image/"+id, r); err != nil {
			return block.Meta{}, err
		}
	}
	if err := d.room(ctx); err != nil {
		return block.Meta{}, err
	}
	if err := d.intake.DeleteImage(ctx, id); err != nil { // what an interrupted call left
		return block.Meta{}, err
	}
	defer d.intake.DeleteImage(context.WithoutCancel(ctx), id) //nolint:errcheck // the next call does it
	meta, err := d.intake.Put(ctx, id, src)
	if err != nil {
		return block.Meta{}, err
	}
	return meta, d.take(ctx, id, meta)
}

// take moves an image from the intake to the pool.
func (d *Driver) take(ctx context.Context, id string, meta block.Meta) error {
	kernel, initrd, err := d.intake.Boot(ctx, id)
	if err != nil {
		return err
	}
	var names [3]string
	for i, path := range []string{d.intake.Disk(id), kernel, initrd} {
		if path == "" || err != nil {
			continue
		}
		names[i] = d.newName()
		if err = d.uploadPath(ctx, path, names[i]); err == nil && i == 0 {
			err = d.freeze(ctx, names[i])
		}
	}
	if err == nil {
		err = d.put(ctx, "image/"+id, record{
			Layers: []layer{{Name: names[0], Frozen: true}}, Bytes: meta.Bytes, SHA256: meta.SHA256, Kernel: names[1], Initrd: names[2],
		})
	}
	if err != nil {
		d.discard(ctx, names[:]...)
	}
	return err
}

func (d *Driver) uploadPath(ctx context.Context, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	return d.upload(ctx, f, name)
}

// Boot implements block.Images. What is not on the host yet is fetched.
func (d *Driver) Boot(ctx context.Context, id string) (kernel, initrd string, err error) {
	kernel, initrd, err = d.boot(ctx, id)
	if err != nil {
		return "", "", fmt.Errorf("boot files of image %s: %w", id, err)
	}
	return kernel, initrd, nil
}

func (d *Driver) boot(ctx context.Context, id string) (kernel, initrd string, err error) {
	if !block.ValidName(id) {
		return "", "", block.ErrNoImage
	}
	release, err := d.turns.Take(ctx, "image/"+id)
	if err != nil {
		return "", "", err
	}
	defer release()
	r, ok, err := d.find(ctx, "image/"+id)
	if err != nil {
		return "", "", err
	}
	if !ok {
		return "", "", block.ErrNoImage
	}
	if kernel, err = d.fetch(ctx, r.Kernel); err != nil {
		return "", "", err
	}
	initrd, err = d.fetch(ctx, r.Initrd)
	return kernel, initrd, err
}

// fetch returns the path of a copy of an RBD image; empty for no image.
func (d *Driver) fetch(ctx context.Context, name string) (path string, err error) {
	if name == "" {
		return "", nil
	}
	path = d.path("boot", name)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return path, err
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	_, err = d.run(ctx, call{name: "rbd", args: []string{"export", "--no-progress", d.spec(name), "-"}, output: f, patience: copyPatience})
	err = errors.Join(err, f.Chmod(0o444), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(next))
	}
	return path, nil
}

// DeleteImage implements block.Images.
func (d *Driver) DeleteImage(ctx context.Context, id string) error {
	if !block.ValidName(id) {
		return nil // there is none of such a name
	}
	if err := d.remove(ctx, "image/"+id); err != nil {
		return fmt.Errorf("delete image %s: %w", id, err)
	}
	return nil
}

// sweepFolder removes copies of what no record names, and what interrupted calls left.
func (d *Driver) sweepFolder() error {
	left, err := filepath.Glob(d.path(exportFolder + "*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	entries, listed := os.ReadDir(d.path("boot"))
	err = errors.Join(err, listed)
	used := d.named()
	for _, e := range entries {
		if !used[e.Name()] {
			err = errors.Join(err, os.Remove(d.path("boot", e.Name())))
		}
	}
	return err
}
