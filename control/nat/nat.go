// Package nat brings NAT gateways to life and ends them: it says that one is ready,
// takes away the interface of one that is to be gone, lets its elastic addresses go,
// and forgets it an hour after.
//
// It is the only writer of NATGateway.Ready and Gone. It guarantees that a gateway's
// document outlives its interface, so that an interface of a gateway that is not there
// never exists.
package nat

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Memory is how long a gateway that is gone or failed is still shown:
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html#nat-gateway-deleting
const Memory = time.Hour

// Reconciler is the reconciler of NAT gateways.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var (
	gateways   store.Table[cloud.NATGateway]
	interfaces store.Table[cloud.NetworkInterface]
	addresses  store.Table[cloud.Address]
)

// Name is "nat".
func (*Reconciler) Name() string { return "nat" }

// Key is the gateway's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.NATGateway{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the gateway's life, and says when to look again.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	wait, err := steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) { return r.next(view, id) })
	if err != nil {
		return 0, fmt.Errorf("NAT gateway %s: %w", id, err)
	}
	return wait, nil
}

// next returns what to do for the gateway, or nil and when there will be something; 0
// is never.
func (r *Reconciler) next(view store.Reader, id string) (step func(*store.Tx) error, wait time.Duration) {
	g, ok := gateways.Get(view, id)
	if !ok {
		return nil, 0
	}
	ended := g.Gone
	if g.State() == cloud.NATFailed {
		ended = g.Created
	}
	left := ended.Add(Memory).Sub(r.Now())
	switch state := g.State(); {
	case state == cloud.NATPending:
		return func(tx *store.Tx) error {
			return gateways.Modify(tx, id, func(g *cloud.NATGateway) error { g.Ready = r.Now().UTC(); return nil })
		}, 0
	case state == cloud.NATDeleting:
		return func(tx *store.Tx) error { return r.end(tx, g) }, 0
	case state == cloud.NATAvailable:
		return nil, 0
	case left > 0:
		return nil, left
	}
	return func(tx *store.Tx) error { return gateways.Delete(tx, id) }, 0
}

// end takes the gateway's interface away, and lets its elastic addresses go.
func (r *Reconciler) end(tx *store.Tx, g cloud.NATGateway) error {
	for a := range addresses.Select(tx, "interface/"+g.Interface) {
		a.Association, a.Interface, a.Private, a.Instance = "", "", netip.Addr{}, ""
		if err := addresses.Put(tx, a); err != nil {
			return err
		}
	}
	if _, ok := interfaces.Get(tx, g.Interface); ok {
		tx.ReleaseAll(g.Interface)
		if err := interfaces.Delete(tx, g.Interface); err != nil {
			return err
		}
	}
	return gateways.Modify(tx, g.ID, func(g *cloud.NATGateway) error { g.Gone = r.Now().UTC(); return nil })
}
