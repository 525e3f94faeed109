//go:build linux

// Package qemu runs guests in QEMU processes that it drives by QMP.
//
// It guarantees, beside the contract of hypervisor.Driver:
//   - A guest's process is the guest's whole state here. It outlives the driver's
//     process, and a new Driver on the same folder finds it again by its name and
//     user, never by a number that another process may bear by then.
//   - A guest's process has no power but over its own files: own user, no
//     capabilities, QEMU's seccomp filter, empty namespaces, its network cards and
//     sockets inherited as open files. It cannot even look into the driver's folder.
//   - What a guest says is bounded: console and error output on disk, QMP
//     messages in memory.
//
// It needs Linux and QEMU 7.2 or later; root to separate guests from each other.
// While no Driver is open, console output is not bounded, and a guest that ran
// out of disk space is not resumed.
package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/internal/lock"
	"github.com/vauban-cloud/vauban/driver/internal/turn"
)

// ErrInUse says that another Driver, perhaps of another process, is open on the folder.
var ErrInUse = lock.ErrHeld

// Config is how a Driver works.
type Config struct {
	Dir     string           // the driver's own folder, absolute; made if missing
	Binary  string           // of QEMU; empty: "qemu-system-x86_64"
	Machine string           // QEMU's machine type, pinned so that guests see the same hardware after an upgrade; empty: "pc-q35-7.2"
	Accel   string           // "kvm", "tcg", or empty: KVM if it really runs guest code
	Cgroup  string           // control group, below the root, of all guests'; empty: "vauban-" and a digest of Dir
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
}

// tidyEvery is how often a Driver looks after what guests cannot be trusted with.
const tidyEvery = 5 * time.Second

// Driver runs guests in QEMU. It implements hypervisor.Driver and hypervisor.Console.
type Driver struct {
	cfg     Config
	lock    *lock.Lock // on Dir, while the driver is open
	cgroups cgroups
	engine  func() (engine, error) // probes once
	turns   turn.Turns             // by guest ID: calls for one guest come one by one
	changed chan string
	closed  chan struct{}
	tasks   sync.WaitGroup // goroutines that end after closed is

	mu     sync.Mutex
	guests map[string]*guest // guarded by mu
}

var (
	_ hypervisor.Driver  = (*Driver)(nil)
	_ hypervisor.Console = (*Driver)(nil)
)

// New opens the folder and finds the guests that run. ErrInUse if another
// Driver has it.
func New(cfg Config) (*Driver, error) {
	if !filepath.IsAbs(cfg.Dir) {
		return nil, fmt.Errorf("open hypervisor: folder %q is not absolute", cfg.Dir)
	}
	if cfg.Binary == "" {
		cfg.Binary = "qemu-system-x86_64"
	}
	if cfg.Machine == "" {
		cfg.Machine = "pc-q35-7.2"
	}
	if cfg.Cgroup == "" {
		digest := sha256.Sum256([]byte(cfg.Dir))
		cfg.Cgroup = "vauban-" + hex.EncodeToString(digest[:4])
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open hypervisor: %w", err)
	}
	held, err := lock.Take(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open hypervisor: %w", err)
	}
	d := &Driver{
		cfg: cfg, lock: held, cgroups: findCgroups(cfg.Cgroup),
		changed: make(chan string, 1024), closed: make(chan struct{}), guests: make(map[string]*guest),
	}
	d.engine = sync.OnceValues(func() (engine, error) { return findEngine(cfg) })
	if err := d.adopt(); err != nil {
		d.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("open hypervisor: adopt guests: %w", err)
	}
	d.tasks.Go(d.tidy)
	return d, nil
}

// Close lets go of the folder. Guests run on. Calls that are under way must have
// returned.
func (d *Driver) Close() error {
	close(d.closed)
	d.mu.Lock()
	for _, g := range d.guests {
		if p := g.process(); p != nil {
			p.letGo()
		}
	}
	d.mu.Unlock()
	d.tasks.Wait()
	return d.lock.Release()
}

// Changed implements hypervisor.Console.
func (d *Driver) Changed() <-chan string { return d.changed }

func (d *Driver) hint(id string) {
	select {
	case d.changed <- id:
	default: // hints may be lost
	}
}

// List implements hypervisor.Driver.
func (d *Driver) List(ctx context.Context) ([]hypervisor.Guest, error) {
	d.mu.Lock()
	guests := make([]*guest, 0, len(d.guests))
	for _, g := range d.guests {
		guests = append(guests, g)
	}
	d.mu.Unlock()
	list := make([]hypervisor.Guest, len(guests))
	var wg sync.WaitGroup
	atOnce := make(chan struct{}, 32)
	for i, g := range guests {
		atOnce <- struct{}{}
		wg.Go(func() {
			list[i] = g.look(ctx)
			<-atOnce
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list guests: %w", err)
	}
	slices.SortFunc(list, func(a, b hypervisor.Guest) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// guest returns the guest of that ID, nil if it is not known.
func (d *Driver) guest(id string) *guest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guests[id]
}

// tidy looks after the guests' outputs, and wakes those that wait for disk
// space, until the driver is closed.
func (d *Driver) tidy() {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-d.closed:
			return
		}
		d.mu.Lock()
		guests := make([]*guest, 0, len(d.guests))
		for _, g := range d.guests {
			guests = append(guests, g)
		}
		d.mu.Unlock()
		for _, g := range guests {
			if p := g.process(); p != nil {
				p.tidy(d.cfg.Log)
			}
		}
	}
}
