package ec2

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateImage makes an image of an instance, with snapshots of all its volumes at one
// instant. A guest that runs is rebooted for it, unless NoReboot is set: the snapshots then
// show what it had written when it had shut down. The image is pending until they are kept.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
func (s *Service) CreateImage(ctx context.Context, in *ec2.CreateImageRequest) (*ec2.CreateImageResult, error) {
	a := s.asking(ctx)
	about := []subject{a.newImage(in.TagSpecifications), aboutInstance.of(a, val(in.InstanceId))}
	tags := requestTags(in.TagSpecifications, "snapshot")
	if i, ok := aboutInstance.find(a, val(in.InstanceId)); ok {
		for _, v := range imagedVolumes(a.r, i, in.BlockDeviceMappings) {
			about = append(about, a.newSnapshot(v, v.ID, tags))
		}
	}
	if len(about) == 2 {
		about = append(about, a.newSnapshot(cloud.Volume{}, "", tags))
	}
	for _, id := range mappedSnapshots(in.BlockDeviceMappings) {
		about = append(about, aboutSnapshot.of(a, id))
	}
	caller, err := s.allow(ctx, "CreateImage", in.DryRun, about...)
	wish, refused := checkCreateImage(in)
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	var made cloud.Image
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := get(tx, caller, instanceTable, "i", *in.InstanceId)
		if err != nil {
			return err
		}
		if state := i.State(); state != cloud.InstanceRunning && state != cloud.InstanceStopped {
			return cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'running' or 'stopped' state.", i.ID)
		}
		if made, err = s.newImage(tx, caller, wish); err != nil {
			return err
		}
		reboot := 0
		if i.State() == cloud.InstanceRunning && !val(in.NoReboot) {
			i.Reboots++
			reboot = i.Reboots
			if err := instanceTable.Put(tx, i); err != nil {
				return err
			}
		}
		of, _ := imageTable.Get(tx, i.Image)
		made = like(made, of)
		made.From, made.RootDevice = i.ID, i.RootDevice
		if made.Mappings, err = s.imageInstance(tx, caller, i, made.ID, reboot, in.BlockDeviceMappings, wish.tags["snapshot"]); err != nil {
			return err
		}
		if made, err = withRoot(made); err != nil {
			return err
		}
		return imageTable.Create(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateImageResult{ImageId: &made.ID}, nil
}

func checkCreateImage(in *ec2.CreateImageRequest) (imageWish, error) {
	w, err := checkImage(in.Name, in.Description, in.TagSpecifications, "image", "snapshot")
	switch {
	case val(in.InstanceId) == "":
		return w, missing("instanceId")
	case err != nil:
		return w, err
	case !slices.Contains([]string{"", ec2.SnapshotLocationEnumRegional}, val(in.SnapshotLocation)):
		return w, unsupported("Snapshots lie in the region. Leave out SnapshotLocation, or give regional.")
	case val(in.BootModeOverride) != "":
		return w, unsupported("An image boots as its instance does. Leave out BootModeOverride.")
	}
	return w, nil
}

// imagedVolumes are the volumes of an instance that an image of it has: all that the
// mappings do not leave out, the root device first.
func imagedVolumes(r store.Reader, i cloud.Instance, mappings []ec2.BlockDeviceMapping) []cloud.Volume {
	return slices.DeleteFunc(chosenVolumes(r, i, ec2.InstanceSpecification{}), func(v cloud.Volume) bool {
		m := mappingOf(mappings, v.Attachment.Device)
		return v.Attachment.Detach || m != nil && (m.NoDevice != nil || m.VirtualName != nil)
	})
}

// imageInstance makes the snapshots of an image of an instance, and returns its mappings.
func (s *Service) imageInstance(tx *store.Tx, c cloud.Caller, i cloud.Instance, image string, reboot int, mappings []ec2.BlockDeviceMapping, tags map[string]string) ([]cloud.ImageMapping, error) {
	if err := checkMappings(i.RootDevice, mappings); err != nil {
		return nil, err
	}
	volumes, group := imagedVolumes(tx, i, mappings), s.NewID("snapgroup")
	if len(volumes) == 0 || !isRoot(volumes[0], i) {
		return nil, cloud.Errorf("InvalidParameterValue", "Invalid value '%s' for instanceId. Instance does not have a volume attached at root (%s)", i.ID, i.RootDevice)
	}
	var out []cloud.ImageMapping
	for _, v := range volumes {
		n, err := s.snapshot(tx, v, group, fmt.Sprintf("Created by CreateImage(%s) for %s", i.ID, image), tags)
		if err != nil {
			return nil, err
		}
		n.Image, n.Reboot = image, reboot
		if err := snapshotTable.Put(tx, n); err != nil {
			return nil, err
		}
		m, err := imagedVolume(v, n, mappingOf(mappings, v.Attachment.Device))
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for _, m := range mappings {
		if slices.ContainsFunc(volumesOf(tx, i), func(v cloud.Volume) bool { return v.Attachment.Device == *m.DeviceName }) && m.Ebs != nil || m.NoDevice != nil {
			continue
		}
		added, err := asking{s, tx, c}.newMapping(m)
		if err != nil {
			return nil, err
		}
		out = append(out, added)
	}
	return out, nil
}

// imagedVolume is the mapping of a volume that an image has a snapshot of, as the mapping
// over it, nil for none, changes it.
func imagedVolume(v cloud.Volume, n cloud.Snapshot, over *ec2.BlockDeviceMapping) (cloud.ImageMapping, error) {
	device := v.Attachment.Device
	ask := volumeRequest{size: new(int32(v.SizeGiB)), kind: v.Type, iops: opt(int32(v.IOPS)), throughput: opt(int32(v.Throughput))}
	deleted := v.Attachment.DeleteOnTermination
	if over != nil && over.Ebs != nil {
		if over.Ebs.Encrypted != nil || over.Ebs.KmsKeyId != nil {
			return cloud.ImageMapping{}, encryptedFlag(device)
		}
		if val(over.Ebs.SnapshotId) != "" {
			return cloud.ImageMapping{}, badMapping("snapshotId cannot be modified on device %s, which the instance has a volume at", device)
		}
		if err := ask.override(cloud.Image{}, cloud.ImageMapping{Device: device, Snapshot: n.ID, SizeGiB: v.SizeGiB}, *over.Ebs); err != nil {
			return cloud.ImageMapping{}, err
		}
		if over.Ebs.DeleteOnTermination != nil {
			deleted = *over.Ebs.DeleteOnTermination
		}
	}
	spec, err := ask.check()
	m := mapped(device, spec, deleted)
	m.Snapshot, m.Encrypted = n.ID, n.Encrypted
	return m, err
}
