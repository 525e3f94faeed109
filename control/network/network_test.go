package network

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const account = "100000000001"

func newReconciler(t *testing.T) *Reconciler {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &Reconciler{DB: db, Place: cloud.DefaultPlace(), NewID: cloud.NewID, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
}

// old stores a network as it was before there were network ACLs and option sets.
func (r *Reconciler) old(t *testing.T) cloud.Network {
	t.Helper()
	n := cloud.DefaultNetwork(account, r.Place, r.NewID, r.Now())
	err := r.DB.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(vpcs.Create(tx, n.VPC), subnets.Create(tx, n.Subnets[0]), subnets.Create(tx, n.Subnets[1]))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (r *Reconciler) reconcile(t *testing.T, id string) {
	t.Helper()
	if wait, err := r.Reconcile(t.Context(), id); err != nil || wait != 0 {
		t.Fatalf("reconcile %s: %v, %v", id, wait, err)
	}
}

func TestOldNetworksGetWhatTheyLack(t *testing.T) {
	r := newReconciler(t)
	n := r.old(t)
	r.reconcile(t, n.VPC.ID)
	view := r.DB.View()
	if o, ok := options.Get(view, n.VPC.DHCPOptions); !ok || !o.Default || o.Account != account || o.Values("domain-name-servers")[0] != cloud.AmazonDNS {
		t.Errorf("option set is %+v", o)
	}
	found := 0
	for a := range acls.Select(view, "vpc/"+n.VPC.ID) {
		found++
		if !a.Default || len(a.Entries) != 2 || !filters(a, n.Subnets[0].ID) || !filters(a, n.Subnets[1].ID) || len(a.Associations) != 2 {
			t.Errorf("network ACL is %+v", a)
		}
	}
	if found != 1 {
		t.Errorf("there are %d network ACLs", found)
	}
	r.reconcile(t, n.VPC.ID)
	if r.DB.View().Revision() != view.Revision() {
		t.Error("a second round changed something")
	}
	r.reconcile(t, "vpc-0123456789abcdef0") // one that is not there
}

func TestSecondNetworkHasTheSameOptions(t *testing.T) {
	r := newReconciler(t)
	first, second := r.old(t), r.old(t)
	r.reconcile(t, first.VPC.ID)
	r.reconcile(t, second.VPC.ID)
	if v, _ := vpcs.Get(r.DB.View(), second.VPC.ID); v.DHCPOptions != first.VPC.DHCPOptions {
		t.Errorf("the second VPC has the options %s, the first %s", v.DHCPOptions, first.VPC.DHCPOptions)
	}
}

func TestTenantsChoiceStays(t *testing.T) {
	r := newReconciler(t)
	n := r.old(t)
	n.VPC.DHCPOptions = cloud.NoDHCPOptions
	mine := cloud.NetworkACL{Meta: cloud.Meta{ID: r.NewID("acl"), Account: account}, VPC: n.VPC.ID, Associations: []cloud.ACLAssociation{{ID: "aclassoc-1", Subnet: n.Subnets[0].ID}}}
	err := r.DB.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(vpcs.Put(tx, n.VPC), acls.Create(tx, mine), acls.Create(tx, cloud.DefaultNetworkACL(cloud.Meta{ID: r.NewID("acl"), Account: account}, n.VPC)))
	})
	if err != nil {
		t.Fatal(err)
	}
	r.reconcile(t, n.VPC.ID)
	if v, _ := vpcs.Get(r.DB.View(), n.VPC.ID); v.DHCPOptions != cloud.NoDHCPOptions {
		t.Errorf("the VPC has the options %s", v.DHCPOptions)
	}
	for a := range acls.Select(r.DB.View(), "vpc/"+n.VPC.ID) {
		if filters(a, n.Subnets[0].ID) == a.Default || filters(a, n.Subnets[1].ID) != a.Default {
			t.Errorf("network ACL is %+v", a)
		}
	}
}
