// Package networkinterface ends attachments of network interfaces: once a guest has
// let go of one that is to be detached, or does not run, the attachment is removed.
//
// It guarantees that an interface shows as available only after its card is out of
// the guest, unless the detachment was forced.
package networkinterface

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the reconciler of attachments, by instance.
type Reconciler struct {
	DB *store.Store
}

var (
	interfaces store.Table[cloud.NetworkInterface]
	instances  store.Table[cloud.Instance]
	addresses  store.Table[cloud.Address]
)

// Name is "networkinterface".
func (*Reconciler) Name() string { return "networkinterface" }

// Key is the ID of the instance that changed, or that a changed interface is attached to.
func (*Reconciler) Key(c store.Change) string {
	switch c.Table {
	case (cloud.Instance{}).Table():
		return c.Key
	case (cloud.NetworkInterface{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "instance/"); ok && !c.Deleted {
				return id
			}
		}
	}
	return ""
}

// Reconcile removes the attachments to an instance that are over.
func (r *Reconciler) Reconcile(ctx context.Context, instance string) (time.Duration, error) {
	if len(over(r.DB.View(), instance)) == 0 {
		return 0, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		for _, n := range over(tx, instance) {
			n.Attachment = nil
			if err := interfaces.Put(tx, n); err != nil {
				return err
			}
			for _, a := range slices.Collect(addresses.Select(tx, "interface/"+n.ID)) {
				a.Instance = ""
				if err := addresses.Put(tx, a); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

// over are the interfaces whose attachment to the instance is to be removed.
func over(r store.Reader, instance string) (found []cloud.NetworkInterface) {
	i, ok := instances.Get(r, instance)
	for n := range interfaces.Select(r, "instance/"+instance) {
		if n.Attachment.Detach && (!ok || n.Attachment.Force || !i.Seen.HasCard(n.ID)) {
			found = append(found, n)
		}
	}
	return found
}
