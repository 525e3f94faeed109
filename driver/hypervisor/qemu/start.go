//go:build linux

package qemu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/internal/confine"
)

// startPatience is how long a process may take to answer for the first time.
const startPatience = time.Minute

// endPatience is how long a killed process may take to end.
const endPatience = 30 * time.Second

// Start implements hypervisor.Driver. It does not wait for the guest to boot.
func (d *Driver) Start(ctx context.Context, spec hypervisor.Spec, taps []*os.File) error {
	defer closeAll(taps)
	if err := d.start(ctx, spec, taps); err != nil {
		return fmt.Errorf("start %s: %w", spec.ID, err)
	}
	return nil
}

func (d *Driver) start(ctx context.Context, spec hypervisor.Spec, taps []*os.File) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	if len(taps) != len(spec.NICs) {
		return fmt.Errorf("%d taps for %d cards", len(taps), len(spec.NICs))
	}
	release, err := d.turns.Take(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer release()
	g := d.guest(spec.ID)
	known := g != nil
	if known && g.process() != nil {
		return nil
	}
	engine, err := d.engine()
	if err != nil {
		return err
	}
	if err := checkMemory(spec.MemoryMiB); err != nil {
		return err
	}
	if !known {
		g = &guest{id: spec.ID, folder: folder(filepath.Join(d.cfg.Dir, spec.ID))}
	}
	began := d.cfg.Now()
	p, err := d.launch(ctx, g, engine, spec, taps)
	if err != nil {
		if !known {
			err = errors.Join(err, os.RemoveAll(string(g.folder)))
		}
		return err
	}
	d.cfg.Log.Debug("guest started", "guest", spec.ID, "pid", p.PID, "took", d.cfg.Now().Sub(began))
	g.keep(p)
	d.mu.Lock()
	d.guests[spec.ID] = g
	d.mu.Unlock()
	return nil
}

// launch makes a process and waits until QEMU has let the guest go. It leaves
// no process behind if it fails.
func (d *Driver) launch(ctx context.Context, g *guest, engine engine, spec hypervisor.Spec, taps []*os.File) (*process, error) {
	p, err := d.execute(g.folder, engine, spec, taps)
	if err != nil {
		return nil, err
	}
	d.run(g, p)
	wait, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if _, err = p.ready(wait); err == nil {
		return p, nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	err = errors.Join(err, p.end(end))
	output, _ := g.folder.tail("qemu.log", 4096)
	return nil, failure(err, output)
}

// failure is why QEMU did not run the guest.
func failure(err error, output []byte) error {
	output = bytes.TrimSpace(output)
	if len(output) > 0 {
		err = fmt.Errorf("%w: %s", err, output)
	}
	if bytes.Contains(output, []byte("Cannot allocate memory")) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w: %w", hypervisor.ErrNoRoom, err)
	}
	return err
}

// execute prepares the folder and executes QEMU.
func (d *Driver) execute(f folder, engine engine, spec hypervisor.Spec, taps []*os.File) (*process, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	// From here on a new Driver knows the guest, whatever happens to this one.
	if err := f.writeSpec(spec); err != nil {
		return nil, err
	}
	for _, name := range []string{"console.log", "qemu.log"} {
		if err := f.compact(name); err != nil {
			return nil, err
		}
	}
	var files []*os.File // that the process inherits and this one closes
	defer func() { closeAll(files) }()
	for _, name := range sockets() {
		socket, err := f.listen(name)
		if err != nil {
			return nil, err
		}
		files = append(files, socket)
	}
	console, err := f.openLog("console.log")
	if err != nil {
		return nil, err
	}
	files = append(files, console)
	output, err := f.openLog("qemu.log")
	if err != nil {
		return nil, err
	}
	defer output.Close() //nolint:errcheck // the process writes it
	if err := output.Truncate(0); err != nil {
		return nil, err
	}

	cmd := exec.Command(d.cfg.Binary, d.commandLine(f, engine, spec)...) //nolint:gosec,noctx // guests outlive any context
	cmd.Stdout, cmd.Stderr = output, output
	secrets, err := secretFiles(spec.Disks)
	defer closeAll(secrets)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = slices.Concat(files, taps, secrets)
	if err := confine.Start(cmd, confine.User{UID: spec.UID, Groups: engine.groups}); err != nil {
		return nil, failure(fmt.Errorf("execute %s: %w", d.cfg.Binary, err), nil)
	}
	if err := d.cgroups.place(spec, cmd.Process.Pid); err != nil {
		d.cfg.Log.Warn("guest runs without its control group", "guest", spec.ID, "err", err)
	}
	p, err := newProcess(f, spec, cmd.Process.Pid)
	if err != nil {
		cmd.Process.Kill() //nolint:errcheck // a child that was not waited for
		cmd.Wait()         //nolint:errcheck // it was killed
		d.cgroups.remove(spec)
		return nil, err
	}
	p.Child = cmd
	return p, nil
}

// run starts the process's goroutines.
func (d *Driver) run(g *guest, p *process) {
	d.tasks.Go(func() { p.converse(d.cfg.Log, d.hint) })
	d.tasks.Go(func() {
		if !p.Await() {
			return
		}
		p.folder.removeSockets()
		d.cgroups.remove(p.spec)
		g.drop(p)
		p.letGo()
		d.hint(g.id)
	})
}

// overheadMiB is what QEMU takes beside the guest's memory, generously.
func overheadMiB(memoryMiB int) int { return 256 + memoryMiB/16 }

// checkMemory returns ErrNoRoom if the host has too little memory left.
func checkMemory(memoryMiB int) error {
	available, err := availableMiB()
	if err != nil {
		return err
	}
	if need := memoryMiB + overheadMiB(memoryMiB); need > available {
		return fmt.Errorf("%w: %d MiB are available, %d needed", hypervisor.ErrNoRoom, available, need)
	}
	return nil
}

// availableMiB is the kernel's estimate of what can be had without swapping.
func availableMiB() (int, error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			return kib >> 10, err
		}
	}
	return 0, errors.Join(errors.New("/proc/meminfo has no MemAvailable"), lines.Err())
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() //nolint:errcheck // nothing was written
	}
}
