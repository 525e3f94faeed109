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

// noOptions stands for no option set.
const noOptions = "default"

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
	if step := r.next(r.DB.View(), id); step == nil {
		return 0, nil
	}
	return 0, r.DB.Update(ctx, func(tx *store.Tx) error {
		for step := r.next(tx, id); step != nil; step = r.next(tx, id) {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// next returns what the VPC lacks, nil if nothing.
func (r *Reconciler) next(view store.Reader, id string) func(*store.Tx) error {
	v, ok := vpcs.Get(view, id)
	if !ok {
		return nil
	}
	if _, ok := options.Get(view, v.DHCPOptions); !ok && v.DHCPOptions != noOptions {
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
