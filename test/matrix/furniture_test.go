package matrix

import (
	"errors"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// What is in every world: hosts with room, an image of the operator's and one of
// Alice's, and default networks. All that is Alice's has the tag team=blue.
const (
	host         = "host"
	image        = "ami-0a11ce0000000000a"
	privateImage = "ami-0a11ce0000000000b"
	publicKey    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIwvvc7rzb5vwcGjF/qaCxMFz/dSn6+HJf5a7g4aHrl6 someone"
)

// blue holds for resources that carry the tag.
const blue = "aws:ResourceTag/team"

var blueTags = map[string]string{"team": "blue"}

var (
	accounts     store.Table[cloud.Account]
	organization store.Table[cloud.Organization]
	hosts        store.Table[cloud.Host]
	images       store.Table[cloud.Image]
	instances    store.Table[cloud.Instance]
	volumes      store.Table[cloud.Volume]
	snapshots    store.Table[cloud.Snapshot]
	interfaces   store.Table[cloud.NetworkInterface]
	vpcs         store.Table[cloud.VPC]
	subnets      store.Table[cloud.Subnet]
	routes       store.Table[cloud.RouteTable]
	gateways     store.Table[cloud.InternetGateway]
	groups       store.Table[cloud.SecurityGroup]
	acls         store.Table[cloud.NetworkACL]
	options      store.Table[cloud.DHCPOptions]
	lists        store.Table[cloud.PrefixList]
	nats         store.Table[cloud.NATGateway]
	roles        store.Table[cloud.Role]
	profiles     store.Table[cloud.InstanceProfile]
)

func (w *world) furnish() {
	w.Helper()
	w.net = w.blueNetwork(Alice)
	bobs := w.blueNetwork(Bob)
	w.Update(func(tx *store.Tx) error {
		public := cloud.Image{
			Meta: cloud.Meta{ID: image, Account: cloud.OperatorAccount, Created: w.Now()},
			Name: "tiny", Architecture: "x86_64", Public: true, SizeGiB: 1, RootDevice: "/dev/xvda",
		}
		private := public
		private.Meta = cloud.Meta{ID: privateImage, Account: Alice, Created: w.Now(), Tags: blueTags}
		private.Name, private.Public = "alices", false
		return errors.Join(
			hosts.Create(tx, cloud.Host{ID: host, Zones: w.Place.Zones, VCPUs: 64, MemoryMiB: 64 << 10, DiskGiB: 1000, DiskFree: 1000, Seen: w.Now()}),
			images.Create(tx, public), images.Create(tx, private), lists.Create(tx, w.s3List()), addNetwork(tx, w.net), addNetwork(tx, bobs),
		)
	})
}

func (w *world) blueNetwork(account string) cloud.Network {
	n := cloud.DefaultNetwork(account, w.Place, cloud.NewID, w.Now())
	n.VPC.Tags, n.Group.Tags = blueTags, blueTags
	for i := range n.Subnets {
		n.Subnets[i].Tags = blueTags
	}
	return n
}

func addNetwork(tx *store.Tx, n cloud.Network) error {
	errs := []error{
		vpcs.Create(tx, n.VPC), routes.Create(tx, n.Routes), gateways.Create(tx, n.Gateway), groups.Create(tx, n.Group),
		acls.Create(tx, n.ACL), options.Create(tx, n.Options),
		tx.Claim(cloud.GroupNames(n.VPC.ID), n.Group.Name, n.Group.ID),
		accounts.Modify(tx, n.VPC.Account, func(a *cloud.Account) error { a.DefaultVPC = n.VPC.ID; return nil }),
	}
	for _, s := range n.Subnets {
		errs = append(errs, subnets.Create(tx, s))
	}
	return errors.Join(errs...)
}

// arn names a resource of Alice's in EC2, by its ID.
func (w *world) arn(id string) string {
	kinds := map[string]string{
		"i": "instance", "vol": "volume", "eipalloc": "elastic-ip", "eni": "network-interface", "key": "key-pair",
		"sg": "security-group", "sgr": "security-group-rule", "subnet": "subnet", "vpc": "vpc", "rtb": "route-table", "igw": "internet-gateway",
		"eigw": "egress-only-internet-gateway", "nat": "natgateway", "dopt": "dhcp-options", "vpce": "vpc-endpoint",
		"acl": "network-acl", "pl": "prefix-list", "pcx": "vpc-peering-connection", "fl": "vpc-flow-log",
	}
	switch {
	case strings.HasPrefix(id, "snap-"): // whose ARNs have no account
		return w.snapshots(id)
	case strings.HasPrefix(id, "ami-"):
		return w.images(id)
	}
	prefix := id[:strings.LastIndexByte(id, '-')]
	if kinds[prefix] == "" {
		w.Fatalf("%s is of no kind", id)
	}
	return w.Place.ARN("ec2", Alice, kinds[prefix]+"/"+id)
}

// named names a resource of Alice's in EC2, e.g. "key-pair/key".
func (w *world) named(resource string) string { return w.Place.ARN("ec2", Alice, resource) }

func tagSpec(kind string) []api.TagSpecification {
	return []api.TagSpecification{{ResourceType: &kind, Tags: []api.Tag{{Key: new("team"), Value: new("blue")}}}}
}

// instance launches an instance of Alice's, which runs.
func (w *world) instance() string {
	w.Helper()
	out := made[*api.Reservation](w, Alice, &api.RunInstancesRequest{
		ImageId: new(image), InstanceType: new("t3.nano"), MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: &w.net.Subnets[0].ID,
		TagSpecifications: append(append(tagSpec("instance"), tagSpec("volume")...), tagSpec("network-interface")...),
	})
	id := *out.Instances[0].InstanceId
	w.Update(func(tx *store.Tx) error {
		for v := range volumes.Select(tx, "instance/"+id) {
			if err := volumes.Modify(tx, v.ID, func(v *cloud.Volume) error { v.Seen = cloud.VolumeSeen{Ready: true, Guest: id}; return nil }); err != nil {
				return err
			}
		}
		return instances.Modify(tx, id, func(i *cloud.Instance) error {
			i.Seen = cloud.InstanceSeen{Running: true, Starts: i.Starts, Since: w.Now()}
			return nil
		})
	})
	return id
}

// stopped is an instance of Alice's that is stopped.
func (w *world) stopped() string {
	w.Helper()
	id := w.instance()
	w.Update(func(tx *store.Tx) error {
		for v := range volumes.Select(tx, "instance/"+id) {
			if err := volumes.Modify(tx, v.ID, func(v *cloud.Volume) error { v.Seen = cloud.VolumeSeen{Ready: true}; return nil }); err != nil {
				return err
			}
		}
		return instances.Modify(tx, id, func(i *cloud.Instance) error {
			i.Want, i.Host, i.Slot = cloud.PowerStopped, "", 0
			i.Seen = cloud.InstanceSeen{Starts: i.Starts, Ended: true, Since: w.Now()}
			return nil
		})
	})
	return id
}

// volume makes a volume of Alice's, which is available.
func (w *world) volume() string {
	w.Helper()
	id := *made[*api.Volume](w, Alice, &api.CreateVolumeRequest{
		AvailabilityZone: &w.net.Subnets[0].Zone, Size: new(int32(2)), TagSpecifications: tagSpec("volume"),
	}).VolumeId
	w.Update(func(tx *store.Tx) error {
		return volumes.Modify(tx, id, func(v *cloud.Volume) error { v.Seen.Ready = true; return nil })
	})
	return id
}

// snapshots names a snapshot, or "*".
func (w *world) snapshots(id string) string { return w.Place.ARN("ec2", "", "snapshot/"+id) }

// images names an image, or "*".
func (w *world) images(id string) string { return w.Place.ARN("ec2", "", "image/"+id) }

// image registers an image of Alice's.
func (w *world) image() string {
	w.Helper()
	s := w.snapshot()
	return *made[*api.RegisterImageResult](w, Alice, &api.RegisterImageRequest{
		Name: new("of " + s), BlockDeviceMappings: rootOf(s), TagSpecifications: tagSpec("image"),
	}).ImageId
}

// rootOf maps a root device to a snapshot.
func rootOf(snapshot string) []api.BlockDeviceMapping {
	return []api.BlockDeviceMapping{{DeviceName: new("/dev/sda1"), Ebs: &api.EbsBlockDevice{SnapshotId: &snapshot}}}
}

// snapshot takes a snapshot of a volume of Alice's, which is completed.
func (w *world) snapshot() string {
	w.Helper()
	id := *made[*api.Snapshot](w, Alice, &api.CreateSnapshotRequest{VolumeId: new(w.volume()), TagSpecifications: tagSpec("snapshot")}).SnapshotId
	w.Update(func(tx *store.Tx) error {
		return snapshots.Modify(tx, id, func(s *cloud.Snapshot) error { s.Seen.Ready = true; return nil })
	})
	return id
}

// attached is a volume of Alice's that is attached to an instance.
func (w *world) attached() (volume, instance string) {
	w.Helper()
	volume, instance = w.volume(), w.instance()
	made[*api.VolumeAttachment](w, Alice, &api.AttachVolumeRequest{VolumeId: &volume, InstanceId: &instance, Device: new("/dev/sdf")})
	w.Update(func(tx *store.Tx) error {
		return volumes.Modify(tx, volume, func(v *cloud.Volume) error { v.Seen.Guest = instance; return nil })
	})
	return volume, instance
}

// address allocates an elastic address of Alice's.
func (w *world) address() string {
	w.Helper()
	return *made[*api.AllocateAddressResult](w, Alice, &api.AllocateAddressRequest{TagSpecifications: tagSpec("elastic-ip")}).AllocationId
}

// port is the network interface of an instance.
func (w *world) port(instance string) string {
	w.Helper()
	for n := range interfaces.Select(w.DB.View(), "instance/"+instance) {
		return n.ID
	}
	w.Fatalf("%s has no interface", instance)
	return ""
}

// keyPair makes the key pair "key" of Alice's, and returns its ID.
func (w *world) keyPair() string {
	w.Helper()
	return *made[*api.ImportKeyPairResult](w, Alice, &api.ImportKeyPairRequest{
		KeyName: new("key"), PublicKeyMaterial: []byte(publicKey), TagSpecifications: tagSpec("key-pair"),
	}).KeyPairId
}

// group makes a security group of Alice's.
func (w *world) group() string {
	w.Helper()
	return *made[*api.CreateSecurityGroupResult](w, Alice, &api.CreateSecurityGroupRequest{
		GroupName: new("web"), Description: new("web servers"), TagSpecifications: tagSpec("security-group"),
	}).GroupId
}

// ssh is a permission to come in.
func ssh() []api.IpPermission {
	return []api.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), IpRanges: []api.IpRange{{CidrIp: new("192.0.2.0/24")}}}}
}

// profile makes an instance profile of Alice's with the role that instances may
// have, and returns their ARNs.
func (w *world) profile(name string) (profile, role string) {
	w.Helper()
	r := cloud.Role{
		Meta: cloud.Meta{ID: identity.NewID(identity.RolePrefix), Account: Alice, Created: w.Now(), Tags: blueTags}, Name: name, Path: "/", MaxSession: 3600,
		Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`,
	}
	p := cloud.InstanceProfile{
		Meta: cloud.Meta{ID: identity.NewID(identity.InstanceProfilePrefix), Account: Alice, Created: w.Now(), Tags: blueTags}, Name: name, Path: "/", Role: r.ID,
	}
	w.Update(func(tx *store.Tx) error {
		return errors.Join(roles.Create(tx, r), profiles.Create(tx, p),
			tx.Claim(cloud.RoleNames(Alice), cloud.IAMName(name), r.ID), tx.Claim(cloud.InstanceProfileNames(Alice), cloud.IAMName(name), p.ID))
	})
	return w.Place.GlobalARN("iam", Alice, p.Resource()), w.Place.GlobalARN("iam", Alice, r.Resource())
}

// associated is an instance of Alice's with an instance profile.
func (w *world) associated() (instance, association string) {
	w.Helper()
	instance = w.instance()
	profile, _ := w.profile("app")
	out := made[*api.AssociateIamInstanceProfileResult](w, Alice, &api.AssociateIamInstanceProfileRequest{
		InstanceId: &instance, IamInstanceProfile: &api.IamInstanceProfileSpecification{Arn: &profile},
	})
	return instance, *out.IamInstanceProfileAssociation.AssociationId
}

// everything makes one of each, for lists to show.
func (w *world) everything() {
	w.Helper()
	w.attached()
	w.associated()
	w.address()
	w.keyPair()
	w.group()
	w.nat()
	w.egress()
	w.options()
	w.endpoint()
}
