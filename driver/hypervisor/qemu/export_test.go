//go:build linux

package qemu

import (
	"context"
	"errors"
)

// Do runs a QMP command on a guest, for tests that look deeper than the interface.
func (d *Driver) Do(ctx context.Context, id, command string, args map[string]any, result any) error {
	g := d.guest(id)
	if g == nil || g.process() == nil {
		return errors.New("no process")
	}
	return g.process().do(ctx, command, args, result)
}

// Listen returns the names of the events of a guest's engine until told is called.
func (d *Driver) Listen(id string) (told func() []string) {
	events, stop := d.guest(id).process().listen()
	return func() (names []string) {
		stop()
		for len(events) > 0 {
			names = append(names, (<-events).Name)
		}
		return names
	}
}

// RunsCode is the probe of an accelerator.
func RunsCode(cfg Config, accel string) error { return runsCode(cfg, accel, nil) }

// Processes returns the processes that bear the name of a guest of the folder.
func Processes(dir, id string) ([]int, error) {
	all, err := findProcesses()
	return all[folder(dir+"/"+id).name()], err
}
