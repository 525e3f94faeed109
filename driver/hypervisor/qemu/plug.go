//go:build linux

package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

// askAgain is how long a guest may take to let go of a device before it is asked
// again: one that boots does not hear the first time.
const askAgain = 2 * time.Second

// turn waits until no other call changes the guest, and returns its process, and
// what ends the turn.
func (d *Driver) turn(ctx context.Context, id string) (*process, func(), error) {
	release, err := d.turns.Take(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	g := d.guest(id)
	if g == nil {
		release()
		return nil, nil, hypervisor.ErrNoGuest
	}
	p := g.process()
	if p == nil {
		release()
		return nil, nil, fmt.Errorf("%w with a process", hypervisor.ErrNoGuest)
	}
	return p, release, nil
}

// freeSlot returns a root port with nothing behind it.
func (p *process) freeSlot(ctx context.Context, devices map[string]string) (string, error) {
	taken := make(map[string]bool)
	for id, kind := range devices {
		if kind != diskKind && kind != nicKind {
			continue
		}
		var bus string
		err := p.do(ctx, "qom-get", arguments{"path": "/machine/peripheral/" + id, "property": "parent_bus"}, &bus)
		if err != nil {
			return "", err
		}
		taken[bus[strings.LastIndexByte(bus, '/')+1:]] = true
	}
	for i := 0; devices[slot(i)] == "pcie-root-port"; i++ {
		if !taken[slot(i)] {
			return slot(i), nil
		}
	}
	return "", fmt.Errorf("all %d slots are taken", len(taken))
}

// Unplug implements hypervisor.Driver. A guest that is halted or hung never
// lets go.
func (d *Driver) Unplug(ctx context.Context, id, device string) error {
	if err := d.takeFrom(ctx, id, func(p *process) error { return p.unplug(ctx, device) }); err != nil {
		return fmt.Errorf("unplug %s from %s: %w", device, id, err)
	}
	return nil
}

// takeFrom takes something from a guest in its turn. One without a process has nothing.
func (d *Driver) takeFrom(ctx context.Context, id string, take func(*process) error) error {
	p, release, err := d.turn(ctx, id)
	if errors.Is(err, hypervisor.ErrNoGuest) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	if err := take(p); !errors.Is(err, errEnded) {
		return err
	}
	return nil // and with the process its hold on the thing
}

func (p *process) unplug(ctx context.Context, device string) error {
	events, stop := p.listen()
	defer stop()
	for {
		devices, err := p.devices(ctx)
		if err != nil {
			return err
		}
		switch kind := devices[device]; kind {
		case "":
			return errors.Join(p.detach(ctx, device), p.dropNetdev(ctx, device))
		case diskKind, nicKind:
		default:
			return fmt.Errorf("a %s is neither a disk nor a card", kind)
		}
		// QEMU refuses while an earlier request is on its way.
		var refused *qmp.Error
		if err := p.do(ctx, "device_del", arguments{"id": device}, nil); err != nil && !errors.As(err, &refused) {
			return err
		}
		if err := p.awaitDeletion(ctx, events, device); err != nil {
			if refused != nil {
				err = fmt.Errorf("%w (%w)", err, refused)
			}
			return err
		}
	}
}

// awaitDeletion returns when the guest has let go, or it is time to ask again.
func (p *process) awaitDeletion(ctx context.Context, events <-chan qmp.Event, device string) error {
	again := time.NewTimer(askAgain)
	defer again.Stop()
	for {
		select {
		case e := <-events:
			var data struct {
				Device string `json:"device"`
			}
			if e.Name == "DEVICE_DELETED" && json.Unmarshal(e.Data, &data) == nil && data.Device == device {
				return nil
			}
		case <-again.C:
			return nil
		case <-p.ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("guest does not let go: %w", ctx.Err())
		}
	}
}
