package fake

import (
	"context"

	"github.com/vauban-cloud/vauban/driver/network"
)

var _ network.Flows = (*Driver)(nil)

// See lets ports of a VPC see flows, as if packets had come. A port only tells of those that
// its log is about; nothing if the VPC is not there.
func (h *Host) See(vpcID string, flows ...network.Flow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.vpcs[vpcID]
	if v == nil {
		return
	}
	for _, f := range flows {
		for _, p := range v.plan.Ports {
			if p.ID == f.Port && (f.Accepted && p.Log.Accepted || !f.Accepted && p.Log.Rejected) {
				v.flows = append(v.flows, f)
			}
		}
	}
}

// Flows implements network.Flows.
func (d *Driver) Flows(ctx context.Context, vpcID string) (flows []network.Flow, err error) {
	err = d.call(ctx, "flows", vpcID, func() error {
		v := d.host.vpcs[vpcID]
		if v == nil {
			return network.ErrNoVPC
		}
		flows, v.flows = v.flows, nil
		return nil
	})
	return flows, err
}
