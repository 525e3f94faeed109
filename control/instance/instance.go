// Package instance moves instances along: it notices that a guest ended, gives
// back what a stopped or terminated one held, and forgets terminated ones in time.
//
// It is the only writer of Instance.Released, and the only one that clears a
// placement. It guarantees that an instance shows as stopped or terminated only
// after its host has said that nothing of the guest runs any more.
package instance

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Remembered is how long a terminated instance is still described, as on AWS.
const Remembered = time.Hour

// Reconciler is the instance reconciler.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
	Log *slog.Logger
}

var (
	instances  store.Table[cloud.Instance]
	interfaces store.Table[cloud.NetworkInterface]
	addresses  store.Table[cloud.Address]
	volumes    store.Table[cloud.Volume]
	hosts      store.Table[cloud.Host]
)

// Name is "instance".
func (*Reconciler) Name() string { return "instance" }

// Key is the instance's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Instance{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile takes the next step in the instance's life.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	i, ok := instances.Get(r.DB.View(), id)
	if !ok {
		return 0, nil
	}
	step, wait := r.next(i)
	if step == nil {
		return wait, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		i, ok := instances.Get(tx, id)
		if !ok {
			return nil
		}
		step, _ := r.next(i) // decided again: the instance may have changed
		if step == nil {
			return nil
		}
		return step(tx, i)
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}

type step func(tx *store.Tx, i cloud.Instance) error

// next returns what to do now, or how long to wait.
func (r *Reconciler) next(i cloud.Instance) (step, time.Duration) {
	ended := i.Ended()
	switch {
	case i.Want == cloud.PowerRunning && ended:
		return r.ended, 0
	case i.Want == cloud.PowerStopped && ended && i.Host != "":
		return r.unplace, 0
	case i.Want == cloud.PowerTerminated && i.Released.IsZero() && (i.Host == "" || i.Seen.Gone):
		return r.release, 0
	case i.Want == cloud.PowerTerminated && !i.Released.IsZero():
		if wait := i.Released.Add(Remembered).Sub(r.Now()); wait > 0 {
			return nil, wait
		}
		return r.forget, 0
	}
	return nil, 0
}

// ended settles what becomes of an instance whose guest ended by itself.
func (r *Reconciler) ended(tx *store.Tx, i cloud.Instance) error {
	return instances.Modify(tx, i.ID, func(i *cloud.Instance) error {
		i.Want = cloud.PowerStopped
		switch code, message, failed := strings.Cut(i.Seen.Error, ": "); {
		case failed && i.Seen.Failed && i.Starts == 1: // it never ran: a launch that failed leaves nothing behind
			i.Want = cloud.PowerTerminated
			i.Reason = cloud.Reason{Code: code, Message: code + ": " + message}
		case failed:
			i.Reason = cloud.Reason{Code: code, Message: code + ": " + message}
		default:
			i.Reason = cloud.Reason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
			if i.OnShutdown == "terminate" {
				i.Want = cloud.PowerTerminated
			}
		}
		i.Reason.When = r.Now().UTC()
		return nil
	})
}

// unplace gives back what a stopped instance does not keep: its place on the
// host and the public addresses that were assigned at launch.
func (r *Reconciler) unplace(tx *store.Tx, i cloud.Instance) error {
	if err := freePlace(tx, i); err != nil {
		return err
	}
	for _, n := range ofInstance(tx, i.ID) {
		if err := dropAssigned(tx, n); err != nil {
			return err
		}
	}
	return instances.Modify(tx, i.ID, func(i *cloud.Instance) error {
		i.Host, i.Slot = "", 0
		return nil
	})
}

func freePlace(tx *store.Tx, i cloud.Instance) error {
	if i.Host == "" {
		return nil
	}
	tx.Release("slot/"+i.Host, strconv.Itoa(i.Slot))
	t, _ := cloud.FindInstanceType(i.Type)
	err := hosts.Modify(tx, i.Host, func(h *cloud.Host) error {
		*h = h.Free(t)
		return nil
	})
	if errors.Is(err, store.ErrNotFound) { // the host was removed from the cloud
		return nil
	}
	return err
}

func ofInstance(r store.Reader, id string) []cloud.NetworkInterface {
	return slices.Collect(interfaces.Select(r, "instance/"+id))
}

// dropAssigned takes the launch-time public addresses from an interface.
func dropAssigned(tx *store.Tx, n cloud.NetworkInterface) error {
	return interfaces.Modify(tx, n.ID, func(n *cloud.NetworkInterface) error {
		for k := range n.Addresses {
			if p := n.Addresses[k].Public; p != nil && p.Allocation == "" {
				tx.Release("public", p.Address.String())
				n.Addresses[k].Public = nil
			}
		}
		return nil
	})
}

// release gives back all that a terminated instance held.
func (r *Reconciler) release(tx *store.Tx, i cloud.Instance) error {
	if err := freePlace(tx, i); err != nil {
		return err
	}
	for _, n := range ofInstance(tx, i.ID) {
		if err := releaseInterface(tx, n); err != nil {
			return err
		}
	}
	for _, v := range slices.Collect(volumes.Select(tx, "instance/"+i.ID)) {
		err := volumes.Modify(tx, v.ID, func(v *cloud.Volume) error {
			v.Delete = v.Delete || v.Attachment.DeleteOnTermination
			v.Attachment = nil
			return nil
		})
		if err != nil {
			return err
		}
	}
	tx.ReleaseAll(i.ID)
	return instances.Modify(tx, i.ID, func(i *cloud.Instance) error {
		i.Host, i.Slot = "", 0
		i.Released = r.Now().UTC()
		return nil
	})
}

// releaseInterface deletes or detaches an interface of a terminated instance.
// Elastic addresses stay with an interface that outlives the instance.
func releaseInterface(tx *store.Tx, n cloud.NetworkInterface) error {
	keep := !n.Attachment.DeleteOnTermination
	for _, a := range slices.Collect(addresses.Select(tx, "interface/"+n.ID)) {
		err := addresses.Modify(tx, a.ID, func(a *cloud.Address) error {
			a.Instance = ""
			if !keep {
				*a = cloud.Address{Meta: a.Meta, Address: a.Address}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !keep {
		tx.ReleaseAll(n.ID)
		return interfaces.Delete(tx, n.ID)
	}
	if err := dropAssigned(tx, n); err != nil {
		return err
	}
	return interfaces.Modify(tx, n.ID, func(n *cloud.NetworkInterface) error {
		n.Attachment = nil
		return nil
	})
}

func (r *Reconciler) forget(tx *store.Tx, i cloud.Instance) error {
	tx.ReleaseAll(i.ID)
	return instances.Delete(tx, i.ID)
}
