package ec2

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// AssociateAddress maps an elastic address to a private address of an interface
// or of an instance's only interface. One that is mapped elsewhere moves, and one
// that the private address had is let go, unless AllowReassociation is false.
func (s *Service) AssociateAddress(ctx context.Context, in *ec2.AssociateAddressRequest) (*ec2.AssociateAddressResult, error) {
	caller, err := s.allow(ctx, "AssociateAddress", in.DryRun, s.asking(ctx).association(in)...)
	if err != nil {
		return nil, err
	}
	move := in.AllowReassociation == nil || *in.AllowReassociation
	var association string
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		address, err := s.address(tx, caller, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		target, private, err := s.associationTarget(tx, caller, in)
		if err != nil {
			return err
		}
		if address.Interface == target.ID && address.Private == private {
			association = address.Association
			return nil
		}
		if address.Association != "" {
			if !move {
				return errAssociated(address.ID, address.Association)
			}
			if err := s.checkMapped(tx, address); err != nil {
				return err
			}
			if err := s.disassociate(tx, address); err != nil {
				return err
			}
		}
		association = s.NewID("eipassoc")
		return s.associate(tx, address.ID, association, target.ID, private, move)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateAddressResult{AssociationId: new(association)}, nil
}

func errAssociated(resource, association string) error {
	return cloud.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", resource, association)
}

// associationTarget finds the interface and private address that a request names.
func (s *Service) associationTarget(r store.Reader, c cloud.Caller, in *ec2.AssociateAddressRequest) (n cloud.NetworkInterface, private netip.Addr, err error) {
	switch id, instance := val(in.NetworkInterfaceId), val(in.InstanceId); {
	case id != "" && instance != "":
		return n, private, cloud.Errorf("InvalidParameterCombination", "You may specify either an instance ID or a network interface ID, but not both in the same call")
	case id != "":
		n, err = s.settledInterface(r, c, id)
	case instance != "":
		n, err = s.onlyInterface(r, c, instance)
	default:
		err = missing("instanceId")
	}
	if err != nil {
		return n, private, err
	}
	private = n.Primary()
	if asked := val(in.PrivateIpAddress); asked != "" {
		private, err = netip.ParseAddr(asked)
		if err != nil {
			return n, private, invalid("privateIpAddress", asked, "This is not an IP address.")
		}
	}
	if !hasAddress(n, private) {
		return n, private, invalid("privateIpAddress", private.String(), "The address is not assigned to interface '"+n.ID+"'.")
	}
	for range gatewayTable.Select(r, "vpc/"+n.VPC) {
		return n, private, nil
	}
	return n, private, cloud.Errorf("Gateway.NotAttached", "Network %s is not attached to any internet gateway", n.VPC)
}

// settledInterface returns an interface, unless its instance is still being launched.
func (s *Service) settledInterface(r store.Reader, c cloud.Caller, id string) (cloud.NetworkInterface, error) {
	n, err := s.ownInterface(r, c, &id)
	if err != nil || n.Attachment == nil {
		return n, err
	}
	if i, ok := instanceTable.Get(r, n.Attachment.Instance); ok && i.State() == cloud.InstancePending {
		return n, cloud.Errorf("IncorrectInstanceState", "The pending-instance-creation instance to which '%s' is attached is not in a valid state for this operation", id)
	}
	return n, nil
}

// onlyInterface returns the interface of an instance that has one, and is in a
// state in which addresses may change.
func (s *Service) onlyInterface(r store.Reader, c cloud.Caller, id string) (cloud.NetworkInterface, error) {
	instance, err := get(r, c, instanceTable, "i", id)
	if err != nil {
		return cloud.NetworkInterface{}, err
	}
	switch state := instance.State(); state {
	case cloud.InstanceRunning, cloud.InstanceStopping, cloud.InstanceStopped:
	case cloud.InstancePending, cloud.InstanceShuttingDown, cloud.InstanceTerminated:
		return cloud.NetworkInterface{}, cloud.Errorf("InvalidInstanceID", "The %s instance '%s' is not in a valid state for this operation.", state, id)
	}
	found := slices.Collect(interfaceTable.Select(r, "instance/"+id))
	switch len(found) {
	case 0:
		return cloud.NetworkInterface{}, cloud.Errorf("InvalidInstanceID", "There are no interfaces attached to instance '%s'.", id)
	case 1:
		return found[0], nil
	default:
		return cloud.NetworkInterface{}, cloud.Errorf("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. Please specify an interface ID for the operation instead.", id)
	}
}

// associate maps a free elastic address to a private one. A public address
// that the private one has already makes room: an assigned one returns to the
// pool, an elastic one stays its owner's; unless move is false.
func (s *Service) associate(tx *store.Tx, allocation, association, target string, private netip.Addr, move bool) error {
	n, _ := interfaceTable.Get(tx, target)
	for _, a := range n.Addresses {
		if a.Private != private || a.Public == nil {
			continue
		}
		if a.Public.Allocation == "" {
			tx.Release(cloud.PublicAddresses, a.Public.Address.String())
			continue
		}
		if !move {
			return errAssociated(target, a.Public.Association)
		}
		old, _ := addressTable.Get(tx, a.Public.Allocation)
		if err := s.disassociate(tx, old); err != nil {
			return err
		}
	}
	instance := ""
	if n.Attachment != nil {
		instance = n.Attachment.Instance
	}
	var public cloud.PublicAddress
	err := addressTable.Modify(tx, allocation, func(a *cloud.Address) error {
		a.Association, a.Interface, a.Private, a.Instance = association, target, private, instance
		public = cloud.PublicAddress{Address: a.Address, Allocation: a.ID, Association: association}
		return nil
	})
	if err != nil {
		return fmt.Errorf("associate %s: %w", allocation, err)
	}
	return setPublic(tx, target, private, &public)
}

// DisassociateAddress ends the mapping of an elastic address.
func (s *Service) DisassociateAddress(ctx context.Context, in *ec2.DisassociateAddressRequest) (*ec2.DisassociateAddressOutput, error) {
	caller, err := s.allow(ctx, "DisassociateAddress", in.DryRun, s.asking(ctx).disassociation(in)...)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		address, err := s.associated(tx, caller, in.AssociationId, in.PublicIp)
		if err != nil || address.Association == "" {
			return err
		}
		if err := s.checkMapped(tx, address); err != nil {
			return err
		}
		return s.disassociate(tx, address)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisassociateAddressOutput{}, nil
}

// associated finds the caller's elastic address by exactly one of its
// association and the address itself; by the latter it need not be associated.
func (s *Service) associated(r store.Reader, c cloud.Caller, association, ip *string) (cloud.Address, error) {
	switch {
	case val(association) == "" && val(ip) == "":
		return cloud.Address{}, missing("associationId")
	case val(association) != "" && val(ip) != "":
		return cloud.Address{}, cloud.Errorf("InvalidParameterCombination", "You may specify public IP or association id, but not both in the same call")
	case val(association) == "":
		return s.address(r, c, nil, ip)
	}
	if err := checkIDs("eipassoc", *association); err != nil {
		return cloud.Address{}, err
	}
	for a := range addressTable.Select(r, cloud.AccountLabel(c.Account)) {
		if a.Association == *association {
			return a, nil
		}
	}
	return cloud.Address{}, notFound("eipassoc", *association)
}

// checkMapped refuses to end the mapping to an interface that is another resource's,
// such as a NAT gateway's.
func (s *Service) checkMapped(r store.Reader, address cloud.Address) error {
	if n, _ := interfaceTable.Get(r, address.Interface); n.Of != "" {
		return cloud.Errorf("AuthFailure", "You do not have permission to access the specified resource: address %s is that of %s.", address.Address, n.Of)
	}
	return nil
}

// disassociate ends the mapping of an elastic address that has one.
func (s *Service) disassociate(tx *store.Tx, address cloud.Address) error {
	err := addressTable.Modify(tx, address.ID, func(a *cloud.Address) error {
		a.Association, a.Interface, a.Private, a.Instance = "", "", netip.Addr{}, ""
		return nil
	})
	if err != nil {
		return fmt.Errorf("disassociate %s: %w", address.ID, err)
	}
	if _, ok := interfaceTable.Get(tx, address.Interface); !ok {
		return nil
	}
	return setPublic(tx, address.Interface, address.Private, nil)
}

// setPublic writes which public address a private one of an interface has.
func setPublic(tx *store.Tx, id string, private netip.Addr, public *cloud.PublicAddress) error {
	return interfaceTable.Modify(tx, id, func(n *cloud.NetworkInterface) error {
		for i := range n.Addresses {
			if n.Addresses[i].Private == private {
				n.Addresses[i].Public = public
			}
		}
		return nil
	})
}
