//go:build linux

package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
)

const (
	bootFileMax     = 512 * mib // a kernel or initrd, in bytes
	convertPatience = 2 * time.Hour
	copyStep        = 64 * mib // between looks at the context
)

// Put implements block.Images. The disk is copied first, so that what is checked
// is what is converted.
func (d *Driver) Put(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	meta, err := d.put(ctx, id, src)
	if err != nil {
		return block.Meta{}, fmt.Errorf("put image %s: %w", id, noSpace(err))
	}
	return meta, nil
}

func (d *Driver) put(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	if !block.ValidName(id) {
		return block.Meta{}, fmt.Errorf("image ID %q is not a name", id)
	}
	release, err := d.turns.Take(ctx, "image/"+id)
	if err != nil {
		return block.Meta{}, err
	}
	defer release()
	home := d.path("images", id)
	if there, err := exists(home); err != nil {
		return block.Meta{}, err
	} else if there {
		return readMeta(home + "/meta.json")
	}
	w, err := d.newWorkplace()
	if err != nil {
		return block.Meta{}, err
	}
	defer w.remove()
	disk, err := d.copyDisk(ctx, w, src.Disk)
	if err != nil {
		return block.Meta{}, fmt.Errorf("copy disk: %w", err)
	}
	format, err := d.check(ctx, disk, src.Format)
	if err != nil {
		return block.Meta{}, err
	}
	for name, content := range map[string]io.Reader{"kernel": src.Kernel, "initrd": src.Initrd} {
		if content == nil {
			continue
		}
		if err := writeFile(w.result(name), io.LimitReader(content, bootFileMax+1), 0o444); err != nil {
			return block.Meta{}, fmt.Errorf("store %s: %w", name, err)
		}
	}
	meta, err := d.convert(ctx, w, disk, format, src.Progress)
	if err != nil {
		return block.Meta{}, err
	}
	if err := os.Chmod(w.result(), 0o711); err != nil { //nolint:gosec // guests read the kernel
		return block.Meta{}, err
	}
	return meta, w.publish(home)
}

// convert makes the result's disk and its meta.json.
func (d *Driver) convert(ctx context.Context, w workplace, s source, format string, progress func(float64)) (block.Meta, error) {
	free, err := d.room(ctx)
	if err != nil {
		return block.Meta{}, err
	}
	if progress == nil {
		progress = func(float64) {}
	}
	name, _ := s.node(format) // it takes no secret
	_, err = d.tool(ctx, run{
		args: []string{"convert", "-p", "-O", "qcow2", name, w.tool("disk.qcow2")},
		cpu:  int(convertPatience.Seconds()), fileSize: free, patience: convertPatience, progress: progress,
	})
	if err != nil {
		return block.Meta{}, refusal(err, "it cannot be converted")
	}
	out, err := d.tool(ctx, run{args: []string{"info", "--output=json", "-f", "qcow2", w.tool("disk.qcow2")}, cpu: 10})
	if err != nil {
		return block.Meta{}, err
	}
	var i info
	if err := json.Unmarshal(out, &i); err != nil {
		return block.Meta{}, fmt.Errorf("read qemu-img's answer: %w", err)
	}
	if err := os.Mkdir(w.result("private"), 0o700); err != nil {
		return block.Meta{}, err
	}
	if err := w.take("disk.qcow2", "private/disk.qcow2", 0o444); err != nil {
		return block.Meta{}, err
	}
	sum, err := digest(ctx, w.result("private/disk.qcow2"))
	if err != nil {
		return block.Meta{}, err
	}
	meta := block.Meta{Bytes: i.Bytes, SHA256: sum}
	text, err := json.Marshal(meta)
	if err != nil {
		return block.Meta{}, err
	}
	if err := writeFile(w.result("meta.json"), bytes.NewReader(text), 0o600); err != nil {
		return block.Meta{}, err
	}
	return meta, syncFolder(w.result("private"))
}

func readMeta(path string) (meta block.Meta, err error) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	return meta, err
}

func digest(ctx context.Context, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // only read
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if _, err := io.CopyN(h, file, copyStep); errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		} else if err != nil {
			return "", err
		}
	}
}

// writeFile writes a new file of at most bootFileMax bytes, to disk.
func writeFile(path string, content io.Reader, mode os.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.Copy(file, content)
	if err != nil {
		return err
	}
	if n > bootFileMax {
		return &block.BadImageError{Reason: fmt.Sprintf("a boot file is larger than %d bytes", bootFileMax)}
	}
	return errors.Join(file.Chmod(mode), file.Sync())
}

// Boot implements block.Images.
func (d *Driver) Boot(_ context.Context, id string) (kernel, initrd string, err error) {
	home := d.path("images", id)
	there := false
	if block.ValidName(id) {
		there, err = exists(home)
	}
	if err == nil && !there {
		err = block.ErrNoImage
	}
	for name, path := range map[string]*string{"kernel": &kernel, "initrd": &initrd} {
		if err != nil {
			break
		}
		if there, err = exists(home + "/" + name); there {
			*path = home + "/" + name
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("boot files of image %s: %w", id, err)
	}
	return kernel, initrd, nil
}

// Disk is the host path of the bytes of an image that is there, a qcow2 file that stands on
// nothing: for another driver to take them over.
func (d *Driver) Disk(id string) string { return d.path("images", id, "private", "disk.qcow2") }

// DeleteImage implements block.Images.
func (d *Driver) DeleteImage(ctx context.Context, id string) error {
	if err := d.remove(ctx, "image", id); err != nil {
		return fmt.Errorf("delete image %s: %w", id, err)
	}
	return nil
}
