package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AttachVolume ties an available volume to an instance, which may run or be
// stopped. The host of the volume must be that of the instance: volumes do not
// move.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html
func (s *Service) AttachVolume(ctx context.Context, in *ec2.AttachVolumeRequest) (*ec2.VolumeAttachment, error) {
	a := s.asking(ctx)
	caller, err := s.allow(ctx, "AttachVolume", in.DryRun, aboutVolume.of(a, val(in.VolumeId)), aboutInstance.of(a, val(in.InstanceId)))
	if err != nil {
		return nil, err
	}
	device := val(in.Device)
	switch {
	case val(in.VolumeId) == "":
		return nil, missing("volumeId")
	case val(in.InstanceId) == "":
		return nil, missing("instanceId")
	case device == "":
		return nil, missing("device")
	case !validDevice(device):
		return nil, cloud.Errorf("InvalidParameterValue", "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device)
	case val(in.EbsCardIndex) != 0:
		return nil, unsupported("Instances have one EBS card, of index 0.")
	}
	var v cloud.Volume
	var running bool
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		var err error
		if v, err = get(tx, caller, volumeTable, "vol", *in.VolumeId); err != nil {
			return err
		}
		i, err := get(tx, caller, instanceTable, "i", *in.InstanceId)
		if err != nil {
			return err
		}
		if err := checkAttach(tx, v, i, device); err != nil {
			return err
		}
		running = i.Seen.Running
		v.Attachment = &cloud.Attachment{Instance: i.ID, Device: device, Attached: s.Now().UTC()}
		return volumeTable.Put(tx, v)
	})
	if err != nil {
		return nil, err
	}
	out := showAttachment(v, v.AttachmentState(running))
	return &out, nil
}

// checkAttach refuses what cannot be attached, in the words of AWS.
func checkAttach(r store.Reader, v cloud.Volume, i cloud.Instance, device string) error {
	switch state := v.State(); {
	case v.Attachment != nil:
		return cloud.Errorf("VolumeInUse", "%s is already attached to an instance", v.ID)
	case state != cloud.VolumeAvailable:
		return cloud.Errorf("IncorrectState", "%s is not 'available'.", v.ID)
	case i.Want == cloud.PowerTerminated:
		return cloud.Errorf("IncorrectState", "Instance '%s' is not 'running'.", i.ID)
	case v.Zone != i.Zone:
		return cloud.Errorf("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, i.ID)
	}
	volumes := volumesOf(r, i)
	for _, other := range volumes {
		if other.Attachment.Device == device {
			return cloud.Errorf("InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
		}
	}
	if home := homeOf(r, i); home != "" && home != v.Host {
		return unsupported("The volume '" + v.ID + "' is kept by another host than the instance '" + i.ID + "', and volumes do not move between hosts. Create one in a launch of the instance.")
	}
	others := len(volumes) + len(interfacesOf(r, i.ID)) - 1 // beside the primary interface
	if device != i.RootDevice {
		others++
	}
	if hasDevice(volumes, i.RootDevice) {
		others--
	}
	if others > maxHotPlug {
		return errTooManyDevices(i.Type)
	}
	return nil
}

func hasDevice(volumes []cloud.Volume, device string) bool {
	for _, v := range volumes {
		if v.Attachment.Device == device {
			return true
		}
	}
	return false
}

// DetachVolume asks the guest to let go of a volume, with Force not even that.
// From an instance that is stopped it is detached at once. The root device of a
// guest that is not stopped cannot be detached.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVolume.html
func (s *Service) DetachVolume(ctx context.Context, in *ec2.DetachVolumeRequest) (*ec2.VolumeAttachment, error) {
	caller, err := s.allow(ctx, "DetachVolume", in.DryRun, s.asking(ctx).detachment(in)...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.VolumeId) == "":
		return nil, missing("volumeId")
	case in.InstanceId != nil:
		if err := checkIDs("i", *in.InstanceId); err != nil {
			return nil, err
		}
	}
	var out ec2.VolumeAttachment
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		v, err := get(tx, caller, volumeTable, "vol", *in.VolumeId)
		if err != nil {
			return err
		}
		a := v.Attachment
		switch {
		case a == nil:
			return cloud.Errorf("IncorrectState", "Volume '%s' is in the '%s' state.", v.ID, v.State())
		case in.InstanceId != nil && *in.InstanceId != a.Instance,
			in.Device != nil && *in.Device != a.Device:
			return cloud.Errorf("InvalidAttachment.NotFound", "The volume '%s' is not attached to instance '%s' as device '%s'", v.ID, val(in.InstanceId), val(in.Device))
		}
		i, _ := instanceTable.Get(tx, a.Instance)
		stopped := i.State() == cloud.InstanceStopped
		if a.Device == i.RootDevice && !stopped {
			return cloud.Errorf("OperationNotPermitted", "Unable to detach root volume '%s' from instance '%s'", v.ID, i.ID)
		}
		detaching := *a
		detaching.Detach, detaching.Force = true, a.Force || val(in.Force)
		v.Attachment = &detaching
		out = showAttachment(v, v.AttachmentState(false))
		if stopped && v.Seen.Guest == "" {
			v.Attachment = nil
		}
		return volumeTable.Put(tx, v)
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}
