package ec2

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxAddresses is how many elastic addresses an account may hold.
const maxAddresses = 64

// AllocateAddress gives the caller an elastic address of the public pool.
func (s *Service) AllocateAddress(ctx context.Context, in *ec2.AllocateAddressRequest) (*ec2.AllocateAddressResult, error) {
	caller, err := s.allow(ctx, "AllocateAddress", in.DryRun, s.asking(ctx).newAddress(in.TagSpecifications))
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.Domain) != "" && *in.Domain != "vpc":
		return nil, invalid("domain", *in.Domain, "The only domain is vpc.")
	case val(in.PublicIpv4Pool) != "" && *in.PublicIpv4Pool != poolOwner:
		return nil, invalid("publicIpv4Pool", *in.PublicIpv4Pool, "The only pool is "+poolOwner+".")
	case val(in.CustomerOwnedIpv4Pool) != "":
		return nil, invalid("customerOwnedIpv4Pool", *in.CustomerOwnedIpv4Pool, "The only pool is "+poolOwner+".")
	case val(in.IpamPoolId) != "":
		return nil, invalid("ipamPoolId", *in.IpamPoolId, "The only pool is "+poolOwner+".")
	}
	if err := s.checkBorderGroup(in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "elastic-ip")
	if err != nil {
		return nil, err
	}
	address := cloud.Address{Meta: cloud.Meta{ID: s.NewID("eipalloc"), Account: caller.Account, Created: s.Now(), Tags: tags}}
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if addressTable.Count(tx, cloud.AccountLabel(caller.Account)) >= maxAddresses {
			return cloud.Errorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		if val(in.Address) == "" {
			address.Address, err = s.claimPublic(tx, address.ID)
		} else {
			address.Address, err = s.recoverPublic(tx, *in.Address, address.ID)
		}
		if err != nil {
			return err
		}
		return addressTable.Create(tx, address)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AllocateAddressResult{
		AllocationId: new(address.ID), PublicIp: new(address.Address.String()), Domain: new("vpc"),
		PublicIpv4Pool: new(poolOwner), NetworkBorderGroup: new(s.Place.Region),
	}, nil
}

// recoverPublic takes the public address asked for, if it is free.
func (s *Service) recoverPublic(tx *store.Tx, asked, owner string) (netip.Addr, error) {
	addr, err := publicAddress(asked)
	if err != nil {
		return addr, err
	}
	first, count := s.publicRange()
	if offset(first, addr) < 0 || offset(first, addr) >= count {
		return addr, errNoAddress(asked)
	}
	var taken *store.ClaimedError
	if err = tx.Claim(cloud.PublicAddresses, addr.String(), owner); errors.As(err, &taken) {
		err = errNoAddress(asked)
	}
	return addr, err
}

func (s *Service) checkBorderGroup(group *string) error {
	if val(group) != "" && *group != s.Place.Region {
		return invalid("networkBorderGroup", *group, "The only network border group is "+s.Place.Region+".")
	}
	return nil
}

// publicAddress reads an address as the API writes it.
func publicAddress(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is4() {
		return addr, cloud.Errorf("InvalidAddress.Malformed", "Invalid IPv4 address: '%s'", s)
	}
	return addr, nil
}

func errNoAddress(ip string) error {
	return cloud.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", ip)
}

// ReleaseAddress returns an elastic address to the pool. One that is associated
// is refused.
func (s *Service) ReleaseAddress(ctx context.Context, in *ec2.ReleaseAddressRequest) (*ec2.ReleaseAddressOutput, error) {
	caller, err := s.allow(ctx, "ReleaseAddress", in.DryRun, s.asking(ctx).address(in.AllocationId, in.PublicIp))
	if err != nil {
		return nil, err
	}
	if err := s.checkBorderGroup(in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		address, err := s.address(tx, caller, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		if address.Association != "" {
			return cloud.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", address.Address)
		}
		tx.ReleaseAll(address.ID)
		return addressTable.Delete(tx, address.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ReleaseAddressOutput{}, nil
}

// address finds the caller's elastic address by exactly one of its allocation
// ID and the address itself.
func (s *Service) address(r store.Reader, c cloud.Caller, allocation, ip *string) (cloud.Address, error) {
	switch {
	case val(allocation) == "" && val(ip) == "":
		return cloud.Address{}, missing("allocationId")
	case val(allocation) != "" && val(ip) != "":
		return cloud.Address{}, cloud.Errorf("InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call")
	case val(allocation) != "":
		return get(r, c, addressTable, "eipalloc", *allocation)
	}
	found, err := addressesByIP(r, c, []string{*ip})
	if err != nil {
		return cloud.Address{}, err
	}
	return get(r, c, addressTable, "eipalloc", found[0])
}

// addressesByIP returns the allocation IDs of the caller's elastic addresses.
func addressesByIP(r store.Reader, c cloud.Caller, ips []string) ([]string, error) {
	var ids []string
	for _, ip := range ips {
		addr, err := publicAddress(ip)
		if err != nil {
			return nil, err
		}
		id, _ := store.Owner(r, cloud.PublicAddresses, addr.String())
		if a, ok := addressTable.Get(r, id); !ok || a.Account != c.Account {
			return nil, errNoAddress(ip)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// DescribeAddresses lists the caller's elastic addresses.
func (s *Service) DescribeAddresses(ctx context.Context, in *ec2.DescribeAddressesRequest) (*ec2.DescribeAddressesResult, error) {
	caller, err := s.allow(ctx, "DescribeAddresses", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	ids, err := addressesByIP(view, caller, in.PublicIps)
	if err != nil {
		return nil, err
	}
	found, _, err := listing[cloud.Address]{
		operation: "DescribeAddresses", table: addressTable, prefix: "eipalloc", ids: slices.Concat(ids, in.AllocationIds),
		filters: in.Filters, fields: s.addressFields(),
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeAddressesResult{Addresses: each(found, s.addressOut)}, nil
}

func (s *Service) addressFields() fields[cloud.Address] {
	return fields[cloud.Address]{
		"allocation-id":              one(func(a cloud.Address) string { return a.ID }),
		"association-id":             maybe(func(a cloud.Address) string { return a.Association }),
		"domain":                     one(func(cloud.Address) string { return "vpc" }),
		"instance-id":                maybe(func(a cloud.Address) string { return a.Instance }),
		"network-border-group":       one(func(cloud.Address) string { return s.Place.Region }),
		"network-interface-id":       maybe(func(a cloud.Address) string { return a.Interface }),
		"network-interface-owner-id": maybe(interfaceOwner),
		"private-ip-address":         maybe(func(a cloud.Address) string { return addrWord(a.Private) }),
		"public-ip":                  one(func(a cloud.Address) string { return a.Address.String() }),
	}
}

// interfaceOwner is the account of the interface that an address is associated
// with: always the address's own.
func interfaceOwner(a cloud.Address) string {
	if a.Interface == "" {
		return ""
	}
	return a.Account
}

// addrWord writes an address, the zero one as "".
func addrWord(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (s *Service) addressOut(a cloud.Address) ec2.Address {
	return ec2.Address{
		AllocationId: new(a.ID), PublicIp: new(a.Address.String()), Domain: new("vpc"), Tags: tagSet(a.Tags),
		PublicIpv4Pool: new(poolOwner), NetworkBorderGroup: new(s.Place.Region),
		AssociationId: opt(a.Association), InstanceId: opt(a.Instance), NetworkInterfaceId: opt(a.Interface),
		NetworkInterfaceOwnerId: opt(interfaceOwner(a)), PrivateIpAddress: opt(addrWord(a.Private)),
	}
}
