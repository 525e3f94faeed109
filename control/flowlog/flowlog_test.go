package flowlog_test

import (
	"path/filepath"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/flowlog"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

var (
	logs store.Table[cloud.FlowLog]
	vpcs store.Table[cloud.VPC]
)

func TestFlowLogsGoWithWhatTheyLog(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := &flowlog.Reconciler{DB: db}
	vpc := cloud.VPC{Meta: cloud.Meta{ID: "vpc-00000000000000001"}}
	kept, gone := cloud.FlowLog{Meta: cloud.Meta{ID: "fl-1"}, Resource: vpc.ID}, cloud.FlowLog{Meta: cloud.Meta{ID: "fl-2"}, Resource: "eni-00000000000000001"}
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		if err := vpcs.Create(tx, vpc); err != nil {
			return err
		}
		if err := logs.Create(tx, kept); err != nil {
			return err
		}
		return logs.Create(tx, gone)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []cloud.FlowLog{kept, gone} {
		key := r.Key(store.Change{Table: f.Table(), Key: f.ID, Labels: f.Labels()})
		if key != f.Resource || r.Key(store.Change{Table: vpc.Table(), Key: vpc.ID, Deleted: true}) != vpc.ID {
			t.Errorf("a change of %s is of %q", f.ID, key)
		}
		if _, err := r.Reconcile(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := logs.Get(db.View(), kept.ID); !ok {
		t.Error("the flow log of what is there is gone")
	}
	if _, ok := logs.Get(db.View(), gone.ID); ok {
		t.Error("the flow log of what is gone is there")
	}
}
