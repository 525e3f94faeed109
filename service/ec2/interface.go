package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// poolOwner owns public addresses that no account holds.
const poolOwner = "amazon"

// DescribeNetworkInterfaces lists the caller's network interfaces.
func (s *Service) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesRequest) (*ec2.DescribeNetworkInterfacesResult, error) {
	caller, err := s.allow(ctx, "DescribeNetworkInterfaces", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	found, next, err := listing[cloud.NetworkInterface]{
		operation: "DescribeNetworkInterfaces", table: interfaceTable, prefix: "eni", ids: in.NetworkInterfaceIds,
		filters: in.Filters, fields: s.interfaceFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(found, func(n cloud.NetworkInterface) ec2.NetworkInterface { return s.interfaceOut(view, n) })
	return &ec2.DescribeNetworkInterfacesResult{NetworkInterfaces: out, NextToken: next}, nil
}

// interfaceFields are the filters of DescribeNetworkInterfaces. Those named
// "association." mean the primary private address, as the answer's Association
// does; those named "addresses." mean any.
func (s *Service) interfaceFields(r store.Reader) fields[cloud.NetworkInterface] {
	type nic = cloud.NetworkInterface
	private := addressField(func(_ nic, a cloud.PrivateAddress) string { return a.Private.String() })
	return fields[nic]{
		"addresses.association.owner-id":   publicField(0, s.publicOwner),
		"addresses.association.public-ip":  publicField(0, func(_ nic, p cloud.PublicAddress) string { return p.Address.String() }),
		"addresses.primary":                addressField(func(n nic, a cloud.PrivateAddress) string { return boolWord(a.Private == n.Primary()) }),
		"addresses.private-ip-address":     private,
		"association.allocation-id":        publicField(1, func(_ nic, p cloud.PublicAddress) string { return p.Allocation }),
		"association.association-id":       publicField(1, func(_ nic, p cloud.PublicAddress) string { return p.Association }),
		"association.ip-owner-id":          publicField(1, s.publicOwner),
		"association.public-dns-name":      publicField(1, func(_ nic, p cloud.PublicAddress) string { return s.Place.PublicName(p.Address) }),
		"association.public-ip":            publicField(1, func(_ nic, p cloud.PublicAddress) string { return p.Address.String() }),
		"attachment.attach-time":           attachmentField(func(a cloud.InterfaceAttachment) string { return timeWord(a.Attached) }),
		"attachment.attachment-id":         attachmentField(func(a cloud.InterfaceAttachment) string { return a.ID }),
		"attachment.delete-on-termination": attachmentField(func(a cloud.InterfaceAttachment) string { return boolWord(a.DeleteOnTermination) }),
		"attachment.device-index":          attachmentField(func(a cloud.InterfaceAttachment) string { return strconv.Itoa(a.DeviceIndex) }),
		"attachment.instance-id":           attachmentField(func(a cloud.InterfaceAttachment) string { return a.Instance }),
		"attachment.instance-owner-id":     instanceOwnerField,
		"attachment.nat-gateway-id":        maybe(natOf),
		"attachment.status":                maybe(func(n nic) string { return attachmentState(r, n) }),
		"availability-zone":                one(func(n nic) string { return n.Zone }),
		"availability-zone-id":             one(func(n nic) string { return s.Place.ZoneID(n.Zone) }),
		"description":                      one(func(n nic) string { return n.Description }),
		"group-id":                         func(n nic, is func(string) bool) bool { return slices.ContainsFunc(n.Groups, is) },
		"group-name":                       groupNameField(r),
		"interface-type":                   one(interfaceType),
		"ipv6-addresses.ipv6-address":      address6Field,
		"mac-address":                      one(func(n nic) string { return n.MAC }),
		"network-interface-id":             one(func(n nic) string { return n.ID }),
		"owner-id":                         one(func(n nic) string { return n.Account }),
		"private-dns-name":                 one(func(n nic) string { return s.Place.PrivateName(n.Primary()) }),
		"private-ip-address":               private,
		"requester-id":                     maybe(requester),
		"requester-managed":                flag(func(n nic) bool { return n.Of != "" }),
		"source-dest-check":                flag(func(n nic) bool { return n.SourceDestCheck }),
		"status":                           one(interfaceStatus),
		"subnet-id":                        one(func(n nic) string { return n.Subnet }),
		"vpc-id":                           one(func(n nic) string { return n.VPC }),
	}
}

// address6Field tells each IPv6 address of an interface.
func address6Field(n cloud.NetworkInterface, is func(string) bool) bool {
	return slices.ContainsFunc(n.Addresses6, func(a netip.Addr) bool { return is(a.String()) })
}

func addressField(value func(cloud.NetworkInterface, cloud.PrivateAddress) string) field[cloud.NetworkInterface] {
	return func(n cloud.NetworkInterface, is func(string) bool) bool {
		for _, a := range n.Addresses {
			if is(value(n, a)) {
				return true
			}
		}
		return false
	}
}

// publicField is a property of the public addresses of the first most private
// ones; 0 means all.
func publicField(most int, value func(cloud.NetworkInterface, cloud.PublicAddress) string) field[cloud.NetworkInterface] {
	return func(n cloud.NetworkInterface, is func(string) bool) bool {
		for i, a := range n.Addresses {
			if most > 0 && i == most {
				break
			}
			if a.Public == nil {
				continue
			}
			if v := value(n, *a.Public); v != "" && is(v) {
				return true
			}
		}
		return false
	}
}

func attachmentField(value func(cloud.InterfaceAttachment) string) field[cloud.NetworkInterface] {
	return func(n cloud.NetworkInterface, is func(string) bool) bool {
		return n.Attachment != nil && is(value(*n.Attachment))
	}
}

func instanceOwnerField(n cloud.NetworkInterface, is func(string) bool) bool {
	return n.Attachment != nil && is(n.Account) || n.Of != "" && is(managerOwner)
}

func groupNameField(r store.Reader) field[cloud.NetworkInterface] {
	return func(n cloud.NetworkInterface, is func(string) bool) bool {
		return slices.ContainsFunc(n.Groups, func(id string) bool {
			group, ok := groupTable.Get(r, id)
			return ok && is(group.Name)
		})
	}
}

// publicOwner is who holds a public address: the account, or the pool.
func (s *Service) publicOwner(n cloud.NetworkInterface, p cloud.PublicAddress) string {
	if p.Allocation == "" {
		return poolOwner
	}
	return n.Account
}
