package ec2

import (
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// unsupported is the error for what AWS has and this cloud has not.
func unsupported(why string) error { return cloud.Errorf("UnsupportedOperation", "%s", why) }

// refuseUnavailable refuses the members of a RunInstances request that ask for
// an effect which this cloud does not have, rather than ignore them. A value that
// asks for what every instance has anyway is accepted:
//
//   - CapacityReservationSpecification: preference "open" or "none"
//   - CpuOptions: the cores of the type, one thread each; what else is "disabled"
//   - CreditSpecification: "standard", for burstable types
//   - EnclaveOptions, HibernationOptions: false
//   - MaintenanceOptions, NetworkPerformanceOptions: "default"
//   - Placement: tenancy "default"
//   - PrivateDnsNameOptions: "ip-name", no records for resource names
//
// Launch templates and placement groups cannot be made yet, so that none of any
// name exists, and the answer says that.
func refuseUnavailable(in *ec2.RunInstancesRequest) error {
	for _, r := range []struct {
		asked bool
		why   string
	}{
		{in.AdditionalInfo != nil, "AdditionalInfo is reserved."},
		{len(in.ElasticGpuSpecification) > 0, "Elastic graphics accelerators are not available."},
		{len(in.ElasticInferenceAccelerators) > 0, "Elastic inference accelerators are not available."},
		{in.EnclaveOptions != nil && val(in.EnclaveOptions.Enabled), "Enclaves are not available."},
		{in.HibernationOptions != nil && val(in.HibernationOptions.Configured), "Hibernation is not available."},
		{in.InstanceMarketOptions != nil, "Spot instances and capacity blocks are not available."},
		{in.KernelId != nil || in.RamdiskId != nil, "An image brings its own kernel. Leave out KernelId and RamdiskId."},
		{len(in.LicenseSpecifications) > 0, "License configurations are not available."},
		{in.Operator != nil, "Instances that a service manages for its users are not available."},
		{len(in.SecondaryInterfaces) > 0, "Secondary networks are not available."},
		{val(in.EnablePrimaryIpv6), "Primary IPv6 addresses, which cannot change, are not available."},
	} {
		if r.asked {
			return unsupported(r.why)
		}
	}
	switch {
	case in.LaunchTemplate != nil && val(in.LaunchTemplate.LaunchTemplateName) != "":
		return cloud.Errorf("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", *in.LaunchTemplate.LaunchTemplateName)
	case in.LaunchTemplate != nil:
		return cloud.Errorf("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", val(in.LaunchTemplate.LaunchTemplateId))
	}
	if err := refusePlacement(in.Placement); err != nil {
		return err
	}
	return refuseOptions(in)
}

func refusePlacement(p *ec2.Placement) error {
	switch {
	case p == nil:
		return nil
	case val(p.GroupName) != "" || val(p.GroupId) != "":
		return cloud.Errorf("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", val(p.GroupName)+val(p.GroupId))
	case val(p.Tenancy) != "" && *p.Tenancy != ec2.TenancyDefault:
		return unsupported("Dedicated instances and hosts are not available. Leave out the tenancy, or use 'default'.")
	case val(p.HostId) != "" || val(p.HostResourceGroupArn) != "" || val(p.Affinity) != "" && *p.Affinity != "default":
		return unsupported("Dedicated hosts are not available.")
	case p.PartitionNumber != nil || p.SpreadDomain != nil:
		return unsupported("Placement partitions are not available.")
	}
	return nil
}

func refuseOptions(in *ec2.RunInstancesRequest) error {
	t, _ := cloud.FindInstanceType(val(in.InstanceType))
	if c := in.CpuOptions; c != nil {
		if c.CoreCount != nil && int(*c.CoreCount) != t.VCPUs || c.ThreadsPerCore != nil && *c.ThreadsPerCore != threadsPerCore ||
			val(c.AmdSevSnp) == ec2.AmdSevSnpSpecificationEnabled || val(c.NestedVirtualization) == "enabled" {
			return unsupported("The processors of an instance type cannot be changed. Leave out CpuOptions.")
		}
	}
	if c := in.CreditSpecification; c != nil {
		switch credits := val(c.CpuCredits); {
		case t.Name != "" && !t.Burstable:
			return cloud.Errorf("InvalidParameterCombination", "The CreditSpecification parameter is not supported for %s instances.", t.Name)
		case credits == "unlimited":
			return unsupported("Unlimited CPU credits are not available. Leave out CreditSpecification, or use 'standard'.")
		case credits != standardCredits:
			return invalid("CpuCredits", credits, "Valid values are: standard, unlimited.")
		}
	}
	if c := in.CapacityReservationSpecification; c != nil {
		switch preference := val(c.CapacityReservationPreference); {
		case c.CapacityReservationTarget != nil:
			return unsupported("Capacity reservations are not available.")
		case preference != ec2.CapacityReservationPreferenceOpen && preference != ec2.CapacityReservationPreferenceNone:
			return invalid("CapacityReservationPreference", preference, "Valid values are: open, none.")
		}
	}
	if m := in.MaintenanceOptions; m != nil && val(m.AutoRecovery) != "" && *m.AutoRecovery != ec2.InstanceAutoRecoveryStateDefault {
		return unsupported("Automatic recovery cannot be switched. Leave out MaintenanceOptions, or use 'default'.")
	}
	if o := in.NetworkPerformanceOptions; o != nil && val(o.BandwidthWeighting) != "" && *o.BandwidthWeighting != "default" {
		return unsupported("The bandwidth of an instance type cannot be weighted. Leave out NetworkPerformanceOptions, or use 'default'.")
	}
	if n := in.PrivateDnsNameOptions; n != nil {
		if val(n.HostnameType) != "" && *n.HostnameType != ec2.HostnameTypeIpName || val(n.EnableResourceNameDnsARecord) || val(n.EnableResourceNameDnsAAAARecord) {
			return unsupported("Names that derive from resource IDs are not available. Use the hostname type 'ip-name'.")
		}
	}
	return nil
}
