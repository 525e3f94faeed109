//go:build linux

package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

const (
	quitPatience  = 3 * time.Second // for a process to close its disks before it is killed
	resetPatience = 5 * time.Second // for a processor to be reset
)

// Power implements hypervisor.Driver.
func (d *Driver) Power(ctx context.Context, id string, action hypervisor.Action) error {
	if err := d.power(ctx, id, action); err != nil {
		return fmt.Errorf("change power of %s: %w", id, err)
	}
	return nil
}

func (d *Driver) power(ctx context.Context, id string, action hypervisor.Action) error {
	release, err := d.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	g := d.guest(id)
	if g == nil {
		return hypervisor.ErrNoGuest
	}
	p := g.process()
	switch action {
	case hypervisor.Shutdown:
		if p == nil {
			return nil
		}
		if err := p.do(ctx, "system_powerdown", nil, nil); !errors.Is(err, errEnded) {
			return err
		}
		return nil
	case hypervisor.Reset:
		if p == nil {
			return fmt.Errorf("%w with a process", hypervisor.ErrNoGuest)
		}
		return p.reset(ctx)
	case hypervisor.Kill:
		if p == nil {
			return nil
		}
		return p.quit(ctx)
	default:
		return fmt.Errorf("action %d is not known", action)
	}
}

// reset restarts the processor; one that has halted must also be let go again.
func (p *process) reset(ctx context.Context) error {
	events, stop := p.listen()
	defer stop()
	if err := p.do(ctx, "system_reset", nil, nil); err != nil {
		return err
	}
	patience := time.NewTimer(resetPatience)
	defer patience.Stop()
	for waiting := true; waiting; {
		select {
		case e := <-events:
			waiting = e.Name != "RESET"
		case <-patience.C:
			waiting = false // the status tells
		case <-p.ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	status, err := p.status(ctx)
	if err != nil || status == "running" {
		return err
	}
	return p.do(ctx, "cont", nil, nil)
}

// quit ends the process: it may close its disks in order, but not take its time.
func (p *process) quit(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, quitPatience)
	defer cancel()
	if err := p.do(wait, "quit", nil, nil); err == nil {
		select {
		case <-p.ended:
			return nil
		case <-wait.Done():
		}
	}
	return p.end(ctx)
}

// Remove implements hypervisor.Driver.
func (d *Driver) Remove(ctx context.Context, id string) error {
	if err := d.remove(ctx, id); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

func (d *Driver) remove(ctx context.Context, id string) error {
	release, err := d.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	g := d.guest(id)
	if g == nil {
		return nil
	}
	if p := g.process(); p != nil {
		if err := p.quit(ctx); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(string(g.folder)); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.guests, id)
	d.mu.Unlock()
	return nil
}
