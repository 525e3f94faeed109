package ec2

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	testImage    = "ami-00000000000000001"
	privateImage = "ami-00000000000000002" // bob's
	hostA        = "host-a"                // serves the first zone
	hostB        = "host-b"                // serves the second
)

// newGuestRig is a rig on which guests can be launched: a host a zone, an image
// of the operator's and one of bob's, and the key pair "key" of alice's.
func newGuestRig(t testing.TB) *rig {
	t.Helper()
	return newGuestRigWith(t, cloud.NewID)
}

func newGuestRigWith(t testing.TB, newID func(prefix string) string) *rig {
	t.Helper()
	return newRigWith(t, newID).withGuests()
}

// withGuests makes a rig one on which guests can be launched.
func (r *rig) withGuests() *rig {
	r.Helper()
	r.addHost(hostA, 0)
	r.addHost(hostB, 1)
	r.update(func(tx *store.Tx) error {
		image := cloud.Image{
			Meta: cloud.Meta{ID: testImage, Account: cloud.OperatorAccount, Created: r.Now(), Tags: map[string]string{"Name": "tiny"}},
			Name: "vauban-tiny", Description: "small", Architecture: "x86_64", Public: true, SizeGiB: 2, RootDevice: "/dev/xvda",
		}
		if err := imageTable.Create(tx, image); err != nil {
			return err
		}
		image.ID, image.Account, image.Name, image.Public = privateImage, bob, "bobs", false
		return imageTable.Create(tx, image)
	})
	must(r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new("key"), PublicKeyMaterial: []byte(opensshED25519)}))(r)
	return r
}

// addHost adds a host of 64 vCPUs, 64 GiB of memory and 1000 GiB of disk.
func (r *rig) addHost(id string, zone int) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return hostTable.Create(tx, cloud.Host{
			ID: id, Zones: r.Place.Zones[zone : zone+1], VCPUs: 64, MemoryMiB: 64 << 10, DiskGiB: 1000, DiskFree: 1000, Seen: r.Now(),
		})
	})
}

func (r *rig) changeHost(id string, change func(*cloud.Host)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return hostTable.Modify(tx, id, func(h *cloud.Host) error { change(h); return nil })
	})
}

func (r *rig) host(id string) cloud.Host {
	h, _ := hostTable.Get(r.DB.View(), id)
	return h
}

// request is a RunInstances request for one t3.micro in the first zone.
func (r *rig) request(change ...func(*ec2.RunInstancesRequest)) *ec2.RunInstancesRequest {
	in := &ec2.RunInstancesRequest{
		ImageId: new(testImage), InstanceType: new("t3.micro"), MinCount: new(int32(1)), MaxCount: new(int32(1)),
		SubnetId: &r.net.Subnets[0].ID,
	}
	for _, c := range change {
		c(in)
	}
	return in
}

// launch launches instances and returns their IDs.
func (r *rig) launchIDs(change ...func(*ec2.RunInstancesRequest)) []string {
	r.Helper()
	out, err := r.RunInstances(r.ctx, r.request(change...))
	if err != nil {
		r.Fatal(err)
	}
	return each(out.Instances, func(i ec2.Instance) string { return *i.InstanceId })
}

// running launches one instance, and has its host report that it runs.
func (r *rig) running(change ...func(*ec2.RunInstancesRequest)) string {
	r.Helper()
	id := r.launchIDs(change...)[0]
	r.runs(id)
	return id
}

// doc is the document of an instance.
func (r *rig) doc(id string) cloud.Instance {
	r.Helper()
	i, ok := instanceTable.Get(r.DB.View(), id)
	if !ok {
		r.Fatalf("no instance %s", id)
	}
	return i
}

// volumes are the volumes of an instance, the root device first.
func (r *rig) volumes(id string) []cloud.Volume { return volumesOf(r.DB.View(), r.doc(id)) }

func (r *rig) nics(id string) []cloud.NetworkInterface { return interfacesOf(r.DB.View(), id) }

func (r *rig) see(id string, seen cloud.InstanceSeen) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return instanceTable.Modify(tx, id, func(i *cloud.Instance) error { i.Seen = seen; return nil })
	})
}

func (r *rig) seeVolume(id string, seen cloud.VolumeSeen) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return volumeTable.Modify(tx, id, func(v *cloud.Volume) error { v.Seen = seen; return nil })
	})
}

// runs does what a host does that starts a guest: it makes and plugs its
// volumes, and reports that it runs.
func (r *rig) runs(id string) {
	r.Helper()
	i := r.doc(id)
	for _, v := range r.volumes(id) {
		r.seeVolume(v.ID, cloud.VolumeSeen{Ready: true, Guest: id})
	}
	r.see(id, cloud.InstanceSeen{Running: true, Starts: i.Starts, Reboots: i.Reboots, Since: r.Now()})
}

// ends does what a host does when a guest has ended as asked.
func (r *rig) ends(id string) {
	r.Helper()
	i := r.doc(id)
	for _, v := range r.volumes(id) {
		r.seeVolume(v.ID, cloud.VolumeSeen{Ready: true})
	}
	r.see(id, cloud.InstanceSeen{Starts: i.Starts, Ended: true, Gone: i.Want == cloud.PowerTerminated, Since: r.Now()})
}

// settle does what the control plane does with an instance whose guest has
// ended: it gives back its place, and all else if it is terminated.
func (r *rig) settle(id string) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		i, _ := instanceTable.Get(tx, id)
		if i.Host != "" {
			t, _ := cloud.FindInstanceType(i.Type)
			h, _ := hostTable.Get(tx, i.Host)
			if err := hostTable.Put(tx, h.Free(t)); err != nil {
				return err
			}
			tx.Release(slots(i.Host), strconv.Itoa(i.Slot))
		}
		i.Host, i.Slot = "", 0
		for _, n := range interfacesOf(tx, id) {
			if p := n.Addresses[0].Public; p != nil && p.Allocation == "" {
				tx.Release(cloud.PublicAddresses, p.Address.String())
				if err := setPublic(tx, n.ID, n.Primary(), nil); err != nil {
					return err
				}
			}
			if i.Want == cloud.PowerTerminated {
				tx.ReleaseAll(n.ID)
				if err := interfaceTable.Delete(tx, n.ID); err != nil {
					return err
				}
			}
		}
		if i.Want == cloud.PowerTerminated {
			i.Released = r.Now()
			for _, v := range volumesOf(tx, i) {
				if err := volumeTable.Delete(tx, v.ID); err != nil {
					return err
				}
			}
		}
		return instanceTable.Put(tx, i)
	})
}

// stopped launches an instance and stops it.
func (r *rig) stopped(change ...func(*ec2.RunInstancesRequest)) string {
	r.Helper()
	id := r.running(change...)
	must(r.StopInstances(r.ctx, &ec2.StopInstancesRequest{InstanceIds: []string{id}}))(r)
	r.ends(id)
	r.settle(id)
	if state := r.doc(id).State(); state != cloud.InstanceStopped {
		r.Fatalf("got state %s, want stopped", state)
	}
	return id
}

// describe returns one instance as DescribeInstances shows it.
func (r *rig) describe(id string) ec2.Instance {
	r.Helper()
	out := must(r.DescribeInstances(r.ctx, &ec2.DescribeInstancesRequest{InstanceIds: []string{id}}))(r)
	return out.Reservations[0].Instances[0]
}

// tick lets time pass, in which the hosts go on reporting.
func (r *rig) tick(d time.Duration) {
	r.Helper()
	r.clock.Add(int64(d / time.Second))
	for _, h := range []string{hostA, hostB} {
		r.changeHost(h, func(h *cloud.Host) { h.Seen = r.Now() })
	}
}

// pending makes n instances without a host's help, for tests about lists.
func (r *rig) fill(n int, change func(k int, i *cloud.Instance)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		for k := range n {
			i := cloud.Instance{
				Meta:        cloud.Meta{ID: fmt.Sprintf("i-%017x", k+1), Account: alice, Created: r.Now(), Tags: map[string]string{"n": strconv.Itoa(k)}},
				Reservation: fmt.Sprintf("r-%017x", k/2+1), Image: testImage, Type: "t3.micro", Zone: r.Place.Zones[0],
				VPC: r.net.VPC.ID, Subnet: r.net.Subnets[0].ID, RootDevice: "/dev/xvda", Launched: r.Now(), Want: cloud.PowerRunning, Starts: 1,
				Seen: cloud.InstanceSeen{Running: true, Starts: 1},
			}
			if change != nil {
				change(k, &i)
			}
			if err := instanceTable.Create(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
}
