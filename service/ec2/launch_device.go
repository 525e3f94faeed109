package ec2

import (
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

// launchDisks reads the block device mappings of a launch, the root device
// first. Mappings to instance store ("ephemeral0") are left out, as on any type
// that has none.
func (a asking) launchDisks(image cloud.Image, mappings []ec2.BlockDeviceMapping) ([]disk, error) {
	base := imageRoot(image)
	root := disk{device: image.RootDevice, spec: volumeSpec{size: base.SizeGiB, kind: base.Type, iops: base.IOPS, throughput: base.Throughput, encrypted: a.encrypts()}}
	disks := []disk{root}
	var seen []string
	for _, m := range mappings {
		device := val(m.DeviceName)
		switch {
		case device == "":
			return nil, missing("DeviceName")
		case slices.Contains(seen, device):
			return nil, badMapping("The device '%s' is used in more than one block-device mapping", device)
		case device == image.RootDevice && (m.NoDevice != nil || val(m.VirtualName) != ""):
			return nil, badMapping("The root device '%s' cannot be left out", device)
		case !validDevice(device):
			return nil, badMapping("Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device)
		case m.NoDevice != nil && m.Ebs != nil, m.VirtualName != nil && m.Ebs != nil, m.VirtualName != nil && m.NoDevice != nil:
			return nil, badMapping("The mapping of '%s' names more than one of ebs, virtualName and noDevice", device)
		case m.VirtualName != nil && !ephemeral.MatchString(*m.VirtualName):
			return nil, badMapping("The virtual name '%s' of '%s' is not valid", *m.VirtualName, device)
		}
		seen = append(seen, device)
		if m.NoDevice != nil || m.VirtualName != nil {
			continue
		}
		d := disk{device: device}
		var under *volumeSpec
		if device == image.RootDevice {
			under = &root.spec
		}
		var err error
		if d.spec, err = a.mappedVolume(device, m.Ebs, under); err != nil {
			return nil, err
		}
		d.keep = m.Ebs != nil && m.Ebs.DeleteOnTermination != nil && !*m.Ebs.DeleteOnTermination
		if device == image.RootDevice {
			disks[0] = d
		} else {
			disks = append(disks, d)
		}
	}
	return disks, nil
}

// mappedVolume reads the volume of one mapping. under is the root device of the
// image if the mapping changes that one, nil for a new, empty volume.
func (a asking) mappedVolume(device string, ebs *ec2.EbsBlockDevice, under *volumeSpec) (volumeSpec, error) {
	switch {
	case ebs == nil && under == nil:
		return volumeSpec{}, badMapping("The mapping of '%s' names none of ebs, virtualName and noDevice", device)
	case ebs == nil:
		return *under, nil
	case val(ebs.OutpostArn) != "":
		return volumeSpec{}, unsupported("Outposts are not available.")
	case ebs.AvailabilityZone != nil || ebs.AvailabilityZoneId != nil:
		return volumeSpec{}, unsupported("The volumes of a launch lie in the instance's zone. Leave out their availability zone.")
	case val(ebs.EbsCardIndex) != 0:
		return volumeSpec{}, unsupported("Instances have one EBS card, of index 0.")
	case under != nil && val(ebs.SnapshotId) != "":
		return volumeSpec{}, badMapping("snapshotId cannot be modified on root device")
	case ebs.VolumeInitializationRate != nil:
		return volumeSpec{}, unsupported("Volumes need no initialization. Leave out VolumeInitializationRate.")
	}
	ask := volumeRequest{
		size: ebs.VolumeSize, kind: val(ebs.VolumeType), iops: ebs.Iops, throughput: ebs.Throughput,
		snapshot: val(ebs.SnapshotId), from: a.source(ebs.SnapshotId), encrypted: ebs.Encrypted, byDefault: a.encrypts(), key: val(ebs.KmsKeyId),
	}
	if under != nil {
		if ask.size == nil {
			ask.size = new(int32(under.size))
		}
		if int(*ask.size) < under.size {
			return volumeSpec{}, badMapping("Volume of size %dGB is smaller than the image's root device, expect size >= %dGB", *ask.size, under.size)
		}
		if ask.kind == "" {
			ask.kind = under.kind
		}
	}
	return ask.check()
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
