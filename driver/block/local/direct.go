//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

var _ block.Direct = (*Driver)(nil)

// source is a chain of layers that is open to read, the top first.
type source struct {
	files []*os.File
	maps  []*qcow2.Reader
	stats []unix.Stat_t
}

// openSource opens the layers of a snapshot, without a tool: its files are read by this
// process, which follows no reference in them.
func (d *Driver) openSource(s block.Keyed) (_ *source, err error) {
	if !block.ValidName(s.ID) {
		return nil, fmt.Errorf("%q: %w", s.ID, block.ErrNoSnapshot)
	}
	all, err := chain(d.path("snapshots", s.ID), s.ID, s.Key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", s.ID, block.ErrNoSnapshot)
	}
	if err != nil {
		return nil, err
	}
	c := &source{stats: make([]unix.Stat_t, len(all))}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for i, l := range all {
		f, err := os.OpenFile(l.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		c.files = append(c.files, f)
		if err := unix.Fstat(int(f.Fd()), &c.stats[i]); err != nil {
			return nil, err
		}
		r, err := qcow2.Open(f, l.Secret)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", l.Path, s.ID, err)
		}
		c.maps = append(c.maps, r)
	}
	return c, nil
}

func (c *source) close() {
	for _, f := range c.files {
		f.Close() //nolint:errcheck // only read
	}
}

// read returns a block. size is that of the snapshot: what layers below have beyond it is gone.
func (c *source) read(index int64) ([]byte, error) {
	data, held := make([]byte, block.BlockBytes), make([]bool, block.BlockBytes/512)
	size := c.maps[0].Bytes() - index*block.BlockBytes
	if size <= 0 {
		return data, nil
	}
	within := min(size, block.BlockBytes)
	for _, m := range c.maps {
		if err := m.Fill(data[:within], index*block.BlockBytes, held); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// next returns the first block, from the given one on, that one of the layers has a part of,
// and none if there is none.
func next(layers []*qcow2.Reader, from int64) (int64, error) {
	first := int64(none)
	for _, m := range layers {
		at, err := m.Next(from * block.BlockBytes)
		if err != nil {
			return 0, err
		}
		if at < m.Bytes() {
			first = min(first, max(from, at/block.BlockBytes))
		}
	}
	return first, nil
}

const none = math.MaxInt64

// apart returns the layers of each chain that are not the other's too.
func (c *source) apart(o *source) (mine, others []*qcow2.Reader) {
	n, m := len(c.maps), len(o.maps)
	for n > 0 && m > 0 && c.stats[n-1].Ino == o.stats[m-1].Ino && c.stats[n-1].Dev == o.stats[m-1].Dev {
		n, m = n-1, m-1
	}
	return c.maps[:n], o.maps[:m]
}

// Changed implements block.Direct: it goes by which layers the snapshots share, and what the
// others hold.
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
	before, after := was.apart(is)
	differ := append(before[:len(before):len(before)], after...)
	for at := max(0, from); len(out) < limit; at++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if at, err = next(differ, at); err != nil || at == none {
			return out, err
		}
		c := block.Change{Index: at}
		if c.First, err = was.holds(at); err == nil {
			c.Second, err = is.holds(at)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// holds reports whether a layer has a part of the block.
func (c *source) holds(index int64) (bool, error) {
	if len(c.maps) == 0 || index*block.BlockBytes >= c.maps[0].Bytes() {
		return false, nil
	}
	at, err := next(c.maps, index)
	return at == index, err
}

// ReadBlock implements block.Direct.
func (d *Driver) ReadBlock(_ context.Context, s block.Keyed, index int64) ([]byte, error) {
	c, err := d.openSource(s)
	if err == nil {
		defer c.close()
		var data []byte
		if data, err = c.read(max(0, index)); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("read block %d of snapshot %s: %w", index, s.ID, err)
}
