package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// serviceList finds the prefix list of a service of the cloud's by the service's name,
// e.g. "com.amazonaws.eu-paris-1.s3".
func serviceList(r store.Reader, name string) (cloud.PrefixList, bool) {
	for l := range listTable.Select(r, cloud.AccountLabel(cloud.OperatorAccount)) {
		if l.Name == name {
			return l, true
		}
	}
	return cloud.PrefixList{}, false
}

// DescribeVpcEndpointServices lists the services that endpoints can lead to.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpointServices.html
func (s *Service) DescribeVpcEndpointServices(ctx context.Context, in *ec2.DescribeVpcEndpointServicesRequest) (*ec2.DescribeVpcEndpointServicesResult, error) {
	caller, err := s.allow(ctx, "DescribeVpcEndpointServices", in.DryRun)
	if err != nil {
		return nil, err
	}
	p, err := s.page(caller, "DescribeVpcEndpointServices", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, s.serviceFields(), func(cloud.PrefixList) map[string]string { return nil })
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	for _, name := range in.ServiceNames {
		if _, ok := serviceList(view, name); !ok {
			return nil, errNoService(name)
		}
	}
	named := func(l cloud.PrefixList) bool {
		return (len(in.ServiceNames) == 0 || slices.Contains(in.ServiceNames, l.Name)) &&
			(len(in.ServiceRegions) == 0 || slices.Contains(in.ServiceRegions, s.Place.Region))
	}
	all := where(where(listTable.Select(view, cloud.AccountLabel(cloud.OperatorAccount)), named), keep)
	found, next := cut(p, all, cloud.PrefixList.Key)
	return &ec2.DescribeVpcEndpointServicesResult{
		ServiceNames: each(found, func(l cloud.PrefixList) string { return l.Name }), ServiceDetails: each(found, s.serviceOut), NextToken: next,
	}, nil
}

func (s *Service) serviceFields() fields[cloud.PrefixList] {
	return fields[cloud.PrefixList]{
		"owner":                      one(func(cloud.PrefixList) string { return poolOwner }),
		"service-name":               one(func(l cloud.PrefixList) string { return l.Name }),
		"service-region":             one(func(cloud.PrefixList) string { return s.Place.Region }),
		"service-type":               one(func(cloud.PrefixList) string { return ec2.VpcEndpointTypeGateway }),
		"supported-ip-address-types": one(func(cloud.PrefixList) string { return "ipv4" }),
	}
}

func (s *Service) serviceOut(l cloud.PrefixList) ec2.ServiceDetail {
	return ec2.ServiceDetail{
		ServiceName: new(l.Name), ServiceId: new("vpce-svc-" + l.ID[len("pl-"):]), ServiceRegion: new(s.Place.Region), Owner: new(poolOwner),
		ServiceType: []ec2.ServiceTypeDetail{{ServiceType: new(ec2.VpcEndpointTypeGateway)}}, AvailabilityZones: s.Place.Zones,
		AvailabilityZoneIds: each(s.Place.Zones, s.Place.ZoneID), BaseEndpointDnsNames: []string{"s3." + s.Place.Region + "." + cloud.ServiceDomain},
		AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false), VpcEndpointPolicySupported: new(true), SupportedIpAddressTypes: []string{"ipv4"},
		Tags: []ec2.Tag{},
	}
}
