// Package network gives VPCs that are older than network ACLs and DHCP option sets
// what newer ones have from their start: the default network ACL, with which every
// subnet is associated, and the account's default option set.
//
// It guarantees that what passed before passes after: default network ACLs let
// everything pass. What a tenant made it leaves alone.
package network

import (
	"context"
	"slices"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/internal/steps"
	"github.com/vauban-cloud/vauban/store"
)

// Reconciler is the reconciler of networks.
type Reconciler struct {
	DB    *store.Store
	Place cloud.Place
	NewID func(prefix string) string
	Now   func() time.Time
}

var (
	vpcs    store.Table[cloud.VPC]
	subnets store.Table[cloud.Subnet]
	acls    store.Table[cloud.NetworkACL]
	options store.Table[cloud.DHCPOptions]
)

// Name is "network".
func (*Reconciler) Name() string { return "network" }

// Key is the VPC's ID.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.VPC{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile adds what the VPC lacks.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	return steps.Take(ctx, r.DB, func(view store.Reader) (func(*store.Tx) error, time.Duration) { return r.next(view, id), 0 })
}

// next returns what the VPC lacks, nil if nothing.
func (r *Reconciler) next(view store.Reader, id string) func(*store.Tx) error {
	v, ok := vpcs.Get(view, id)
	if !ok {
		return nil
	}
	if _, ok := options.Get(view, v.DHCPOptions); !ok && v.DHCPOptions != cloud.NoDHCPOptions {
		return func(tx *store.Tx) error { return r.addOptions(tx, v) }
	}
	all := slices.Collect(acls.Select(view, "vpc/"+id))
	at := slices.IndexFunc(all, func(a cloud.NetworkACL) bool { return a.Default })
	if at < 0 {
		meta := cloud.Meta{ID: r.NewID("acl"), Account: v.Account, Created: r.Now().UTC()}
		return func(tx *store.Tx) error { return acls.Create(tx, cloud.DefaultNetworkACL(meta, v)) }
	}
	for s := range subnets.Select(view, "vpc/"+id) {
		if !slices.ContainsFunc(all, func(a cloud.NetworkACL) bool { return filters(a, s.ID) }) {
			return func(tx *store.Tx) error { return r.associate(tx, all[at].ID, s.ID) }
		}
	}
	return nil
}

func filters(a cloud.NetworkACL, subnet string) bool {
	return slices.ContainsFunc(a.Associations, func(as cloud.ACLAssociation) bool { return as.Subnet == subnet })
}

// addOptions writes the option set that a VPC names and that is not there: the default
// one of its account, unless there is another, which the VPC then has.
func (r *Reconciler) addOptions(tx *store.Tx, v cloud.VPC) error {
	for o := range options.Select(tx, cloud.AccountLabel(v.Account)) {
		if o.Default {
			v.DHCPOptions = o.ID
			return vpcs.Put(tx, v)
		}
	}
	if !cloud.ValidID("dopt", v.DHCPOptions) {
		v.DHCPOptions = r.NewID("dopt")
		if err := vpcs.Put(tx, v); err != nil {
			return err
		}
	}
	return options.Create(tx, cloud.DefaultDHCPOptions(cloud.Meta{ID: v.DHCPOptions, Account: v.Account, Created: v.Created}, r.Place))
}

func (r *Reconciler) associate(tx *store.Tx, acl, subnet string) error {
	return acls.Modify(tx, acl, func(a *cloud.NetworkACL) error {
		a.Associations = append(a.Associations, cloud.ACLAssociation{ID: r.NewID("aclassoc"), Subnet: subnet})
		return nil
	})
}
