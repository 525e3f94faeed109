package ec2

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// A volume can be modified so often within such a time.
const (
	maxModifications = 4
	modificationSpan = 24 * time.Hour
)

// ModifyVolume changes the size, type and limits of a volume while it is in use; its
// host then makes them hold, for a running guest too.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html
func (s *Service) ModifyVolume(ctx context.Context, in *ec2.ModifyVolumeRequest) (*ec2.ModifyVolumeResult, error) {
	caller, err := s.allow(ctx, "ModifyVolume", in.DryRun, aboutVolume.of(s.asking(ctx), val(in.VolumeId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VolumeId) == "":
		return nil, missing("volumeId")
	case val(in.MultiAttachEnabled):
		return nil, unsupported("A volume can be attached to one instance at a time. Leave out MultiAttachEnabled.")
	case in.Size == nil && in.Iops == nil && in.Throughput == nil && in.VolumeType == nil:
		return nil, cloud.Errorf("InvalidParameterCombination", "The request must contain at least one of the parameters size, volumeType, iops and throughput")
	}
	var v cloud.Volume
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		var err error
		if v, err = get(tx, caller, volumeTable, "vol", *in.VolumeId); err != nil {
			return err
		}
		now := s.Now().UTC()
		if err := checkModifiable(v, now); err != nil {
			return err
		}
		want, err := modified(v, in)
		if err != nil {
			return err
		}
		v.Modification = &cloud.VolumeModification{Began: now, SizeGiB: v.SizeGiB, Type: v.Type, IOPS: v.IOPS, Throughput: v.Throughput}
		v.Modifications = append(recent(v, now), now)
		if v.Seen.SizeGiB == 0 { // from before hosts reported what holds
			v.Seen.SizeGiB, v.Seen.IOPS, v.Seen.Throughput = v.SizeGiB, v.IOPS, v.Throughput
		}
		v.Seen.Type = cmp.Or(v.Seen.Type, v.Type) // likewise
		v.SizeGiB, v.Type, v.IOPS, v.Throughput = want.size, want.kind, want.iops, want.throughput
		return volumeTable.Put(tx, v)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyVolumeResult{VolumeModification: new(showModification(v))}, nil
}

// checkModifiable refuses volumes that cannot be modified now.
func checkModifiable(v cloud.Volume, now time.Time) error {
	switch state := v.State(); {
	case state != cloud.VolumeAvailable && state != cloud.VolumeInUse || !v.Seen.Ready:
		return cloud.Errorf("IncorrectState", "The volume '%s' is '%s'. Wait until it is available or in-use.", v.ID, state)
	case v.Modification != nil && v.Modification.Ended.IsZero():
		return cloud.Errorf("IncorrectModificationState", "Volume %s cannot be modified in modification state %s", v.ID, strings.ToUpper(modificationState(v)))
	case len(recent(v, now)) >= maxModifications:
		return cloud.Errorf("VolumeModificationRateExceeded",
			"You've reached the maximum modification rate per volume limit: %d in 24 hours. Try again after %s.", maxModifications, timeWord(recent(v, now)[0].Add(modificationSpan)))
	}
	return nil
}

// recent are the modifications that count against the limit.
func recent(v cloud.Volume, now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(v.Modifications), func(t time.Time) bool { return now.Sub(t) >= modificationSpan })
}

// modified returns what the volume is to be. What the request leaves open stays, or
// becomes what the new type has by default.
func modified(v cloud.Volume, in *ec2.ModifyVolumeRequest) (volumeSpec, error) {
	q := volumeRequest{size: in.Size, kind: cmp.Or(val(in.VolumeType), v.Type), iops: in.Iops, throughput: in.Throughput}
	if q.size == nil {
		q.size = new(int32(v.SizeGiB))
	}
	provisioned := slices.Contains([]string{ec2.VolumeTypeGp3, ec2.VolumeTypeIo1, ec2.VolumeTypeIo2}, q.kind)
	switch {
	case int(*q.size) < v.SizeGiB:
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "New size cannot be smaller than existing size")
	case q.kind == ec2.VolumeTypeStandard && v.Type != q.kind:
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "A volume of type %s cannot become one of type standard.", v.Type)
	case provisioned && q.iops == nil && q.kind == v.Type:
		q.iops = new(int32(v.IOPS))
	case provisioned && q.iops == nil:
		q.iops = new(int32(gp3IOPS))
	}
	if q.kind == ec2.VolumeTypeGp3 && v.Type == q.kind && q.throughput == nil {
		q.throughput = new(int32(v.Throughput))
	}
	want, err := q.check()
	if err == nil && want.size == v.SizeGiB && want.kind == v.Type && want.iops == v.IOPS && want.throughput == v.Throughput {
		err = cloud.Errorf("InvalidParameterValue", "The volume '%s' already has the size, type, IOPS and throughput that were asked for.", v.ID)
	}
	return want, err
}

// modificationState is "modifying" until the change holds on the host, then
// "optimizing" until it is recorded as done, then "completed"; "failed" if it cannot be.
func modificationState(v cloud.Volume) string {
	switch m := v.Modification; {
	case m == nil:
		return ""
	case m.Failure != "":
		return ec2.VolumeModificationStateFailed
	case !m.Ended.IsZero():
		return ec2.VolumeModificationStateCompleted
	case v.Modified():
		return ec2.VolumeModificationStateModifying
	default:
		return ec2.VolumeModificationStateOptimizing
	}
}

func showModification(v cloud.Volume) ec2.VolumeModification {
	m, state := v.Modification, modificationState(v)
	was := cloud.Volume{SizeGiB: m.SizeGiB, Type: m.Type, IOPS: m.IOPS}
	out := ec2.VolumeModification{
		VolumeId: &v.ID, ModificationState: &state, StatusMessage: opt(m.Failure), StartTime: &m.Began, Progress: new(int64(0)), Operator: notManaged(),
		OriginalSize: new(int32(m.SizeGiB)), OriginalVolumeType: &m.Type, OriginalIops: opt(int32(shownIOPS(was))), OriginalThroughput: opt(int32(m.Throughput)),
		TargetSize: new(int32(v.SizeGiB)), TargetVolumeType: &v.Type, TargetIops: opt(int32(shownIOPS(v))), TargetThroughput: opt(int32(v.Throughput)),
		OriginalMultiAttachEnabled: new(false), TargetMultiAttachEnabled: new(false),
	}
	if !m.Ended.IsZero() {
		out.EndTime, out.Progress = &m.Ended, new(int64(100))
	}
	return out
}

// DescribeVolumesModifications lists the newest modification of each of the caller's
// volumes that has one.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumesModifications.html
func (s *Service) DescribeVolumesModifications(ctx context.Context, in *ec2.DescribeVolumesModificationsRequest) (*ec2.DescribeVolumesModificationsResult, error) {
	caller, err := s.allow(ctx, "DescribeVolumesModifications", in.DryRun)
	if err != nil {
		return nil, err
	}
	all := func(r store.Reader) iter.Seq[cloud.Volume] {
		return where(volumeTable.Select(r, cloud.AccountLabel(caller.Account)), func(v cloud.Volume) bool { return v.Modification != nil })
	}
	found, next, err := listing[cloud.Volume]{
		operation: "DescribeVolumesModifications", table: volumeTable, prefix: "vol", ids: in.VolumeIds, all: all,
		filters: in.Filters, fields: modificationFields, max: in.MaxResults, least: 1, most: 500, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	for _, v := range found {
		if v.Modification == nil { // named by its ID
			return nil, cloud.Errorf("InvalidVolumeModification.NotFound", "Modification for volume '%s' does not exist.", v.ID)
		}
	}
	return &ec2.DescribeVolumesModificationsResult{VolumesModifications: each(found, showModification), NextToken: next}, nil
}

// modificationFields are the filters of DescribeVolumesModifications.
var modificationFields = fields[cloud.Volume]{
	"modification-state":         one(modificationState),
	"original-iops":              ofModification(func(m ec2.VolumeModification) string { return number(int(val(m.OriginalIops))) }),
	"original-size":              ofModification(func(m ec2.VolumeModification) string { return number(int(val(m.OriginalSize))) }),
	"original-volume-type":       ofModification(func(m ec2.VolumeModification) string { return *m.OriginalVolumeType }),
	"originalMultiAttachEnabled": flag(func(cloud.Volume) bool { return false }),
	"start-time":                 ofModification(func(m ec2.VolumeModification) string { return timeWord(*m.StartTime) }),
	"target-iops":                maybe(func(v cloud.Volume) string { return number(shownIOPS(v)) }),
	"target-size":                one(func(v cloud.Volume) string { return strconv.Itoa(v.SizeGiB) }),
	"target-volume-type":         one(func(v cloud.Volume) string { return v.Type }),
	"targetMultiAttachEnabled":   flag(func(cloud.Volume) bool { return false }),
	"volume-id":                  one(cloud.Volume.Key),
}

func ofModification(value func(ec2.VolumeModification) string) field[cloud.Volume] {
	return maybe(func(v cloud.Volume) string {
		if v.Modification == nil {
			return ""
		}
		return value(showModification(v))
	})
}
