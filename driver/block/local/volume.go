//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/vauban-cloud/vauban/driver/block"
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
	if _, err := d.room(ctx); err != nil {
		return err
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	args := []string{"create", "-q", "-f", "qcow2"}
	if v.Image != "" {
		if err := d.linkBase(w, v); err != nil {
			return err
		}
		// -u: the base is not looked at, for its name is not there yet.
		args = append(args, "-u", "-F", "qcow2", "-b", home+"/base.qcow2")
	}
	args = append(args, w.tool("disk.qcow2"), strconv.FormatInt(v.Bytes, 10))
	if _, err := d.tool(ctx, run{args: args, cpu: 10, fileSize: 256 * mib}); err != nil {
		return err
	}
	if err := w.take("disk.qcow2", "disk.qcow2", 0o600); err != nil {
		return err
	}
	return w.publish(home)
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
func (d *Driver) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(d.path("volumes"))
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
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
func (d *Driver) Open(ctx context.Context, id string, uid int) (path, format string, err error) {
	if err := d.give(ctx, id, uid); err != nil {
		return "", "", fmt.Errorf("open volume %s: %w", id, err)
	}
	return d.path("volumes", id, "disk.qcow2"), "qcow2", nil
}

func (d *Driver) give(ctx context.Context, id string, uid int) error {
	if !block.ValidName(id) {
		return block.ErrNoVolume
	}
	release, err := d.turns.Take(ctx, "volume/"+id)
	if err != nil {
		return err
	}
	defer release()
	home := d.path("volumes", id)
	if there, err := exists(home); err != nil {
		return err
	} else if !there {
		return block.ErrNoVolume
	}
	if os.Geteuid() != 0 && uid == os.Geteuid() {
		return nil
	}
	// The folder is the driver's, so nobody can exchange what is in it; its
	// group, the user's own, may pass through.
	return errors.Join(os.Chown(home, 0, uid), os.Chmod(home, 0o710), os.Chown(home+"/disk.qcow2", uid, uid)) //nolint:gosec // as intended
}
