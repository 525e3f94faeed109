// Package account gives every account the network that AWS gives a new one: a
// default VPC with a subnet in each zone.
package account

import (
	"context"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the account reconciler, the only writer of Account.DefaultVPC.
type Reconciler struct {
	DB    *store.Store
	Place cloud.Place
	NewID func(prefix string) string
	Now   func() time.Time
}

var (
	accounts store.Table[cloud.Account]
	vpcs     store.Table[cloud.VPC]
	subnets  store.Table[cloud.Subnet]
	routes   store.Table[cloud.RouteTable]
	gateways store.Table[cloud.InternetGateway]
	groups   store.Table[cloud.SecurityGroup]
)

// Name is "account".
func (*Reconciler) Name() string { return "account" }

// Key is the account's number.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.Account{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile makes the default network of an account that never had one.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	if a, ok := accounts.Get(r.DB.View(), id); !ok || a.DefaultVPC != "" {
		return 0, nil
	}
	return 0, r.DB.Update(ctx, func(tx *store.Tx) error {
		a, ok := accounts.Get(tx, id)
		if !ok || a.DefaultVPC != "" {
			return nil
		}
		return r.create(tx, a)
	})
}

func (r *Reconciler) create(tx *store.Tx, a cloud.Account) error {
	n := cloud.DefaultNetwork(a.ID, r.Place, r.NewID, r.Now().UTC())
	if err := vpcs.Create(tx, n.VPC); err != nil {
		return err
	}
	for _, s := range n.Subnets {
		if err := subnets.Create(tx, s); err != nil {
			return err
		}
	}
	if err := routes.Create(tx, n.Routes); err != nil {
		return err
	}
	if err := gateways.Create(tx, n.Gateway); err != nil {
		return err
	}
	if err := groups.Create(tx, n.Group); err != nil {
		return err
	}
	if err := tx.Claim("groupname/"+n.VPC.ID, n.Group.Name, n.Group.ID); err != nil {
		return err
	}
	a.DefaultVPC = n.VPC.ID
	return accounts.Put(tx, a)
}
