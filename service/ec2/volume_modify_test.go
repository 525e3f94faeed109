package ec2

import (
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// finish makes the modification of a volume hold, and ends it.
func (r *rig) finish(id string) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return volumeTable.Modify(tx, id, func(v *cloud.Volume) error {
			v.Seen.SizeGiB, v.Seen.IOPS, v.Seen.Throughput = v.SizeGiB, v.IOPS, v.Throughput
			v.Modification.Ended = r.Now()
			return nil
		})
	})
}

func TestModifyVolume(t *testing.T) {
	r := newGuestRig(t)
	n := func(i int) *int32 { return new(int32(i)) }
	id := r.createVolume() // 10 GiB of gp2 or gp3
	start := r.volume(id)
	type in = ec2.ModifyVolumeRequest
	modify := func(in in) (ec2.VolumeModification, error) {
		in.VolumeId = &id
		out, err := r.ModifyVolume(r.ctx, &in)
		if err != nil {
			return ec2.VolumeModification{}, err
		}
		return *out.VolumeModification, nil
	}
	m := must(modify(in{Size: n(20)}))(t)
	if *m.ModificationState != "modifying" || *m.OriginalSize != 10 || *m.TargetSize != 20 || *m.OriginalVolumeType != start.Type || *m.Progress != 0 {
		t.Errorf("got %+v", m)
	}
	_, err := modify(in{Size: n(30)})
	want(t, "under way", err, "IncorrectModificationState", "Volume "+id+" cannot be modified in modification state MODIFYING")
	r.seeVolume(id, cloud.VolumeSeen{Ready: true, Type: r.volume(id).Type, SizeGiB: 20, IOPS: r.volume(id).IOPS, Throughput: r.volume(id).Throughput})
	_, err = modify(in{Size: n(30)})
	want(t, "not recorded", err, "IncorrectModificationState", "Volume "+id+" cannot be modified in modification state OPTIMIZING")
	r.finish(id)
	for _, c := range []struct {
		in   in
		code string
	}{
		{in{}, "InvalidParameterCombination"},
		{in{Size: n(19)}, "InvalidParameterValue"},
		{in{Size: n(20)}, "InvalidParameterValue"},
		{in{Size: n(20000)}, "InvalidParameterValue"},
		{in{VolumeType: new("standard")}, "InvalidParameterValue"},
		{in{VolumeType: new("st1")}, "InvalidParameterValue"},
		{in{VolumeType: new("io1")}, "InvalidParameterValue"}, // 3000 operations/s are too many for 20 GiB
		{in{VolumeType: new("fast")}, "UnknownVolumeType"},
		{in{VolumeType: new("gp2"), Iops: n(3000)}, "InvalidParameterCombination"},
		{in{MultiAttachEnabled: new(true)}, "UnsupportedOperation"},
		{in{Size: n(30), DryRun: new(true)}, "DryRunOperation"},
	} {
		_, err := modify(c.in)
		want(t, c.code, err, c.code)
	}
	for _, change := range []struct {
		in                     in
		kind                   string
		size, iops, throughput int
	}{
		{in{VolumeType: new("io2")}, "io2", 20, 3000, 0},
		{in{VolumeType: new("gp3"), Throughput: n(250)}, "gp3", 20, 3000, 250},
		{in{Size: n(25), Iops: n(4000)}, "gp3", 25, 4000, 250},
	} {
		must(modify(change.in))(t)
		if v := r.volume(id); v.Type != change.kind || v.SizeGiB != change.size || v.IOPS != change.iops || v.Throughput != change.throughput {
			t.Errorf("%+v: got %+v", change.in, v)
		}
		r.finish(id)
	}
	_, err = modify(in{Size: n(30)})
	want(t, "a fifth time", err, "VolumeModificationRateExceeded")
	r.tick(24 * time.Hour)
	must(modify(in{Size: n(30)}))(t)

	busy := r.createVolume()
	r.seeVolume(busy, cloud.VolumeSeen{})
	_, err = r.ModifyVolume(r.ctx, &in{VolumeId: &busy, Size: n(20)})
	want(t, "creating", err, "IncorrectState", "The volume '"+busy+"' is 'creating'. Wait until it is available or in-use.")
	_, err = r.ModifyVolume(r.bob, &in{VolumeId: &id, Size: n(40)})
	want(t, "another's", err, "InvalidVolume.NotFound")
}

func TestDescribeVolumesModifications(t *testing.T) {
	r := newGuestRig(t)
	make := func() string {
		return r.createVolume(func(in *ec2.CreateVolumeRequest) { in.VolumeType = new("gp3") })
	}
	id, never, other := make(), make(), make()
	when := timeWord(r.Now())
	must(r.ModifyVolume(r.ctx, &ec2.ModifyVolumeRequest{VolumeId: &id, Size: new(int32(20)), Iops: new(int32(4000))}))(t)
	r.finish(id)
	r.tick(time.Minute)
	must(r.ModifyVolume(r.ctx, &ec2.ModifyVolumeRequest{VolumeId: &other, VolumeType: new("gp2")}))(t)
	table := filterTable{
		names: names(modificationFields), id: id,
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeVolumesModifications(r.ctx, &ec2.DescribeVolumesModificationsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.VolumesModifications, func(m ec2.VolumeModification) string { return *m.VolumeId }), nil
		},
		cases: map[string]string{
			"modification-state": "completed", "original-iops": "3000", "original-size": "10", "original-volume-type": "gp3", "originalMultiAttachEnabled": "false",
			"start-time": when, "target-iops": "4000", "target-size": "20", "target-volume-type": "gp3", "targetMultiAttachEnabled": "false", "volume-id": id,
		},
	}
	table.check(t)
	for name, value := range map[string]string{"modification-state": "modifying", "target-iops": "100", "target-size": "10", "target-volume-type": "gp2"} {
		if got := must(table.ids(filters(name, value)))(t); !slices.Equal(got, []string{other}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	_, err := r.DescribeVolumesModifications(r.ctx, &ec2.DescribeVolumesModificationsRequest{VolumeIds: []string{id, never}})
	want(t, "none", err, "InvalidVolumeModification.NotFound", "Modification for volume '"+never+"' does not exist.")
	one := must(r.DescribeVolumesModifications(r.ctx, &ec2.DescribeVolumesModificationsRequest{VolumeIds: []string{id}}))(t).VolumesModifications
	if len(one) != 1 || *one[0].Progress != 100 || one[0].EndTime == nil {
		t.Errorf("got %+v", one)
	}
}

func TestVolumeAttribute(t *testing.T) {
	r := newGuestRig(t)
	id := r.createVolume()
	describe := func(attribute string) (*ec2.DescribeVolumeAttributeResult, error) {
		return r.DescribeVolumeAttribute(r.ctx, &ec2.DescribeVolumeAttributeRequest{VolumeId: &id, Attribute: &attribute})
	}
	must(r.ModifyVolumeAttribute(r.ctx, &ec2.ModifyVolumeAttributeRequest{VolumeId: &id, AutoEnableIO: &ec2.AttributeBooleanValue{Value: new(true)}}))(t)
	if out := must(describe("autoEnableIO"))(t); !*out.AutoEnableIO.Value || *out.VolumeId != id {
		t.Errorf("got %+v", out)
	}
	if out := must(describe("productCodes"))(t); len(out.ProductCodes) != 0 || out.AutoEnableIO != nil {
		t.Errorf("got %+v", out)
	}
	_, err := describe("size")
	want(t, "no attribute", err, "InvalidParameterValue", "Value (size) for parameter attribute is invalid. Valid values are: autoEnableIO, productCodes.")
	_, err = r.ModifyVolumeAttribute(r.ctx, &ec2.ModifyVolumeAttributeRequest{VolumeId: &id})
	want(t, "nothing", err, "MissingParameter", "The request must contain the parameter autoEnableIO")
}
