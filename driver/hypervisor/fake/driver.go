package fake

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// consoleSize is what Console keeps, as the interface promises.
const consoleSize = 64 << 10

// Driver runs simulated guests. It implements hypervisor.Driver and
// hypervisor.Console.
type Driver struct {
	host    *Host
	changed chan string
}

// Host returns the machine that the driver works on, to make things happen there.
func (d *Driver) Host() *Host { return d.host }

// change runs fn, which changes something, as the guest's only call, between
// the injected faults and after the delay. fn runs with host.mu held.
func (d *Driver) change(ctx context.Context, op, id string, delay time.Duration, fn func() error) error {
	h := d.host
	release, err := h.turns.Take(ctx, id)
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, id, err)
	}
	defer release()
	if err := h.cfg.Before(op, id); err != nil {
		return fmt.Errorf("%s %s: %w", op, id, err)
	}
	if delay > 0 {
		if err := h.cfg.Clock.Sleep(ctx, delay); err != nil {
			return fmt.Errorf("%s %s: %w", op, id, err)
		}
	}
	h.mu.Lock()
	err = fn()
	h.mu.Unlock()
	if err == nil {
		err = h.cfg.After(op, id)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", op, id, err)
	}
	return nil
}

// Start implements hypervisor.Driver.
func (d *Driver) Start(ctx context.Context, spec hypervisor.Spec, taps []*os.File) error {
	defer func() {
		for _, tap := range taps {
			tap.Close() //nolint:errcheck // nothing was written to it
		}
	}()
	if err := spec.Validate(); err != nil {
		return fmt.Errorf("start %s: %w", spec.ID, err)
	}
	if len(taps) != len(spec.NICs) {
		return fmt.Errorf("start %s: %d taps for %d cards", spec.ID, len(taps), len(spec.NICs))
	}
	h := d.host
	return d.change(ctx, "start", spec.ID, h.cfg.Latency.Start, func() error {
		g := h.guests[spec.ID]
		if g != nil && g.state != hypervisor.Absent {
			return nil
		}
		if h.cfg.MemoryMiB > 0 && h.usedMiB+spec.MemoryMiB > h.cfg.MemoryMiB {
			return fmt.Errorf("%w: %d of %d MiB are in use", hypervisor.ErrNoRoom, h.usedMiB, h.cfg.MemoryMiB)
		}
		if g == nil {
			g = &guest{}
			h.guests[spec.ID] = g
		}
		h.usedMiB += spec.MemoryMiB
		h.lastPID++
		g.spec, g.state, g.pid = spec, hypervisor.Running, h.lastPID
		g.disks, g.nics = slices.Clone(spec.Disks), slices.Clone(spec.NICs)
		g.write(fmt.Sprintf("boot %d of %s\n", spec.Starts, spec.ID))
		return nil
	})
}

// Power implements hypervisor.Driver.
func (d *Driver) Power(ctx context.Context, id string, action hypervisor.Action) error {
	h := d.host
	return d.change(ctx, "power", id, 0, func() error {
		g := h.guests[id]
		if g == nil || g.state == hypervisor.Absent && action == hypervisor.Reset {
			return hypervisor.ErrNoGuest
		}
		switch action {
		case hypervisor.Shutdown:
			h.press(g)
		case hypervisor.Reset:
			if g.state == hypervisor.Halted {
				h.hint(id)
			}
			g.state = hypervisor.Running
			g.write("reset\n")
		case hypervisor.Kill:
			h.end(g)
		default:
			return fmt.Errorf("action %d is not known", action)
		}
		return nil
	})
}

// press is the power button: a running guest that listens halts some time later.
func (h *Host) press(g *guest) {
	if g.state != hypervisor.Running || g.sleeps {
		return
	}
	id, pid := g.spec.ID, g.pid
	if h.cfg.Latency.Shutdown <= 0 {
		h.halt(g)
		return
	}
	h.cfg.Clock.AfterFunc(h.cfg.Latency.Shutdown, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if g := h.guests[id]; g != nil && g.pid == pid && g.state == hypervisor.Running {
			h.halt(g)
		}
	})
}

// halt and end change a guest's state; call with h.mu held.
func (h *Host) halt(g *guest) {
	g.state = hypervisor.Halted
	g.write("power down\n")
	h.hint(g.spec.ID)
}

func (h *Host) end(g *guest) {
	if g.state == hypervisor.Absent {
		return
	}
	h.usedMiB -= g.spec.MemoryMiB
	g.state, g.pid, g.disks, g.nics = hypervisor.Absent, 0, nil, nil
	h.hint(g.spec.ID)
}

// Plug implements hypervisor.Driver.
func (d *Driver) Plug(ctx context.Context, id string, disk hypervisor.Disk) error {
	if err := disk.Validate(); err != nil {
		return fmt.Errorf("plug into %s: %w", id, err)
	}
	h := d.host
	return d.change(ctx, "plug", id, h.cfg.Latency.Plug, func() error {
		g := h.guests[id]
		if g == nil || g.state == hypervisor.Absent {
			return hypervisor.ErrNoGuest
		}
		if i := g.index(disk.ID); i >= 0 {
			g.disks[i] = disk
		} else {
			g.disks = append(g.disks, disk)
		}
		return nil
	})
}

// Switch implements hypervisor.Driver.
func (d *Driver) Switch(ctx context.Context, id string, disks []hypervisor.Disk) error {
	h := d.host
	return d.change(ctx, "switch", id, h.cfg.Latency.Plug, func() error {
		g := h.guests[id]
		if g == nil || g.state == hypervisor.Absent {
			return hypervisor.ErrNoGuest
		}
		for _, disk := range disks {
			if err := disk.Validate(); err != nil {
				return err
			}
			i := g.index(disk.ID)
			if i < 0 {
				return fmt.Errorf("disk %s is not plugged in", disk.ID)
			}
			g.disks[i] = disk
		}
		return nil
	})
}

// Grow implements hypervisor.Driver.
func (d *Driver) Grow(ctx context.Context, id, disk string, bytes int64) error {
	h := d.host
	return d.change(ctx, "grow", id, h.cfg.Latency.Plug, func() error {
		g := h.guests[id]
		switch {
		case bytes <= 0 || bytes%512 != 0:
			return fmt.Errorf("%d bytes are no size", bytes)
		case g == nil || g.state == hypervisor.Absent:
			return hypervisor.ErrNoGuest
		case g.index(disk) < 0:
			return fmt.Errorf("disk %s is not plugged in", disk)
		}
		return nil
	})
}

// PlugNIC implements hypervisor.Driver.
func (d *Driver) PlugNIC(ctx context.Context, id string, nic hypervisor.NIC, tap *os.File) error {
	defer tap.Close() //nolint:errcheck // nothing was written to it
	if err := nic.Validate(); err != nil {
		return fmt.Errorf("plug into %s: %w", id, err)
	}
	h := d.host
	return d.change(ctx, "plug", id, h.cfg.Latency.Plug, func() error {
		g := h.guests[id]
		if g == nil || g.state == hypervisor.Absent {
			return hypervisor.ErrNoGuest
		}
		if g.card(nic.ID) < 0 {
			g.nics = append(g.nics, nic)
		}
		return nil
	})
}

// Unplug implements hypervisor.Driver.
func (d *Driver) Unplug(ctx context.Context, id, device string) error {
	h := d.host
	const poll = 10 * time.Millisecond
	for {
		var clings bool
		err := d.change(ctx, "unplug", id, h.cfg.Latency.Unplug, func() error {
			g := h.guests[id]
			if g == nil {
				return nil
			}
			i, k := g.index(device), g.card(device)
			clings = (i >= 0 || k >= 0) && (g.clings || g.state == hypervisor.Halted)
			switch {
			case clings:
			case i >= 0:
				g.disks = slices.Delete(g.disks, i, i+1)
			case k >= 0:
				g.nics = slices.Delete(g.nics, k, k+1)
			}
			return nil
		})
		if err != nil || !clings {
			return err
		}
		if err := h.cfg.Clock.Sleep(ctx, poll); err != nil {
			return fmt.Errorf("unplug %s from %s: guest does not let go: %w", device, id, err)
		}
	}
}

// Pull implements hypervisor.Driver.
func (d *Driver) Pull(ctx context.Context, id, disk string) error {
	h := d.host
	return d.change(ctx, "pull", id, h.cfg.Latency.Unplug, func() error {
		if g := h.guests[id]; g != nil {
			g.disks = slices.DeleteFunc(g.disks, func(d hypervisor.Disk) bool { return d.ID == disk })
		}
		return nil
	})
}

// List implements hypervisor.Driver.
func (d *Driver) List(ctx context.Context) ([]hypervisor.Guest, error) {
	h := d.host
	if err := h.cfg.Before("list", ""); err != nil {
		return nil, fmt.Errorf("list guests: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]hypervisor.Guest, 0, len(h.guests))
	for id, g := range h.guests {
		seen := hypervisor.Guest{ID: id, State: g.state, PID: g.pid}
		if g.state != hypervisor.Absent {
			seen.Starts = g.spec.Starts
		}
		for _, disk := range g.disks {
			seen.Disks = append(seen.Disks, disk.ID)
		}
		for _, nic := range g.nics {
			seen.NICs = append(seen.NICs, nic.ID)
		}
		list = append(list, seen)
	}
	slices.SortFunc(list, func(a, b hypervisor.Guest) int { return strings.Compare(a.ID, b.ID) })
	return list, ctx.Err()
}

// Remove implements hypervisor.Driver.
func (d *Driver) Remove(ctx context.Context, id string) error {
	h := d.host
	return d.change(ctx, "remove", id, 0, func() error {
		if g := h.guests[id]; g != nil {
			h.end(g)
			delete(h.guests, id)
		}
		return nil
	})
}

// Console implements hypervisor.Console.
func (d *Driver) Console(_ context.Context, id string) ([]byte, error) {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	g := d.host.guests[id]
	if g == nil {
		return nil, fmt.Errorf("console of %s: %w", id, hypervisor.ErrNoGuest)
	}
	return slices.Clone(g.console), nil
}

// Changed implements hypervisor.Console.
func (d *Driver) Changed() <-chan string { return d.changed }

// Probe implements hypervisor.Console.
func (d *Driver) Probe(context.Context) (version, accel string, err error) {
	return "fake", "tcg", nil
}

func (g *guest) index(disk string) int {
	return slices.IndexFunc(g.disks, func(d hypervisor.Disk) bool { return d.ID == disk })
}

func (g *guest) card(nic string) int {
	return slices.IndexFunc(g.nics, func(n hypervisor.NIC) bool { return n.ID == nic })
}

func (g *guest) write(text string) {
	g.console = append(g.console, text...)
	if over := len(g.console) - consoleSize; over > 0 {
		g.console = slices.Delete(g.console, 0, over)
	}
}
