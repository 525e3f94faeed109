//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

// serve makes a volume's layers be exported to the user, and to no other. One that has them
// keeps them; layers that came since are added. The caller has the volume's turn.
func (d *Driver) serve(ctx context.Context, volume string, uid int, r record) error {
	owner, err := d.owner(volume)
	if err != nil {
		return err
	}
	s := d.server(volume)
	if s != nil && owner != uid {
		if err := d.takeBack(ctx, volume); err != nil {
			return err
		}
		s = nil
	}
	if s == nil {
		if s, err = d.freshServer(ctx, volume, uid); err != nil {
			return err
		}
	}
	err = d.export(ctx, volume, s, r)
	if err != nil && s.hasEnded() {
		err = fmt.Errorf("%w: its server has ended", err)
	}
	return err
}

// firstAnswer is how long a server may take that has nothing open yet; freshTries how many
// are started before that is an error: on a busy machine one was seen to greet and then be mute.
const (
	firstAnswer = 15 * time.Second
	freshTries  = 3
)

// freshServer starts a server, and returns it once it answers.
func (d *Driver) freshServer(ctx context.Context, volume string, uid int) (s *server, err error) {
	for range freshTries {
		if s, err = d.startServer(volume, uid); err != nil {
			return nil, err
		}
		d.watch(volume, s)
		limited, cancel := context.WithTimeout(ctx, firstAnswer)
		m, mute := talk(limited, d.monitor(volume))
		cancel()
		if mute == nil {
			return s, m.Close()
		}
		err = errors.Join(mute, s.end(ctx, d.monitor(volume)))
		if ctx.Err() != nil {
			break
		}
		d.cfg.Log.Warn("server does not answer", "volume", volume, "pid", s.PID, "err", err)
	}
	return nil, fmt.Errorf("start a server: %w", err)
}

// owner is the user that a volume is open for; -1 if it is not.
func (d *Driver) owner(volume string) (int, error) {
	var st unix.Stat_t
	err := unix.Lstat(d.socket(volume), &st)
	if errors.Is(err, unix.ENOENT) {
		return -1, nil
	}
	return int(st.Uid), err
}

// server is the volume's, nil if none runs.
func (d *Driver) server(volume string) *server {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.servers[volume]; s != nil && !s.hasEnded() {
		return s
	}
	return nil
}

// takeBack ends a volume's server; nil if it has none. The caller has the volume's turn.
func (d *Driver) takeBack(ctx context.Context, volume string) error {
	if s := d.server(volume); s != nil {
		if err := s.end(ctx, d.monitor(volume)); err != nil {
			return fmt.Errorf("end the server of %s: %w", volume, err)
		}
	}
	return os.RemoveAll(d.folder(volume))
}

// blockExport is an export as a server tells of it.
type blockExport struct {
	ID string `json:"id"`
}

// export has a server open what it does not have open yet.
func (d *Driver) export(ctx context.Context, volume string, s *server, r record) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Patience)
	defer cancel()
	m, err := talk(ctx, d.monitor(volume))
	if err != nil {
		return err
	}
	defer m.Close() //nolint:errcheck // nothing is under way
	var have []blockExport
	if err := m.Do(ctx, "query-block-exports", nil, &have); err != nil {
		return err
	}
	if len(have) == 0 {
		if err := d.tellKey(ctx, m); err != nil {
			return err
		}
	}
	for i, l := range r.Layers {
		node := nodeName(l.Name)
		if slices.Contains(have, blockExport{node}) {
			continue
		}
		// Until a guest has gone on in a new layer it writes to the one before.
		writable := !l.Frozen && (i == 0 || pending(r, l.Name))
		if err := d.exportLayer(ctx, m, l, node, writable); err != nil {
			return err
		}
	}
	return nil
}

// pending reports whether a snapshot is to end with the layer.
func pending(r record, layer string) bool {
	for _, name := range r.Cuts {
		if name == layer {
			return true
		}
	}
	return false
}

// nodeName is a name for a layer that QEMU takes: the part of its own that is different for
// each, as a word.
func nodeName(layer string) string { return "layer-" + layer[strings.LastIndexByte(layer, '.')+1:] }

func (d *Driver) tellKey(ctx context.Context, m *qmp.Client) error {
	err := m.Do(ctx, "object-add", map[string]any{"qom-type": "secret", "id": cephSecret, "format": "base64", "data": d.key}, nil)
	if err != nil && strings.Contains(err.Error(), "duplicate") {
		return nil // of an earlier try
	}
	return err
}

func (d *Driver) exportLayer(ctx context.Context, m *qmp.Client, l layer, node string, writable bool) error {
	file := d.file(l, writable)
	file["node-name"] = node
	if err := m.Do(ctx, "blockdev-add", file, nil); err != nil && !strings.Contains(err.Error(), "Duplicate") {
		return fmt.Errorf("open layer %s: %w", l.Name, err)
	}
	return m.Do(ctx, "block-export-add", map[string]any{"type": "nbd", "id": node, "node-name": node, "name": l.Name, "writable": writable}, nil)
}

// watch has a server that ends by itself started again, for as long as the volume is open.
func (d *Driver) watch(volume string, s *server) {
	d.mu.Lock()
	d.servers[volume] = s
	d.mu.Unlock()
	d.tasks.Go(func() {
		if !s.Await() {
			return
		}
		close(s.ended)
		s.Close()
		if !s.retired.Load() && block.ValidName(volume) {
			d.cfg.Log.Warn("server of an open volume has ended, and is started again", "volume", volume, "pid", s.PID)
			d.revive(volume)
		}
	})
}

// revive starts the server of an open volume.
func (d *Driver) revive(volume string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.tasks.Go(func() {
		select {
		case <-d.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := d.reviveOnce(ctx, volume)
		if err == nil || ctx.Err() != nil {
			return
		}
		d.cfg.Log.Warn("server of an open volume cannot be started: its guest waits", "volume", volume, "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (d *Driver) reviveOnce(ctx context.Context, volume string) error {
	err := d.volume(ctx, volume, func(r record) error {
		owner, err := d.owner(volume)
		if err != nil || owner < 0 || d.server(volume) != nil {
			return err // it is not open any more, or is served
		}
		err = d.serve(ctx, volume, owner, r)
		if s := d.server(volume); err != nil && s != nil { // the next try is with another
			err = errors.Join(err, s.end(ctx, d.monitor(volume)))
		}
		return err
	})
	if errors.Is(err, block.ErrNoVolume) {
		return os.RemoveAll(d.folder(volume))
	}
	return err
}

// adopt finds the servers of the volumes that are open, and starts those that are missing.
func (d *Driver) adopt() error {
	entries, err := os.ReadDir(d.path("open"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		volume := e.Name()
		if !block.ValidName(volume) { // a snapshot, for calls that are gone
			if err := d.endLeft(volume); err != nil {
				return err
			}
			continue
		}
		if owner, err := d.owner(volume); err != nil {
			return err
		} else if owner < 0 { // it was about to be opened
			if err := os.RemoveAll(d.folder(volume)); err != nil {
				return err
			}
			continue
		}
		s, err := findServer(d.folder(volume))
		if err != nil {
			return err
		}
		if s == nil {
			d.tasks.Go(func() { d.revive(volume) })
			continue
		}
		d.cfg.Log.Info("server adopted", "volume", volume, "pid", s.PID)
		d.watch(volume, s)
	}
	return nil
}

// endLeft ends a server that nobody waits for.
func (d *Driver) endLeft(name string) error {
	s, err := findServer(d.folder(name))
	if err != nil {
		return err
	}
	if s != nil {
		d.watch(name, s)
	}
	return d.takeBack(context.Background(), name)
}

// letGo leaves the servers to themselves.
func (d *Driver) letGo() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.servers {
		s.Close()
	}
}
