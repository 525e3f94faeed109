package ec2

import (
	"context"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeSubnets lists the caller's subnets.
func (s *Service) DescribeSubnets(ctx context.Context, in *ec2.DescribeSubnetsRequest) (*ec2.DescribeSubnetsResult, error) {
	caller, err := s.allow(ctx, "DescribeSubnets", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	subnets, next, err := listing[cloud.Subnet]{
		operation: "DescribeSubnets", table: subnetTable, prefix: "subnet", ids: in.SubnetIds,
		filters: in.Filters, fields: s.subnetFields(view), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, view, caller)
	if err != nil {
		return nil, err
	}
	out := each(subnets, func(n cloud.Subnet) ec2.Subnet { return s.subnetOut(view, n) })
	return &ec2.DescribeSubnetsResult{Subnets: out, NextToken: next}, nil
}

func (s *Service) subnetFields(r store.Reader) fields[cloud.Subnet] {
	zone := one(func(n cloud.Subnet) string { return n.Zone })
	zoneID := one(func(n cloud.Subnet) string { return s.Place.ZoneID(n.Zone) })
	cidr := one(func(n cloud.Subnet) string { return n.Prefix.String() })
	isDefault := flag(func(n cloud.Subnet) bool { return n.DefaultForZone })
	no := flag(func(cloud.Subnet) bool { return false })
	has6 := func(value func(cloud.Subnet) string) field[cloud.Subnet] {
		return maybe(func(n cloud.Subnet) string {
			if !n.Prefix6.IsValid() {
				return ""
			}
			return value(n)
		})
	}
	return fields[cloud.Subnet]{
		"availability-zone":    zone,
		"availabilityZone":     zone,
		"availability-zone-id": zoneID,
		"availabilityZoneId":   zoneID,
		"available-ip-address-count": one(func(n cloud.Subnet) string {
			return strconv.Itoa(freeAddresses(r, n))
		}),
		"cidr":                       cidr,
		"cidr-block":                 cidr,
		"cidrBlock":                  cidr,
		"customer-owned-ipv4-pool":   never[cloud.Subnet],
		"default-for-az":             isDefault,
		"defaultForAz":               isDefault,
		"enable-dns64":               no,
		"enable-lni-at-device-index": never[cloud.Subnet],
		"ipv6-cidr-block-association.association-id":       has6(func(n cloud.Subnet) string { return n.Association6 }),
		"ipv6-cidr-block-association.ipv6-cidr-block":      has6(func(n cloud.Subnet) string { return n.Prefix6.String() }),
		"ipv6-cidr-block-association.state":                has6(func(cloud.Subnet) string { return associated }),
		"ipv6-native":                                      no,
		"map-customer-owned-ip-on-launch":                  no,
		"map-public-ip-on-launch":                          flag(func(n cloud.Subnet) bool { return n.MapPublicIP }),
		"mapPublicIpOnLaunch":                              flag(func(n cloud.Subnet) bool { return n.MapPublicIP }),
		"outpost-arn":                                      never[cloud.Subnet],
		"owner-id":                                         one(func(n cloud.Subnet) string { return n.Account }),
		"private-dns-name-options-on-launch.hostname-type": one(hostnameType),
		"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    flag(func(n cloud.Subnet) bool { return n.ResourceNameA }),
		"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": flag(func(n cloud.Subnet) bool { return n.ResourceNameAAAA }),
		"state":      one(func(cloud.Subnet) string { return available }),
		"subnet-arn": one(s.subnetARN),
		"subnet-id":  one(func(n cloud.Subnet) string { return n.ID }),
		"vpc-id":     one(func(n cloud.Subnet) string { return n.VPC }),
	}
}

// hostnameType says how guests are named.
func hostnameType(n cloud.Subnet) string {
	if n.ResourceNames {
		return resourceNames
	}
	return ipNames
}

func (s *Service) subnetARN(n cloud.Subnet) string {
	return s.Place.ARN("ec2", n.Account, "subnet/"+n.ID)
}

// freeAddresses counts the addresses of the subnet that no interface has.
func freeAddresses(r store.Reader, n cloud.Subnet) int {
	_, free := usable(n.Prefix)
	for i := range interfaceTable.Select(r, "subnet/"+n.ID) {
		free -= len(i.Addresses)
	}
	return free
}

func (s *Service) subnetOut(r store.Reader, n cloud.Subnet) ec2.Subnet {
	out := ec2.Subnet{
		SubnetId: new(n.ID), SubnetArn: new(s.subnetARN(n)), OwnerId: new(n.Account), VpcId: new(n.VPC), Tags: tagSet(n.Tags),
		AvailabilityZone: new(n.Zone), AvailabilityZoneId: new(s.Place.ZoneID(n.Zone)),
		CidrBlock: new(n.Prefix.String()), AvailableIpAddressCount: new(int32(freeAddresses(r, n))),
		BlockPublicAccessStates: notBlocked(),
		State:                   new(available), DefaultForAz: new(n.DefaultForZone), MapPublicIpOnLaunch: new(n.MapPublicIP),
		AssignIpv6AddressOnCreation: new(n.AssignIPv6), EnableDns64: new(false), Ipv6Native: new(false),
		MapCustomerOwnedIpOnLaunch: new(false), Ipv6CidrBlockAssociationSet: []ec2.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &ec2.PrivateDnsNameOptionsOnLaunch{
			HostnameType: new(hostnameType(n)), EnableResourceNameDnsARecord: new(n.ResourceNameA), EnableResourceNameDnsAAAARecord: new(n.ResourceNameAAAA),
		},
	}
	if n.Prefix6.IsValid() {
		out.Ipv6CidrBlockAssociationSet = append(out.Ipv6CidrBlockAssociationSet, subnetRangeOut(n, associated))
	}
	return out
}

// subnetRangeOut is the IPv6 range of a subnet that has one.
func subnetRangeOut(n cloud.Subnet, state string) ec2.SubnetIpv6CidrBlockAssociation {
	return ec2.SubnetIpv6CidrBlockAssociation{
		AssociationId: new(n.Association6), Ipv6CidrBlock: new(n.Prefix6.String()), Ipv6CidrBlockState: &ec2.SubnetCidrBlockState{State: &state},
		IpSource: new("amazon"), Ipv6AddressAttribute: new("public"),
	}
}
