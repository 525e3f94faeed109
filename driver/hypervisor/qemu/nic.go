//go:build linux

package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

// PlugNIC implements hypervisor.Driver: the tap goes to QEMU through its monitor.
func (d *Driver) PlugNIC(ctx context.Context, id string, nic hypervisor.NIC, tap *os.File) error {
	defer tap.Close() //nolint:errcheck // nothing was written to it
	if err := d.plugNIC(ctx, id, nic, tap); err != nil {
		return fmt.Errorf("plug %s into %s: %w", nic.ID, id, err)
	}
	return nil
}

func (d *Driver) plugNIC(ctx context.Context, id string, nic hypervisor.NIC, tap *os.File) error {
	if err := nic.Validate(); err != nil {
		return err
	}
	p, release, err := d.turn(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	devices, err := p.devices(ctx)
	if err != nil || devices[nic.ID] != "" {
		return err
	}
	slot, err := p.freeSlot(ctx, devices)
	if err != nil {
		return err
	}
	if err := p.dropNetdev(ctx, nic.ID); err != nil { // what an earlier try left
		return err
	}
	err = p.do(ctx, "getfd", arguments{"fdname": nic.ID}, nil, tap)
	if err == nil {
		err = p.do(ctx, "netdev_add", arguments{"type": "tap", "id": nic.ID, "fd": nic.ID}, nil)
	}
	if err == nil {
		err = p.do(ctx, "device_add", nicDevice(nic, slot), nil)
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), qmp.Patience)
		defer cancel()
		return errors.Join(err, p.dropNetdev(undo, nic.ID))
	}
	return nil
}

// dropNetdev removes what is behind a card, and a tap that was passed and not taken,
// which closes the tap; nil if they are not there. The card must be gone.
func (p *process) dropNetdev(ctx context.Context, nic string) error {
	for command, args := range map[string]arguments{"netdev_del": {"id": nic}, "closefd": {"fdname": nic}} {
		var refused *qmp.Error // there is none
		if err := p.do(ctx, command, args, nil); err != nil && !errors.As(err, &refused) {
			return err
		}
	}
	return nil
}
