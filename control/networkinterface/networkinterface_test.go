package networkinterface_test

import (
	"path/filepath"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/networkinterface"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

var (
	interfaces store.Table[cloud.NetworkInterface]
	instances  store.Table[cloud.Instance]
	addresses  store.Table[cloud.Address]
)

const (
	instance = "i-00000000000000001"
	nic      = "eni-00000000000000001"
	elastic  = "eipalloc-00000000000000001"
)

func TestAttachmentsEnd(t *testing.T) {
	for what, c := range map[string]struct {
		detach, force, gone bool
		cards               string
		over                bool
	}{
		"attached":                       {cards: nic},
		"not wanted undone, not seen":    {},
		"the guest has it":               {detach: true, cards: "eni-0," + nic},
		"the guest has let go":           {detach: true, cards: "eni-0", over: true},
		"forced":                         {detach: true, force: true, cards: nic, over: true},
		"the instance is there no more":  {detach: true, gone: true, over: true},
		"the guest has one of like name": {detach: true, cards: nic + "2", over: true},
	} {
		t.Run(what, func(t *testing.T) {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.Update(t.Context(), func(tx *store.Tx) error {
				if !c.gone {
					i := cloud.Instance{Meta: cloud.Meta{ID: instance}, Seen: cloud.InstanceSeen{Cards: c.cards}}
					if err := instances.Create(tx, i); err != nil {
						return err
					}
				}
				n := cloud.NetworkInterface{Meta: cloud.Meta{ID: nic}, Attachment: &cloud.InterfaceAttachment{Instance: instance, DeviceIndex: 1, Detach: c.detach, Force: c.force}}
				if err := interfaces.Create(tx, n); err != nil {
					return err
				}
				return addresses.Create(tx, cloud.Address{Meta: cloud.Meta{ID: elastic}, Interface: nic, Instance: instance})
			})
			if err != nil {
				t.Fatal(err)
			}
			r := &networkinterface.Reconciler{DB: db}
			n, _ := interfaces.Get(db.View(), nic)
			if key := r.Key(store.Change{Table: n.Table(), Key: nic, Labels: n.Labels()}); key != instance {
				t.Errorf("a change of the interface is of %q", key)
			}
			if _, err := r.Reconcile(t.Context(), instance); err != nil {
				t.Fatal(err)
			}
			n, _ = interfaces.Get(db.View(), nic)
			a, _ := addresses.Get(db.View(), elastic)
			if (n.Attachment == nil) != c.over || (a.Instance == "") != c.over || a.Interface != nic {
				t.Errorf("the attachment is %+v, the address %+v; over: %v", n.Attachment, a, c.over)
			}
		})
	}
}
