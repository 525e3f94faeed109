package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/reconcile"
)

// Status is the health of a cloud.
type Status struct {
	Version  string    `json:"version"`
	Cloud    string    `json:"cloud"`
	Endpoint string    `json:"endpoint"`
	Listen   string    `json:"listen"`
	Region   string    `json:"region"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Healthy  bool      `json:"healthy"`
	Parts    []Part    `json:"parts"`
	Counts   Counts    `json:"counts"`
}

// Part is one part or engine of the cloud.
type Part struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Counts say how much there is.
type Counts struct {
	Instances int `json:"instances"`
	Running   int `json:"running"`
	Volumes   int `json:"volumes"`
	VPCs      int `json:"vpcs"`
	Images    int `json:"images"`
}

func (r *running) status(ctx context.Context) Status {
	v := r.db.View()
	s := Status{
		Version: Version(), Cloud: r.settings.ID, Endpoint: r.endpoint, Listen: r.cfg.Listen, Region: r.cfg.Place.Region,
		PID: r.pid, Started: r.started,
		Counts: Counts{
			Instances: instances.Count(v, ""), Volumes: volumes.Count(v, ""),
			VPCs: vpcs.Count(v, ""), Images: images.Count(v, ""),
		},
		Parts: []Part{
			r.gatewayStatus(), r.storeStatus(ctx), r.controlStatus(), r.nodeStatus(), r.hypervisorStatus(ctx), r.networkStatus(ctx), r.diskStatus(ctx), r.objectsStatus(ctx), r.notificationsStatus(ctx),
		},
	}
	if w := r.agent.World(); w != nil {
		s.Counts.Running = w.Running()
	}
	s.Healthy = !slices.ContainsFunc(s.Parts, func(p Part) bool { return !p.OK })
	return s
}

func (r *running) storeStatus(ctx context.Context) Part {
	p := Part{Name: "store", OK: true, Detail: r.engine}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	begin := time.Now()
	if err := r.probeStore(ctx); err != nil {
		return Part{Name: "store", Detail: r.engine + ": " + err.Error()}
	}
	p.Detail += fmt.Sprintf(", a write takes %.1f ms", float64(time.Since(begin).Microseconds())/1000)
	return p
}

func (r *running) controlStatus() Part {
	failing, leads := r.control.Failing()
	p := fromFailures("control", failing)
	if p.OK && !leads {
		p.Detail = "stands by: another process holds the lease"
	}
	return p
}

func (r *running) nodeStatus() Part {
	p := fromFailures("node", r.agent.Failing())
	h, ok := hosts.Get(r.db.View(), r.cfg.Host)
	if !ok {
		return Part{Name: "node", Detail: "has not reported yet"}
	}
	if p.OK {
		p.Detail = fmt.Sprintf("host %s: %d of %d vCPUs and %d of %d MiB promised to %d guests",
			h.ID, h.Used.VCPUs, h.VCPUs, h.Used.MemoryMiB, h.MemoryMiB, h.Used.Guests)
	}
	return p
}

func (r *running) hypervisorStatus(ctx context.Context) Part {
	version, accel, err := r.console.Probe(ctx)
	if err != nil {
		return Part{Name: "hypervisor", Detail: err.Error()}
	}
	detail := "QEMU " + version + ", " + accel
	if accel == "tcg" {
		detail += " (no usable KVM: guests run many times slower)"
	}
	return Part{Name: "hypervisor", OK: true, Detail: detail}
}

func (r *running) networkStatus(ctx context.Context) Part {
	ids, err := r.network.List(ctx)
	if err != nil {
		return Part{Name: "network", Detail: err.Error()}
	}
	return Part{Name: "network", OK: true, Detail: fmt.Sprintf("%d VPCs on this host, %d public addresses of %s in use", len(ids), len(r.publicInUse()), r.cfg.PublicPool)}
}

func (r *running) diskStatus(ctx context.Context) Part {
	size, free, err := r.blocks.Space(ctx)
	if err != nil {
		return Part{Name: "disk", Detail: err.Error()}
	}
	detail := fmt.Sprintf("%d of %d GiB free", free>>30, size>>30)
	if pool, user, ok, _ := r.cfg.pool(); ok {
		detail += fmt.Sprintf(" in the Ceph pool %s, as client.%s", pool, user)
	}
	return Part{Name: "disk", OK: free > leastDisk/4, Detail: detail}
}

// fromFailures sums up what fails.
func fromFailures(name string, failing map[string]map[string]reconcile.Failure) Part {
	if len(failing) == 0 {
		return Part{Name: name, OK: true, Detail: "nothing fails"}
	}
	var lines []string
	for kind, keys := range failing {
		for key, f := range keys {
			lines = append(lines, fmt.Sprintf("%s %s fails since %s: %v", kind, key, f.Since.Format(time.TimeOnly), f.Err))
		}
	}
	slices.Sort(lines)
	return Part{Name: name, Detail: strings.Join(lines, "; ")}
}

// publicInUse returns the public addresses in use.
func (r *running) publicInUse() map[string]bool {
	v, used := r.db.View(), map[string]bool{}
	for n := range interfaces.All(v) {
		for _, a := range n.Addresses {
			if a.Public != nil {
				used[a.Public.Address.String()] = true
			}
		}
	}
	for a := range addresses.All(v) {
		used[a.Address.String()] = true
	}
	return used
}
