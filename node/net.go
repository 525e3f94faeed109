package node

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
)

// queueNetworks queues the VPCs whose plan changed, and those to be removed.
func (a *Agent) queueNetworks(w *World) {
	for id := range w.vpcs {
		plan := w.plan(id)
		a.mu.Lock()
		same := reflect.DeepEqual(a.plans[id], plan)
		a.mu.Unlock()
		if !same {
			a.nets.Add(id)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.plans {
		if w.vpcs[id] == nil {
			a.nets.Add(id)
		}
	}
}

// net makes one VPC be as planned: the reconciler of the network loop.
func (a *Agent) net(ctx context.Context, w *World, id string) (time.Duration, error) {
	if w.vpcs[id] == nil {
		return 0, a.removeNet(ctx, id)
	}
	plan := w.plan(id)
	a.partFlows(ctx, id, plan)
	if err := a.cfg.Network.Apply(ctx, *plan); err != nil {
		return 0, fmt.Errorf("apply network %s: %w", id, err)
	}
	if err := a.cfg.Services.Serve(ctx, id); err != nil {
		return 0, fmt.Errorf("serve network %s: %w", id, err)
	}
	a.mu.Lock()
	changed := !reflect.DeepEqual(a.plans[id], plan)
	a.plans[id] = plan
	a.mu.Unlock()
	if changed {
		a.again()
	}
	return 0, nil
}

func (a *Agent) removeNet(ctx context.Context, id string) error {
	a.cfg.Services.Stop(id)
	a.partFlows(ctx, id, nil)
	if err := a.cfg.Network.Remove(ctx, id); err != nil {
		return fmt.Errorf("remove network %s: %w", id, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.plans, id)
	return nil
}

// hasPort reports whether the interface's port was applied as it is wanted now.
func (a *Agent) hasPort(n *cloud.NetworkInterface) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	plan := a.plans[n.VPC]
	return plan != nil && slices.ContainsFunc(plan.Ports, func(p network.Port) bool {
		return p.ID == n.ID && p.MAC.String() == n.MAC && len(p.Addresses) > 0 && p.Addresses[0].Private == n.Primary()
	})
}

// plan derives a VPC's network on this host from the documents.
func (w *World) plan(vpcID string) *network.VPC {
	return w.networks().VPC(vpcID, func(n *cloud.NetworkInterface) bool { return w.placedHere(n) || n.Of != "" })
}

// placedHere reports whether the interface belongs to an instance of this host.
func (w *World) placedHere(n *cloud.NetworkInterface) bool {
	if n.Attachment == nil {
		return false
	}
	i := w.instances[n.Attachment.Instance]
	return i != nil && i.Host == w.Host
}
