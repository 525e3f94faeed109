// Package lifecycle checks that the books stay right whatever happens: it plays
// random sequences of calls to the EC2 service, of reports as hosts make them, and
// of the control plane's steps, and after each looks at every document and claim.
package lifecycle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/control/instance"
	"github.com/vauban-cloud/vauban/control/volume"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/ec2"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

const (
	account = "000000000001"
	image   = "ami-00000000000000001"
	nHosts  = 3 // two in the first zone, one in the second
)

var (
	instances  store.Table[cloud.Instance]
	interfaces store.Table[cloud.NetworkInterface]
	addresses  store.Table[cloud.Address]
	volumes    store.Table[cloud.Volume]
	hosts      store.Table[cloud.Host]
	images     store.Table[cloud.Image]
	accounts   store.Table[cloud.Account]
	vpcs       store.Table[cloud.VPC]
	subnets    store.Table[cloud.Subnet]
	routes     store.Table[cloud.RouteTable]
	gateways   store.Table[cloud.InternetGateway]
	groups     store.Table[cloud.SecurityGroup]
	acls       store.Table[cloud.NetworkACL]
)

// world is a cloud without anything that runs by itself.
type world struct {
	*ec2.Service
	t         *rapid.T
	ctx       context.Context
	now       time.Time
	instances *instance.Reconciler
	volumes   *volume.Reconciler
	seen      map[claim]bool // every claim that ever belonged to a document
}

// claim is a value that must be unique, and who has it.
type claim struct{ space, value string }

func TestMain(m *testing.M) {
	// Fewer checks than rapid's 100 unless asked for: each writes a file of its own.
	if err := flag.Set("rapid.checks", "50"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestBooksStayRight(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		file := filepath.Join(t.TempDir(), fmt.Sprintf("db%d", n))
		w := newWorld(rt, file)
		defer os.Remove(file)
		defer w.DB.Close()
		rt.Repeat(map[string]func(*rapid.T){
			"":            w.check,
			"launch":      w.launch,
			"launch 2":    w.launch,
			"power":       w.power,
			"power 2":     w.power,
			"change type": w.changeType,
			"volume":      w.volumeCall,
			"address":     w.addressCall,
			"guest":       w.guestReport,
			"guest 2":     w.guestReport,
			"guest 3":     w.guestReport,
			"disk":        w.diskReport,
			"disk 2":      w.diskReport,
			"control":     w.control,
			"control 2":   w.control,
			"round":       w.round,
			"round 2":     w.round,
			"time":        w.time,
		})
		w.endAll(rt)
	})
}

func newWorld(t *rapid.T, file string) *world {
	db, err := sqlite.Open(context.Background(), file, cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Unix(1_700_000_000, 0).UTC(), seen: map[claim]bool{}}
	now := func() time.Time { return w.now }
	ids := 0
	w.Service = &ec2.Service{
		DB: db, Authz: everybody{}, Place: cloud.DefaultPlace(), Now: now,
		NewID:      func(prefix string) string { ids++; return fmt.Sprintf("%s-%017x", prefix, ids) },
		PublicPool: netip.MustParsePrefix("100.64.0.0/28"), PageKey: []byte("key"), Limits: ec2.Limits{VCPUs: 24},
	}
	w.instances, w.volumes = &instance.Reconciler{DB: db, Now: now}, &volume.Reconciler{DB: db, Now: now}
	w.ctx = cloud.WithCaller(context.Background(), cloud.Caller{Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account})
	n := cloud.DefaultNetwork(account, w.Place, w.NewID, w.now)
	w.update(func(tx *store.Tx) error {
		errs := []error{
			accounts.Create(tx, cloud.Account{ID: account, DefaultVPC: n.VPC.ID}), vpcs.Create(tx, n.VPC), routes.Create(tx, n.Routes),
			gateways.Create(tx, n.Gateway), groups.Create(tx, n.Group), acls.Create(tx, n.ACL), tx.Claim(cloud.GroupNames(n.VPC.ID), n.Group.Name, n.Group.ID),
			images.Create(tx, cloud.Image{Meta: cloud.Meta{ID: image, Account: cloud.OperatorAccount}, Name: "tiny", Public: true, SizeGiB: 1, RootDevice: "/dev/xvda"}),
		}
		for _, s := range n.Subnets {
			errs = append(errs, subnets.Create(tx, s))
		}
		for k := range nHosts {
			errs = append(errs, hosts.Create(tx, cloud.Host{
				ID: fmt.Sprintf("host-%d", k), Zones: w.Place.Zones[k%2 : k%2+1], VCPUs: 8, MemoryMiB: 4096, DiskGiB: 100, DiskFree: 12, Seen: w.now,
			}))
		}
		return errors.Join(errs...)
	})
	return w
}

func (w *world) update(fn func(*store.Tx) error) {
	if err := w.DB.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// called checks that a call worked or was refused in the API's own words.
func (w *world) called(t *rapid.T, err error) {
	var refused *cloud.Error
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("a call failed: %v", err)
	}
}

// any picks a document; ok is false if there is none.
func pick[T store.Document](t *rapid.T, r store.Reader, table store.Table[T]) (doc T, ok bool) {
	all := slices.Collect(table.All(r))
	if len(all) == 0 {
		return doc, false
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, doc.Table())], true
}

func (w *world) launch(t *rapid.T) {
	in := &api.RunInstancesRequest{
		ImageId: new(image), InstanceType: new(rapid.SampledFrom([]string{"t3.nano", "t3.micro", "t3.small"}).Draw(t, "type")),
		MinCount: new(int32(1)), MaxCount: new(int32(rapid.IntRange(1, 3).Draw(t, "count"))),
		InstanceInitiatedShutdownBehavior: new(rapid.SampledFrom([]string{"stop", "terminate"}).Draw(t, "on shutdown")),
	}
	if rapid.Bool().Draw(t, "in the second zone") {
		in.Placement = &api.Placement{AvailabilityZone: &w.Place.Zones[1]}
	}
	for k := range rapid.IntRange(0, 2).Draw(t, "disks") {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, api.BlockDeviceMapping{
			DeviceName: new(fmt.Sprintf("/dev/sd%c", 'f'+k)), Ebs: &api.EbsBlockDevice{VolumeSize: new(int32(1)), DeleteOnTermination: new(rapid.Bool().Draw(t, "with it"))},
		})
	}
	switch rapid.IntRange(0, 3).Draw(t, "interfaces") {
	case 1:
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), AssociatePublicIpAddress: new(false)}}
	case 2:
		in.NetworkInterfaces = []api.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: new(int32(0))}, {DeviceIndex: new(int32(1)), SecondaryPrivateIpAddressCount: new(int32(1)), DeleteOnTermination: new(false)},
		}
	case 3:
		if n, ok := pick(t, w.DB.View(), interfaces); ok {
			in.NetworkInterfaces, in.MaxCount = []api.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), NetworkInterfaceId: &n.ID}}, new(int32(1))
		}
	}
	if rapid.Bool().Draw(t, "token") {
		in.ClientToken = new(fmt.Sprint("token-", rapid.IntRange(0, 3).Draw(t, "token")))
	}
	_, err := w.RunInstances(w.ctx, in)
	w.called(t, err)
}

func (w *world) power(t *rapid.T) {
	i, ok := pick(t, w.DB.View(), instances)
	if !ok {
		return
	}
	ids := []string{i.ID}
	if other, _ := pick(t, w.DB.View(), instances); rapid.Bool().Draw(t, "two") {
		ids = append(ids, other.ID)
	}
	var err error
	switch rapid.SampledFrom([]string{"start", "stop", "force", "reboot", "terminate"}).Draw(t, "operation") {
	case "start":
		_, err = w.StartInstances(w.ctx, &api.StartInstancesRequest{InstanceIds: ids})
	case "stop":
		_, err = w.StopInstances(w.ctx, &api.StopInstancesRequest{InstanceIds: ids})
	case "force":
		_, err = w.StopInstances(w.ctx, &api.StopInstancesRequest{InstanceIds: ids, Force: new(true)})
	case "reboot":
		_, err = w.RebootInstances(w.ctx, &api.RebootInstancesRequest{InstanceIds: ids})
	case "terminate":
		_, err = w.TerminateInstances(w.ctx, &api.TerminateInstancesRequest{InstanceIds: ids})
	}
	w.called(t, err)
}

func (w *world) changeType(t *rapid.T) {
	if i, ok := pick(t, w.DB.View(), instances); ok {
		kind := rapid.SampledFrom([]string{"t3.nano", "t3.medium"}).Draw(t, "type")
		_, err := w.ModifyInstanceAttribute(w.ctx, &api.ModifyInstanceAttributeRequest{InstanceId: &i.ID, InstanceType: &api.AttributeValue{Value: &kind}})
		w.called(t, err)
	}
}

func (w *world) volumeCall(t *rapid.T) {
	v, ok := pick(t, w.DB.View(), volumes)
	operation := rapid.SampledFrom([]string{"create", "attach", "detach", "delete"}).Draw(t, "operation")
	if operation != "create" && !ok {
		return
	}
	var err error
	switch operation {
	case "create":
		_, err = w.CreateVolume(w.ctx, &api.CreateVolumeRequest{AvailabilityZone: &w.Place.Zones[1], Size: new(int32(1))})
	case "attach":
		i, ok := pick(t, w.DB.View(), instances)
		if !ok {
			return
		}
		device := rapid.SampledFrom([]string{"/dev/sdf", "/dev/sdh", "/dev/xvda"}).Draw(t, "device")
		_, err = w.AttachVolume(w.ctx, &api.AttachVolumeRequest{VolumeId: &v.ID, InstanceId: &i.ID, Device: &device})
	case "detach":
		_, err = w.DetachVolume(w.ctx, &api.DetachVolumeRequest{VolumeId: &v.ID})
	case "delete":
		_, err = w.DeleteVolume(w.ctx, &api.DeleteVolumeRequest{VolumeId: &v.ID})
	}
	w.called(t, err)
}

func (w *world) addressCall(t *rapid.T) {
	a, ok := pick(t, w.DB.View(), addresses)
	operation := rapid.SampledFrom([]string{"allocate", "associate", "disassociate", "release"}).Draw(t, "operation")
	if operation != "allocate" && !ok {
		return
	}
	var err error
	switch operation {
	case "allocate":
		_, err = w.AllocateAddress(w.ctx, &api.AllocateAddressRequest{})
	case "associate":
		n, ok := pick(t, w.DB.View(), interfaces)
		if !ok {
			return
		}
		_, err = w.AssociateAddress(w.ctx, &api.AssociateAddressRequest{AllocationId: &a.ID, NetworkInterfaceId: &n.ID, AllowReassociation: new(true)})
	case "disassociate":
		if a.Association == "" {
			return
		}
		_, err = w.DisassociateAddress(w.ctx, &api.DisassociateAddressRequest{AssociationId: &a.Association})
	case "release":
		_, err = w.ReleaseAddress(w.ctx, &api.ReleaseAddressRequest{AllocationId: &a.ID})
	}
	w.called(t, err)
}

// guestReport has the host of an instance take a step and report it.
func (w *world) guestReport(t *rapid.T) {
	i, ok := pick(t, w.DB.View(), instances)
	if ok && i.Host != "" {
		w.step(i, rapid.IntRange(0, 5).Draw(t, "fate"))
	}
}

// step is what a host does with a guest: as wanted, unless fate is 0.
func (w *world) step(i cloud.Instance, fate int) {
	seen := i.Seen
	up := seen.Running && seen.Starts == i.Starts
	over := seen.Ended && seen.Starts == i.Starts
	switch {
	case i.Want == cloud.PowerRunning && over:
		return // the control plane's turn
	case i.Want == cloud.PowerRunning && up && fate == 0:
		seen = cloud.InstanceSeen{Starts: i.Starts, Reboots: seen.Reboots, Ended: true, Halted: true}
	case i.Want == cloud.PowerRunning && !up && fate == 0:
		seen = cloud.InstanceSeen{Starts: i.Starts, Ended: true, Error: "Server.InternalError: It does not start"}
	case i.Want == cloud.PowerRunning:
		seen = cloud.InstanceSeen{Running: true, Starts: i.Starts, Reboots: i.Reboots}
	case i.Want == cloud.PowerStopped:
		seen = cloud.InstanceSeen{Starts: i.Starts, Reboots: seen.Reboots, Ended: true}
	case i.Want == cloud.PowerTerminated:
		seen = cloud.InstanceSeen{Starts: i.Starts, Ended: true, Gone: true}
	}
	w.update(func(tx *store.Tx) error {
		return instances.Modify(tx, i.ID, func(i *cloud.Instance) error { i.Seen = seen; return nil })
	})
}

// diskReport has the host of a volume take a step and report it.
func (w *world) diskReport(t *rapid.T) {
	if v, ok := pick(t, w.DB.View(), volumes); ok {
		w.diskStep(v, rapid.IntRange(0, 9).Draw(t, "fate"))
	}
}

func (w *world) diskStep(v cloud.Volume, fate int) {
	seen := v.Seen
	var i cloud.Instance
	if v.Attachment != nil {
		i, _ = instances.Get(w.DB.View(), v.Attachment.Instance)
	}
	runs := i.Host != "" && i.Host == v.Host && i.Seen.Running && i.Want == cloud.PowerRunning
	switch {
	case seen.Guest != "" && (v.Attachment == nil || v.Attachment.Detach || v.Attachment.Instance != seen.Guest || v.Delete || !runs):
		seen.Guest = ""
	case v.Delete && v.Attachment == nil:
		seen = cloud.VolumeSeen{Gone: true}
	case !seen.Ready && seen.Error == "" && fate == 0:
		seen.Error = "no space left for volumes"
	case !seen.Ready && seen.Error == "":
		seen.Ready = true
	case runs && seen.Ready && !v.Attachment.Detach:
		seen.Guest = v.Attachment.Instance
	}
	w.update(func(tx *store.Tx) error {
		return volumes.Modify(tx, v.ID, func(v *cloud.Volume) error { v.Seen = seen; return nil })
	})
}

// control has a reconciler look at a key.
func (w *world) control(t *rapid.T) {
	if i, ok := pick(t, w.DB.View(), instances); ok {
		w.reconcile(t, i.ID, "")
	}
	if v, ok := pick(t, w.DB.View(), volumes); ok {
		w.reconcile(t, "", v.ID)
	}
}

func (w *world) reconcile(t *rapid.T, instance, volume string) {
	_, err := w.instances.Reconcile(w.ctx, instance)
	if err == nil {
		_, err = w.volumes.Reconcile(w.ctx, volume)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// time passes, and all hosts but perhaps one go on reporting.
func (w *world) time(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "minutes")) * time.Minute)
	w.heartbeats(rapid.IntRange(-nHosts, nHosts-1).Draw(t, "silent host"))
}

func (w *world) heartbeats(silent int) {
	w.update(func(tx *store.Tx) error {
		for k := range nHosts {
			if k == silent {
				continue
			}
			err := hosts.Modify(tx, "host-"+strconv.Itoa(k), func(h *cloud.Host) error { h.Seen = w.now; return nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// everybody lets everybody do everything: these tests are about something else.
type everybody struct{}

// Authorize says yes.
func (everybody) Authorize(context.Context, policy.Request) error { return nil }
