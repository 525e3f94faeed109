package ec2

import (
	"context"
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
		"attachment.nat-gateway-id":        never[nic],
		"attachment.status":                attachmentField(func(cloud.InterfaceAttachment) string { return "attached" }),
		"availability-zone":                one(func(n nic) string { return n.Zone }),
		"availability-zone-id":             one(func(n nic) string { return s.Place.ZoneID(n.Zone) }),
		"description":                      one(func(n nic) string { return n.Description }),
		"group-id":                         func(n nic, is func(string) bool) bool { return slices.ContainsFunc(n.Groups, is) },
		"group-name":                       groupNameField(r),
		"interface-type":                   one(func(nic) string { return "interface" }),
		"ipv6-addresses.ipv6-address":      never[nic],
		"mac-address":                      one(func(n nic) string { return n.MAC }),
		"network-interface-id":             one(func(n nic) string { return n.ID }),
		"owner-id":                         one(func(n nic) string { return n.Account }),
		"private-dns-name":                 one(func(n nic) string { return s.Place.PrivateName(n.Primary()) }),
		"private-ip-address":               private,
		"requester-id":                     never[nic],
		"requester-managed":                flag(func(nic) bool { return false }),
		"source-dest-check":                flag(func(n nic) bool { return n.SourceDestCheck }),
		"status":                           one(interfaceStatus),
		"subnet-id":                        one(func(n nic) string { return n.Subnet }),
		"vpc-id":                           one(func(n nic) string { return n.VPC }),
	}
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
	return n.Attachment != nil && is(n.Account)
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

func interfaceStatus(n cloud.NetworkInterface) string {
	if n.Attachment == nil {
		return available
	}
	return "in-use"
}

func (s *Service) interfaceOut(r store.Reader, n cloud.NetworkInterface) ec2.NetworkInterface {
	out := ec2.NetworkInterface{
		NetworkInterfaceId: new(n.ID), OwnerId: new(n.Account), TagSet: tagSet(n.Tags),
		VpcId: new(n.VPC), SubnetId: new(n.Subnet), AvailabilityZone: new(n.Zone), AvailabilityZoneId: new(s.Place.ZoneID(n.Zone)),
		Description: new(n.Description), InterfaceType: new("interface"), MacAddress: new(n.MAC),
		Groups: groupIdentifiers(r, n.Groups), SourceDestCheck: new(n.SourceDestCheck),
		Status: new(interfaceStatus(n)), RequesterManaged: new(false),
		PrivateIpAddress: new(n.Primary().String()), PrivateDnsName: new(s.Place.PrivateName(n.Primary())),
		Ipv6Addresses: []ec2.NetworkInterfaceIpv6Address{},
	}
	for i, a := range n.Addresses {
		association := s.associationOut(n, a)
		if i == 0 {
			out.Association = association
		}
		out.PrivateIpAddresses = append(out.PrivateIpAddresses, ec2.NetworkInterfacePrivateIpAddress{
			PrivateIpAddress: new(a.Private.String()), PrivateDnsName: new(s.Place.PrivateName(a.Private)),
			Primary: new(i == 0), Association: association,
		})
	}
	if a := n.Attachment; a != nil {
		out.Attachment = &ec2.NetworkInterfaceAttachment{
			AttachmentId: new(a.ID), AttachTime: new(a.Attached), Status: new("attached"),
			DeviceIndex: new(int32(a.DeviceIndex)), NetworkCardIndex: new(int32(0)),
			InstanceId: new(a.Instance), InstanceOwnerId: new(n.Account), DeleteOnTermination: new(a.DeleteOnTermination),
		}
	}
	return out
}

// associationOut is the public address of a private one, nil if it has none.
func (s *Service) associationOut(n cloud.NetworkInterface, a cloud.PrivateAddress) *ec2.NetworkInterfaceAssociation {
	if a.Public == nil {
		return nil
	}
	return &ec2.NetworkInterfaceAssociation{
		PublicIp: new(a.Public.Address.String()), PublicDnsName: new(s.Place.PublicName(a.Public.Address)),
		IpOwnerId: new(s.publicOwner(n, *a.Public)), AllocationId: opt(a.Public.Allocation), AssociationId: opt(a.Public.Association),
	}
}

// groupIdentifiers names security groups by ID and name.
func groupIdentifiers(r store.Reader, ids []string) []ec2.GroupIdentifier {
	return each(ids, func(id string) ec2.GroupIdentifier {
		group, _ := groupTable.Get(r, id)
		return ec2.GroupIdentifier{GroupId: new(id), GroupName: new(group.Name)}
	})
}
