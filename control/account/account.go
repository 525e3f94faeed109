// Package account gives every account the network that AWS gives a new one: a
// default VPC with a subnet in each zone. It stops the guests of accounts that are
// suspended or closed, and deletes nothing of theirs.
//
// It is the only writer of Account.DefaultVPC and of AccountRequest.Completed. It
// guarantees that no guest of a suspended or closed account is left running, also
// one whose launch was under way; it never starts one again.
package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the account reconciler.
type Reconciler struct {
	DB    *store.Store
	Place cloud.Place
	NewID func(prefix string) string
	Now   func() time.Time
}

var (
	accounts  store.Table[cloud.Account]
	requests  store.Table[cloud.AccountRequest]
	instances store.Table[cloud.Instance]
	vpcs      store.Table[cloud.VPC]
	subnets   store.Table[cloud.Subnet]
	routes    store.Table[cloud.RouteTable]
	gateways  store.Table[cloud.InternetGateway]
	groups    store.Table[cloud.SecurityGroup]
	acls      store.Table[cloud.NetworkACL]
	options   store.Table[cloud.DHCPOptions]
)

// Name is "account".
func (*Reconciler) Name() string { return "account" }

// Key is the number of the account that changed, or whose instance did: one may be
// launched by a request that was let in just before the account was suspended.
func (*Reconciler) Key(c store.Change) string {
	switch {
	case c.Deleted:
	case c.Table == (cloud.Account{}).Table():
		return c.Key
	case c.Table == (cloud.Instance{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, cloud.AccountLabel("")); ok {
				return id
			}
		}
	}
	return ""
}

// Reconcile makes the default network of an account that never had one, and stops
// the guests of an account that may have none.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	return steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) { return r.next(view, id), 0 })
}

// next returns what to do for the account, nil if there is nothing.
func (r *Reconciler) next(view store.Reader, id string) func(*store.Tx) error {
	a, ok := accounts.Get(view, id)
	switch {
	case !ok:
	case a.DefaultVPC == "":
		return func(tx *store.Tx) error { return r.create(tx, a) }
	case a.State != cloud.AccountActive:
		for i := range instances.Select(view, cloud.AccountLabel(id)) {
			if i.Want == cloud.PowerRunning {
				return func(tx *store.Tx) error { return r.stop(tx, a) }
			}
		}
	}
	return nil
}

// stop has all guests of an account shut down, however their owner has protected
// them.
func (r *Reconciler) stop(tx *store.Tx, a cloud.Account) error {
	why := cloud.Reason{Code: "Server.AccountSuspended", Message: "Server.AccountSuspended: The account is suspended", When: r.Now().UTC()}
	if a.State == cloud.AccountClosed {
		why.Code, why.Message = "Server.AccountClosed", "Server.AccountClosed: The account is closed"
	}
	for i := range instances.Select(tx, cloud.AccountLabel(a.ID)) {
		if i.Want != cloud.PowerRunning {
			continue
		}
		i.Want, i.Reason = cloud.PowerStopped, why
		if err := instances.Put(tx, i); err != nil {
			return err
		}
	}
	return nil
}

// create makes the default network, and completes the request for the account.
func (r *Reconciler) create(tx *store.Tx, a cloud.Account) error {
	now := r.Now().UTC()
	n := cloud.DefaultNetwork(a.ID, r.Place, r.NewID, now)
	errs := []error{
		vpcs.Create(tx, n.VPC), routes.Create(tx, n.Routes), gateways.Create(tx, n.Gateway), acls.Create(tx, n.ACL), groups.Create(tx, n.Group),
		options.Create(tx, n.Options), tx.Claim(cloud.GroupNames(n.VPC.ID), n.Group.Name, n.Group.ID),
	}
	for _, s := range n.Subnets {
		errs = append(errs, subnets.Create(tx, s))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for q := range requests.Select(tx, cloud.AccountLabel(a.ID)) {
		q.Completed = now
		if err := requests.Put(tx, q); err != nil {
			return err
		}
	}
	a.DefaultVPC = n.VPC.ID
	return accounts.Put(tx, a)
}
