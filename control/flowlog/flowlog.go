// Package flowlog writes flow logs into buckets, and ends those of what is not there any
// more: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html
//
// It guarantees that a record is of one flow log, one interface and one interval, and that
// what was lost is told of.
package flowlog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the reconciler of flow logs, by what is logged.
type Reconciler struct {
	DB *store.Store
}

var (
	logs       store.Table[cloud.FlowLog]
	vpcs       store.Table[cloud.VPC]
	subnets    store.Table[cloud.Subnet]
	interfaces store.Table[cloud.NetworkInterface]
)

// Name is "flowlog".
func (*Reconciler) Name() string { return "flowlog" }

// Key is the ID of what a flow log logs, or of a resource that was deleted.
func (*Reconciler) Key(c store.Change) string {
	switch c.Table {
	case (cloud.VPC{}).Table(), (cloud.Subnet{}).Table(), (cloud.NetworkInterface{}).Table():
		if c.Deleted {
			return c.Key
		}
	case (cloud.FlowLog{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "logs/"); ok && !c.Deleted {
				return id
			}
		}
	}
	return ""
}

// Reconcile deletes the flow logs of a resource that is not there.
func (r *Reconciler) Reconcile(ctx context.Context, resource string) (time.Duration, error) {
	if view := r.DB.View(); there(view, resource) || logs.Count(view, "logs/"+resource) == 0 {
		return 0, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		if there(tx, resource) {
			return nil
		}
		for _, f := range slices.Collect(logs.Select(tx, "logs/"+resource)) {
			if err := logs.Delete(tx, f.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

// there reports whether a VPC, subnet or interface is there.
func there(r store.Reader, id string) (ok bool) {
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "vpc":
		_, ok = vpcs.Get(r, id)
	case "subnet":
		_, ok = subnets.Get(r, id)
	default:
		_, ok = interfaces.Get(r, id)
	}
	return ok
}
