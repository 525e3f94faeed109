package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// networkPerformance is what the API says of every type: the host's network is
// shared, and none has a share of its own.
const networkPerformance = "Shared"

// DescribeInstanceTypes lists the types on offer, with what they have here. A
// member that would promise what hosts do not give (clock speed, bandwidth) is
// left out.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html
func (s *Service) DescribeInstanceTypes(ctx context.Context, in *ec2.DescribeInstanceTypesRequest) (*ec2.DescribeInstanceTypesResult, error) {
	caller, err := s.allow(ctx, "DescribeInstanceTypes", in.DryRun)
	if err != nil {
		return nil, err
	}
	if in.MaxResults != nil && len(in.InstanceTypes) > 0 {
		return nil, cloud.Errorf("InvalidParameterCombination", "The parameter InstanceTypes cannot be used with the parameter MaxResults")
	}
	p, err := s.page(caller, "DescribeInstanceTypes", in.MaxResults, in.NextToken, 5, 100)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, typeFields, nil)
	if err != nil {
		return nil, err
	}
	types, err := namedTypes(in.InstanceTypes)
	if err != nil {
		return nil, err
	}
	found, next := cut(p, where(slices.Values(types), keep), typeName)
	return &ec2.DescribeInstanceTypesResult{InstanceTypes: each(found, showType), NextToken: next}, nil
}

// DescribeInstanceTypeOfferings lists where each type is on offer: all of them
// everywhere.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
func (s *Service) DescribeInstanceTypeOfferings(ctx context.Context, in *ec2.DescribeInstanceTypeOfferingsRequest) (*ec2.DescribeInstanceTypeOfferingsResult, error) {
	caller, err := s.allow(ctx, "DescribeInstanceTypeOfferings", in.DryRun)
	if err != nil {
		return nil, err
	}
	p, err := s.page(caller, "DescribeInstanceTypeOfferings", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, offeringFields, nil)
	if err != nil {
		return nil, err
	}
	kind := ec2.LocationTypeRegion
	if in.LocationType != nil {
		kind = *in.LocationType
	}
	var places []string
	switch kind {
	case ec2.LocationTypeRegion:
		places = []string{s.Place.Region}
	case ec2.LocationTypeAvailabilityZone:
		places = s.Place.Zones
	case ec2.LocationTypeAvailabilityZoneId:
		places = each(s.Place.Zones, s.Place.ZoneID)
	case ec2.LocationTypeOutpost: // there are none
	default:
		return nil, invalid("LocationType", kind, "Valid values are: region, availability-zone, availability-zone-id, outpost.")
	}
	types, _ := namedTypes(nil)
	var all []offering
	for _, t := range types {
		for _, place := range places {
			all = append(all, offering{t.Name, place})
		}
	}
	found, next := cut(p, where(slices.Values(all), keep), func(o offering) string { return o.kind + " " + o.place })
	show := func(o offering) ec2.InstanceTypeOffering {
		return ec2.InstanceTypeOffering{InstanceType: &o.kind, LocationType: &kind, Location: &o.place}
	}
	return &ec2.DescribeInstanceTypeOfferingsResult{InstanceTypeOfferings: each(found, show), NextToken: next}, nil
}

// offering is an instance type in a region or zone.
type offering struct{ kind, place string }

var offeringFields = fields[offering]{
	"instance-type": one(func(o offering) string { return o.kind }),
	"location":      one(func(o offering) string { return o.place }),
}

// namedTypes returns the types of the given names, all if there are none, in the
// order of their names, by which pages are cut.
func namedTypes(names []string) ([]cloud.InstanceType, error) {
	var types []cloud.InstanceType
	var unknown []string
	for _, name := range names {
		if t, ok := cloud.FindInstanceType(name); ok {
			types = append(types, t)
		} else {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, cloud.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	if len(names) == 0 {
		types = cloud.InstanceTypes()
	}
	slices.SortFunc(types, func(a, b cloud.InstanceType) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(types, func(a, b cloud.InstanceType) bool { return a.Name == b.Name }), nil
}

func typeName(t cloud.InstanceType) string { return t.Name }

func showType(t cloud.InstanceType) ec2.InstanceTypeInfo {
	cores := int32(t.VCPUs / threadsPerCore)
	return ec2.InstanceTypeInfo{
		InstanceType: &t.Name, CurrentGeneration: new(true), FreeTierEligible: new(false), BareMetal: new(false), SupportedInRegion: new(true),
		Hypervisor: new(ec2.InstanceTypeHypervisorXen), BurstablePerformanceSupported: &t.Burstable,
		SupportedUsageClasses: []string{ec2.UsageClassTypeOnDemand}, SupportedRootDeviceTypes: []string{ec2.RootDeviceTypeEbs},
		SupportedVirtualizationTypes: []string{ec2.VirtualizationTypeHvm}, SupportedBootModes: []string{ec2.BootModeTypeLegacyBios},
		ProcessorInfo: &ec2.ProcessorInfo{SupportedArchitectures: []string{ec2.ArchitectureTypeX8664}},
		VCpuInfo: &ec2.VCpuInfo{
			DefaultVCpus: new(int32(t.VCPUs)), DefaultCores: &cores, DefaultThreadsPerCore: new(int32(threadsPerCore)),
			ValidCores: []int32{cores}, ValidThreadsPerCore: []int32{threadsPerCore},
		},
		MemoryInfo: &ec2.MemoryInfo{SizeInMiB: new(int64(t.MemoryMiB))},
		EbsInfo: &ec2.EbsInfo{
			EbsOptimizedSupport: new(ec2.EbsOptimizedSupportDefault), EncryptionSupport: new(ec2.EbsEncryptionSupportUnsupported),
			NvmeSupport: new(ec2.EbsNvmeSupportUnsupported), MaximumEbsAttachments: new(int32(maxHotPlug + 1)), AttachmentLimitType: new("shared"),
		},
		NetworkInfo: &ec2.NetworkInfo{
			NetworkPerformance: new(networkPerformance), MaximumNetworkInterfaces: new(int32(t.Interfaces)),
			MaximumNetworkCards: new(int32(1)), DefaultNetworkCardIndex: new(int32(0)),
			NetworkCards: []ec2.NetworkCardInfo{{
				NetworkCardIndex: new(int32(0)), NetworkPerformance: new(networkPerformance), MaximumNetworkInterfaces: new(int32(t.Interfaces)),
			}},
			Ipv4AddressesPerInterface: new(int32(t.Addresses)), Ipv6AddressesPerInterface: new(int32(t.Addresses)), Ipv6Supported: new(true),
			EnaSupport: new(ec2.EnaSupportUnsupported), EfaSupported: new(false), EnaSrdSupported: new(false), EncryptionInTransitSupported: new(false),
		},
		PlacementGroupInfo:       &ec2.PlacementGroupInfo{SupportedStrategies: []string{}},
		InstanceStorageSupported: new(false), HibernationSupported: new(false), DedicatedHostsSupported: new(false), AutoRecoverySupported: new(false),
		NitroEnclavesSupport: new("unsupported"), NitroTpmSupport: new("unsupported"), PhcSupport: new("unsupported"),
	}
}

// typeFields are the filters of DescribeInstanceTypes; those on what no type
// here has match nothing.
var typeFields = func() fields[cloud.InstanceType] {
	type kind = cloud.InstanceType
	number := func(value func(kind) int) field[kind] {
		return one(func(t kind) string { return strconv.Itoa(value(t)) })
	}
	no := flag(func(kind) bool { return false })
	shared := one(fixed[kind](networkPerformance))
	interfaces := number(func(t kind) int { return t.Interfaces })
	all := fields[kind]{
		"auto-recovery-supported":                      no,
		"bare-metal":                                   no,
		"burstable-performance-supported":              flag(func(t kind) bool { return t.Burstable }),
		"current-generation":                           flag(func(kind) bool { return true }),
		"dedicated-hosts-supported":                    no,
		"ebs-info.attachment-limit-type":               one(fixed[kind]("shared")),
		"ebs-info.ebs-optimized-support":               one(fixed[kind](ec2.EbsOptimizedSupportDefault)),
		"ebs-info.encryption-support":                  one(fixed[kind](ec2.EbsEncryptionSupportUnsupported)),
		"ebs-info.maximum-ebs-attachments":             number(func(kind) int { return maxHotPlug + 1 }),
		"ebs-info.nvme-support":                        one(fixed[kind](ec2.EbsNvmeSupportUnsupported)),
		"free-tier-eligible":                           no,
		"hibernation-supported":                        no,
		"hypervisor":                                   one(fixed[kind](ec2.InstanceTypeHypervisorXen)),
		"instance-storage-supported":                   no,
		"instance-type":                                one(typeName),
		"memory-info.size-in-mib":                      number(func(t kind) int { return t.MemoryMiB }),
		"nitro-enclaves-support":                       one(fixed[kind]("unsupported")),
		"nitro-tpm-support":                            one(fixed[kind]("unsupported")),
		"phc-support":                                  one(fixed[kind]("unsupported")),
		"processor-info.supported-architecture":        one(fixed[kind](ec2.ArchitectureTypeX8664)),
		"supported-boot-mode":                          one(fixed[kind](ec2.BootModeTypeLegacyBios)),
		"supported-root-device-type":                   one(fixed[kind](ec2.RootDeviceTypeEbs)),
		"supported-usage-class":                        one(fixed[kind](ec2.UsageClassTypeOnDemand)),
		"supported-virtualization-type":                one(fixed[kind](ec2.VirtualizationTypeHvm)),
		"vcpu-info.default-cores":                      number(func(t kind) int { return t.VCPUs / threadsPerCore }),
		"vcpu-info.default-threads-per-core":           number(func(kind) int { return threadsPerCore }),
		"vcpu-info.default-vcpus":                      number(func(t kind) int { return t.VCPUs }),
		"vcpu-info.valid-cores":                        number(func(t kind) int { return t.VCPUs / threadsPerCore }),
		"vcpu-info.valid-threads-per-core":             number(func(kind) int { return threadsPerCore }),
		"network-info.efa-supported":                   no,
		"network-info.ena-support":                     one(fixed[kind](ec2.EnaSupportUnsupported)),
		"network-info.encryption-in-transit-supported": no,
		"network-info.ipv4-addresses-per-interface":    number(func(t kind) int { return t.Addresses }),
		"network-info.ipv6-addresses-per-interface":    number(func(t kind) int { return t.Addresses }),
		"network-info.ipv6-supported":                  flag(func(kind) bool { return true }),
		"network-info.maximum-network-cards":           number(func(kind) int { return 1 }),
		"network-info.maximum-network-interfaces":      interfaces,
		"network-info.network-performance":             shared,
	}
	for _, name := range []string{
		"ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.baseline-iops", "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
		"ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.maximum-iops", "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps",
		"instance-storage-info.disk.count", "instance-storage-info.disk.size-in-gb", "instance-storage-info.disk.type", "instance-storage-info.encryption-support",
		"instance-storage-info.nvme-support", "instance-storage-info.total-size-in-gb", "network-info.bandwidth-weightings",
		"network-info.efa-info.maximum-efa-interfaces", "network-info.flexible-ena-queues-support", "nitro-tpm-info.supported-versions",
		"processor-info.supported-features", "processor-info.sustained-clock-speed-in-ghz", "reboot-migration-support",
	} {
		all[name] = never[kind]
	}
	return all
}()
