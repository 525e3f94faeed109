//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

var (
	_ block.Snapshots = (*Driver)(nil)
	_ block.Flattener = (*Driver)(nil)
)

// cutFile, with a snapshot's ID behind it, has the name of the layer that was the top of
// the volume at its Cut.
const cutFile = "cut-"

// volume runs fn with the folder of a volume that is there, as the only call about it.
func (d *Driver) volume(ctx context.Context, id string, fn func(home string) error) error {
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
	return fn(home)
}

// Cut implements block.Snapshots.
func (d *Driver) Cut(ctx context.Context, volume, snapshot string, key *seal.Key) error {
	err := d.volume(ctx, volume, func(home string) error {
		if !block.ValidName(snapshot) {
			return fmt.Errorf("snapshot ID %q is not a name", snapshot)
		}
		if kept, err := exists(d.path("snapshots", snapshot)); err != nil || kept {
			return err
		}
		return d.cut(ctx, home, volume, snapshot, key)
	})
	if err != nil {
		return fmt.Errorf("cut volume %s for snapshot %s: %w", volume, snapshot, noSpace(err))
	}
	return nil
}

func (d *Driver) cut(ctx context.Context, home, volume, snapshot string, key *seal.Key) error {
	names, err := layers(home)
	if err != nil {
		return err
	}
	top := names[0]
	mark := home + "/" + cutFile + snapshot
	if was, err := os.ReadFile(mark); err == nil && string(was) != top {
		return nil // it was cut
	} else if errors.Is(err, os.ErrNotExist) {
		err = writeFile(mark, strings.NewReader(top), 0o600)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	n, _ := layerNumber(top)
	err = d.addLayer(ctx, home, volume, layerName(n+1), top, key)
	if names, is := layers(home); err != nil && is == nil && names[0] == top {
		err = errors.Join(err, os.Remove(mark)) // nothing was cut
	}
	return err
}

// addLayer puts a new layer on the top of a volume.
func (d *Driver) addLayer(ctx context.Context, home, volume, name, top string, key *seal.Key) error {
	if _, err := d.room(ctx); err != nil {
		return err
	}
	var was unix.Stat_t
	if err := unix.Lstat(home+"/"+top, &was); err != nil {
		return err
	}
	bytes, err := virtualSize(home + "/" + top)
	if err != nil {
		return err
	}
	s, err := readSecrets(home, volume, key)
	if err != nil {
		return err
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	delete(s, name) // of a try that was killed
	if key != nil {
		s[name] = newSecret()
	}
	if err := newLayer(w, name, top, bytes, s[name]); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // whoever has the volume open opens the layer next
		if err := os.Chown(w.result(name), int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	// The keys first: a layer is never there without its own.
	if err := s.write(home, volume, key); err != nil {
		return err
	}
	if err := os.Rename(w.result(name), home+"/"+name); err != nil {
		return err
	}
	return syncFolder(home)
}

// Keep implements block.Snapshots.
func (d *Driver) Keep(ctx context.Context, volume, snapshot string, volumeKey, snapshotKey *seal.Key) (bytes int64, err error) {
	err = d.volume(ctx, volume, func(home string) error {
		if !block.ValidName(snapshot) {
			return fmt.Errorf("snapshot ID %q is not a name", snapshot)
		}
		bytes, err = d.keep(home, volume, snapshot, volumeKey, snapshotKey)
		return err
	})
	if errors.Is(err, block.ErrNoVolume) { // it may have gone since
		if there, is := exists(d.path("snapshots", snapshot)); block.ValidName(snapshot) && is == nil && there {
			return weigh(d.path("snapshots", snapshot))
		}
	}
	if err != nil {
		return 0, fmt.Errorf("keep snapshot %s of volume %s: %w", snapshot, volume, noSpace(err))
	}
	return bytes, nil
}

func (d *Driver) keep(home, volume, snapshot string, volumeKey, snapshotKey *seal.Key) (int64, error) {
	kept := d.path("snapshots", snapshot)
	mark := home + "/" + cutFile + snapshot
	there, err := exists(kept)
	if err != nil {
		return 0, err
	}
	if !there {
		if err := d.linkSnapshot(home, volume, snapshot, mark, volumeKey, snapshotKey); err != nil {
			return 0, err
		}
	}
	if err := os.Remove(mark); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	return weigh(kept)
}

// linkSnapshot makes the snapshot's folder.
func (d *Driver) linkSnapshot(home, volume, snapshot, mark string, volumeKey, snapshotKey *seal.Key) error {
	was, err := os.ReadFile(mark)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("it was not cut")
	}
	if err != nil {
		return err
	}
	names, err := layers(home)
	if err != nil {
		return err
	}
	for len(names) > 0 && names[0] != string(was) {
		names = names[1:]
	}
	if len(names) == 0 {
		return fmt.Errorf("its layer %q is gone", was)
	}
	s, err := readSecrets(home, volume, volumeKey)
	if err != nil {
		return err
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	if err := d.freeze(home + "/" + names[0]); err != nil {
		return err
	}
	if err := link(w, home, names); err != nil {
		return err
	}
	if err := s.only(names).write(w.result(), snapshot, snapshotKey); err != nil {
		return err
	}
	return w.publish(d.path("snapshots", snapshot))
}

// freeze makes a layer nobody's to write, and everybody's to read who reaches it.
func (d *Driver) freeze(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	err = f.Chmod(0o444)
	if os.Geteuid() == 0 {
		err = errors.Join(f.Chown(0, 0), err)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// weigh is how many bytes a folder's layers take on the disk.
func weigh(home string) (total int64, err error) {
	names, err := layers(home)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Lstat(home+"/"+name, &st); err != nil {
			return 0, err
		}
		total += st.Blocks * 512
	}
	return total, nil
}

// CopySnapshot implements block.Snapshots.
func (d *Driver) CopySnapshot(ctx context.Context, from, to string, fromKey, toKey *seal.Key) (int64, error) {
	if err := d.copySnapshot(ctx, from, to, fromKey, toKey); err != nil {
		return 0, fmt.Errorf("copy snapshot %s to %s: %w", from, to, noSpace(err))
	}
	return weigh(d.path("snapshots", to))
}

func (d *Driver) copySnapshot(ctx context.Context, from, to string, fromKey, toKey *seal.Key) error {
	if !block.ValidName(to) {
		return fmt.Errorf("snapshot ID %q is not a name", to)
	}
	release, err := d.turns.Take(ctx, "snapshot/"+to)
	if err != nil {
		return err
	}
	defer release()
	home := d.path("snapshots", to)
	if there, err := exists(home); err != nil || there {
		return err
	}
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	b, err := d.begin(ctx, w, block.Volume{Snapshot: from, SnapshotKey: fromKey, Bytes: d.cfg.MaxBytes})
	if err != nil {
		return err
	}
	if toKey != nil && len(b.secrets) < len(b.names) {
		if b, err = d.rewrite(ctx, w, b, newSecret()); err != nil {
			return err
		}
	}
	if err := b.secrets.write(w.result(), to, toKey); err != nil {
		return err
	}
	return w.publish(home)
}

// DeleteSnapshot implements block.Snapshots. A volume that was cut for it, and never kept,
// forgets that.
func (d *Driver) DeleteSnapshot(ctx context.Context, id string) error {
	err := d.remove(ctx, "snapshot", id)
	if err == nil && block.ValidName(id) {
		err = errors.Join(d.discard(d.path("filling", id)), d.unmark(id))
	}
	if err != nil {
		return fmt.Errorf("delete snapshot %s: %w", id, err)
	}
	return nil
}

// ListSnapshots implements block.Snapshots.
func (d *Driver) ListSnapshots(context.Context) ([]string, error) { return d.list("snapshots") }

// unmark removes what says that volumes were cut for the snapshot.
func (d *Driver) unmark(snapshot string) error {
	volumes, err := d.list("volumes")
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := os.Remove(d.path("volumes", v, cutFile+snapshot)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
