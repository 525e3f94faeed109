package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
)

// lastFlows is how long the end may take to hand over what was counted.
const lastFlows = 5 * time.Second

// mostBatches are kept while the View cannot be told.
const mostBatches = 32

// followFlows hands over the flows of ports that log them once a minute, until ctx ends,
// and then what is left: drivers forget counts after five minutes.
func (a *Agent) followFlows(ctx context.Context) {
	driver, counts := a.cfg.Network.(network.Flows)
	if !counts {
		return
	}
	tick := time.NewTicker(a.cfg.FlowMinute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlows)
			defer cancel()
			a.takeFlows(last, driver)
			return
		case <-tick.C:
			a.takeFlows(ctx, driver)
		}
	}
}

// takeFlows hands over what all VPCs counted.
func (a *Agent) takeFlows(ctx context.Context, driver network.Flows) {
	if !a.begin() {
		return
	}
	defer a.done()
	a.mu.Lock()
	var plans []*network.VPC
	for _, p := range a.plans {
		if p != nil && len(logged(p)) > 0 {
			plans = append(plans, p)
		}
	}
	a.mu.Unlock()
	for _, p := range plans {
		a.takeFlowsOf(ctx, driver, p)
	}
	a.tellFlows(ctx)
}

// logged are the ports of a plan that log.
func logged(p *network.VPC) (ids []string) {
	for _, q := range p.Ports {
		if q.Log.Accepted || q.Log.Rejected {
			ids = append(ids, q.ID)
		}
	}
	return ids
}

// takeFlowsOf puts what a VPC counted with what is to be handed over.
func (a *Agent) takeFlowsOf(ctx context.Context, driver network.Flows, p *network.VPC) {
	b := cloud.FlowBatch{VPC: p.ID, Interfaces: logged(p)}
	flows, err := driver.Flows(ctx, p.ID)
	if errors.Is(err, network.ErrNoVPC) {
		return
	}
	if err != nil {
		a.cfg.Log.Warn("flows are not logged", "vpc", p.ID, "err", err)
		b.Skipped = true
	}
	for _, f := range flows {
		b.Flows = append(b.Flows, cloud.Flow{
			Interface: f.Port, Ingress: f.Ingress, Accepted: f.Accepted, Source: f.Source, Destination: f.Destination,
			Protocol: f.Protocol, Packets: f.Packets, Bytes: f.Bytes, Start: f.Start, End: f.End, Flags: f.Flags,
		})
	}
	b.Until = a.cfg.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flows = append(a.flows, b)
	if len(a.flows) > mostBatches { // what is lost is told
		i := slices.IndexFunc(a.flows, func(b cloud.FlowBatch) bool { return !b.Skipped })
		if i < 0 {
			a.flows = a.flows[1:]
			return
		}
		a.flows[i].Flows, a.flows[i].Skipped = nil, true
		if len(a.flows) > 2*mostBatches {
			a.flows = a.flows[1:]
		}
	}
}

// tellFlows hands over what was counted; what could not be is handed over later.
func (a *Agent) tellFlows(ctx context.Context) {
	a.mu.Lock()
	waiting := a.flows
	a.flows = nil
	a.mu.Unlock()
	for i, b := range waiting {
		if err := a.cfg.View.ReportFlows(ctx, b); err != nil {
			a.cfg.Log.Warn("hand over flows", "vpc", b.VPC, "err", err)
			a.mu.Lock()
			a.flows = append(slices.Clone(waiting[i:]), a.flows...)
			a.mu.Unlock()
			return
		}
	}
}

// partFlows takes the last counts of ports that are about to go, or to log no more.
func (a *Agent) partFlows(ctx context.Context, id string, next *network.VPC) {
	a.mu.Lock()
	old := a.plans[id]
	a.mu.Unlock()
	driver, counts := a.cfg.Network.(network.Flows)
	if !counts || old == nil {
		return
	}
	var stay []string
	if next != nil {
		stay = logged(next)
	}
	if slices.ContainsFunc(logged(old), func(p string) bool { return !slices.Contains(stay, p) }) {
		a.takeFlowsOf(ctx, driver, old)
	}
}
