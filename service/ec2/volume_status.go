package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// DescribeVolumeStatus lists the health of the caller's volumes: "ok", or
// "insufficient-data" until the host has made the bytes, or "impaired" if it
// could not, or while writes wait because its disk is full.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumeStatus.html
func (s *Service) DescribeVolumeStatus(ctx context.Context, in *ec2.DescribeVolumeStatusRequest) (*ec2.DescribeVolumeStatusResult, error) {
	caller, err := s.allow(ctx, "DescribeVolumeStatus", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.Volume]{
		operation: "DescribeVolumeStatus", table: volumeTable, prefix: "vol", ids: in.VolumeIds,
		filters: in.Filters, fields: s.volumeStatusFields(), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	show := func(v cloud.Volume) ec2.VolumeStatusItem {
		status := volumeHealth(v)
		enabled := ec2.VolumeStatusDetails{Name: new(ec2.VolumeStatusNameIoEnabled), Status: new(ioEnabled(v))}
		performance := ec2.VolumeStatusDetails{Name: new(ec2.VolumeStatusNameIoPerformance), Status: new(ioPerformance(v))}
		return ec2.VolumeStatusItem{
			VolumeId: &v.ID, AvailabilityZone: &v.Zone, AvailabilityZoneId: new(s.Place.ZoneID(v.Zone)),
			VolumeStatus: &ec2.VolumeStatusInfo{Status: &status, Details: []ec2.VolumeStatusDetails{enabled, performance}},
			Actions:      []ec2.VolumeStatusAction{}, Events: volumeEvents(v), AttachmentStatuses: []ec2.VolumeStatusAttachmentStatus{},
		}
	}
	return &ec2.DescribeVolumeStatusResult{VolumeStatuses: each(found, show), NextToken: next}, nil
}

// volumeStatusFields are the filters of DescribeVolumeStatus.
func (s *Service) volumeStatusFields() fields[cloud.Volume] {
	type vol = cloud.Volume
	all := fields[vol]{
		"availability-zone":    one(func(v vol) string { return v.Zone }),
		"availability-zone-id": one(func(v vol) string { return s.Place.ZoneID(v.Zone) }),
		"operator.managed":     flag(func(vol) bool { return false }),
		"volume-status.details-name": func(_ vol, is func(string) bool) bool {
			return is(ec2.VolumeStatusNameIoEnabled) || is(ec2.VolumeStatusNameIoPerformance)
		},
		"volume-status.details-status": func(v vol, is func(string) bool) bool { return is(ioEnabled(v)) || is(ioPerformance(v)) },
		"volume-status.status":         one(volumeHealth),
	}
	for _, name := range []string{
		"action.code", "action.description", "action.event-id", "event.not-after", "operator.principal",
	} {
		all[name] = never[vol]
	}
	for name, value := range map[string]func(ec2.VolumeStatusEvent) string{
		"event.description": func(e ec2.VolumeStatusEvent) string { return *e.Description },
		"event.event-id":    func(e ec2.VolumeStatusEvent) string { return *e.EventId },
		"event.event-type":  func(e ec2.VolumeStatusEvent) string { return *e.EventType },
		"event.not-before":  func(e ec2.VolumeStatusEvent) string { return timeWord(*e.NotBefore) },
	} {
		all[name] = func(v vol, is func(string) bool) bool {
			return slices.ContainsFunc(volumeEvents(v), func(e ec2.VolumeStatusEvent) bool { return is(value(e)) })
		}
	}
	return all
}

// stalled is the status of the performance of a volume whose writes wait.
const stalled = "stalled"

func ioPerformance(v cloud.Volume) string {
	if !v.Seen.Full.IsZero() {
		return stalled
	}
	return notApplicable
}

// volumeEvents are what is the matter with a volume.
func volumeEvents(v cloud.Volume) []ec2.VolumeStatusEvent {
	if v.Seen.Full.IsZero() {
		return []ec2.VolumeStatusEvent{}
	}
	return []ec2.VolumeStatusEvent{{
		EventId: new("evol-" + strings.TrimPrefix(v.ID, "vol-")), EventType: new("io-performance:" + stalled), NotBefore: &v.Seen.Full,
		InstanceId:  opt(v.Seen.Guest),
		Description: new("The disk of the volume's host is full. The instance waits, and goes on by itself when there is space."),
	}}
}

// notApplicable is the status of what is not measured.
const notApplicable = "not-applicable"

func volumeHealth(v cloud.Volume) string {
	switch {
	case v.Seen.Error != "", !v.Seen.Full.IsZero():
		return ec2.VolumeStatusInfoStatusImpaired
	case !v.Seen.Ready:
		return ec2.VolumeStatusInfoStatusInsufficientData
	default:
		return ec2.VolumeStatusInfoStatusOk
	}
}

func ioEnabled(v cloud.Volume) string {
	if v.Seen.Ready {
		return "passed"
	}
	return "failed"
}
