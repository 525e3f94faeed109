//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// exportForms are how qemu-img is told of the formats that snapshots are written in.
var exportForms = map[string][]string{
	"raw":  {"-O", "raw"},
	"vmdk": {"-O", "vmdk", "-o", "subformat=streamOptimized"},
	"vhd":  {"-O", vhd, "-o", "subformat=dynamic,force_size=on"}, // of the very size
}

// ExportForm is how qemu-img is told to write a disk of so many bytes in a format of
// block.Transfers. *block.BadImageError if that cannot hold it.
func ExportForm(format string, bytes int64) ([]string, error) {
	form, ok := exportForms[format]
	if !ok {
		return nil, fmt.Errorf("format %q is not raw, vmdk or vhd", format)
	}
	if format == "vhd" && bytes > vhdMaxBytes {
		return nil, refuse("a VHD has at most %d bytes, not %d: choose vmdk or raw", int64(vhdMaxBytes), bytes)
	}
	return form, nil
}

// Layers are the files of a snapshot that is there, the top first: for another driver to take
// them over.
func (d *Driver) Layers(snapshot string, key *seal.Key) ([]block.Layer, error) {
	return layersOf(d.path("snapshots", snapshot), snapshot, key)
}

// Export implements block.Transfers.
func (d *Driver) Export(ctx context.Context, snapshot, format string, key *seal.Key, progress func(float64), deliver func(*os.File, int64) error) error {
	if err := d.export(ctx, snapshot, format, key, progress, deliver); err != nil {
		return fmt.Errorf("export snapshot %s: %w", snapshot, noSpace(err))
	}
	return nil
}

func (d *Driver) export(ctx context.Context, snapshot, format string, key *seal.Key, progress func(float64), deliver func(*os.File, int64) error) error {
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	b, err := d.begin(ctx, w, block.Volume{Snapshot: snapshot, SnapshotKey: key, Bytes: d.cfg.MaxBytes})
	if err != nil {
		return err
	}
	size, err := virtualSize(w.result(b.names[0]))
	if err != nil {
		return err
	}
	form, err := ExportForm(format, size)
	if err != nil {
		return err
	}
	stored, err := weigh(w.result())
	if err != nil {
		return err
	}
	if err := d.write(ctx, w, b, form, size, stored, progress); err != nil {
		return err
	}
	return Deliver(w.tool("export"), deliver)
}

// Deliver has deliver read a disk that a tool wrote, which may have put anything there.
func Deliver(path string, deliver func(disk *os.File, bytes int64) error) error {
	disk, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer disk.Close() //nolint:errcheck // only read
	st, err := disk.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("the tool made no file")
	}
	return deliver(disk, st.Size())
}

// write has a tool write a chain as one disk.
func (d *Driver) write(ctx context.Context, w workplace, b beginning, form []string, size, stored int64, progress func(float64)) error {
	free, err := d.room(ctx)
	if err != nil {
		return err
	}
	for _, name := range b.names { // the tools reach them by names of their own
		if err := os.Rename(w.result(name), w.tool(name)); err != nil {
			return err
		}
	}
	source, r, err := open(w, b)
	if err != nil {
		return err
	}
	r.args = append(append(append([]string{"convert", "-p"}, form...), r.args...), source, w.tool("export"))
	r.cpu, r.patience, r.progress = int(convertPatience.Seconds()), convertPatience, progress
	r.fileSize = free
	if form[1] == "raw" { // with holes: no more than the layers hold
		if stored > free {
			return fmt.Errorf("%w: %d bytes, %d are free", block.ErrNoSpace, stored, free)
		}
		r.fileSize = size
	}
	_, err = d.tool(ctx, r)
	return err
}
