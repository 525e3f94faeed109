package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func TestDescribeImages(t *testing.T) {
	r := newGuestRig(t)
	const own = "ami-00000000000000003"
	r.update(func(tx *store.Tx) error {
		return imageTable.Create(tx, cloud.Image{
			Meta: cloud.Meta{ID: own, Account: alice, Created: r.Now()}, Name: "mine", Architecture: "x86_64", SizeGiB: 8, RootDevice: "/dev/sda1",
		})
	})
	ids := func(in ec2.DescribeImagesRequest) ([]string, error) {
		out, err := r.DescribeImages(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.Images, func(i ec2.Image) string { return *i.ImageId }), nil
	}
	for name, c := range map[string]struct {
		in   ec2.DescribeImagesRequest
		want []string
	}{
		"all":             {ec2.DescribeImagesRequest{}, []string{testImage, own}},
		"self":            {ec2.DescribeImagesRequest{Owners: []string{"self"}}, []string{own}},
		"account":         {ec2.DescribeImagesRequest{Owners: []string{alice}}, []string{own}},
		"operator":        {ec2.DescribeImagesRequest{Owners: []string{"vauban"}}, []string{testImage}},
		"amazon":          {ec2.DescribeImagesRequest{Owners: []string{"amazon"}}, []string{testImage}},
		"operator ID":     {ec2.DescribeImagesRequest{Owners: []string{cloud.OperatorAccount}}, []string{testImage}},
		"two owners":      {ec2.DescribeImagesRequest{Owners: []string{"self", "amazon"}}, []string{testImage, own}},
		"marketplace":     {ec2.DescribeImagesRequest{Owners: []string{"aws-marketplace"}}, nil},
		"another account": {ec2.DescribeImagesRequest{Owners: []string{bob}}, nil},
		"public":          {ec2.DescribeImagesRequest{ExecutableUsers: []string{"all"}}, []string{testImage}},
		"shared":          {ec2.DescribeImagesRequest{ExecutableUsers: []string{"self"}}, nil},
		"IDs":             {ec2.DescribeImagesRequest{ImageIds: []string{own, testImage, own}}, []string{testImage, own}},
		"ID and owner":    {ec2.DescribeImagesRequest{ImageIds: []string{own}, Owners: []string{"amazon"}}, nil},
	} {
		if got := must(ids(c.in))(t); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if out := must(r.DescribeImages(r.bob, &ec2.DescribeImagesRequest{}))(t); len(out.Images) != 2 || *out.Images[1].ImageId != privateImage {
		t.Errorf("bob sees %d images", len(out.Images))
	}
	_, err := ids(ec2.DescribeImagesRequest{ImageIds: []string{privateImage}})
	want(t, "another's", err, "InvalidAMIID.NotFound", "The image id '["+privateImage+"]' does not exist")
	_, err = ids(ec2.DescribeImagesRequest{ImageIds: []string{"debian"}})
	want(t, "malformed", err, "InvalidAMIID.Malformed", `Invalid id: "debian" (expecting "ami-...")`)
	_, err = ids(ec2.DescribeImagesRequest{ImageIds: []string{own}, MaxResults: new(int32(5))})
	want(t, "IDs and page", err, "InvalidParameterCombination", "The parameter imageIdsSet cannot be used with the parameter maxResults")

	first := must(r.DescribeImages(r.ctx, &ec2.DescribeImagesRequest{MaxResults: new(int32(1))}))(t)
	second := must(r.DescribeImages(r.ctx, &ec2.DescribeImagesRequest{MaxResults: new(int32(1)), NextToken: first.NextToken}))(t)
	if *first.Images[0].ImageId != testImage || *second.Images[0].ImageId != own || second.NextToken != nil {
		t.Error("pages are wrong")
	}
	when := timeWord(r.Now())
	image := first.Images[0]
	if *image.ImageOwnerAlias != "vauban" || !*image.Public || *image.CreationDate != when || *image.BlockDeviceMappings[0].Ebs.VolumeSize != 2 || *image.State != "available" {
		t.Errorf("got %+v", image)
	}
	table := filterTable{
		names: names(r.imageFields()), id: testImage,
		ids: func(f []ec2.Filter) ([]string, error) { return ids(ec2.DescribeImagesRequest{Filters: f}) },
		cases: map[string]string{
			"architecture": "x86_64", "creation-date": when[:4] + "*", "description": "small", "ena-support": "false", "hypervisor": "xen", "image-id": testImage,
			"image-type": "machine", "is-public": "true", "manifest-location": cloud.OperatorAccount + "/vauban-tiny", "name": "vauban-*", "owner-alias": "amazon",
			"owner-id": cloud.OperatorAccount, "root-device-name": "/dev/xvda", "root-device-type": "ebs", "state": "available", "virtualization-type": "hvm",
			"block-device-mapping.delete-on-termination": "true", "block-device-mapping.device-name": "/dev/xvda", "block-device-mapping.encrypted": "false",
			"block-device-mapping.volume-size": "2", "block-device-mapping.volume-type": "gp3", "block-device-mapping.snapshot-id": absent,
			"free-tier-eligible": absent, "image-allowed": absent, "kernel-id": absent, "platform": absent, "product-code": absent, "product-code.type": absent, "ramdisk-id": absent, "source-image-id": absent,
			"source-image-region": absent, "source-instance-id": absent, "sriov-net-support": absent, "state-reason-code": absent, "state-reason-message": absent,
		},
	}
	table.check(t)
	for name, value := range map[string]string{"is-public": "false", "root-device-name": "/dev/sda1", "name": "mine", "block-device-mapping.volume-size": "8"} {
		if got := must(table.ids(filters(name, value)))(t); !slices.Equal(got, []string{own}) {
			t.Errorf("filter %s=%s: got %v", name, value, got)
		}
	}
	if got := must(table.ids(filters("tag:Name", "tiny", "owner-alias", "vauban")))(t); !slices.Equal(got, []string{testImage}) {
		t.Errorf("got %v by tag", got)
	}
}

func TestDescribeInstanceTypes(t *testing.T) {
	r := newRig(t)
	ids := func(in ec2.DescribeInstanceTypesRequest) ([]string, error) {
		out, err := r.DescribeInstanceTypes(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.InstanceTypes, func(i ec2.InstanceTypeInfo) string { return *i.InstanceType }), nil
	}
	if all := must(ids(ec2.DescribeInstanceTypesRequest{}))(t); len(all) != len(cloud.InstanceTypes()) || !slices.IsSorted(all) {
		t.Errorf("got %v", all)
	}
	out := must(r.DescribeInstanceTypes(r.ctx, &ec2.DescribeInstanceTypesRequest{InstanceTypes: []string{"t3.micro"}}))(t).InstanceTypes[0]
	if *out.VCpuInfo.DefaultVCpus != 2 || *out.MemoryInfo.SizeInMiB != 1024 || !*out.BurstablePerformanceSupported || *out.NetworkInfo.MaximumNetworkInterfaces != 2 || *out.NetworkInfo.Ipv4AddressesPerInterface != 2 {
		t.Errorf("got %+v", out)
	}
	_, err := ids(ec2.DescribeInstanceTypesRequest{InstanceTypes: []string{"t3.micro", "t9.huge", "x"}})
	want(t, "unknown", err, "InvalidInstanceType", "The following supplied instance types do not exist: [t9.huge, x]")
	_, err = ids(ec2.DescribeInstanceTypesRequest{InstanceTypes: []string{"t3.micro"}, MaxResults: new(int32(5))})
	want(t, "names and page", err, "InvalidParameterCombination")
	_, err = ids(ec2.DescribeInstanceTypesRequest{MaxResults: new(int32(101))})
	want(t, "long page", err, "InvalidParameterValue")
	cases := map[string]string{
		"auto-recovery-supported": "false", "bare-metal": "false", "burstable-performance-supported": "true", "current-generation": "true", "dedicated-hosts-supported": "false",
		"ebs-info.attachment-limit-type": "shared", "ebs-info.ebs-optimized-support": "default", "ebs-info.encryption-support": "unsupported",
		"ebs-info.maximum-ebs-attachments": "11", "ebs-info.nvme-support": "unsupported", "free-tier-eligible": "false", "hibernation-supported": "false", "hypervisor": "xen",
		"instance-storage-supported": "false", "instance-type": "t3.mic*", "memory-info.size-in-mib": "1024", "nitro-enclaves-support": "unsupported",
		"nitro-tpm-support": "unsupported", "phc-support": "unsupported", "processor-info.supported-architecture": "x86_64", "supported-boot-mode": "legacy-bios",
		"supported-root-device-type": "ebs", "supported-usage-class": "on-demand", "supported-virtualization-type": "hvm", "vcpu-info.default-cores": "2",
		"vcpu-info.default-threads-per-core": "1", "vcpu-info.default-vcpus": "2", "vcpu-info.valid-cores": "2", "vcpu-info.valid-threads-per-core": "1",
		"network-info.efa-supported": "false", "network-info.ena-support": "unsupported", "network-info.encryption-in-transit-supported": "false",
		"network-info.ipv4-addresses-per-interface": "2", "network-info.ipv6-addresses-per-interface": "2", "network-info.ipv6-supported": "true",
		"network-info.maximum-network-cards": "1", "network-info.maximum-network-interfaces": "2", "network-info.network-performance": "Shared",
	}
	for _, name := range []string{
		"ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.baseline-iops", "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
		"ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.maximum-iops", "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps",
		"instance-storage-info.disk.count", "instance-storage-info.disk.size-in-gb", "instance-storage-info.disk.type", "instance-storage-info.encryption-support",
		"instance-storage-info.nvme-support", "instance-storage-info.total-size-in-gb", "network-info.bandwidth-weightings",
		"network-info.efa-info.maximum-efa-interfaces", "network-info.flexible-ena-queues-support", "nitro-tpm-info.supported-versions",
		"processor-info.supported-features", "processor-info.sustained-clock-speed-in-ghz", "reboot-migration-support",
	} {
		cases[name] = absent
	}
	table := filterTable{
		names: names(typeFields), id: "t3.micro", cases: cases,
		ids: func(f []ec2.Filter) ([]string, error) { return ids(ec2.DescribeInstanceTypesRequest{Filters: f}) },
	}
	table.check(t)
	if got := must(table.ids(filters("memory-info.size-in-mib", "8192", "burstable-performance-supported", "false", "vcpu-info.default-vcpus", "2")))(t); !slices.Equal(got, []string{"m5.large"}) {
		t.Errorf("got %v", got)
	}
	first := must(r.DescribeInstanceTypes(r.ctx, &ec2.DescribeInstanceTypesRequest{MaxResults: new(int32(20))}))(t)
	second := must(r.DescribeInstanceTypes(r.ctx, &ec2.DescribeInstanceTypesRequest{MaxResults: new(int32(20)), NextToken: first.NextToken}))(t)
	if len(first.InstanceTypes)+len(second.InstanceTypes) != len(cloud.InstanceTypes()) || second.NextToken != nil {
		t.Errorf("got pages of %d and %d", len(first.InstanceTypes), len(second.InstanceTypes))
	}
}

func TestDescribeInstanceTypeOfferings(t *testing.T) {
	r := newRig(t)
	list := func(kind *string, f ...ec2.Filter) []string {
		out := must(r.DescribeInstanceTypeOfferings(r.ctx, &ec2.DescribeInstanceTypeOfferingsRequest{LocationType: kind, Filters: f}))(t)
		return each(out.InstanceTypeOfferings, func(o ec2.InstanceTypeOffering) string {
			return *o.InstanceType + " " + *o.LocationType + " " + *o.Location
		})
	}
	one := filters("instance-type", "t3.micro")
	for _, c := range []struct {
		kind    *string
		filters []ec2.Filter
		want    []string
	}{
		{nil, one, []string{"t3.micro region eu-paris-1"}},
		{new("region"), one, []string{"t3.micro region eu-paris-1"}},
		{new("availability-zone"), one, []string{"t3.micro availability-zone eu-paris-1a", "t3.micro availability-zone eu-paris-1b"}},
		{new("availability-zone-id"), one, []string{"t3.micro availability-zone-id eup1-az1", "t3.micro availability-zone-id eup1-az2"}},
		{new("availability-zone"), filters("instance-type", "t3.micro", "location", "*b"), []string{"t3.micro availability-zone eu-paris-1b"}},
		{new("outpost"), one, []string{}},
	} {
		if got := list(c.kind, c.filters...); !slices.Equal(got, c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
	if all := list(new("availability-zone")); len(all) != 2*len(cloud.InstanceTypes()) {
		t.Errorf("got %d offerings", len(all))
	}
	_, err := r.DescribeInstanceTypeOfferings(r.ctx, &ec2.DescribeInstanceTypeOfferingsRequest{LocationType: new("moon")})
	want(t, "odd place", err, "InvalidParameterValue", "Value (moon) for parameter LocationType is invalid. Valid values are: region, availability-zone, availability-zone-id, outpost.")
}
