//go:build linux

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

var _ block.Transfers = (*Driver)(nil)

// Bounds of what a disk of unknown origin may cost: its file is unpacked to so many
// times its length, and to Config.Unpacked at least; its converter gets a second for so many
// bytes of that, and two minutes at least.
const (
	expansion    = 64
	convertPace  = 32 * mib
	leastConvert = 2 * time.Minute
)

// importFile, in a snapshot's folder, is what its Import found.
const importFile = "import.json"

// Import implements block.Transfers.
func (d *Driver) Import(ctx context.Context, snapshot string, in block.Incoming, key *seal.Key) (block.Imported, error) {
	got, err := d.importSnapshot(ctx, snapshot, in, key)
	if err != nil {
		return block.Imported{}, fmt.Errorf("import snapshot %s: %w", snapshot, noSpace(err))
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
	home := d.path("snapshots", snapshot)
	if there, err := exists(home); err != nil {
		return got, err
	} else if there {
		return readImported(home)
	}
	w, err := d.newWorkplace()
	if err != nil {
		return got, err
	}
	defer w.remove()
	progress := in.Progress
	if progress == nil {
		progress = func(string, float64) {}
	}
	disk, format, err := d.download(ctx, w, in, &got, progress)
	if err != nil {
		return got, err
	}
	progress("validating", 0)
	tools, err := d.check(ctx, disk, format)
	if err != nil {
		return got, err
	}
	if got.Format == "" {
		got.Format = tools
		if tools == vhd {
			got.Format = "vhd"
		}
	}
	secret, err := d.unpack(ctx, w, disk, tools, &got, key != nil, func(percent float64) { progress("converting", percent) })
	if err != nil {
		return got, err
	}
	if in.Boots {
		progress("validating", 50)
		if got.Warning, err = d.checkBoots(ctx, w, got.Bytes, secret); err != nil {
			return got, err
		}
	}
	return got, d.publishImport(w, snapshot, got, secret, key)
}

// publishImport gives the snapshot that was made its name.
func (d *Driver) publishImport(w workplace, snapshot string, got block.Imported, secret []byte, key *seal.Key) error {
	top := layerName(0)
	if err := w.take(top, top, 0o444); err != nil {
		return err
	}
	s := secrets{}
	if secret != nil {
		s[top] = secret
	}
	if err := s.write(w.result(), snapshot, key); err != nil {
		return err
	}
	text, err := json.Marshal(got)
	if err != nil {
		return err
	}
	if err := writeFile(w.result(importFile), bytes.NewReader(text), 0o600); err != nil {
		return err
	}
	return w.publish(d.path("snapshots", snapshot))
}

func readImported(home string) (got block.Imported, err error) {
	text, err := os.ReadFile(home + "/" + importFile)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err == nil {
		got.Stored, err = weigh(home)
	}
	return got, err
}

// download copies the disk, or that of an archive, to where the tools find it, and returns the
// format that it is to have; empty: to be detected.
func (d *Driver) download(ctx context.Context, w workplace, in block.Incoming, got *block.Imported, progress func(string, float64)) (s source, format string, err error) {
	free, err := d.room(ctx)
	if err != nil {
		return s, "", err
	}
	from, size, err := in.Open(ctx)
	if err != nil {
		return s, "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	switch {
	case size == 0:
		return s, "", refuse("it is empty")
	case size > d.cfg.MaxBytes:
		return s, "", refuse("it has %d bytes, more than %d", size, d.cfg.MaxBytes)
	case size > free:
		return s, "", fmt.Errorf("%w: %d bytes, %d are free", block.ErrNoSpace, size, free)
	}
	content := &counted{ctx: ctx, from: from, all: size, tell: func(percent float64) { progress("downloading", percent) }}
	head := make([]byte, archiveHead)
	n, err := io.ReadFull(content, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return s, "", err
	}
	disk, format := io.MultiReader(bytes.NewReader(head[:n]), content), in.Format
	if in.Format == "ova" || in.Format == "" && isArchive(head[:n]) {
		got.Format = "ova"
		if disk, err = diskOf(disk, size); err != nil {
			return s, "", err
		}
		format = "vmdk"
	}
	s, err = spool(w.tool("source"), size, disk)
	if got.Source = s.bytes; err == nil && got.Source == 0 {
		err = refuse("it is empty")
	}
	return s, format, err
}

// counted reads until its context ends, and tells how far it got.
type counted struct {
	ctx       context.Context //nolint:containedctx // of one read of all
	from      io.Reader
	read, all int64
	tell      func(percent float64)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.from.Read(p)
	c.read += int64(n)
	if c.read > c.all {
		return n, fmt.Errorf("there are more than the %d bytes that were told", c.all)
	}
	c.tell(100 * float64(c.read) / float64(c.all))
	return n, err
}

// unpack has a tool write the source into a new layer where the tools work, and returns
// the layer's secret; nil if it is not to be encrypted.
func (d *Driver) unpack(ctx context.Context, w workplace, s source, format string, got *block.Imported, encrypt bool, progress func(float64)) (secret []byte, err error) {
	free, err := d.room(ctx)
	if err != nil {
		return nil, err
	}
	i, err := d.info(ctx, s, format)
	if err == nil {
		got.Bytes, err = wholeSectors(i.Bytes), d.checkSize(i.Bytes)
	}
	if err != nil {
		return nil, err
	}
	top := layerName(0)
	if encrypt {
		secret = newSecret()
	}
	if err := newLayer(w, top, "", got.Bytes, secret); err != nil {
		return nil, err
	}
	if err := w.lend(top); err != nil {
		return nil, err
	}
	most := expansion*got.Source + d.cfg.Unpacked
	name, r := s.node(format)
	r.args = append([]string{"convert", "-p", "-n", "--target-is-zero"}, r.args...)
	r.fileSize, r.progress, r.patience = min(free, most), progress, convertPatience
	r.cpu = int(min(convertPatience, leastConvert+time.Duration(most/convertPace)*time.Second).Seconds())
	target := "driver=qcow2,file.filename=" + w.tool(top)
	if secret != nil {
		n := len(r.secrets)
		r.secrets = append(r.secrets, secret)
		r.args, target = append(r.args, "--object", secretObject(n)), target+",encrypt.key-secret="+secretName(n)
	}
	r.args = append(r.args, "--target-image-opts", name, target)
	_, err = d.tool(ctx, r)
	switch {
	case errors.Is(err, block.ErrNoSpace) && most < free:
		return nil, refuse("it unpacks to more than %d times its size", expansion)
	case errors.Is(err, errSlow):
		return nil, refuse("it takes more than %v to convert", r.patience)
	case err != nil && (endedBy(err, unix.SIGXCPU) || endedBy(err, unix.SIGKILL) && ctx.Err() == nil):
		return nil, refuse("it takes more than %d seconds to convert", r.cpu)
	case err != nil:
		return nil, refusal(err, "it cannot be converted")
	}
	var st unix.Stat_t
	if err := unix.Lstat(w.tool(top), &st); err != nil {
		return nil, err
	}
	got.Stored = st.Blocks * 512
	return secret, nil
}
