package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// seen is what is to be reported of an instance placed here.
func (a *Agent) seen(w *World, i *cloud.Instance) cloud.InstanceSeen {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.remember(i.ID)
	g, known := w.guests[i.ID]
	now := i.Seen
	now.Cards = strings.Join(slices.Sorted(slices.Values(g.NICs)), ",")
	this := g.Starts == i.Starts && g.State != hypervisor.Absent
	switch {
	case this && g.State == hypervisor.Running:
		m.alive, m.trying = i.Starts, time.Time{}
		now.Running, now.Starts, now.Ended, now.Halted, now.Failed, now.Error = true, i.Starts, false, false, false, ""
		now.Reboots = max(now.Reboots, m.rebooted)
		if i.Seen.Starts != i.Starts {
			now.Reboots = i.Reboots // a fresh start is as good as any reboot asked for before
		}
	case this && i.Reboots > max(i.Seen.Reboots, m.rebooted) && i.Want == cloud.PowerRunning:
		// halted on its way through a reboot
	case this && i.Want == cloud.PowerRunning:
		now = ended(i, now, "")
		now.Halted = true
	case this: // halted as asked; it has ended once its process is gone
	case i.Ended():
	case m.failed == i.Starts:
		now = ended(i, now, m.why)
		now.Failed = true
	case i.Want != cloud.PowerRunning && g.State == hypervisor.Absent:
		now = ended(i, now, "")
	case i.Want == cloud.PowerRunning && m.alive == i.Starts:
		now = ended(i, now, "Server.InternalError: The guest's process ended unexpectedly")
	default:
		now.Running = false
	}
	now.Gone = i.Want == cloud.PowerTerminated && !known
	return now
}

func ended(i *cloud.Instance, s cloud.InstanceSeen, why string) cloud.InstanceSeen {
	s.Running, s.Starts, s.Ended, s.Halted, s.Failed, s.Error = false, i.Starts, true, false, false, why
	return s
}

// busy reports whether the instance needs a step.
func (a *Agent) busy(w *World, id string) bool {
	i, g := w.instances[id], w.guests[id]
	if i.Host != a.cfg.Host {
		return g.State != hypervisor.Absent
	}
	switch i.Want {
	case cloud.PowerTerminated:
		return !i.Seen.Gone
	case cloud.PowerStopped:
		return g.State != hypervisor.Absent
	default:
		if i.Ended() {
			return g.State != hypervisor.Absent
		}
		return g.State != hypervisor.Running || g.Starts != i.Starts || i.Reboots > i.Seen.Reboots
	}
}

// guest takes the next step for a guest: the reconciler of the guest loop. What
// came of a step, another round sees; while there is but to wait for something,
// another round would find the same, and lead here again at once.
func (a *Agent) guest(ctx context.Context, w *World, id string) (time.Duration, error) {
	wait, err := a.guestStep(ctx, w, id)
	if wait == 0 {
		a.again()
	}
	return wait, err
}

// guestStep takes a step, or says how long to wait.
func (a *Agent) guestStep(ctx context.Context, w *World, id string) (time.Duration, error) {
	i, g := w.instances[id], w.guests[id]
	if i == nil {
		// Documents outlive their guests, so a guest without one was left by a
		// crash in the middle of its removal.
		return 0, a.remove(ctx, w, id)
	}
	if i.Host != a.cfg.Host {
		return 0, a.kill(ctx, w, id)
	}
	over := i.Ended()
	switch {
	case i.Want == cloud.PowerTerminated:
		return a.terminate(ctx, w, i, g)
	case i.Want == cloud.PowerStopped:
		return a.stop(ctx, w, i, g, a.cfg.StopGrace)
	case g.State != hypervisor.Absent && (over || g.Starts != i.Starts):
		return 0, a.kill(ctx, w, id)
	case over:
		return 0, nil
	case g.State == hypervisor.Absent:
		return a.start(ctx, w, i)
	case i.Reboots > i.Seen.Reboots:
		return a.reboot(ctx, w, i, g)
	}
	return 0, nil
}

// power is Driver.Power, for which a guest that is no more is no fault.
func (a *Agent) power(ctx context.Context, id string, action hypervisor.Action) error {
	err := a.cfg.Hypervisor.Power(ctx, id, action)
	if errors.Is(err, hypervisor.ErrNoGuest) {
		return nil
	}
	return err
}

// kill ends the guest's process, and takes its disks back from its user, who
// may be another guest's next.
func (a *Agent) kill(ctx context.Context, w *World, id string) error {
	if err := a.power(ctx, id, hypervisor.Kill); err != nil {
		return err
	}
	return a.takeBack(ctx, w.disksOf[id])
}

// remove removes the guest, and takes its disks back.
func (a *Agent) remove(ctx context.Context, w *World, id string) error {
	if err := a.cfg.Hypervisor.Remove(ctx, id); err != nil {
		return err
	}
	return a.takeBack(ctx, w.disksOf[id])
}

// stop asks the guest to shut down, again and again since a booting guest does
// not hear it, and ends it when the grace is over.
func (a *Agent) stop(ctx context.Context, w *World, i *cloud.Instance, g hypervisor.Guest, grace time.Duration) (time.Duration, error) {
	if g.State == hypervisor.Absent {
		return 0, nil
	}
	if i.Force || g.State == hypervisor.Halted {
		return 0, a.kill(ctx, w, i.ID)
	}
	const pressAgain = 5 * time.Second
	now := a.cfg.Now()
	a.mu.Lock()
	m := a.remember(i.ID)
	if m.pressed.IsZero() {
		m.pressed = now
	}
	waited, press := now.Sub(m.pressed), now.Sub(m.press) >= pressAgain
	if press {
		m.press = now
	}
	a.mu.Unlock()
	switch {
	case waited >= grace:
		return 0, a.kill(ctx, w, i.ID)
	case press:
		if err := a.power(ctx, i.ID, hypervisor.Shutdown); err != nil {
			return 0, err
		}
	}
	return min(pressAgain, grace-waited), nil
}

// terminate removes the guest; one with a volume that outlives it may first
// write back what it holds.
func (a *Agent) terminate(ctx context.Context, w *World, i *cloud.Instance, g hypervisor.Guest) (time.Duration, error) {
	for _, v := range w.disksOf[i.ID] {
		if !v.Attachment.DeleteOnTermination && g.State == hypervisor.Running {
			return a.stop(ctx, w, i, g, a.cfg.StopGrace/2)
		}
	}
	if _, known := w.guests[i.ID]; !known {
		return 0, nil
	}
	return 0, a.remove(ctx, w, i.ID)
}

// reboot asks the guest to shut down, and restarts its processor when it has,
// or when the grace is over, as EC2 does. In between, the snapshots are taken that are to
// show what the guest left.
func (a *Agent) reboot(ctx context.Context, w *World, i *cloud.Instance, g hypervisor.Guest) (time.Duration, error) {
	a.mu.Lock()
	m := a.remember(i.ID)
	done := m.rebooted >= i.Reboots
	if m.pressed.IsZero() && g.State == hypervisor.Halted {
		m.pressed = a.cfg.Now() // it shut down by itself
	}
	late := !m.pressed.IsZero() && a.cfg.Now().Sub(m.pressed) >= a.cfg.StopGrace
	a.mu.Unlock()
	switch {
	case done:
		return 0, nil
	case g.State == hypervisor.Halted || late:
		if err := a.takeAtReboot(ctx, w, i); err != nil && !late { // once late, they are taken of the guest as it runs
			return 0, err
		}
		if err := a.power(ctx, i.ID, hypervisor.Reset); err != nil {
			return 0, err
		}
		a.mu.Lock()
		m.rebooted, m.pressed, m.press = i.Reboots, time.Time{}, time.Time{}
		a.mu.Unlock()
		return 0, nil
	}
	return a.stop(ctx, w, i, g, 2*a.cfg.StopGrace)
}

// start runs the guest once its disks and ports are there.
func (a *Agent) start(ctx context.Context, w *World, i *cloud.Instance) (time.Duration, error) {
	a.mu.Lock()
	m := a.remember(i.ID)
	if m.started >= w.round { // this look is older than the last start
		a.mu.Unlock()
		return 0, nil
	}
	if m.trying.IsZero() {
		m.trying = a.cfg.Now()
	}
	m.pressed, m.press = time.Time{}, time.Time{}
	late := a.cfg.Now().Sub(m.trying) > a.cfg.StartLimit
	a.mu.Unlock()

	for _, v := range w.disksOf[i.ID] {
		if v.Seen.Error != "" {
			a.giveUp(i, v.Seen.Error)
			return 0, nil
		}
	}
	ready, err := a.tryStart(ctx, w, i)
	switch {
	case errors.Is(err, hypervisor.ErrNoRoom):
		a.giveUp(i, "Server.InsufficientInstanceCapacity: "+err.Error())
		return 0, nil
	case err != nil && late:
		a.giveUp(i, "Server.InternalError: "+err.Error())
		return 0, nil
	case err != nil:
		return 0, err
	case !ready && late:
		a.giveUp(i, "Server.InternalError: The disks or the network of the guest could not be made in time")
		return 0, nil
	case !ready:
		return 250 * time.Millisecond, nil
	}
	a.mu.Lock()
	m.started = a.rounds.Load()
	a.mu.Unlock()
	return 0, nil
}

// giveUp has the next report say that this start failed.
func (a *Agent) giveUp(i *cloud.Instance, why string) {
	a.cfg.Log.Error("guest cannot be started", "instance", i.ID, "why", why)
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.remember(i.ID)
	m.failed, m.why, m.trying = i.Starts, why, time.Time{}
}

func (a *Agent) tryStart(ctx context.Context, w *World, i *cloud.Instance) (ready bool, err error) {
	for _, v := range w.disksOf[i.ID] {
		if !v.Seen.Ready {
			return false, nil
		}
	}
	for _, n := range w.nicsOf[i.ID] {
		if !n.Attachment.Detach && !a.hasPort(n) {
			return false, nil
		}
	}
	var volumes []string
	for _, v := range w.disksOf[i.ID] {
		volumes = append(volumes, v.ID)
	}
	defer a.locks.take(volumes...)()
	spec, err := a.spec(ctx, w, i)
	if err != nil {
		return false, err
	}
	taps := make([]*os.File, 0, len(spec.NICs))
	for _, n := range spec.NICs {
		tap, err := a.cfg.Network.Tap(ctx, i.VPC, n.ID)
		if err != nil {
			for _, t := range taps {
				_ = t.Close() // nothing was written to it
			}
			return false, fmt.Errorf("open port %s: %w", n.ID, err)
		}
		taps = append(taps, tap)
	}
	if err := a.cfg.Hypervisor.Start(ctx, spec, taps); err != nil {
		return false, fmt.Errorf("start %s: %w", i.ID, err)
	}
	return true, nil
}

// spec says how to run the instance.
func (a *Agent) spec(ctx context.Context, w *World, i *cloud.Instance) (hypervisor.Spec, error) {
	t, ok := cloud.FindInstanceType(i.Type)
	if !ok {
		return hypervisor.Spec{}, fmt.Errorf("instance type %q is not known", i.Type)
	}
	spec := hypervisor.Spec{
		ID: i.ID, Starts: i.Starts, VCPUs: t.VCPUs, MemoryMiB: t.MemoryMiB, UID: a.cfg.UIDBase + i.Slot,
	}
	for _, v := range w.disksOf[i.ID] {
		if v.Attachment.Detach {
			continue
		}
		d, err := a.open(ctx, v, spec.UID)
		if err != nil {
			return spec, err
		}
		spec.Disks = append(spec.Disks, d)
	}
	for _, n := range w.nicsOf[i.ID] {
		if !n.Attachment.Detach {
			spec.NICs = append(spec.NICs, cardOf(n))
		}
	}
	if img, ok := w.Images[i.Image]; ok && img.Direct {
		kernel, initrd, err := a.cfg.Images.Boot(ctx, img.BootImage())
		if err != nil {
			return spec, fmt.Errorf("kernel of %s: %w", img.ID, err)
		}
		spec.Kernel, spec.Initrd, spec.Append = kernel, initrd, img.KernelArgs
	}
	return spec, nil
}
