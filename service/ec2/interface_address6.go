package ec2

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// nicAddresses6 reads the IPv6 addresses that a request gives an interface: a
// number of any, zero Addrs, or some by name. Nil is no word about them.
func nicAddresses6(count *int32, named []ec2.InstanceIpv6Address) ([]netip.Addr, error) {
	for _, a := range named {
		if val(a.IsPrimaryIpv6) {
			return nil, errPrimary6()
		}
	}
	return readAddresses6(count, each(named, func(a ec2.InstanceIpv6Address) string { return val(a.Ipv6Address) }))
}

func readAddresses6(count *int32, named []string) ([]netip.Addr, error) {
	switch {
	case count != nil && len(named) > 0:
		return nil, cloud.Errorf("InvalidParameterCombination", "The number of IPv6 addresses and IPv6 addresses may not be specified on the same request")
	case count != nil && *count < 0:
		return nil, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for ipv6AddressCount. The number must not be negative.", *count)
	case count != nil && *count > maxPrivate: // not worth making room for
		return nil, errAddressLimit()
	case count != nil:
		return make([]netip.Addr, *count), nil
	case len(named) == 0:
		return nil, nil
	}
	var all []netip.Addr
	for _, s := range named {
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "":
			return nil, invalid("ipv6Address", s, "Invalid IPv6 address.")
		case slices.Contains(all, a):
			return nil, cloud.Errorf("InvalidParameterValue", "Address %s is given more than once", a)
		}
		all = append(all, a)
	}
	return all, nil
}

// check6 refuses IPv6 addresses that a launch of n instances of the type cannot give.
func (nic nicSpec) check6(t cloud.InstanceType, n int) error {
	switch {
	case len(nic.addresses6) > t.Addresses:
		return errAddressLimit()
	case n > 1 && slices.ContainsFunc(nic.addresses6, netip.Addr.IsValid):
		return errOneAddress()
	}
	return nil
}

// addresses6Of are the IPv6 addresses of a new interface: those asked for, or, with
// no word about them, one of any if the subnet says so.
func addresses6Of(subnet cloud.Subnet, asked []netip.Addr) []netip.Addr {
	if asked == nil && subnet.AssignIPv6 && subnet.Prefix6.IsValid() {
		return make([]netip.Addr, 1)
	}
	return asked
}

// claimAll6 takes IPv6 addresses of the subnet for owner, an interface; a zero Addr
// is any free one.
func claimAll6(tx *store.Tx, subnet cloud.Subnet, asked []netip.Addr, owner string) ([]netip.Addr, error) {
	if len(asked) > 0 && !subnet.Prefix6.IsValid() {
		return nil, cloud.Errorf("InvalidParameterValue", "The subnet '%s' has no IPv6 CIDR block. Associate one first.", subnet.ID)
	}
	var claimed []netip.Addr
	for _, a := range asked {
		a, err := claimPrivate6(tx, subnet, a, owner)
		if err != nil {
			return nil, err
		}
		claimed = append(claimed, a)
	}
	return claimed, nil
}

// claimPrivate6 takes one IPv6 address; see claimAll6.
func claimPrivate6(tx *store.Tx, subnet cloud.Subnet, asked netip.Addr, owner string) (netip.Addr, error) {
	space := cloud.PrivateAddresses(subnet.VPC)
	if !asked.IsValid() {
		for try := 0; ; try++ { // nearly all of 2^64 are free
			a := host6(subnet.Prefix6, spread(owner, try))
			if _, taken := store.Owner(tx, space, a.String()); !taken && !reserved6(subnet.Prefix6, a) {
				return a, tx.Claim(space, a.String(), owner)
			}
		}
	}
	switch holder, taken := store.Owner(tx, space, asked.String()); {
	case !subnet.Prefix6.Contains(asked):
		return asked, cloud.Errorf("InvalidParameterValue", "Address %s does not fall within the subnet's address range", asked)
	case reserved6(subnet.Prefix6, asked):
		return asked, cloud.Errorf("InvalidParameterValue", "Address %s is in subnet's reserved address range", asked)
	case taken && holder == owner:
		return asked, errInUse(asked)
	}
	err := tx.Claim(space, asked.String(), owner)
	if _, taken := errors.AsType[*store.ClaimedError](err); taken {
		err = errInUse(asked)
	}
	return asked, err
}

// host6 is the address of a /64 with that host part.
func host6(p netip.Prefix, host uint64) netip.Addr {
	b := p.Masked().Addr().As16()
	binary.BigEndian.PutUint64(b[8:], host)
	return netip.AddrFrom16(b)
}

// reserved6 reports whether an address is one of the first four of a subnet, or the last.
func reserved6(p netip.Prefix, a netip.Addr) bool {
	b := a.As16()
	host := binary.BigEndian.Uint64(b[8:])
	return p.Contains(a) && (host < 4 || host == 1<<64-1)
}

func errInUse(a netip.Addr) error {
	return cloud.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a)
}

func errPrimary6() error {
	return unsupported("Primary IPv6 addresses, which cannot change, are not available.")
}

// AssignIpv6Addresses gives an interface IPv6 addresses of its subnet.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssignIpv6Addresses.html
func (s *Service) AssignIpv6Addresses(ctx context.Context, in *ec2.AssignIpv6AddressesRequest) (*ec2.AssignIpv6AddressesResult, error) {
	caller, err := s.allow(ctx, "AssignIpv6Addresses", nil, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	if val(in.Ipv6PrefixCount) > 0 || len(in.Ipv6Prefixes) > 0 {
		return nil, errPrefixDelegation()
	}
	asked, err := readAddresses6(in.Ipv6AddressCount, in.Ipv6Addresses)
	switch {
	case err != nil:
		return nil, err
	case len(asked) == 0:
		return nil, missing("ipv6AddressCount")
	}
	var added []netip.Addr
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		if len(n.Addresses6)+len(asked) > addressLimit(tx, n) {
			return errAddressLimit()
		}
		subnet, _ := subnetTable.Get(tx, n.Subnet)
		if added, err = claimAll6(tx, subnet, asked, n.ID); err != nil {
			return err
		}
		n.Addresses6 = slices.Concat(n.Addresses6, added)
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssignIpv6AddressesResult{NetworkInterfaceId: in.NetworkInterfaceId, AssignedIpv6Addresses: each(added, netip.Addr.String)}, nil
}

// UnassignIpv6Addresses takes IPv6 addresses from an interface.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnassignIpv6Addresses.html
func (s *Service) UnassignIpv6Addresses(ctx context.Context, in *ec2.UnassignIpv6AddressesRequest) (*ec2.UnassignIpv6AddressesResult, error) {
	caller, err := s.allow(ctx, "UnassignIpv6Addresses", nil, aboutInterface.of(s.asking(ctx), val(in.NetworkInterfaceId)))
	if err != nil {
		return nil, err
	}
	if len(in.Ipv6Prefixes) > 0 {
		return nil, errPrefixDelegation()
	}
	named, err := readAddresses6(nil, in.Ipv6Addresses)
	switch {
	case err != nil:
		return nil, err
	case len(named) == 0:
		return nil, missing("ipv6Addresses")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := s.ownInterface(tx, caller, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		for _, a := range named {
			if !slices.Contains(n.Addresses6, a) {
				return errNotAssigned(n, a)
			}
			tx.Release(cloud.PrivateAddresses(n.VPC), a.String())
		}
		n.Addresses6 = slices.DeleteFunc(slices.Clone(n.Addresses6), func(a netip.Addr) bool { return slices.Contains(named, a) })
		return interfaceTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.UnassignIpv6AddressesResult{NetworkInterfaceId: in.NetworkInterfaceId, UnassignedIpv6Addresses: each(named, netip.Addr.String)}, nil
}
