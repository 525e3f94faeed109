package ec2

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateVolume makes a volume in a zone: an empty one on the host with the most disk
// to spare, one of a snapshot on the host that keeps that.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
func (s *Service) CreateVolume(ctx context.Context, in *ec2.CreateVolumeRequest) (*ec2.Volume, error) {
	a := s.asking(ctx)
	zone, spec, tags, refused := s.checkVolume(a, in)
	like := spec.volume(cloud.Meta{}, zone, "")
	about := []subject{aboutVolume.made(a, like, requestTags(in.TagSpecifications, "volume"))}
	if val(in.SnapshotId) != "" {
		about = append(about, aboutSnapshot.of(a, *in.SnapshotId))
	}
	caller, err := s.allow(ctx, "CreateVolume", in.DryRun, about...)
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	var v cloud.Volume
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, repeated, err := s.once(tx, caller, "CreateVolume", in.ClientToken, in, func() ([]string, error) {
			host, err := s.placeVolume(tx, caller, zone, spec)
			if err != nil {
				return nil, err
			}
			meta := cloud.Meta{ID: s.NewID("vol"), Account: caller.Account, Created: s.Now().UTC(), Tags: tags}
			v := spec.volume(meta, zone, host)
			v.Sealed = s.newDiskKey(v.ID)
			return []string{meta.ID}, volumeTable.Create(tx, v)
		})
		if err != nil {
			return err
		}
		var ok bool
		if v, ok = volumeTable.Get(tx, ids[0]); !ok && repeated {
			return notFound("vol", ids[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := s.showVolume(v, false)
	out.Attachments = nil
	return &out, nil
}

// placeVolume returns the host of a new volume.
func (s *Service) placeVolume(tx *store.Tx, c cloud.Caller, zone string, spec volumeSpec) (string, error) {
	if spec.snapshot == "" {
		return newPlacement(tx, zone, "", s.Now()).volume()
	}
	if _, ok := visibleSnapshot(tx, c, spec.snapshot); !ok {
		return "", notFound("snap", spec.snapshot)
	}
	if h, ok := hostTable.Get(tx, spec.host); ok && !slices.Contains(h.Zones, zone) {
		return "", unsupported("The snapshot '" + spec.snapshot + "' is kept by a host that is not in the zone " + zone +
			", and snapshots do not move between hosts. Create the volume in " + strings.Join(h.Zones, " or ") + ".")
	}
	return newPlacement(tx, zone, spec.host, s.Now()).volume()
}

// checkVolume reads a CreateVolume request.
func (s *Service) checkVolume(a asking, in *ec2.CreateVolumeRequest) (zone string, spec volumeSpec, tags map[string]string, err error) {
	switch {
	case val(in.MultiAttachEnabled):
		err = unsupported("A volume can be attached to one instance at a time. Leave out MultiAttachEnabled.")
	case in.Operator != nil:
		err = unsupported("Volumes that a service manages for its users are not available.")
	case val(in.OutpostArn) != "":
		err = unsupported("Outposts are not available.")
	case in.VolumeInitializationRate != nil:
		err = unsupported("Volumes need no initialization. Leave out VolumeInitializationRate.")
	case val(in.AvailabilityZone) == "" && val(in.AvailabilityZoneId) == "":
		err = missing("zone") // as the oldest versions of the API call it
	case val(in.AvailabilityZoneId) == "" && !slices.Contains(s.Place.Zones, *in.AvailabilityZone):
		err = cloud.Errorf("InvalidZone.NotFound", "The zone '%s' does not exist.", *in.AvailabilityZone)
	}
	if err != nil {
		return "", spec, nil, err
	}
	if zone, err = s.zoneOf(in.AvailabilityZone, in.AvailabilityZoneId); err != nil {
		return "", spec, nil, err
	}
	spec, err = volumeRequest{
		size: in.Size, kind: val(in.VolumeType), iops: in.Iops, throughput: in.Throughput,
		snapshot: val(in.SnapshotId), from: a.source(in.SnapshotId), encrypted: in.Encrypted, byDefault: a.encrypts(), key: val(in.KmsKeyId),
	}.check()
	if err != nil {
		return "", spec, nil, err
	}
	tags, err = tagsFromSpec(in.TagSpecifications, "volume")
	return zone, spec, tags, err
}

// DeleteVolume gives up a volume that is not attached; its host then removes the
// bytes.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVolume.html
func (s *Service) DeleteVolume(ctx context.Context, in *ec2.DeleteVolumeRequest) (*ec2.DeleteVolumeOutput, error) {
	caller, err := s.allow(ctx, "DeleteVolume", in.DryRun, aboutVolume.of(s.asking(ctx), val(in.VolumeId)))
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		v, err := get(tx, caller, volumeTable, "vol", val(in.VolumeId))
		switch {
		case err != nil:
			return err
		case v.Attachment != nil:
			return cloud.Errorf("VolumeInUse", "Volume %s is currently attached to %s", v.ID, v.Attachment.Instance)
		}
		v.Delete = true
		return volumeTable.Put(tx, v)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteVolumeOutput{}, nil
}

// DescribeVolumes lists the caller's volumes.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
func (s *Service) DescribeVolumes(ctx context.Context, in *ec2.DescribeVolumesRequest) (*ec2.DescribeVolumesResult, error) {
	caller, err := s.allow(ctx, "DescribeVolumes", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	found, next, err := listing[cloud.Volume]{
		operation: "DescribeVolumes", table: volumeTable, prefix: "vol", ids: in.VolumeIds,
		filters: in.Filters, fields: s.volumeFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(found, func(v cloud.Volume) ec2.Volume { return s.showVolume(v, guestRuns(view, v)) })
	return &ec2.DescribeVolumesResult{Volumes: out, NextToken: next}, nil
}

// volumeFields are the filters of DescribeVolumes.
func (s *Service) volumeFields(r store.Reader) fields[cloud.Volume] {
	type vol = cloud.Volume
	all := fields[vol]{
		"availability-zone":    one(func(v vol) string { return v.Zone }),
		"availability-zone-id": one(func(v vol) string { return s.Place.ZoneID(v.Zone) }),
		"create-time":          one(func(v vol) string { return timeWord(v.Created) }),
		"encrypted":            flag(func(v vol) bool { return v.Encrypted }),
		"fast-restored":        flag(func(vol) bool { return false }),
		"multi-attach-enabled": flag(func(vol) bool { return false }),
		"operator.managed":     flag(func(vol) bool { return false }),
		"operator.principal":   never[vol],
		"size":                 one(func(v vol) string { return strconv.Itoa(v.SizeGiB) }),
		"snapshot-id":          maybe(func(v vol) string { return v.Snapshot }),
		"source-volume-id":     never[vol],
		"status":               one(func(v vol) string { return string(v.State()) }),
		"volume-id":            one(vol.Key),
		"volume-type":          one(func(v vol) string { return v.Type }),
	}
	for name, f := range attachedFields(r) {
		all["attachment."+name] = f
	}
	return all
}

// attachedFields are the filters on a volume's attachment.
func attachedFields(r store.Reader) fields[cloud.Volume] {
	type vol = cloud.Volume
	return fields[vol]{
		"attach-time":           attachedField(func(_ vol, a cloud.Attachment) string { return timeWord(a.Attached) }),
		"delete-on-termination": attachedField(func(_ vol, a cloud.Attachment) string { return boolWord(a.DeleteOnTermination) }),
		"device":                attachedField(func(_ vol, a cloud.Attachment) string { return a.Device }),
		"instance-id":           attachedField(func(_ vol, a cloud.Attachment) string { return a.Instance }),
		"status":                attachedField(func(v vol, _ cloud.Attachment) string { return v.AttachmentState(guestRuns(r, v)) }),
	}
}

func attachedField(value func(cloud.Volume, cloud.Attachment) string) field[cloud.Volume] {
	return func(v cloud.Volume, is func(string) bool) bool {
		return v.Attachment != nil && is(value(v, *v.Attachment))
	}
}

// guestRuns reports whether the guest that the volume is attached to runs.
func guestRuns(r store.Reader, v cloud.Volume) bool {
	if v.Attachment == nil {
		return false
	}
	i, _ := instanceTable.Get(r, v.Attachment.Instance)
	return i.Seen.Running
}

func (s *Service) showVolume(v cloud.Volume, running bool) ec2.Volume {
	out := ec2.Volume{
		VolumeId: &v.ID, OwnerId: &v.Account, VolumeArn: new(s.Place.ARN("ec2", v.Account, "volume/"+v.ID)),
		AvailabilityZone: &v.Zone, AvailabilityZoneId: new(s.Place.ZoneID(v.Zone)), CreateTime: &v.Created,
		State: new(string(v.State())), Size: new(int32(v.SizeGiB)), VolumeType: &v.Type,
		Iops: opt(int32(shownIOPS(v))), Throughput: opt(int32(v.Throughput)), SnapshotId: &v.Snapshot,
		Encrypted: &v.Encrypted, KmsKeyId: s.shownDiskKey(v.Account, v.Encrypted), MultiAttachEnabled: new(false), Operator: notManaged(),
		Attachments: []ec2.VolumeAttachment{}, Tags: tagSet(v.Tags),
	}
	if v.Attachment != nil {
		out.Attachments = append(out.Attachments, showAttachment(v, v.AttachmentState(running)))
	}
	return out
}

func showAttachment(v cloud.Volume, state string) ec2.VolumeAttachment {
	a := v.Attachment
	return ec2.VolumeAttachment{
		VolumeId: &v.ID, InstanceId: &a.Instance, Device: &a.Device, State: &state,
		AttachTime: &a.Attached, DeleteOnTermination: &a.DeleteOnTermination, EbsCardIndex: new(int32(0)),
	}
}
