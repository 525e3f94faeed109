// Package peering ends requests for VPC peering connections that nobody answered,
// and forgets connections that have ended once nobody is shown them any more.
package peering

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the reconciler of VPC peering connections.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var peerings store.Table[cloud.Peering]

// Name is "peering".
func (*Reconciler) Name() string { return "peering" }

// Key is the connection's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Peering{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the connection's life, or says when it is due.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	p, ok := peerings.Get(r.DB.View(), id)
	if !ok {
		return 0, nil
	}
	if at := due(p); at.IsZero() || r.Now().Before(at) {
		return max(0, at.Sub(r.Now())), nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		p, ok := peerings.Get(tx, id)
		switch {
		case !ok || due(p).IsZero() || r.Now().Before(due(p)): // it has changed
			return nil
		case p.State == cloud.PeeringPending:
			p.State, p.Message, p.Ended = cloud.PeeringExpired, "Expired: nobody accepted it in time", p.Expires
			return peerings.Put(tx, p)
		}
		return peerings.Delete(tx, id)
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

// due is when a connection expires, or is to be forgotten; zero: never.
func due(p cloud.Peering) time.Time {
	if p.State == cloud.PeeringPending {
		return p.Expires
	}
	return p.Forgotten()
}
