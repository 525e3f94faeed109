//go:build linux

package qemu

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

// A write for which the host has no space stops the guest (QEMU's werror=enospc). It is let
// go on every few seconds, and stops again at once while there is none.

// starving is how long after that a guest still counts as one that waits.
const starving = 2 * time.Second

// noSpace is QEMU's run state of a guest that a failed write stopped.
const noSpace = "io-error"

// starves reports whether the event says that the guest stopped for lack of space.
func starves(e qmp.Event) bool {
	var data struct {
		Action  string `json:"action"`
		NoSpace bool   `json:"nospace"`
	}
	return e.Name == "BLOCK_IO_ERROR" && json.Unmarshal(e.Data, &data) == nil && data.Action == "stop" && data.NoSpace
}

// feed lets a guest go on that waits for disk space.
func (p *process) feed() error {
	p.mu.Lock()
	starved := p.starved
	p.starved = false
	if starved {
		p.resumed = time.Now()
	}
	p.mu.Unlock()
	if !starved {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return p.do(ctx, "cont", nil, nil)
}

// full returns the disks for which the guest waits until there is space.
func (p *process) full(ctx context.Context, status string) ([]string, error) {
	if status != noSpace {
		p.mu.Lock()
		defer p.mu.Unlock()
		if time.Since(p.resumed) < starving {
			return p.seen.Full, nil // it may stop again
		}
		return nil, nil
	}
	var devices []struct {
		Device string `json:"qdev"` // a path: /machine/peripheral/<disk>/virtio-backend
		Status string `json:"io-status"`
	}
	if err := p.do(ctx, "query-block", nil, &devices); err != nil {
		return nil, err
	}
	var full []string
	for _, d := range devices {
		name, _, _ := strings.Cut(strings.TrimPrefix(d.Device, "/machine/peripheral/"), "/")
		if d.Status == "nospace" {
			full = append(full, name)
		}
	}
	return full, nil
}
