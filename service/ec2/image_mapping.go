package ec2

import (
	"cmp"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// imageMappings are the volumes of an image, the root device first. An image of the
// operator's has that one alone.
func imageMappings(i cloud.Image) []cloud.ImageMapping {
	if len(i.Mappings) == 0 {
		return []cloud.ImageMapping{{
			Device: i.RootDevice, SizeGiB: i.SizeGiB, Type: ec2.VolumeTypeGp3, IOPS: gp3IOPS, Throughput: gp3Throughput, DeleteOnTermination: true,
		}}
	}
	all := slices.Clone(i.Mappings)
	slices.SortStableFunc(all, func(a, b cloud.ImageMapping) int {
		return cmp.Compare(boolNumber(b.Device == i.RootDevice), boolNumber(a.Device == i.RootDevice))
	})
	return all
}

func boolNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}

// newMapping is a volume that a request adds to an image: a blank one, or one of a snapshot
// that is the caller's to use.
func (a asking) newMapping(m ec2.BlockDeviceMapping) (cloud.ImageMapping, error) {
	device := *m.DeviceName
	switch {
	case m.NoDevice != nil:
		return cloud.ImageMapping{Device: device, NoDevice: true}, nil
	case m.VirtualName != nil:
		return cloud.ImageMapping{Device: device, Virtual: *m.VirtualName}, nil
	case m.Ebs == nil:
		return cloud.ImageMapping{}, badMapping("The mapping of '%s' names none of ebs, virtualName and noDevice", device)
	case m.Ebs.VolumeSize == nil && val(m.Ebs.SnapshotId) == "":
		return cloud.ImageMapping{}, badMapping("Either snapshot ID or volume size must be provided for: %s", device)
	}
	from := val(a.source(m.Ebs.SnapshotId))
	if from.ID != "" && m.Ebs.Encrypted != nil && *m.Ebs.Encrypted != from.Encrypted {
		return cloud.ImageMapping{}, encryptedFlag(device)
	}
	d, err := a.addedDisk(m)
	if err != nil {
		return cloud.ImageMapping{}, err
	}
	out := mapped(device, d.spec, !d.keep)
	out.Encrypted = from.Encrypted || val(m.Ebs.Encrypted) // whoever launches has a default of their own
	return out, nil
}

func encryptedFlag(device string) error {
	return badMapping("the encrypted flag cannot be specified since device %s has a snapshot specified.", device)
}

// mapped is the mapping of a volume of this make.
func mapped(device string, v volumeSpec, deleted bool) cloud.ImageMapping {
	return cloud.ImageMapping{
		Device: device, Snapshot: v.snapshot, SizeGiB: v.size, Type: v.kind, IOPS: v.iops, Throughput: v.throughput,
		Encrypted: v.encrypted, DeleteOnTermination: deleted,
	}
}

func showMapping(m cloud.ImageMapping) ec2.BlockDeviceMapping {
	out := ec2.BlockDeviceMapping{DeviceName: &m.Device}
	switch {
	case m.NoDevice:
		out.NoDevice = new("")
	case m.Virtual != "":
		out.VirtualName = &m.Virtual
	default:
		out.Ebs = &ec2.EbsBlockDevice{
			DeleteOnTermination: &m.DeleteOnTermination, Encrypted: &m.Encrypted, SnapshotId: opt(m.Snapshot), VolumeSize: new(int32(m.SizeGiB)),
			VolumeType: &m.Type, Iops: opt(int32(m.IOPS)), Throughput: opt(int32(m.Throughput)),
		}
	}
	return out
}
