package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// mustBeStopped refuses a change that takes effect only when a guest is made.
func mustBeStopped(i *cloud.Instance) error {
	if i.State() != cloud.InstanceStopped {
		return cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	return nil
}

func changeType(v *ec2.AttributeValue) (attributeChange, error) {
	t, err := knownType(val(v.Value))
	return func(tx *store.Tx, i *cloud.Instance) error {
		if err := mustBeStopped(i); err != nil {
			return err
		}
		nics := interfacesOf(tx, i.ID)
		if len(nics) > t.Interfaces {
			return cloud.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", len(nics), t.Name)
		}
		for _, n := range nics {
			if len(n.Addresses) > t.Addresses {
				return cloud.Errorf("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
			}
		}
		i.Type = t.Name
		return nil
	}, err
}

func changeUserData(v *ec2.SecureBlobAttributeValue) (attributeChange, error) {
	data, err := checkUserData(v.Value)
	return func(_ *store.Tx, i *cloud.Instance) error {
		if err := mustBeStopped(i); err != nil {
			return err
		}
		i.UserData = data
		return nil
	}, err
}

func changeFlag(v *ec2.AttributeBooleanValue, member func(*cloud.Instance) *bool) (attributeChange, error) {
	if v.Value == nil {
		return nil, missing("Value")
	}
	return func(_ *store.Tx, i *cloud.Instance) error {
		*member(i) = *v.Value
		return nil
	}, nil
}

// changeGroups sets the security groups of the instance's only interface.
func (s *Service) changeGroups(c cloud.Caller, ids []string) attributeChange {
	return func(tx *store.Tx, i *cloud.Instance) error {
		n, err := s.onlyInterface(tx, c, i.ID)
		if err != nil {
			return err
		}
		subnet, _ := subnetTable.Get(tx, n.Subnet)
		if n.Groups, err = s.launchGroups(tx, c, subnet, ids, nil); err != nil {
			return err
		}
		return interfaceTable.Put(tx, n)
	}
}

// changeSourceDestCheck switches the check on the instance's only interface
// that its packets are from or to its own addresses.
func (s *Service) changeSourceDestCheck(c cloud.Caller, v *ec2.AttributeBooleanValue) (attributeChange, error) {
	if v.Value == nil {
		return nil, missing("Value")
	}
	return func(tx *store.Tx, i *cloud.Instance) error {
		n, err := s.onlyInterface(tx, c, i.ID)
		if err != nil {
			return err
		}
		n.SourceDestCheck = *v.Value
		return interfaceTable.Put(tx, n)
	}, nil
}

// changeMappings sets what becomes of volumes when the instance is terminated.
func changeMappings(mappings []ec2.InstanceBlockDeviceMappingSpecification) attributeChange {
	return func(tx *store.Tx, i *cloud.Instance) error {
		volumes := volumesOf(tx, *i)
		for _, m := range mappings {
			device := val(m.DeviceName)
			at := slices.IndexFunc(volumes, func(v cloud.Volume) bool { return v.Attachment.Device == device })
			switch {
			case device == "":
				return missing("DeviceName")
			case at < 0:
				return cloud.Errorf("InvalidInstanceAttributeValue", "No device is currently mapped at %s", device)
			case m.NoDevice != nil || m.VirtualName != nil:
				return unsupported("Only DeleteOnTermination of a mapped volume can be changed; DetachVolume takes it away.")
			case m.Ebs == nil || m.Ebs.DeleteOnTermination == nil:
				return missing("DeleteOnTermination")
			case m.Ebs.VolumeId != nil && *m.Ebs.VolumeId != volumes[at].ID:
				return cloud.Errorf("InvalidInstanceAttributeValue", "The volume '%s' is not the one mapped at %s", *m.Ebs.VolumeId, device)
			}
			err := volumeTable.Modify(tx, volumes[at].ID, func(v *cloud.Volume) error {
				v.Attachment.DeleteOnTermination = *m.Ebs.DeleteOnTermination
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// ModifyInstanceMetadataOptions changes how the instance's metadata service
// answers; members that are absent stay as they are.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html
func (s *Service) ModifyInstanceMetadataOptions(ctx context.Context, in *ec2.ModifyInstanceMetadataOptionsRequest) (*ec2.ModifyInstanceMetadataOptionsResult, error) {
	caller, err := s.allow(ctx, "ModifyInstanceMetadataOptions", in.DryRun, s.asking(ctx).metadataSubject(in))
	if err != nil {
		return nil, err
	}
	asked := ec2.InstanceMetadataOptionsRequest{
		HttpTokens: in.HttpTokens, HttpPutResponseHopLimit: in.HttpPutResponseHopLimit, HttpEndpoint: in.HttpEndpoint,
		HttpProtocolIpv6: in.HttpProtocolIpv6, InstanceMetadataTags: in.InstanceMetadataTags,
	}
	var options cloud.MetadataOptions
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := get(tx, caller, instanceTable, "i", val(in.InstanceId))
		if err != nil {
			return err
		}
		if i.Want == cloud.PowerTerminated {
			return cloud.Errorf("IncorrectInstanceState", "The instance '%s' is not in a state from which its metadata options can be changed.", i.ID)
		}
		if i.Metadata, err = changeMetadata(i.Metadata, asked, i.Tags); err != nil {
			return err
		}
		options = i.Metadata
		return instanceTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyInstanceMetadataOptionsResult{InstanceId: in.InstanceId, InstanceMetadataOptions: showMetadata(options)}, nil
}
