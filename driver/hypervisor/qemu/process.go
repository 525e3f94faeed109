//go:build linux

package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
	handle "github.com/vauban-cloud/vauban/driver/internal/process"
)

var errEnded = errors.New("guest's process has ended")

// process is one QEMU, from its start to its end. Two goroutines belong to it:
// await, which sees its end, and converse, which keeps the monitor connected.
type process struct {
	folder folder
	spec   hypervisor.Spec
	*handle.Handle
	ended chan struct{} // closed by guest.drop
	left  chan struct{} // closed by letGo: the driver is closed
	leave sync.Once

	mu        sync.Mutex
	monitor   *qmp.Client             // guarded by mu; nil while not connected
	connected chan struct{}           // guarded by mu; closed while monitor is not nil
	refused   error                   // guarded by mu: why QEMU would not run the guest
	listeners map[chan qmp.Event]bool // guarded by mu
	starved   bool                    // guarded by mu: it waits for disk space
	resumed   time.Time               // guarded by mu: when it was last let go on after that
	seen      hypervisor.Guest        // guarded by mu: as seen last
}

// newProcess returns the process of that number. The caller vouches that the
// number is the guest's: it is an unreaped child, or is checked afterwards.
func newProcess(f folder, spec hypervisor.Spec, pid int) (*process, error) {
	h, err := handle.Open(pid)
	if err != nil {
		return nil, err
	}
	p := &process{
		folder: f, spec: spec, Handle: h,
		ended: make(chan struct{}), left: make(chan struct{}), connected: make(chan struct{}),
		listeners: make(map[chan qmp.Event]bool), seen: hypervisor.Guest{State: hypervisor.Running},
	}
	for _, disk := range spec.Disks {
		p.seen.Disks = append(p.seen.Disks, disk.ID)
	}
	for _, nic := range spec.NICs {
		p.seen.NICs = append(p.seen.NICs, nic.ID)
	}
	return p, nil
}

// name is what QEMU calls the guest: the folder's path, by which a process is
// found again. QEMU's options double commas.
func (f folder) name() string { return strings.ReplaceAll(string(f), ",", ",,") }

// findProcesses returns the numbers of the processes that bear a guest's name,
// by that name.
func findProcesses() (map[string][]int, error) {
	found := make(map[string][]int)
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if name := nameOf(pid); name != "" {
			found[name] = append(found[name], pid)
		}
	}
	return found, nil
}

// nameOf returns what follows "-name" on the process's command line.
func nameOf(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return "" // it has ended
	}
	_, after, ok := bytes.Cut(line, []byte("\x00-name\x00"))
	if !ok {
		return ""
	}
	name, _, _ := bytes.Cut(after, []byte{0})
	return string(name)
}

// runsAs reports whether the process is the user's, and nobody else's in part.
func runsAs(pid, uid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			want := strconv.Itoa(uid)
			return strings.Join(strings.Fields(ids), " ") == strings.Join([]string{want, want, want, want}, " ")
		}
	}
	return false
}

// hasEnded reports whether the process has ended and was cleaned up after.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// letGo ends what this process has to do with the guest's.
func (p *process) letGo() {
	p.leave.Do(func() {
		close(p.left)
		p.Close()
	})
}

// end kills the process and waits until nothing is left of it.
func (p *process) end(ctx context.Context) error {
	if p.hasEnded() {
		return nil
	}
	if err := p.Kill(); err != nil && !p.hasEnded() {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of process %d: %w", p.PID, ctx.Err())
	}
}

// tidy bounds the process's outputs, and wakes it if it waits for disk space.
func (p *process) tidy(log *slog.Logger) {
	for _, name := range []string{"console.log", "qemu.log"} {
		if err := p.folder.trim(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn("output of a guest cannot be trimmed", "guest", p.spec.ID, "err", err)
		}
	}
	if err := p.feed(); err != nil {
		log.Warn("guest that waited for disk space was not resumed", "guest", p.spec.ID, "err", err)
	}
}
