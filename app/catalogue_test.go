package app

import (
	"errors"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	blockfake "github.com/vauban-cloud/vauban/driver/block/fake"
	"github.com/vauban-cloud/vauban/store"
)

// newCatalogue is a rig with two images in the catalogue, "tiny" and "big".
func newCatalogue(t *testing.T) (r *rig, tiny string) {
	t.Helper()
	r = newRig(t)
	r.images = blockfake.New(blockfake.Config{})
	err := r.db.Update(t.Context(), func(tx *store.Tx) error {
		for _, name := range []string{"tiny", "big"} {
			i := cloud.Image{
				Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: cloud.OperatorAccount, Created: r.now()}, Name: name, Public: true, SizeGiB: 2,
				RootDevice: "/dev/xvda", Direct: true, KernelArgs: "quiet", User: "admin",
			}
			if err := images.Create(tx, i); err != nil {
				return err
			}
			if tiny == "" {
				tiny = i.ID
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.serve()
	return r, tiny
}

func TestCatalogue(t *testing.T) {
	r, tiny := newCatalogue(t)
	ctx, admin := t.Context(), r.local()
	states := func(all bool) (out []string) {
		list, err := admin.Images(ctx, ImageFilter{All: all})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			out = append(out, i.Name+" "+i.State)
		}
		slices.Sort(out)
		return out
	}
	if got := states(false); !slices.Equal(got, []string{"big public", "tiny public"}) {
		t.Errorf("listed %q", got)
	}
	for _, verb := range []string{"private", "public"} {
		i, err := admin.Image(ctx, verb, "big")
		doc, _ := images.Get(r.db.View(), i.ID)
		if err != nil || i.State != verb || doc.Public != (verb == "public") {
			t.Errorf("%s: %+v, %v", verb, i, err)
		}
	}

	// An instance, its volume, and a tenant's image stand on the first image.
	tenants := cloud.Image{Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: firstAccount}, Kernel: tiny, Direct: true, Pending: true}
	instance, volume := cloud.Instance{Meta: cloud.Meta{ID: cloud.NewID("i")}, Image: tiny}, cloud.Volume{Meta: cloud.Meta{ID: cloud.NewID("vol")}, Image: tiny}
	kept := cloud.Snapshot{Meta: cloud.Meta{ID: cloud.NewID("snap")}, Kernel: tiny}
	r.put(func(tx *store.Tx) error {
		return errors.Join(images.Put(tx, tenants), instances.Put(tx, instance), volumes.Put(tx, volume), snapshots.Put(tx, kept))
	})
	d, err := admin.DescribeImage(ctx, "tiny")
	if err != nil || d.ID != tiny || d.Instances != 1 || d.Volumes != 1 || d.Images != 1 || d.Boot != "the kernel beside it" || d.KernelArgs != "quiet" {
		t.Errorf("got %+v, %v", d, err)
	}
	if i, err := admin.Image(ctx, "retire", tiny); err != nil || i.State != "retired" {
		t.Errorf("got %+v, %v", i, err)
	}
	if got := states(false); !slices.Equal(got, []string{"big public"}) {
		t.Errorf("listed %q", got)
	}
	if got := states(true); !slices.Equal(got, []string{"big public", "tiny retired"}) {
		t.Errorf("listed %q", got)
	}
	for _, verb := range []string{"public", "retire"} {
		_, err := admin.Image(ctx, verb, "tiny") // by its name it is found no more
		says(t, verb, err, "there is no image")
	}
	_, err = admin.Image(ctx, "public", tiny)
	says(t, "publish a retired one", err, "is retired")
	_, err = admin.DescribeImage(ctx, tenants.ID)
	says(t, "a tenant's", err, "there is no image")

	// It goes with the last that stands on it, and a tenant's pending image does not go.
	for _, gone := range []func(*store.Tx) error{
		func(tx *store.Tx) error { return instances.Delete(tx, instance.ID) },
		func(tx *store.Tx) error { return volumes.Delete(tx, volume.ID) },
		func(tx *store.Tx) error { return images.Delete(tx, tenants.ID) },
		func(tx *store.Tx) error { return snapshots.Delete(tx, kept.ID) },
	} {
		if err := r.sweepImages(ctx, true); err != nil {
			t.Fatal(err)
		}
		if _, err := (catalogue{r.running}).Reconcile(ctx, tiny); err != nil {
			t.Fatal(err)
		}
		if _, ok := images.Get(r.db.View(), tiny); !ok {
			t.Fatal("an image is gone on which something stands")
		}
		r.put(gone)
	}
	for range 2 { // the second time it is gone
		if _, err := (catalogue{r.running}).Reconcile(ctx, tiny); err != nil {
			t.Fatal(err)
		}
		if err := r.dropImage(ctx, tiny); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := images.Get(r.db.View(), tiny); ok {
		t.Error("an image is still there on which nothing stands")
	}
	for _, c := range []store.Change{
		{Table: cloud.Instance{}.Table(), Key: "i-1", Labels: []string{"image/" + tiny}, Deleted: true},
		{Table: cloud.Volume{}.Table(), Key: "vol-1", Labels: []string{"image/" + tiny}, Deleted: true},
		{Table: cloud.Image{}.Table(), Key: tiny},
	} {
		if key := (catalogue{}).Key(c); key != tiny {
			t.Errorf("%+v is about %q", c, key)
		}
	}
	if got := r.recorded(); !slices.Contains(got, "local|image retire|ok") {
		t.Errorf("recorded %q", got)
	}
}

// An import that is under way survives that another image is retired; what a killed process
// left of one does not survive the next start.
func TestSweepOfImports(t *testing.T) {
	r, tiny := newCatalogue(t)
	under := cloud.Image{Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: cloud.OperatorAccount}, Name: "new", Pending: true}
	tenants := cloud.Image{Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: firstAccount}, Name: "theirs", Pending: true}
	r.put(func(tx *store.Tx) error { return errors.Join(images.Put(tx, under), images.Put(tx, tenants)) })
	if _, err := r.local().Image(t.Context(), "retire", tiny); err != nil {
		t.Fatal(err)
	}
	if _, ok := images.Get(r.db.View(), under.ID); !ok {
		t.Error("an import that was under way is gone")
	}
	_, err := r.local().Image(t.Context(), "retire", under.ID)
	says(t, "retire an unfinished one", err, "not stored yet")
	if err := r.sweepImages(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if _, ok := images.Get(r.db.View(), under.ID); ok {
		t.Error("what was left of an import is still there")
	}
	if _, ok := images.Get(r.db.View(), tenants.ID); !ok {
		t.Error("a tenant's image is gone")
	}
}

func (r *rig) put(fn func(*store.Tx) error) {
	r.Helper()
	if err := r.db.Update(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}
