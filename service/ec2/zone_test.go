package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

func TestDescribeRegions(t *testing.T) {
	r := newRig(t)
	out := must(r.DescribeRegions(r.ctx, &ec2.DescribeRegionsRequest{AllRegions: new(true), RegionNames: []string{"eu-paris-1"}}))(t)
	if len(out.Regions) != 1 || *out.Regions[0].Endpoint != "ec2.eu-paris-1.vauban.internal" || *out.Regions[0].OptInStatus != "opt-in-not-required" {
		t.Errorf("got %+v", out.Regions)
	}
	_, err := r.DescribeRegions(r.ctx, &ec2.DescribeRegionsRequest{RegionNames: []string{"us-east-1"}})
	want(t, "other region", err, "InvalidParameterValue")
	_, err = r.DescribeRegions(r.ctx, &ec2.DescribeRegionsRequest{DryRun: new(true)})
	want(t, "dry run", err, "DryRunOperation")
}

func TestDescribeAvailabilityZones(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		what string
		in   ec2.DescribeAvailabilityZonesRequest
		want []string
		code string
	}{
		{"all", ec2.DescribeAvailabilityZonesRequest{}, []string{"eu-paris-1a", "eu-paris-1b"}, ""},
		{"by name", ec2.DescribeAvailabilityZonesRequest{ZoneNames: []string{"eu-paris-1b"}}, []string{"eu-paris-1b"}, ""},
		{"by ID", ec2.DescribeAvailabilityZonesRequest{ZoneIds: []string{"eup1-az1"}}, []string{"eu-paris-1a"}, ""},
		{"unknown name", ec2.DescribeAvailabilityZonesRequest{ZoneNames: []string{"eu-paris-1c"}}, nil, "InvalidParameterValue"},
		{"unknown ID", ec2.DescribeAvailabilityZonesRequest{ZoneIds: []string{"eup1-az3"}}, nil, "InvalidParameterValue"},
		{"dry run", ec2.DescribeAvailabilityZonesRequest{DryRun: new(true)}, nil, "DryRunOperation"},
	} {
		out, err := r.DescribeAvailabilityZones(r.ctx, &c.in)
		want(t, c.what, err, c.code)
		if err != nil {
			continue
		}
		got := each(out.AvailabilityZones, func(z ec2.AvailabilityZone) string { return *z.ZoneName })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
}

func TestDescribeAccountAttributes(t *testing.T) {
	r := newRig(t)
	out := must(r.DescribeAccountAttributes(r.ctx, &ec2.DescribeAccountAttributesRequest{AttributeNames: []string{"default-vpc", "supported-platforms"}}))(t)
	got := each(out.AccountAttributes, func(a ec2.AccountAttribute) string {
		return *a.AttributeName + "=" + *a.AttributeValues[0].AttributeValue
	})
	if !slices.Equal(got, []string{"default-vpc=" + r.net.VPC.ID, "supported-platforms=VPC"}) {
		t.Errorf("got %q", got)
	}
	if out = must(r.DescribeAccountAttributes(r.ctx, &ec2.DescribeAccountAttributesRequest{}))(t); len(out.AccountAttributes) != 6 {
		t.Errorf("got %d attributes", len(out.AccountAttributes))
	}
	_, err := r.DescribeAccountAttributes(r.ctx, &ec2.DescribeAccountAttributesRequest{AttributeNames: []string{"x"}})
	want(t, "unknown", err, "InvalidParameterValue")
	stranger := cloud.WithCaller(t.Context(), cloud.Caller{Account: "999999999999"})
	out = must(r.DescribeAccountAttributes(stranger, &ec2.DescribeAccountAttributesRequest{AttributeNames: []string{"default-vpc"}}))(t)
	if v := *out.AccountAttributes[0].AttributeValues[0].AttributeValue; v != "none" {
		t.Errorf("an account without network has default VPC %q", v)
	}
}
