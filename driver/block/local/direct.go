//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/chain"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

var _ block.Direct = (*Driver)(nil)

// source is a snapshot's chain that is open to read.
type source struct {
	chain.Chain
	files []*os.File
}

// openSource opens the layers of a snapshot, without a tool: its files are read by this
// process, which follows no reference in them.
func (d *Driver) openSource(s block.Keyed) (_ *source, err error) {
	if !block.ValidName(s.ID) {
		return nil, fmt.Errorf("%q: %w", s.ID, block.ErrNoSnapshot)
	}
	all, err := layersOf(d.path("snapshots", s.ID), s.ID, s.Key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", s.ID, block.ErrNoSnapshot)
	}
	if err != nil {
		return nil, err
	}
	c := &source{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for _, l := range all {
		f, err := os.OpenFile(l.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		c.files = append(c.files, f)
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return nil, err
		}
		r, err := qcow2.Open(f, l.Secret)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", l.Path, s.ID, err)
		}
		c.Chain = append(c.Chain, chain.Layer{ID: fmt.Sprintf("%d:%d", st.Dev, st.Ino), Reader: r})
	}
	return c, nil
}

func (c *source) close() {
	for _, f := range c.files {
		f.Close() //nolint:errcheck // only read
	}
}

// Changed implements block.Direct.
func (d *Driver) Changed(ctx context.Context, first, second block.Keyed, from int64, limit int) ([]block.Change, error) {
	out, err := d.changed(ctx, first, second, from, limit)
	if err != nil {
		return nil, fmt.Errorf("compare snapshot %s with %q: %w", second.ID, first.ID, err)
	}
	return out, nil
}

func (d *Driver) changed(ctx context.Context, first, second block.Keyed, from int64, limit int) (out []block.Change, err error) {
	was := &source{}
	if first.ID != "" {
		if was, err = d.openSource(first); err != nil {
			return nil, err
		}
		defer was.close()
	}
	is, err := d.openSource(second)
	if err != nil {
		return nil, err
	}
	defer is.close()
	return chain.Changed(ctx, was.Chain, is.Chain, from, limit)
}

// ReadBlock implements block.Direct.
func (d *Driver) ReadBlock(_ context.Context, s block.Keyed, index int64) ([]byte, error) {
	c, err := d.openSource(s)
	if err == nil {
		defer c.close()
		var data []byte
		if data, err = c.Read(max(0, index)); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("read block %d of snapshot %s: %w", index, s.ID, err)
}
