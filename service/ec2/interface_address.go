package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxPrivate is how many addresses of a family an interface may have that is not
// attached; an attached one may have as many as the type of its instance says.
const maxPrivate = 50

// addressLimit is how many addresses of a family an interface may have.
func addressLimit(r store.Reader, n cloud.NetworkInterface) int {
	if n.Attachment == nil {
		return maxPrivate
	}
	i, _ := instanceTable.Get(r, n.Attachment.Instance)
	t, _ := cloud.FindInstanceType(i.Type)
	return t.Addresses
}

func errAddressLimit() error {
	return cloud.Errorf("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
}

func errPrefixDelegation() error { return unsupported("Prefix delegation is not available.") }

func errNotAssigned(n cloud.NetworkInterface, a netip.Addr) error {
	return cloud.Errorf("InvalidParameterValue", "Some of the specified addresses are not assigned to interface %s: %s", n.ID, a)
}

// AssignPrivateIpAddresses gives an interface secondary private addresses. With
// AllowReassignment one that another interface of the caller's has as a secondary
// one moves, with the elastic address that it has left behind.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssignPrivateIpAddresses.html
func (s *Service) AssignPrivateIpAddresses(ctx context.Context, in *ec2.AssignPrivateIpAddressesRequest) (*ec2.AssignPrivateIpAddressesResult, error) {
	caller, err := s.allow(ctx, "AssignPrivateIpAddresses", nil, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	asked, err := secondaryAddresses(in)
	if err != nil {
		return nil, err
	}
	var added []netip.Addr
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if len(n.Addresses)+len(asked) > addressLimit(tx, n) {
			return errAddressLimit()
		}
		subnet, _ := subnetTable.Get(tx, n.Subnet)
		n.Addresses, added = slices.Clone(n.Addresses), nil
		for _, a := range asked {
			if val(in.AllowReassignment) && a.IsValid() {
				if err := s.letGo(tx, caller, n, a); err != nil {
					return err
				}
			}
			if a, err = claimPrivate(tx, subnet, a, n.ID); err != nil {
				return err
			}
			n.Addresses, added = append(n.Addresses, cloud.PrivateAddress{Private: a}), append(added, a)
		}
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssignPrivateIpAddressesResult{
		NetworkInterfaceId: in.NetworkInterfaceId,
		AssignedPrivateIpAddresses: each(added, func(a netip.Addr) ec2.AssignedPrivateIpAddress {
			return ec2.AssignedPrivateIpAddress{PrivateIpAddress: new(a.String())}
		}),
	}, nil
}

// secondaryAddresses reads what is asked for: addresses, or a number of any, as
// zero Addrs.
func secondaryAddresses(in *ec2.AssignPrivateIpAddressesRequest) ([]netip.Addr, error) {
	count := val(in.SecondaryPrivateIpAddressCount)
	switch {
	case val(in.Ipv4PrefixCount) > 0 || len(in.Ipv4Prefixes) > 0:
		return nil, errPrefixDelegation()
	case count > 0 && len(in.PrivateIpAddresses) > 0:
		return nil, cloud.Errorf("InvalidParameterCombination", "The number of secondary private addresses and secondary private addresses may not be specified on the same request")
	case count < 0:
		return nil, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for secondaryPrivateIpAddressCount. The number must not be negative.", count)
	case count > maxPrivate:
		return nil, errAddressLimit()
	case count > 0:
		return make([]netip.Addr, count), nil
	case len(in.PrivateIpAddresses) == 0:
		return nil, missing("privateIpAddress")
	}
	return readPrivate(in.PrivateIpAddresses)
}

// readPrivate reads IPv4 addresses, each given once.
func readPrivate(named []string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, text := range named {
		a, err := privateAddress(&text)
		switch {
		case err != nil:
			return nil, err
		case !a.IsValid():
			return nil, missing("privateIpAddress")
		case slices.Contains(all, a):
			return nil, cloud.Errorf("InvalidParameterValue", "Address %s is given more than once", a)
		}
		all = append(all, a)
	}
	return all, nil
}

// letGo takes a private address from the caller's interface that has it as a
// secondary one, so that n can have it.
func (s *Service) letGo(tx *store.Tx, c cloud.Caller, n cloud.NetworkInterface, a netip.Addr) error {
	holder, _ := store.Owner(tx, cloud.PrivateAddresses(n.VPC), a.String())
	other, ok := interfaceTable.Get(tx, holder)
	if !ok || other.Account != c.Account || other.ID == n.ID || other.Of != "" || other.Primary() == a {
		return nil // that it is in use is said by whoever claims it
	}
	return s.unassign(tx, other, []netip.Addr{a})
}

// UnassignPrivateIpAddresses takes secondary private addresses from an interface;
// elastic addresses that they have are disassociated.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnassignPrivateIpAddresses.html
func (s *Service) UnassignPrivateIpAddresses(ctx context.Context, in *ec2.UnassignPrivateIpAddressesRequest) (*ec2.UnassignPrivateIpAddressesOutput, error) {
	caller, err := s.allow(ctx, "UnassignPrivateIpAddresses", nil, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	switch {
	case len(in.Ipv4Prefixes) > 0:
		return nil, errPrefixDelegation()
	case len(in.PrivateIpAddresses) == 0:
		return nil, missing("privateIpAddress")
	}
	named, err := readPrivate(in.PrivateIpAddresses)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		for _, a := range named {
			switch {
			case a == n.Primary():
				return cloud.Errorf("InvalidParameterValue", "The primary IP address %s of an interface cannot be unassigned", a)
			case !hasAddress(n, a):
				return errNotAssigned(n, a)
			}
		}
		return s.unassign(tx, n, named)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.UnassignPrivateIpAddressesOutput{}, nil
}

func hasAddress(n cloud.NetworkInterface, a netip.Addr) bool {
	return slices.ContainsFunc(n.Addresses, func(p cloud.PrivateAddress) bool { return p.Private == a })
}

// unassign takes secondary private addresses from an interface that has them.
func (s *Service) unassign(tx *store.Tx, n cloud.NetworkInterface, gone []netip.Addr) error {
	for _, p := range n.Addresses {
		if p.Public == nil || !slices.Contains(gone, p.Private) {
			continue
		}
		address, ok := addressTable.Get(tx, p.Public.Allocation)
		if !ok {
			continue
		}
		if err := s.disassociate(tx, address); err != nil {
			return err
		}
	}
	for _, a := range gone {
		tx.Release(cloud.PrivateAddresses(n.VPC), a.String())
	}
	return interfaceTable.Modify(tx, n.ID, func(n *cloud.NetworkInterface) error {
		n.Addresses = slices.DeleteFunc(slices.Clone(n.Addresses), func(p cloud.PrivateAddress) bool { return slices.Contains(gone, p.Private) })
		return nil
	})
}
