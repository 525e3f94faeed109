//go:build linux

package qemu

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

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
	p, release, err := d.turn(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	devices, err := p.devices(ctx)
	if err != nil {
		return err
	}
	objects, err := p.objects(ctx)
	switch {
	case err != nil:
		return err
	case devices[disk.ID] != "" && !objects[disk.ID]:
		return errors.New("the guest has not let go of it since it was pulled")
	case devices[disk.ID] != "":
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
	for n, secret := range secretsOf(disk) {
		if err == nil {
			err = p.do(ctx, "object-add", secretObject(disk.ID, n, secret), nil)
		}
	}
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

// detach removes a disk's block nodes, which closes its files, and its limits;
// nil if they are not there. The device must be gone.
func (p *process) detach(ctx context.Context, disk string) error {
	if err := errors.Join(p.removeNode(ctx, disk), p.removeNode(ctx, deadName(disk)), p.removeLayers(ctx, disk)); err != nil {
		return err
	}
	return p.removeObjects(ctx, func(name string) bool { return ofDisk(name, disk) })
}

// removeLayers removes the layers that a disk went on in while it was plugged in: these do
// not go with what stands on them. Each takes along those below that came before it.
func (p *process) removeLayers(ctx context.Context, disk string) error {
	for {
		names, err := p.nodeNames(ctx)
		if err != nil {
			return err
		}
		top := -1
		for name := range names {
			if number, ok := strings.CutPrefix(name, disk+"."); ok {
				if n, err := strconv.Atoi(number); err == nil {
					top = max(top, n)
				}
			}
		}
		if top < 0 {
			return nil
		}
		if err := p.removeNode(ctx, nodeName(disk, top)); err != nil {
			return err
		}
	}
}

// ofDisk reports whether an object is the disk's: its limits, a secret, or what it is left
// with once it is pulled.
func ofDisk(object, disk string) bool {
	return object == disk || strings.HasPrefix(object, disk+".")
}

// removeObjects removes the objects of such names.
func (p *process) removeObjects(ctx context.Context, which func(name string) bool) error {
	objects, err := p.objects(ctx)
	if err != nil {
		return err
	}
	for name := range objects {
		if which(name) {
			if err := p.do(ctx, "object-del", arguments{"id": name}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeNode removes a block node, as soon as nothing stands on it; nil if it is not there.
func (p *process) removeNode(ctx context.Context, name string) error {
	for {
		names, err := p.nodeNames(ctx)
		if err != nil || !names[name] {
			return err
		}
		err = p.do(ctx, "blockdev-del", arguments{"node-name": name}, nil)
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
}

// objects are the names of the objects that belong to disks.
func (p *process) objects(ctx context.Context) (map[string]bool, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := p.do(ctx, "qom-list", arguments{"path": "/objects"}, &list); err != nil {
		return nil, err
	}
	objects := make(map[string]bool, len(list))
	for _, o := range list {
		objects[o.Name] = true
	}
	return objects, nil
}

// nodeNames are the names of QEMU's block nodes. It asks for their statistics: of long chains
// the nodes themselves take QEMU a second to tell of, and the guest waits.
func (p *process) nodeNames(ctx context.Context) (map[string]bool, error) {
	var list []struct {
		Name string `json:"node-name"`
	}
	if err := p.do(ctx, "query-blockstats", arguments{"query-nodes": true}, &list); err != nil {
		return nil, err
	}
	names := make(map[string]bool, len(list))
	for _, n := range list {
		names[n.Name] = true
	}
	return names, nil
}
