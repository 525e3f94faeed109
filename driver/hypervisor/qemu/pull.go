//go:build linux

package qemu

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// deadName is what a pulled disk's device is left with: the node, all whose operations fail,
// and the group of the throttle before it, which limits nothing.
func deadName(disk string) string { return disk + ".dead" }

// Pull implements hypervisor.Driver.
func (d *Driver) Pull(ctx context.Context, id, disk string) error {
	if err := d.takeFrom(ctx, id, func(p *process) error { return p.pull(ctx, disk) }); err != nil {
		return fmt.Errorf("pull %s from %s: %w", disk, id, err)
	}
	return nil
}

func (p *process) pull(ctx context.Context, disk string) error {
	devices, err := p.devices(ctx)
	if err != nil {
		return err
	}
	objects, err := p.objects(ctx)
	switch {
	case err != nil:
		return err
	case devices[disk] != diskKind:
		return p.detach(ctx, disk)
	case objects[disk]:
		if err := p.deaden(ctx, disk, objects); err != nil {
			return err
		}
	}
	if err := p.removeLayers(ctx, disk); err != nil {
		return err
	}
	return p.removeObjects(ctx, func(name string) bool { return ofDisk(name, disk) && name != deadName(disk) })
}

// deaden puts the dead node in the place of the disk's layers, which closes them.
func (p *process) deaden(ctx context.Context, disk string, objects map[string]bool) error {
	nodes, err := p.nodes(ctx)
	if err != nil {
		return err
	}
	if !objects[deadName(disk)] {
		if err := p.do(ctx, "object-add", arguments{"qom-type": "throttle-group", "id": deadName(disk)}, nil); err != nil {
			return err
		}
	}
	if nodes[deadName(disk)].Name == "" {
		var faults []arguments
		for _, operation := range []string{"read", "write", "write-zeroes", "discard", "flush"} {
			faults = append(faults, arguments{"event": "none", "iotype": operation, "errno": int(unix.EIO), "immediately": true, "once": false})
		}
		nothing := arguments{"driver": "null-co", "size": nodes[disk].Image.Bytes}
		err := p.do(ctx, "blockdev-add", arguments{"driver": "blkdebug", "node-name": deadName(disk), "inject-error": faults, "image": nothing}, nil)
		if err != nil {
			return err
		}
	}
	dead := arguments{"driver": "throttle", "node-name": disk, "throttle-group": deadName(disk), "file": deadName(disk), "discard": "unmap"}
	return p.do(ctx, "blockdev-reopen", arguments{"options": []arguments{dead}}, nil)
}
