//go:build linux

package qemu

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/internal/memory"
)

// secretFiles are files in memory with the secrets of all disks, in the order in which
// the command line names them.
func secretFiles(disks []hypervisor.Disk) (files []*os.File, err error) {
	for _, disk := range disks {
		for _, secret := range secretsOf(disk) {
			f, err := memory.File(secret)
			if err != nil {
				return files, err
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// secretObject is a secret that is told through the monitor.
func secretObject(disk string, n int, secret []byte) arguments {
	return arguments{"qom-type": "secret", "id": secretName(disk, n), "format": "base64", "data": base64.StdEncoding.EncodeToString(secret)}
}

// Switch implements hypervisor.Driver.
func (d *Driver) Switch(ctx context.Context, id string, disks []hypervisor.Disk) error {
	p, release, err := d.turn(ctx, id)
	if err == nil {
		defer release()
		err = p.switchDisks(ctx, disks)
	}
	if err != nil {
		return fmt.Errorf("switch disks of %s: %w", id, err)
	}
	return nil
}

// node is a block node as the monitor tells of it.
type node struct {
	Name    string `json:"node-name"`
	File    string `json:"file"`
	Backing string `json:"backing_file"` // empty until it stands on something
	Image   struct {
		Bytes int64 `json:"virtual-size"`
	} `json:"image"`
}

func (p *process) nodes(ctx context.Context) (map[string]node, error) {
	var list []node
	if err := p.do(ctx, "query-named-block-nodes", arguments{"flat": true}, &list); err != nil {
		return nil, err
	}
	nodes := make(map[string]node, len(list))
	for _, n := range list {
		nodes[n.Name] = n
	}
	return nodes, nil
}

// switchDisks adds the new layers as nodes, then puts all on the top of their disks at once.
func (p *process) switchDisks(ctx context.Context, disks []hypervisor.Disk) error {
	nodes, err := p.nodes(ctx)
	if err != nil {
		return err
	}
	var actions []arguments
	for _, disk := range disks {
		if err := disk.Validate(); err != nil {
			return err
		}
		if len(disk.Below) == 0 {
			return fmt.Errorf("disk %s has no layer to go on from", disk.ID)
		}
		n := len(disk.Below)
		switch top := topOf(nodes, disk.ID); {
		case nodes[disk.ID].Name == "":
			return fmt.Errorf("disk %s is not plugged in", disk.ID)
		case top == place(disk.Path, disk.Export):
			continue
		case top != place(disk.Below[0].Path, disk.Below[0].Export):
			return fmt.Errorf("disk %s writes to %q, not to %s", disk.ID, top, place(disk.Below[0].Path, disk.Below[0].Export))
		}
		if err := p.addOverlay(ctx, nodes, disk, n); err != nil {
			return err
		}
		actions = append(actions, arguments{"type": "blockdev-snapshot", "data": arguments{"node": nodeName(disk.ID, n-1), "overlay": nodeName(disk.ID, n)}})
	}
	if len(actions) == 0 {
		return nil
	}
	return p.do(ctx, "transaction", arguments{"actions": actions}, nil)
}

// topOf is the file that a disk writes to: the last one that stands on all before it.
func topOf(nodes map[string]node, disk string) (path string) {
	for n := 0; ; n++ {
		if l := nodes[nodeName(disk, n)]; l.Name == "" || (n > 0 && l.Backing == "") {
			return path
		}
		path = nodes[fileName(disk, n)].File
	}
}

// addOverlay opens a new layer, on which nothing stands yet. What an earlier try left goes first.
func (p *process) addOverlay(ctx context.Context, nodes map[string]node, disk hypervisor.Disk, n int) error {
	name := nodeName(disk.ID, n)
	if nodes[name].Name != "" {
		if err := p.do(ctx, "blockdev-del", arguments{"node-name": name}, nil); err != nil {
			return err
		}
	}
	if disk.Secret != nil {
		if err := p.addSecret(ctx, disk.ID, n, disk.Secret); err != nil {
			return err
		}
	}
	overlay := layerNode(disk.ID, n, hypervisor.Layer{Path: disk.Path, Export: disk.Export, Format: disk.Format, Secret: disk.Secret})
	overlay["backing"], overlay["discard"] = nil, "unmap"
	return p.do(ctx, "blockdev-add", overlay, nil)
}

// addSecret tells a secret anew.
func (p *process) addSecret(ctx context.Context, disk string, n int, secret []byte) error {
	objects, err := p.objects(ctx)
	if err == nil && objects[secretName(disk, n)] {
		err = p.do(ctx, "object-del", arguments{"id": secretName(disk, n)}, nil)
	}
	if err != nil {
		return err
	}
	return p.do(ctx, "object-add", secretObject(disk, n, secret), nil)
}

// Grow implements hypervisor.Driver.
func (d *Driver) Grow(ctx context.Context, id, disk string, bytes int64) error {
	if bytes <= 0 || bytes%512 != 0 {
		return fmt.Errorf("grow %s of %s: %d bytes are no size", disk, id, bytes)
	}
	p, release, err := d.turn(ctx, id)
	if err == nil {
		defer release()
		err = p.grow(ctx, disk, bytes)
	}
	if err != nil {
		return fmt.Errorf("grow %s of %s: %w", disk, id, err)
	}
	return nil
}

func (p *process) grow(ctx context.Context, disk string, bytes int64) error {
	names, err := p.nodeNames(ctx)
	if err == nil && !names[disk] {
		err = errors.New("it is not plugged in")
	}
	if err != nil {
		return err
	}
	return p.do(ctx, "block_resize", arguments{"node-name": disk, "size": bytes}, nil)
}
