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

// openSource opens the layers of a snapshot, without a tool: its files are read by this
// process, which follows no reference in them.
func (d *Driver) openSource(_ context.Context, s block.Keyed) (_ *chain.Source, err error) {
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
	var files []*os.File
	c := &chain.Source{Close: func() {
		for _, f := range files {
			f.Close() //nolint:errcheck // only read
		}
	}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	for _, l := range all {
		f, err := os.OpenFile(l.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
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

// Changed implements block.Direct.
func (d *Driver) Changed(ctx context.Context, first, second block.Keyed, from int64, limit int) ([]block.Change, error) {
	return chain.Opener(d.openSource).Changed(ctx, first, second, from, limit)
}

// ReadBlock implements block.Direct.
func (d *Driver) ReadBlock(ctx context.Context, s block.Keyed, index int64) ([]byte, error) {
	return chain.Opener(d.openSource).ReadBlock(ctx, s, index)
}
