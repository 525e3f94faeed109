package ec2

import (
	"cmp"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// What every gp3 volume has unless more is asked for.
const (
	gp3IOPS       = 3000
	gp3Throughput = 125 // MiB/s
)

// volumeRequest is what a request says of a new volume.
type volumeRequest struct {
	size, iops, throughput *int32 // GiB, operations/s, MiB/s
	kind                   string // "" is gp2
	snapshot, key          string
	from                   *cloud.Snapshot // that snapshot, if the caller can make volumes of it
	encrypted              *bool
	byDefault              bool // the account wants all encrypted
}

// volumeSpec is a volume that can be made.
type volumeSpec struct {
	size       int    // GiB
	kind       string // "gp3", …
	iops       int    // provisioned; 0 where the type has none to choose
	throughput int    // provisioned, MiB/s; 0 likewise
	encrypted  bool
	snapshot   string // that it starts with; "": none
	host       string // that keeps the snapshot, so that the volume must lie there
}

// volumeLimits are the bounds of a volume type. No IOPS means that the type
// takes no such parameter.
type volumeLimits struct {
	kind             string
	minSize, maxSize int32 // GiB
	minIOPS, maxIOPS int32
	iopsPerGiB       int32
}

// volumeTypes are the bounds of
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html
func volumeTypes() []volumeLimits {
	return []volumeLimits{
		{ec2.VolumeTypeStandard, 1, 1024, 0, 0, 0},
		{ec2.VolumeTypeGp2, 1, 16384, 0, 0, 0},
		{ec2.VolumeTypeGp3, 1, 16384, 3000, 16000, 500},
		{ec2.VolumeTypeIo1, 4, 16384, 100, 64000, 50},
		{ec2.VolumeTypeIo2, 4, 65536, 100, 256000, 1000},
		{ec2.VolumeTypeSt1, 125, 16384, 0, 0, 0},
		{ec2.VolumeTypeSc1, 125, 16384, 0, 0, 0},
	}
}

// check returns the volume that was asked for, or why there is no such volume.
func (q volumeRequest) check() (volumeSpec, error) {
	kind := cmp.Or(q.kind, ec2.VolumeTypeGp2)
	var limits volumeLimits
	for _, l := range volumeTypes() {
		if l.kind == kind {
			limits = l
		}
	}
	switch {
	case limits.kind == "":
		return volumeSpec{}, cloud.Errorf("UnknownVolumeType", "Unsupported volume type '%s' for volume creation.", kind)
	case q.snapshot != "" && !cloud.ValidID("snap", q.snapshot):
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "Value (%s) for parameter snapshotId is invalid. Expected: 'snap-...'.", q.snapshot)
	case q.snapshot != "" && q.from == nil:
		return volumeSpec{}, notFound("snap", q.snapshot)
	case q.from != nil && q.from.State() != cloud.SnapshotCompleted:
		return volumeSpec{}, notCompleted(*q.from)
	}
	if q.size == nil && q.from != nil {
		q.size = new(int32(q.from.SizeGiB))
	}
	switch {
	case q.size == nil:
		return volumeSpec{}, cloud.Errorf("MissingParameter", "The request must contain the parameter size or snapshotId")
	case *q.size < limits.minSize:
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "Volume of %dGiB is too small for volume type %s; minimum is %dGiB.", *q.size, kind, limits.minSize)
	case q.from != nil && int(*q.size) < q.from.SizeGiB:
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "The size of a volume must not be less than that of its snapshot '%s', %dGiB.", q.snapshot, q.from.SizeGiB)
	case *q.size > limits.maxSize:
		return volumeSpec{}, cloud.Errorf("InvalidParameterValue", "Volume of %dGiB is too large for volume type %s; maximum is %dGiB.", *q.size, kind, limits.maxSize)
	}
	spec := volumeSpec{size: int(*q.size), kind: kind}
	var err error
	if spec.encrypted, err = q.checkEncryption(); err != nil {
		return volumeSpec{}, err
	}
	if q.from != nil {
		spec.snapshot, spec.host = q.from.ID, q.from.Host
	}
	if spec.iops, err = q.checkIOPS(limits); err == nil {
		spec.throughput, err = q.checkThroughput(kind, spec.iops)
	}
	return spec, err
}

// checkEncryption decides whether the volume is encrypted for the tenant to see, as it
// is if it was asked for, or the account wants it, or the snapshot is.
func (q volumeRequest) checkEncryption() (bool, error) {
	inherited := q.from != nil && q.from.Encrypted
	if inherited && q.encrypted != nil && !*q.encrypted {
		return false, cloud.Errorf("InvalidParameterCombination", "A volume of the encrypted snapshot '%s' is encrypted. Leave out Encrypted.", q.snapshot)
	}
	encrypted := inherited || q.byDefault || val(q.encrypted)
	return encrypted, checkDiskKey(q.key, encrypted)
}

func (q volumeRequest) checkIOPS(l volumeLimits) (int, error) {
	switch {
	case l.maxIOPS == 0 && q.iops == nil:
		return 0, nil
	case l.maxIOPS == 0:
		return 0, cloud.Errorf("InvalidParameterCombination", "The parameter iops is not supported for %s volumes.", l.kind)
	case q.iops == nil && l.kind == ec2.VolumeTypeGp3:
		return gp3IOPS, nil
	case q.iops == nil:
		return 0, cloud.Errorf("MissingParameter", "The parameter iops must be specified for %s volumes.", l.kind)
	case *q.iops < l.minIOPS:
		return 0, cloud.Errorf("InvalidParameterValue", "Volume iops of %d is too low; minimum is %d.", *q.iops, l.minIOPS)
	case *q.iops > l.maxIOPS:
		return 0, cloud.Errorf("InvalidParameterValue", "Volume iops of %d is too high; maximum is %d.", *q.iops, l.maxIOPS)
	case *q.iops > l.minIOPS && int64(*q.iops) > int64(*q.size)*int64(l.iopsPerGiB):
		return 0, cloud.Errorf("InvalidParameterValue", "Iops to volume size ratio of %f is too high; maximum is %f",
			float64(*q.iops)/float64(*q.size), float64(l.iopsPerGiB))
	}
	return int(*q.iops), nil
}

func (q volumeRequest) checkThroughput(kind string, iops int) (int, error) {
	switch {
	case kind != ec2.VolumeTypeGp3 && q.throughput == nil:
		return 0, nil
	case kind != ec2.VolumeTypeGp3:
		return 0, cloud.Errorf("InvalidParameterCombination", "The parameter throughput is not supported for %s volumes.", kind)
	case q.throughput == nil:
		return gp3Throughput, nil
	case *q.throughput < 125:
		return 0, cloud.Errorf("InvalidParameterValue", "Throughput (MiBps) of %d is too low; minimum is 125.", *q.throughput)
	case *q.throughput > 1000:
		return 0, cloud.Errorf("InvalidParameterValue", "Throughput (MiBps) of %d is too high; maximum is 1000.", *q.throughput)
	case 4*int(*q.throughput) > iops:
		return 0, cloud.Errorf("InvalidParameterValue", "Throughput (MiBps) to iops ratio of %f is too high; maximum is 0.250000.",
			float64(*q.throughput)/float64(iops))
	}
	return int(*q.throughput), nil
}

// volume returns the document of a volume of this make.
func (v volumeSpec) volume(meta cloud.Meta, zone, host string) cloud.Volume {
	return cloud.Volume{
		Meta: meta, Zone: zone, Host: host,
		SizeGiB: v.size, Type: v.kind, IOPS: v.iops, Throughput: v.throughput,
		Snapshot: v.snapshot, Encrypted: v.encrypted,
	}
}

// shownIOPS is what the API gives as a volume's IOPS: the provisioned ones, or
// the baseline of a gp2 volume; 0 where it gives none.
func shownIOPS(v cloud.Volume) int {
	if v.Type == ec2.VolumeTypeGp2 {
		return min(max(3*v.SizeGiB, 100), 16000)
	}
	return v.IOPS
}
