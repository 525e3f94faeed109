package ec2

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// maxHotPlug is how many volumes beside the root device, and interfaces beside
// the primary one, an instance may have together: the guest's firmware has so
// many slots in reserve.
const maxHotPlug = 10

// disk is a volume that a launch makes.
type disk struct {
	device string
	spec   volumeSpec
	keep   bool // it outlives the instance
}

// launchDisks are the volumes of a launch, the root device first: those of the image, as
// the block device mappings of the request change them, and those that the request adds.
func (a asking) launchDisks(image cloud.Image, mappings []ec2.BlockDeviceMapping) ([]disk, error) {
	if err := checkMappings(image.RootDevice, mappings); err != nil {
		return nil, err
	}
	var disks []disk
	of := imageMappings(image)
	for _, m := range of {
		d, wanted, err := a.imageDisk(image, m, mappingOf(mappings, m.Device))
		if err != nil {
			return nil, err
		}
		if wanted {
			disks = append(disks, d)
		}
	}
	for _, m := range mappings {
		known := slices.ContainsFunc(of, func(i cloud.ImageMapping) bool { return i.Device == *m.DeviceName })
		if known || m.NoDevice != nil || m.VirtualName != nil {
			continue
		}
		d, err := a.addedDisk(m)
		if err != nil {
			return nil, err
		}
		disks = append(disks, d)
	}
	return disks, nil
}

// imageDisk is the volume of an image's mapping, as the mapping over it, nil for none,
// changes it. Mappings to instance store ("ephemeral0") are none, as on any type that has
// none.
func (a asking) imageDisk(image cloud.Image, m cloud.ImageMapping, over *ec2.BlockDeviceMapping) (d disk, wanted bool, err error) {
	empty := m.NoDevice || m.Virtual != ""
	switch {
	case over != nil && (over.NoDevice != nil || over.VirtualName != nil), empty && (over == nil || over.Ebs == nil):
		return d, false, nil
	case empty, over != nil && val(val(over.Ebs).SnapshotId) != "" && m.Device != image.RootDevice:
		d, err = a.addedDisk(*over)
		return d, true, err
	}
	d = disk{device: m.Device, keep: !m.DeleteOnTermination}
	ask := volumeRequest{size: new(int32(m.SizeGiB)), kind: m.Type, iops: opt(int32(m.IOPS)), throughput: opt(int32(m.Throughput)), byDefault: a.encrypts()}
	if m.Encrypted {
		ask.encrypted = new(true)
	}
	if m.Snapshot != "" { // whoever may use the image may use its snapshots
		n, ok := snapshotTable.Get(a.r, m.Snapshot)
		if !ok || !n.Kept() {
			return d, false, notFound("snap", m.Snapshot)
		}
		ask.snapshot, ask.from = n.ID, &n
	}
	if over != nil && over.Ebs != nil {
		if err := ask.override(image, m, *over.Ebs); err != nil {
			return d, false, err
		}
		if over.Ebs.DeleteOnTermination != nil {
			d.keep = !*over.Ebs.DeleteOnTermination
		}
	}
	d.spec, err = ask.check()
	return d, true, err
}

// override changes what an image's mapping asks for.
func (q *volumeRequest) override(image cloud.Image, m cloud.ImageMapping, ebs ec2.EbsBlockDevice) error {
	if err := refuseEBS(ebs); err != nil {
		return err
	}
	size := val(ebs.VolumeSize)
	switch {
	case val(ebs.SnapshotId) != "":
		return badMapping("snapshotId cannot be modified on root device")
	case ebs.VolumeSize != nil && int(size) < m.SizeGiB && m.Snapshot != "":
		return badMapping("Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB", size, m.Snapshot, m.SizeGiB)
	case ebs.VolumeSize != nil && int(size) < m.SizeGiB && m.Device == image.RootDevice:
		return badMapping("Volume of size %dGB is smaller than the image's root device, expect size >= %dGB", size, m.SizeGiB)
	}
	if val(ebs.VolumeType) != "" && *ebs.VolumeType != q.kind {
		q.kind, q.iops, q.throughput = *ebs.VolumeType, nil, nil
	}
	q.size, q.iops, q.throughput = cmp.Or(ebs.VolumeSize, q.size), cmp.Or(ebs.Iops, q.iops), cmp.Or(ebs.Throughput, q.throughput)
	q.encrypted, q.key = cmp.Or(ebs.Encrypted, q.encrypted), val(ebs.KmsKeyId)
	return nil
}

// addedDisk is the volume of a mapping that stands for itself.
func (a asking) addedDisk(m ec2.BlockDeviceMapping) (disk, error) {
	device, ebs := *m.DeviceName, m.Ebs
	if ebs == nil {
		return disk{}, badMapping("The mapping of '%s' names none of ebs, virtualName and noDevice", device)
	}
	if err := refuseEBS(*ebs); err != nil {
		return disk{}, err
	}
	spec, err := volumeRequest{
		size: ebs.VolumeSize, kind: val(ebs.VolumeType), iops: ebs.Iops, throughput: ebs.Throughput,
		snapshot: val(ebs.SnapshotId), from: a.source(ebs.SnapshotId), encrypted: ebs.Encrypted, byDefault: a.encrypts(), key: val(ebs.KmsKeyId),
	}.check()
	return disk{device: device, spec: spec, keep: ebs.DeleteOnTermination != nil && !*ebs.DeleteOnTermination}, err
}

// refuseEBS refuses what no volume of a mapping can have.
func refuseEBS(ebs ec2.EbsBlockDevice) error {
	switch {
	case val(ebs.OutpostArn) != "":
		return unsupported("Outposts are not available.")
	case ebs.AvailabilityZone != nil || ebs.AvailabilityZoneId != nil:
		return unsupported("The volumes of a launch lie in the instance's zone. Leave out their availability zone.")
	case val(ebs.EbsCardIndex) != 0:
		return unsupported("Instances have one EBS card, of index 0.")
	case ebs.VolumeInitializationRate != nil:
		return unsupported("Volumes need no initialization. Leave out VolumeInitializationRate.")
	}
	return nil
}

// checkMappings refuses block device mappings that cannot be, whatever volumes they ask for.
func checkMappings(root string, mappings []ec2.BlockDeviceMapping) error {
	var seen []string
	for _, m := range mappings {
		device := val(m.DeviceName)
		switch {
		case device == "":
			return missing("DeviceName")
		case slices.Contains(seen, device):
			return badMapping("The device '%s' is used in more than one block-device mapping", device)
		case device == root && (m.NoDevice != nil || val(m.VirtualName) != ""):
			return badMapping("The root device '%s' cannot be left out", device)
		case !validDevice(device):
			return badMapping("Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device)
		case m.NoDevice != nil && m.Ebs != nil, m.VirtualName != nil && m.Ebs != nil, m.VirtualName != nil && m.NoDevice != nil:
			return badMapping("The mapping of '%s' names more than one of ebs, virtualName and noDevice", device)
		case m.VirtualName != nil && !ephemeral.MatchString(*m.VirtualName):
			return badMapping("The virtual name '%s' of '%s' is not valid", *m.VirtualName, device)
		}
		seen = append(seen, device)
	}
	return nil
}

// mappingOf is the mapping of a device, nil if there is none.
func mappingOf(mappings []ec2.BlockDeviceMapping, device string) *ec2.BlockDeviceMapping {
	i := slices.IndexFunc(mappings, func(m ec2.BlockDeviceMapping) bool { return val(m.DeviceName) == device })
	if i < 0 {
		return nil
	}
	return &mappings[i]
}

// keeperOf is the host that keeps the snapshots of new disks, "" if they have none.
func keeperOf(disks []disk) (host string, err error) {
	for _, d := range disks {
		switch {
		case d.spec.host == "":
		case host == "":
			host = d.spec.host
		case host != d.spec.host:
			return "", unsupported("The snapshots of the block device mappings are kept by different hosts, and do not move between them. Launch with those of one host.")
		}
	}
	return host, nil
}

// mappedSnapshots are the snapshots that block device mappings name, each once.
func mappedSnapshots(mappings []ec2.BlockDeviceMapping) []string {
	var ids []string
	for _, m := range mappings {
		if m.Ebs != nil && val(m.Ebs.SnapshotId) != "" {
			ids = append(ids, *m.Ebs.SnapshotId)
		}
	}
	return distinct(ids)
}

var (
	deviceName = regexp.MustCompile(`^(/dev/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-z]{1,2})$`)
	ephemeral  = regexp.MustCompile(`^ephemeral([0-9]|1[0-9]|2[0-3])$`)
)

// validDevice reports whether a device may be called so:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
func validDevice(name string) bool { return deviceName.MatchString(name) }

func badMapping(format string, args ...any) error {
	return cloud.Errorf("InvalidBlockDeviceMapping", format, args...)
}
