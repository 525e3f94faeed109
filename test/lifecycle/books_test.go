package lifecycle

import (
	"fmt"
	"strconv"
	"time"

	"pgregory.net/rapid"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// check looks at all documents and claims.
func (w *world) check(t *rapid.T) {
	v := w.DB.View()
	holders := map[claim]string{}
	hold := func(space, value, owner string) {
		c := claim{space, value}
		if other, taken := holders[c]; taken {
			t.Fatalf("%s %s belongs to both %s and %s", space, value, other, owner)
		}
		holders[c] = owner
		w.seen[c] = true
	}
	w.checkInstances(t, v, hold)
	w.checkInterfaces(t, v, hold)
	w.checkVolumes(t, v)
	for c := range w.seen {
		if owner, _ := store.Owner(v, c.space, c.value); owner != holders[c] {
			t.Fatalf("%s %s is claimed by %q, but belongs to %q", c.space, c.value, owner, holders[c])
		}
	}
}

// checkInstances checks placements: what hosts have promised is what is on them.
func (w *world) checkInstances(t *rapid.T, r store.Reader, hold func(space, value, owner string)) {
	used := map[string]cloud.Usage{}
	for i := range instances.All(r) {
		if i.Host == "" && i.Slot != 0 || i.Host != "" && i.Slot == 0 {
			t.Fatalf("%s is on %q in slot %d", i.ID, i.Host, i.Slot)
		}
		if i.Host != "" {
			kind, _ := cloud.FindInstanceType(i.Type)
			used[i.Host] = cloud.Host{Used: used[i.Host]}.Take(kind).Used
			hold("slot/"+i.Host, strconv.Itoa(i.Slot), i.ID)
		}
		nics, disks := interfaces.Count(r, "instance/"+i.ID), volumes.Count(r, "instance/"+i.ID)
		switch state := i.State(); {
		case state == cloud.InstanceTerminated && (nics+disks > 0 || i.Host != ""):
			t.Fatalf("%s is terminated and has %d interfaces, %d volumes, and a place on %q", i.ID, nics, disks, i.Host)
		case state == cloud.InstanceStopped && i.Host != "":
			t.Fatalf("%s is stopped and has a place on %s", i.ID, i.Host)
		case state != cloud.InstanceTerminated && nics == 0:
			t.Fatalf("%s is %s and has no interface", i.ID, state)
		}
	}
	for h := range hosts.All(r) {
		if h.Used != used[h.ID] {
			t.Fatalf("%s has promised %+v, but its guests were promised %+v", h.ID, h.Used, used[h.ID])
		}
		if h.Used.MemoryMiB > h.MemoryMiB || h.Used.VCPUs > h.VCPUs {
			t.Fatalf("%s has promised more than it has: %+v", h.ID, h.Used)
		}
	}
}

func (w *world) checkInterfaces(t *rapid.T, r store.Reader, hold func(space, value, owner string)) {
	taken := map[string]string{}
	for n := range interfaces.All(r) {
		hold(cloud.MACs, n.MAC, n.ID)
		for _, a := range n.Addresses {
			hold(cloud.PrivateAddresses(n.VPC), a.Private.String(), n.ID)
			if a.Public == nil {
				continue
			}
			if a.Public.Allocation == "" {
				hold(cloud.PublicAddresses, a.Public.Address.String(), n.ID)
			} else if e, _ := addresses.Get(r, a.Public.Allocation); e.Interface != n.ID || e.Private != a.Private || e.Association != a.Public.Association {
				t.Fatalf("%s has %s, which is at %s", n.ID, a.Public.Allocation, e.Interface)
			}
		}
		at := n.Attachment
		if at == nil {
			continue
		}
		if i, ok := instances.Get(r, at.Instance); !ok || !i.Released.IsZero() || i.Zone != n.Zone {
			t.Fatalf("%s is attached to %s, which is gone or elsewhere", n.ID, at.Instance)
		}
		place := fmt.Sprint(at.Instance, " device ", at.DeviceIndex)
		if other, ok := taken[place]; ok {
			t.Fatalf("%s and %s are both at %s", other, n.ID, place)
		}
		taken[place] = n.ID
	}
	for a := range addresses.All(r) {
		hold(cloud.PublicAddresses, a.Address.String(), a.ID)
		if a.Interface == "" {
			continue
		}
		n, _ := interfaces.Get(r, a.Interface)
		if p := n.Addresses; len(p) == 0 || p[0].Public == nil || p[0].Public.Allocation != a.ID {
			t.Fatalf("%s is at %s, which does not know it", a.ID, a.Interface)
		}
	}
}

func (w *world) checkVolumes(t *rapid.T, r store.Reader) {
	taken := map[string]string{}
	for v := range volumes.All(r) {
		at := v.Attachment
		if at == nil {
			continue
		}
		i, ok := instances.Get(r, at.Instance)
		switch {
		case !ok || !i.Released.IsZero():
			t.Fatalf("%s is attached to %s, which is gone", v.ID, at.Instance)
		case v.Delete:
			t.Fatalf("%s is attached to %s and is to be deleted", v.ID, at.Instance)
		case i.Host != "" && i.Host != v.Host:
			t.Fatalf("%s is on %s, its instance %s on %s", v.ID, v.Host, i.ID, i.Host)
		}
		place := at.Instance + " " + at.Device
		if other, ok := taken[place]; ok {
			t.Fatalf("%s and %s are both at %s", other, v.ID, place)
		}
		taken[place] = v.ID
	}
}

// endAll terminates and deletes everything. Nothing may be left that anybody holds.
func (w *world) endAll(t *rapid.T) {
	for i := range instances.All(w.DB.View()) {
		_, err := w.TerminateInstances(w.ctx, &api.TerminateInstancesRequest{InstanceIds: []string{i.ID}})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.settle(t)
	for v := range volumes.All(w.DB.View()) {
		if _, err := w.DeleteVolume(w.ctx, &api.DeleteVolumeRequest{VolumeId: &v.ID}); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(2 * time.Hour)
	w.settle(t)
	v := w.DB.View()
	if n := instances.Count(v, "") + volumes.Count(v, ""); n > 0 {
		t.Fatalf("%d instances and volumes are left", n)
	}
	w.check(t)
}

// settle lets hosts and the control plane work until there is nothing to do.
func (w *world) settle(t *rapid.T) {
	for range 5 {
		w.round(t)
		w.check(t)
	}
}

// round lets every host and reconciler take a step.
func (w *world) round(t *rapid.T) {
	w.heartbeats(-1)
	for v := range volumes.All(w.DB.View()) {
		w.diskStep(v, 1)
	}
	for i := range instances.All(w.DB.View()) {
		if i.Host != "" {
			w.step(i, 1)
		}
		w.reconcile(t, i.ID, "")
	}
	for v := range volumes.All(w.DB.View()) {
		w.reconcile(t, "", v.ID)
	}
}
