package ec2

import (
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func interfaceStatus(n cloud.NetworkInterface) string {
	if n.Attachment == nil && n.Of == "" {
		return available
	}
	return "in-use"
}

func (s *Service) interfaceOut(r store.Reader, n cloud.NetworkInterface) ec2.NetworkInterface {
	out := ec2.NetworkInterface{
		NetworkInterfaceId: new(n.ID), OwnerId: new(n.Account), TagSet: tagSet(n.Tags),
		VpcId: new(n.VPC), SubnetId: new(n.Subnet), AvailabilityZone: new(n.Zone), AvailabilityZoneId: new(s.Place.ZoneID(n.Zone)),
		Description: new(n.Description), InterfaceType: new(interfaceType(n)), MacAddress: new(n.MAC),
		Groups: groupIdentifiers(r, n.Groups), SourceDestCheck: new(n.SourceDestCheck),
		Status: new(interfaceStatus(n)), RequesterManaged: new(n.Of != ""), RequesterId: opt(requester(n)),
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
	out.Attachment = attachmentOut(r, n)
	for _, a := range n.Addresses6 {
		out.Ipv6Addresses = append(out.Ipv6Addresses, ec2.NetworkInterfaceIpv6Address{Ipv6Address: new(a.String()), IsPrimaryIpv6: new(false)})
	}
	if len(n.Addresses6) > 0 {
		out.Ipv6Address = out.Ipv6Addresses[0].Ipv6Address
	}
	return out
}

// attachmentOut is what an interface is attached to, nil if nothing.
func attachmentOut(r store.Reader, n cloud.NetworkInterface) *ec2.NetworkInterfaceAttachment {
	if n.Of != "" {
		return &ec2.NetworkInterfaceAttachment{
			AttachmentId: new(managedPrefix + strings.TrimPrefix(n.ID, "eni-")), InstanceOwnerId: new(managerOwner), AttachTime: new(n.Created),
			Status: new("attached"), DeviceIndex: new(int32(1)), NetworkCardIndex: new(int32(0)), DeleteOnTermination: new(false),
		}
	}
	a := n.Attachment
	if a == nil {
		return nil
	}
	return &ec2.NetworkInterfaceAttachment{
		AttachmentId: new(a.ID), AttachTime: new(a.Attached), Status: new(attachmentState(r, n)),
		DeviceIndex: new(int32(a.DeviceIndex)), NetworkCardIndex: new(int32(0)),
		InstanceId: new(a.Instance), InstanceOwnerId: new(n.Account), DeleteOnTermination: new(a.DeleteOnTermination),
	}
}

// The attachments of interfaces that the cloud made for other resources.
const (
	managedPrefix = "ela-attach-"
	managerOwner  = "amazon-aws"
)

func managedAttachment(id string) bool { return strings.HasPrefix(id, managedPrefix) }

// attachmentState is the state of an interface's attachment, "" without one.
func attachmentState(r store.Reader, n cloud.NetworkInterface) string {
	switch {
	case n.Of != "":
		return "attached"
	case n.Attachment == nil:
		return ""
	}
	i, _ := instanceTable.Get(r, n.Attachment.Instance)
	return n.AttachmentState(i)
}

// interfaceType says what an interface is for.
func interfaceType(n cloud.NetworkInterface) string {
	kind, _, _ := strings.Cut(n.Of, "-")
	switch kind {
	case "nat":
		return "nat_gateway"
	case "vpce":
		return "vpc_endpoint"
	}
	return "interface"
}

// natOf is the NAT gateway that an interface was made for, "" for none.
func natOf(n cloud.NetworkInterface) string {
	if interfaceType(n) != "nat_gateway" {
		return ""
	}
	return n.Of
}

// requester is who had the cloud make an interface, "" for the tenant itself.
func requester(n cloud.NetworkInterface) string {
	if n.Of == "" {
		return ""
	}
	return cloud.OperatorAccount
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
