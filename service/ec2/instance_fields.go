package ec2

import (
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// instanceFields are the filters of DescribeInstances on the instance itself:
// what tells instances apart, what is the same for all of them, and what none has.
func (s *Service) instanceFields() fields[cloud.Instance] {
	type inst = cloud.Instance
	all := fields[inst]{
		"availability-zone-id":        one(func(i inst) string { return s.Place.ZoneID(i.Zone) }),
		"availability-zone":           one(func(i inst) string { return i.Zone }),
		"client-token":                maybe(func(i inst) string { return i.ClientToken }),
		"ebs-optimized":               flag(func(i inst) bool { return i.EBSOptimized }),
		"iam-instance-profile.arn":    profileField(func(p cloud.ProfileAssociation) string { return p.ARN }),
		"iam-instance-profile.id":     profileField(func(p cloud.ProfileAssociation) string { return p.Profile }),
		"iam-instance-profile.name":   profileField(func(p cloud.ProfileAssociation) string { return p.ARN[strings.LastIndexByte(p.ARN, '/')+1:] }),
		"image-id":                    one(func(i inst) string { return i.Image }),
		"instance-id":                 one(inst.Key),
		"instance-state-code":         one(func(i inst) string { return strconv.Itoa(int(i.State().Code())) }),
		"instance-state-name":         one(func(i inst) string { return string(i.State()) }),
		"instance-type":               one(func(i inst) string { return i.Type }),
		"key-name":                    maybe(func(i inst) string { return i.KeyName }),
		"launch-index":                one(func(i inst) string { return strconv.Itoa(i.LaunchIndex) }),
		"launch-time":                 one(func(i inst) string { return timeWord(i.Launched) }),
		"monitoring-state":            one(func(i inst) string { return *showMonitoring(i).State }),
		"owner-id":                    one(func(i inst) string { return i.Account }),
		"reason":                      maybe(transitionReason),
		"reservation-id":              one(func(i inst) string { return i.Reservation }),
		"root-device-name":            one(func(i inst) string { return i.RootDevice }),
		"state-reason-code":           reasonField(func(r *ec2.StateReason) string { return *r.Code }),
		"state-reason-message":        reasonField(func(r *ec2.StateReason) string { return *r.Message }),
		"subnet-id":                   held(func(i inst) string { return i.Subnet }),
		"usage-operation-update-time": one(func(i inst) string { return timeWord(i.Launched) }),
		"vpc-id":                      held(func(i inst) string { return i.VPC }),

		"metadata-options.http-endpoint":               one(func(i inst) string { return i.Metadata.Endpoint }),
		"metadata-options.http-protocol-ipv4":          one(func(i inst) string { return i.Metadata.Endpoint }),
		"metadata-options.http-put-response-hop-limit": one(func(i inst) string { return strconv.Itoa(i.Metadata.HopLimit) }),
		"metadata-options.http-tokens":                 one(func(i inst) string { return i.Metadata.Tokens }),
		"metadata-options.instance-metadata-tags":      one(func(i inst) string { return i.Metadata.Tags }),
	}
	for name, value := range map[string]string{
		"architecture": architecture,
		"boot-mode":    ec2.BootModeValuesLegacyBios,
		"capacity-reservation-specification.capacity-reservation-preference": ec2.CapacityReservationPreferenceOpen,
		"current-instance-boot-mode":                                         ec2.InstanceBootModeValuesLegacyBios,
		"ena-support":                                                        "false",
		"enclave-options.enabled":                                            "false",
		"hibernation-options.configured":                                     "false",
		"hypervisor":                                                         ec2.HypervisorTypeXen,
		"maintenance-options.auto-recovery":                                  ec2.InstanceAutoRecoveryStateDefault,
		"metadata-options.http-protocol-ipv6":                                "disabled",
		"network-performance-options.bandwidth-weighting":                    "default",
		"operator.managed":                                                   "false",
		"platform-details":                                                   platformDetails,
		"private-dns-name-options.enable-resource-name-dns-a-record":         "false",
		"private-dns-name-options.enable-resource-name-dns-aaaa-record":      "false",
		"private-dns-name-options.hostname-type":                             ec2.HostnameTypeIpName,
		"root-device-type":                                                   ec2.DeviceTypeEbs,
		"tenancy":                                                            ec2.TenancyDefault,
		"usage-operation":                                                    usageOperation,
		"virtualization-type":                                                ec2.VirtualizationTypeHvm,
	} {
		all[name] = one(fixed[inst](value))
	}
	for _, name := range []string{
		"affinity", "capacity-reservation-id", "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
		"host-id", "instance-lifecycle", "ipv6-address",
		"kernel-id", "operator.principal", "outpost-arn", "placement-group-name", "placement-partition-number", "platform", "product-code", "product-code.type",
		"ramdisk-id", "requester-id", "spot-instance-request-id", "tpm-support",
	} {
		all[name] = never[inst]
	}
	return all
}

// nicFields are the filters of DescribeInstances on an instance's interfaces: all
// of DescribeNetworkInterfaces below "network-interface.", and the instance's own
// addresses and groups, which are those of its primary interface.
func (s *Service) nicFields(r store.Reader) fields[cloud.NetworkInterface] {
	type nic = cloud.NetworkInterface
	public := func(value func(nic, cloud.PublicAddress) string) field[nic] { return publicField(0, value) }
	port := s.interfaceFields(r)
	all := fields[nic]{
		"network-interface.addresses.association.allocation-id":   public(func(_ nic, p cloud.PublicAddress) string { return p.Allocation }),
		"network-interface.addresses.association.association-id":  public(func(_ nic, p cloud.PublicAddress) string { return p.Association }),
		"network-interface.addresses.association.ip-owner-id":     public(s.publicOwner),
		"network-interface.addresses.association.public-dns-name": public(func(_ nic, p cloud.PublicAddress) string { return s.Place.PublicName(p.Address) }),
		"network-interface.attachment.network-card-index":         attachmentField(func(cloud.InterfaceAttachment) string { return "0" }),
		"network-interface.deny-all-igw-traffic":                  flag(func(nic) bool { return false }),
		"network-interface.public-dns-name":                       port["association.public-dns-name"],
	}
	for name, f := range port {
		all["network-interface."+name] = f
	}
	for _, name := range []string{"tag-key", "tag-value"} {
		all["network-interface."+name], _ = tagField(name, func(n nic) map[string]string { return n.Tags })
	}
	for _, name := range []string{
		"addresses.association.carrier-ip", "addresses.association.customer-owned-ip", "association.carrier-ip", "association.customer-owned-ip",
		"ipv4-prefixes.ipv4-prefix", "ipv6-address", "ipv6-addresses.is-primary-ipv6", "ipv6-native", "ipv6-prefixes.ipv6-prefix", "outpost-arn",
	} {
		all["network-interface."+name] = never[nic]
	}
	primary := fields[nic]{
		"dns-name":            port["association.public-dns-name"],
		"ip-address":          port["association.public-ip"],
		"private-dns-name":    port["private-dns-name"],
		"private-ip-address":  one(func(n nic) string { return n.Primary().String() }),
		"group-id":            port["group-id"],
		"group-name":          port["group-name"],
		"instance.group-id":   port["group-id"],
		"instance.group-name": port["group-name"],
		"source-dest-check":   port["source-dest-check"],
	}
	for name, f := range primary {
		all[name] = func(n nic, is func(string) bool) bool { return n.Attachment.DeviceIndex == 0 && f(n, is) }
	}
	return all
}

// mappingFields are the filters of DescribeInstances on an instance's volumes.
func mappingFields(r store.Reader) fields[cloud.Volume] {
	type vol = cloud.Volume
	all := fields[vol]{}
	for _, name := range []string{"attach-time", "delete-on-termination", "status"} {
		all["block-device-mapping."+name] = attachedFields(r)[name]
	}
	all["block-device-mapping.device-name"] = attachedFields(r)["device"]
	all["block-device-mapping.volume-id"] = one(vol.Key)
	return all
}

// held is the field of a property that an instance has until it is terminated.
func held(value func(cloud.Instance) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		return i.Released.IsZero() && is(value(i))
	}
}

// profileField is the field of a property of an instance's profile.
func profileField(value func(cloud.ProfileAssociation) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		return i.Profile != nil && i.Released.IsZero() && is(value(*i.Profile))
	}
}

func reasonField(value func(*ec2.StateReason) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		reason := stateReason(i, i.State())
		return reason != nil && is(value(reason))
	}
}

// statusFields are the filters of DescribeInstanceStatus.
func (s *Service) statusFields() fields[cloud.Instance] {
	type inst = cloud.Instance
	all := fields[inst]{
		"availability-zone":            one(func(i inst) string { return i.Zone }),
		"availability-zone-id":         one(func(i inst) string { return s.Place.ZoneID(i.Zone) }),
		"instance-state-code":          one(func(i inst) string { return strconv.Itoa(int(i.State().Code())) }),
		"instance-state-name":          one(func(i inst) string { return string(i.State()) }),
		"instance-status.reachability": maybe(reachability),
		"instance-status.status":       one(healthStatus),
		"operator.managed":             one(fixed[inst]("false")),
		"system-status.reachability":   maybe(reachability),
		"system-status.status":         one(healthStatus),
	}
	for _, name := range []string{
		"attached-ebs-status.status", "event.code", "event.description", "event.instance-event-id", "event.not-after",
		"event.not-before", "event.not-before-deadline", "operator.principal",
	} {
		all[name] = never[inst]
	}
	return all
}

func reachability(i cloud.Instance) string {
	_, reachable := health(i)
	return reachable
}

func healthStatus(i cloud.Instance) string {
	status, _ := health(i)
	return status
}
