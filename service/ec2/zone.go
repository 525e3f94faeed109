package ec2

import (
	"context"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// The one state of regions and zones: there is nothing to opt in to.
const optedIn = "opt-in-not-required"

// DescribeRegions lists the one region of this cloud.
func (s *Service) DescribeRegions(ctx context.Context, in *ec2.DescribeRegionsRequest) (*ec2.DescribeRegionsResult, error) {
	if _, err := s.allow(ctx, "DescribeRegions", in.DryRun); err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if name != s.Place.Region {
			return nil, cloud.Errorf("InvalidParameterValue", "Invalid region name: [%s]", name)
		}
	}
	region := ec2.Region{
		RegionName:  new(s.Place.Region),
		Endpoint:    new("ec2." + s.Place.Region + "." + cloud.ServiceDomain),
		OptInStatus: new(optedIn),
	}
	keep, err := match(in.Filters, fields[ec2.Region]{
		"endpoint":      one(func(r ec2.Region) string { return *r.Endpoint }),
		"opt-in-status": one(func(r ec2.Region) string { return *r.OptInStatus }),
		"region-name":   one(func(r ec2.Region) string { return *r.RegionName }),
	}, nil)
	if err != nil {
		return nil, err
	}
	regions := slices.Collect(where(slices.Values([]ec2.Region{region}), keep))
	return &ec2.DescribeRegionsResult{Regions: regions}, nil
}

// DescribeAvailabilityZones lists the zones of the region; all are available.
func (s *Service) DescribeAvailabilityZones(ctx context.Context, in *ec2.DescribeAvailabilityZonesRequest) (*ec2.DescribeAvailabilityZonesResult, error) {
	if _, err := s.allow(ctx, "DescribeAvailabilityZones", in.DryRun); err != nil {
		return nil, err
	}
	zones := each(s.Place.Zones, s.zone)
	for _, name := range in.ZoneNames {
		if !slices.Contains(s.Place.Zones, name) {
			return nil, cloud.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(zones, func(z ec2.AvailabilityZone) bool { return *z.ZoneId == id }) {
			return nil, cloud.Errorf("InvalidParameterValue", "Invalid availability zone-id: [%s]", id)
		}
	}
	keep, err := match(in.Filters, zoneFields, nil)
	if err != nil {
		return nil, err
	}
	named := func(z ec2.AvailabilityZone) bool {
		return len(in.ZoneNames)+len(in.ZoneIds) == 0 ||
			slices.Contains(in.ZoneNames, *z.ZoneName) || slices.Contains(in.ZoneIds, *z.ZoneId)
	}
	zones = slices.Collect(where(where(slices.Values(zones), named), keep))
	return &ec2.DescribeAvailabilityZonesResult{AvailabilityZones: zones}, nil
}

var zoneFields = fields[ec2.AvailabilityZone]{
	"group-name":       one(func(z ec2.AvailabilityZone) string { return *z.GroupName }),
	"message":          never[ec2.AvailabilityZone],
	"opt-in-status":    one(func(z ec2.AvailabilityZone) string { return *z.OptInStatus }),
	"parent-zone-id":   never[ec2.AvailabilityZone],
	"parent-zone-name": never[ec2.AvailabilityZone],
	"region-name":      one(func(z ec2.AvailabilityZone) string { return *z.RegionName }),
	"state":            one(func(z ec2.AvailabilityZone) string { return *z.State }),
	"zone-id":          one(func(z ec2.AvailabilityZone) string { return *z.ZoneId }),
	"zone-name":        one(func(z ec2.AvailabilityZone) string { return *z.ZoneName }),
	"zone-type":        one(func(z ec2.AvailabilityZone) string { return *z.ZoneType }),
}

func (s *Service) zone(name string) ec2.AvailabilityZone {
	return ec2.AvailabilityZone{
		ZoneName:           new(name),
		ZoneId:             new(s.Place.ZoneID(name)),
		ZoneType:           new("availability-zone"),
		State:              new("available"),
		OptInStatus:        new(optedIn),
		RegionName:         new(s.Place.Region),
		GroupName:          new(s.Place.Region),
		NetworkBorderGroup: new(s.Place.Region),
	}
}

// DescribeAccountAttributes tells what the caller's account may have.
func (s *Service) DescribeAccountAttributes(ctx context.Context, in *ec2.DescribeAccountAttributesRequest) (*ec2.DescribeAccountAttributesResult, error) {
	caller, err := s.allow(ctx, "DescribeAccountAttributes", in.DryRun)
	if err != nil {
		return nil, err
	}
	vpc := s.defaultVPC(s.DB.View(), caller)
	if vpc == "" {
		vpc = "none"
	}
	attributes := []struct{ name, value string }{
		{"default-vpc", vpc},
		// The API keeps this one for old clients; it has not been a limit for years.
		{"max-instances", "20"},
		{"max-elastic-ips", strconv.Itoa(maxAddresses)},
		{"vpc-max-elastic-ips", strconv.Itoa(maxAddresses)},
		{"vpc-max-security-groups-per-interface", strconv.Itoa(maxGroups)},
		{"supported-platforms", "VPC"},
	}
	out := &ec2.DescribeAccountAttributesResult{}
	known := map[string]bool{}
	for _, a := range attributes {
		known[a.name] = true
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, a.name) {
			out.AccountAttributes = append(out.AccountAttributes, ec2.AccountAttribute{
				AttributeName: new(a.name), AttributeValues: []ec2.AccountAttributeValue{{AttributeValue: new(a.value)}},
			})
		}
	}
	for _, name := range in.AttributeNames {
		if !known[name] {
			return nil, invalid("attributeName", name, "Unknown attribute.")
		}
	}
	return out, nil
}
