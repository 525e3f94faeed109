package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AttachNetworkInterface gives an instance, which runs or is stopped, another
// network interface.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachNetworkInterface.html
func (s *Service) AttachNetworkInterface(ctx context.Context, in *ec2.AttachNetworkInterfaceRequest) (*ec2.AttachNetworkInterfaceResult, error) {
	a := s.asking(ctx)
	caller, err := s.allow(ctx, "AttachNetworkInterface", in.DryRun, aboutInstance.of(a, val(in.InstanceId)), aboutInterface.of(a, val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.NetworkInterfaceId) == "":
		return nil, missing("networkInterfaceId")
	case val(in.InstanceId) == "":
		return nil, missing("instanceId")
	case in.DeviceIndex == nil:
		return nil, missing("deviceIndex")
	case *in.DeviceIndex < 0:
		return nil, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for deviceIndex. The number must not be negative.", *in.DeviceIndex)
	case val(in.NetworkCardIndex) != 0:
		return nil, unsupported("Instances have one network card, of index 0.")
	case in.EnaSrdSpecification != nil && val(in.EnaSrdSpecification.EnaSrdEnabled):
		return nil, unsupported("ENA Express is not available.")
	case in.EnaQueueCount != nil:
		return nil, unsupported("The queues of an interface cannot be chosen.")
	}
	at := &cloud.InterfaceAttachment{ID: s.NewID("eni-attach"), Instance: *in.InstanceId, DeviceIndex: int(*in.DeviceIndex), Attached: s.Now().UTC()}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		i, err := get(tx, caller, instanceTable, "i", *in.InstanceId)
		if err != nil {
			return err
		}
		if err := checkAttachNIC(tx, n, i, at.DeviceIndex); err != nil {
			return err
		}
		n.Attachment = at
		if err := followAddresses(tx, n.ID, i.ID); err != nil {
			return err
		}
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AttachNetworkInterfaceResult{AttachmentId: &at.ID, NetworkCardIndex: new(int32(0))}, nil
}

// checkAttachNIC refuses what cannot be attached, in the words of AWS.
func checkAttachNIC(r store.Reader, n cloud.NetworkInterface, i cloud.Instance, index int) error {
	t, _ := cloud.FindInstanceType(i.Type)
	state := i.State()
	switch {
	case n.Attachment != nil:
		return cloud.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
	case state != cloud.InstanceRunning && state != cloud.InstanceStopped:
		return cloud.Errorf("IncorrectState", "Instance '%s' is not 'running' or 'stopped'.", i.ID)
	case n.Zone != i.Zone:
		return cloud.Errorf("InvalidParameterCombination", "You may not attach a network interface to an instance if they are not in the same availability zone")
	case n.VPC != i.VPC:
		return unsupported("The network interfaces of an instance must be in the same VPC.")
	case i.Seen.HasCard(n.ID):
		return cloud.Errorf("IncorrectState", "Instance '%s' has not yet let go of interface '%s', which was detached with force. Stop and start the instance.", i.ID, n.ID)
	case len(n.Addresses) > t.Addresses || len(n.Addresses6) > t.Addresses:
		return errAddressLimit()
	}
	nics := interfacesOf(r, i.ID)
	for _, other := range nics {
		if other.Attachment.DeviceIndex == index {
			return cloud.Errorf("InvalidParameterValue", "Instance '%s' already has an interface attached at device index '%d'.", i.ID, index)
		}
	}
	if len(nics) >= t.Interfaces {
		return cloud.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", len(nics)+1, t.Name)
	}
	if len(volumesOf(r, i))-1+len(nics) > maxHotPlug {
		return errTooManyDevices(i.Type)
	}
	return nil
}

// followAddresses notes with an interface's elastic addresses which instance it is
// attached to, "" for none.
func followAddresses(tx *store.Tx, nic, instance string) error {
	for a := range addressTable.Select(tx, "interface/"+nic) {
		a.Instance = instance
		if err := addressTable.Put(tx, a); err != nil {
			return err
		}
	}
	return nil
}

// DetachNetworkInterface takes an interface from its instance: from a stopped one
// at once, from a running one when its guest has let go; with Force without asking it.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachNetworkInterface.html
func (s *Service) DetachNetworkInterface(ctx context.Context, in *ec2.DetachNetworkInterfaceRequest) (*ec2.DetachNetworkInterfaceOutput, error) {
	caller, err := s.allow(ctx, "DetachNetworkInterface", in.DryRun, s.asking(ctx).detachmentNIC(in)...)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := attachedNIC(tx, caller, in.AttachmentId)
		if err != nil {
			return err
		}
		if n.Attachment.DeviceIndex == 0 {
			return cloud.Errorf("OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
		}
		detaching := *n.Attachment
		detaching.Detach, detaching.Force = true, detaching.Force || val(in.Force)
		n.Attachment = &detaching
		if i, ok := instanceTable.Get(tx, detaching.Instance); !ok || i.State() == cloud.InstanceStopped {
			n.Attachment = nil
			if err := followAddresses(tx, n.ID, ""); err != nil {
				return err
			}
		}
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DetachNetworkInterfaceOutput{}, nil
}

// attachedNIC finds the caller's interface by the ID of its attachment.
func attachedNIC(r store.Reader, c cloud.Caller, id *string) (cloud.NetworkInterface, error) {
	switch {
	case val(id) == "":
		return cloud.NetworkInterface{}, missing("attachmentId")
	case managedAttachment(*id):
		return cloud.NetworkInterface{}, cloud.Errorf("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
	}
	if err := checkIDs("eni-attach", *id); err != nil {
		return cloud.NetworkInterface{}, err
	}
	for n := range interfaceTable.Select(r, cloud.AccountLabel(c.Account)) {
		if n.Attachment != nil && n.Attachment.ID == *id {
			return n, nil
		}
	}
	return cloud.NetworkInterface{}, notFound("eni-attach", *id)
}

// detachmentNIC is an interface, and the instance that it is to be detached from.
func (a asking) detachmentNIC(in *ec2.DetachNetworkInterfaceRequest) []subject {
	n, err := attachedNIC(a.r, a.c, in.AttachmentId)
	if err != nil {
		return []subject{a.absent("i", ""), a.absent("eni", "")}
	}
	return []subject{aboutInstance.of(a, n.Attachment.Instance), aboutInterface.doc(a, n)}
}
