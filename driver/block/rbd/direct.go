//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/chain"
	"github.com/vauban-cloud/vauban/driver/internal/nbd"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

var _ block.Direct = (*Driver)(nil)

// A snapshot that is read or filled block by block is served as open volumes are, to the
// driver itself, and for a while after: reads come one after the other. One that is being filled is
// a record of its own kind, "filling/<id>", whose first layer is not frozen.

// idle is how long a snapshot's server waits for the next call.
const idle = time.Minute

// serverOf is the name under which a snapshot is served: no volume has one like it.
func serverOf(snapshot string) string { return "snapshot." + snapshot }

// access is what uses a snapshot's server.
type access struct {
	users int
	timer *time.Timer // ends the server; nil while there are users
}

// layersFor has a snapshot's layers served. Until done is called they stay so.
func (d *Driver) layersFor(ctx context.Context, snapshot string, r record) (done func(), err error) {
	name := serverOf(snapshot)
	release, err := d.turns.Take(ctx, "server/"+name)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := d.serve(ctx, name, 0, r); err != nil {
		return nil, errors.Join(err, d.takeBack(context.WithoutCancel(ctx), name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accesses[name]
	if a == nil {
		a = &access{}
		d.accesses[name] = a
	}
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	a.users++
	return func() { d.leave(name, a) }, nil
}

// leave has the server end some time after its last user.
func (d *Driver) leave(name string, a *access) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.users--; a.users == 0 {
		a.timer = time.AfterFunc(idle, func() {
			d.endAccess(context.Background(), name, false) //nolint:errcheck // the next call or start does it
		})
	}
}

// endAccess ends a snapshot's server, if nobody uses it or anyhow.
func (d *Driver) endAccess(ctx context.Context, name string, anyhow bool) error {
	release, err := d.turns.Take(ctx, "server/"+name)
	if err != nil {
		return err
	}
	defer release()
	d.mu.Lock()
	a := d.accesses[name]
	if a != nil && a.users > 0 && !anyhow {
		d.mu.Unlock()
		return nil
	}
	delete(d.accesses, name)
	d.mu.Unlock()
	return d.takeBack(ctx, name)
}

// endAccesses ends the servers of all snapshots.
func (d *Driver) endAccesses() (err error) {
	d.mu.Lock()
	var names []string
	for name, a := range d.accesses {
		if names = append(names, name); a.timer != nil {
			a.timer.Stop()
		}
	}
	d.mu.Unlock()
	for _, name := range names {
		err = errors.Join(err, d.endAccess(context.Background(), name, true))
	}
	return err
}

// openSource opens the layers of a snapshot.
func (d *Driver) openSource(ctx context.Context, s block.Keyed) (_ *chain.Source, err error) {
	if !block.ValidName(s.ID) {
		return nil, fmt.Errorf("%q: %w", s.ID, block.ErrNoSnapshot)
	}
	r, ok, err := d.find(ctx, "snapshot/"+s.ID)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w", s.ID, block.ErrNoSnapshot)
	}
	if err != nil {
		return nil, err
	}
	secrets, err := r.secrets(s.ID, s.Key)
	if err != nil {
		return nil, err
	}
	done, err := d.layersFor(ctx, s.ID, r)
	if err != nil {
		return nil, err
	}
	var conns []*nbd.Conn
	c := &chain.Source{Close: func() {
		for _, c := range conns {
			c.Close() //nolint:errcheck // only read
		}
		done()
	}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	for i, l := range r.Layers {
		conn, err := nbd.Dial(ctx, d.socket(serverOf(s.ID)), l.Name)
		if err != nil {
			return nil, err
		}
		conns = append(conns, conn)
		file, err := qcow2.Open(conn, secrets[i])
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", l.Name, s.ID, err)
		}
		c.Chain = append(c.Chain, chain.Layer{ID: l.Name, Reader: file})
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

// Begin implements block.Direct.
func (d *Driver) Begin(ctx context.Context, f block.Filling) error {
	if err := d.beginFilling(ctx, f); err != nil {
		return fmt.Errorf("begin snapshot %s: %w", f.ID, err)
	}
	return nil
}

func (d *Driver) beginFilling(ctx context.Context, f block.Filling) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Bytes > d.cfg.MaxBytes {
		return fmt.Errorf("%d bytes are more than %d", f.Bytes, d.cfg.MaxBytes)
	}
	release, err := d.turns.Take(ctx, "filling/"+f.ID)
	if err != nil {
		return err
	}
	defer release()
	for _, kind := range []string{"snapshot/", "filling/"} {
		if _, there, err := d.find(ctx, kind+f.ID); err != nil || there {
			return err
		}
	}
	below, keep, err := d.begin(ctx, block.Volume{ID: f.ID, Bytes: f.Bytes, Snapshot: f.Parent.ID, SnapshotKey: f.Parent.Key, Key: f.Key})
	if err != nil {
		return err
	}
	defer keep() // what it starts with, until its own record names it
	if err := d.room(ctx); err != nil {
		return err
	}
	var secret []byte
	top := layer{Name: d.newName()}
	if f.Key != nil {
		secret = newSecret()
		top.Secret = f.Key.Seal(f.ID+"/"+top.Name, secret)
	}
	r := record{Layers: append([]layer{top}, below...), Bytes: f.Bytes}
	err = d.rbd(ctx, append([]string{"create", "--size", strconv.FormatInt((d.cfg.MaxBytes+slack)>>20, 10)}, append(imageOptions(), d.spec(top.Name))...)...)
	if err == nil {
		err = d.onTop(ctx, f.ID, r, func(file *nbd.Conn) error {
			return qcow2.CreateLinear(file, qcow2.Image{Bytes: f.Bytes, Secret: secret})
		})
	}
	if err == nil {
		err = d.put(ctx, "filling/"+f.ID, r)
	}
	if err != nil {
		d.endAccess(context.WithoutCancel(ctx), serverOf(f.ID), true) //nolint:errcheck // the first error says more
		d.discard(ctx, top.Name)
	}
	return err
}

// onTop runs fn on the first layer of a snapshot that is being filled, and makes durable what
// it wrote.
func (d *Driver) onTop(ctx context.Context, snapshot string, r record, fn func(*nbd.Conn) error) error {
	done, err := d.layersFor(ctx, snapshot, r)
	if err != nil {
		return err
	}
	defer done()
	file, err := nbd.Dial(ctx, d.socket(serverOf(snapshot)), r.Layers[0].Name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // flushed
	if err = fn(file); err == nil {
		err = file.Flush()
	}
	if errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w: %w", block.ErrNoSpace, err)
	}
	return err
}

// WriteBlock implements block.Direct.
func (d *Driver) WriteBlock(ctx context.Context, s block.Keyed, index int64, data []byte) error {
	err := d.filling(ctx, s.ID, func(r record) error {
		if err := d.room(ctx); err != nil {
			return err
		}
		secrets, err := r.secrets(s.ID, s.Key)
		if err != nil {
			return err
		}
		return d.onTop(ctx, s.ID, r, func(file *nbd.Conn) error {
			top, err := qcow2.OpenLinear(file, secrets[0])
			if err == nil {
				err = block.ValidateBlock(top.Bytes(), index, data)
			}
			if err == nil {
				_, err = top.WriteAt(data, index*block.BlockBytes)
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("write block %d of snapshot %s: %w", index, s.ID, err)
	}
	return nil
}

// filling runs fn with the record of a snapshot that is being filled, as the only call about it.
func (d *Driver) filling(ctx context.Context, id string, fn func(record) error) error {
	if !block.ValidName(id) {
		return block.ErrNoSnapshot
	}
	release, err := d.turns.Take(ctx, "filling/"+id)
	if err != nil {
		return err
	}
	defer release()
	r, ok, err := d.find(ctx, "filling/"+id)
	if err == nil && !ok {
		err = block.ErrNoSnapshot
	}
	if err != nil {
		return err
	}
	return fn(r)
}

// Finish implements block.Direct.
func (d *Driver) Finish(ctx context.Context, s block.Keyed, sum bool) (out block.Filled, err error) {
	err = d.filling(ctx, s.ID, func(r record) error { return d.finish(ctx, s.ID, r) })
	if err == nil || errors.Is(err, block.ErrNoSnapshot) { // it may be finished
		out, err = d.count(ctx, s, sum)
	}
	if err != nil {
		return out, fmt.Errorf("finish snapshot %s: %w", s.ID, err)
	}
	return out, nil
}

func (d *Driver) finish(ctx context.Context, id string, r record) error {
	if err := d.endAccess(ctx, serverOf(id), true); err != nil { // it has the first layer to write
		return err
	}
	if err := d.freeze(ctx, r.Layers[0].Name); err != nil {
		return err
	}
	r.Layers[0].Frozen = true
	if err := d.put(ctx, "snapshot/"+id, r); err != nil {
		return err
	}
	return d.drop(ctx, "filling/"+id)
}

func (d *Driver) count(ctx context.Context, s block.Keyed, sum bool) (out block.Filled, err error) {
	c, err := d.openSource(ctx, s)
	if err != nil {
		return out, err
	}
	defer c.Close()
	r, _, err := d.find(ctx, "snapshot/"+s.ID)
	if err != nil {
		return out, err
	}
	if out.Bytes, err = d.weigh(ctx, r.Layers); err != nil {
		return out, err
	}
	return out, c.Count(ctx, &out, sum)
}
