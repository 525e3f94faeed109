//go:build linux

package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// adopt finds the guests that the folder knows, and the processes of those that
// run. It must be called before anything else.
func (d *Driver) adopt() error {
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return err
	}
	processes, err := findProcesses()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() || !hypervisor.ValidName(entry.Name()) {
			continue
		}
		if err := d.adoptGuest(entry.Name(), processes); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
	}
	return nil
}

func (d *Driver) adoptGuest(id string, processes map[string][]int) error {
	g := &guest{id: id, folder: folder(filepath.Join(d.cfg.Dir, id))}
	spec, err := g.folder.readSpec()
	if err != nil {
		// A start was cut short before anything ran, or the disk lost what it
		// held: then nobody can say what runs there.
		d.cfg.Log.Warn("guest is forgotten: it has no record", "guest", id, "err", err)
		for _, pid := range processes[g.folder.name()] {
			if p, err := identify(g.folder, hypervisor.Spec{ID: id}, pid); err == nil && p != nil {
				p.Kill()  //nolint:errcheck // it has ended otherwise
				p.letGo() //nolint:errcheck // nothing was written
			}
		}
		return os.RemoveAll(string(g.folder))
	}
	p, err := findProcess(g.folder, spec, processes)
	if err != nil {
		return err
	}
	if p == nil {
		g.folder.removeSockets()
		d.cgroups.remove(spec)
	} else {
		d.cfg.Log.Info("guest adopted", "guest", id, "pid", p.PID)
		g.proc = p
		d.run(g, p)
	}
	d.guests[id] = g
	return nil
}

// findProcess returns the guest's process, nil if it has none. The monitor's
// socket tells: a process that was about to execute QEMU when its parent died
// already holds it, though it does not bear the guest's name yet.
func findProcess(f folder, spec hypervisor.Spec, processes map[string][]int) (*process, error) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		for _, pid := range processes[f.name()] {
			if p, err := identify(f, spec, pid); err != nil || p != nil {
				return p, err
			}
		}
		conn, err := f.dial("monitor.sock")
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		conn.Close() //nolint:errcheck // nothing was said
		if time.Now().After(deadline) {
			return nil, errors.New("somebody unknown holds the guest's monitor")
		}
		if processes, err = findProcesses(); err != nil {
			return nil, err
		}
	}
}

// identify returns the process of that number if it is the guest's: if it bears
// the guest's name and runs as the guest's user (any, if the spec has none). The
// handle comes first, so that what is then found holds for what was opened.
func identify(f folder, spec hypervisor.Spec, pid int) (*process, error) {
	p, err := newProcess(f, spec, pid)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	uid := spec.UID
	if os.Geteuid() != 0 {
		uid = os.Geteuid() // there is no other to run as
	}
	if nameOf(pid) == f.name() && (spec.UID == 0 || runsAs(pid, uid)) {
		return p, nil
	}
	p.letGo()
	return nil, nil
}
