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

// askAgain is how long a guest may take to let go of a disk before it is asked
// again: one that boots does not hear the first time.
const askAgain = 2 * time.Second

// Plug implements hypervisor.Driver. A disk that is plugged in takes on new limits.
func (d *Driver) Plug(ctx context.Context, id string, disk hypervisor.Disk) error {
	if err := d.plug(ctx, id, disk); err != nil {
		return fmt.Errorf("plug %s into %s: %w", disk.ID, id, err)
	}
	return nil
}

func (d *Driver) plug(ctx context.Context, id string, disk hypervisor.Disk) error {
	if err := disk.Validate(); err != nil {
		return err
	}
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
	if p == nil {
		return fmt.Errorf("%w with a process", hypervisor.ErrNoGuest)
	}
	devices, err := p.devices(ctx)
	if err != nil {
		return err
	}
	if devices[disk.ID] != "" {
		return p.do(ctx, "qom-set", arguments{"path": "/objects/" + disk.ID, "property": "limits", "value": limits(disk)}, nil)
	}
	slot, err := p.freeSlot(ctx, devices)
	if err != nil {
		return err
	}
	if err := p.detach(ctx, disk.ID); err != nil { // what an earlier try left
		return err
	}
	err = p.do(ctx, "object-add", limitObject(disk), nil)
	if err == nil {
		err = p.do(ctx, "blockdev-add", diskNode(disk), nil)
	}
	if err == nil {
		err = p.do(ctx, "device_add", diskDevice(disk, slot), nil)
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), qmp.Patience)
		defer cancel()
		return errors.Join(err, p.detach(undo, disk.ID))
	}
	return nil
}

// freeSlot returns a root port with nothing behind it.
func (p *process) freeSlot(ctx context.Context, devices map[string]string) (string, error) {
	taken := make(map[string]bool)
	for id, kind := range devices {
		if kind != "virtio-blk-pci" && kind != "virtio-net-pci" {
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
func (d *Driver) Unplug(ctx context.Context, id, disk string) error {
	if err := d.unplug(ctx, id, disk); err != nil {
		return fmt.Errorf("unplug %s from %s: %w", disk, id, err)
	}
	return nil
}

func (d *Driver) unplug(ctx context.Context, id, disk string) error {
	release, err := d.turns.Take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	g := d.guest(id)
	if g == nil {
		return nil
	}
	p := g.process()
	if p == nil {
		return nil
	}
	err = p.unplug(ctx, disk)
	if errors.Is(err, errEnded) {
		return nil // and with the process its hold on the disk
	}
	return err
}

func (p *process) unplug(ctx context.Context, disk string) error {
	events, stop := p.listen()
	defer stop()
	for {
		devices, err := p.devices(ctx)
		if err != nil {
			return err
		}
		if devices[disk] == "" {
			return p.detach(ctx, disk)
		}
		if devices[disk] != "virtio-blk-pci" {
			return fmt.Errorf("a %s is not a disk", devices[disk])
		}
		// QEMU refuses while an earlier request is on its way.
		var refused *qmp.Error
		if err := p.do(ctx, "device_del", arguments{"id": disk}, nil); err != nil && !errors.As(err, &refused) {
			return err
		}
		if err := p.awaitDeletion(ctx, events, disk); err != nil {
			if refused != nil {
				err = fmt.Errorf("%w (%w)", err, refused)
			}
			return err
		}
	}
}

// awaitDeletion returns when the guest has let go, or it is time to ask again.
func (p *process) awaitDeletion(ctx context.Context, events <-chan qmp.Event, disk string) error {
	again := time.NewTimer(askAgain)
	defer again.Stop()
	for {
		select {
		case e := <-events:
			var data struct {
				Device string `json:"device"`
			}
			if e.Name == "DEVICE_DELETED" && json.Unmarshal(e.Data, &data) == nil && data.Device == disk {
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

// detach removes a disk's block node, which closes its file, and its limits;
// nil if they are not there. The device must be gone.
func (p *process) detach(ctx context.Context, disk string) error {
	for {
		there, err := p.hasNode(ctx, disk)
		if err != nil {
			return err
		}
		if !there {
			break
		}
		err = p.do(ctx, "blockdev-del", arguments{"node-name": disk}, nil)
		if err == nil {
			break
		}
		var refused *qmp.Error
		if !errors.As(err, &refused) {
			return err
		}
		select { // the device's last reference may go a moment later
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), refused)
		}
	}
	var objects []struct {
		Name string `json:"name"`
	}
	if err := p.do(ctx, "qom-list", arguments{"path": "/objects"}, &objects); err != nil {
		return err
	}
	for _, object := range objects {
		if object.Name == disk {
			return p.do(ctx, "object-del", arguments{"id": disk}, nil)
		}
	}
	return nil
}

// hasNode reports whether QEMU has a block node of that name.
func (p *process) hasNode(ctx context.Context, name string) (bool, error) {
	var nodes []struct {
		Name string `json:"node-name"`
	}
	if err := p.do(ctx, "query-named-block-nodes", arguments{"flat": true}, &nodes); err != nil {
		return false, err
	}
	for _, node := range nodes {
		if node.Name == name {
			return true, nil
		}
	}
	return false, nil
}
