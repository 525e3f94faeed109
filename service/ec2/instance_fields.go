package ec2

import (
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// instanceFields are the filters of DescribeInstances. A filter on an
// instance's interfaces or volumes holds if it does for any of them; those are
// looked up only when such a filter is asked for. What no instance here has
// matches nothing.
func (s *Service) instanceFields(r store.Reader) fields[cloud.Instance] {
	type inst = cloud.Instance
	all := fields[inst]{
		"architecture":                      one(fixed[inst](architecture)),
		"availability-zone-id":              one(func(i inst) string { return s.Place.ZoneID(i.Zone) }),
		"availability-zone":                 one(func(i inst) string { return i.Zone }),
		"boot-mode":                         one(fixed[inst](ec2.BootModeValuesLegacyBios)),
		"client-token":                      maybe(func(i inst) string { return i.ClientToken }),
		"current-instance-boot-mode":        one(fixed[inst](ec2.InstanceBootModeValuesLegacyBios)),
		"ebs-optimized":                     flag(func(i inst) bool { return i.EBSOptimized }),
		"ena-support":                       one(fixed[inst]("false")),
		"enclave-options.enabled":           one(fixed[inst]("false")),
		"hibernation-options.configured":    one(fixed[inst]("false")),
		"hypervisor":                        one(fixed[inst](ec2.HypervisorTypeXen)),
		"image-id":                          one(func(i inst) string { return i.Image }),
		"instance-id":                       one(inst.Key),
		"instance-state-code":               one(func(i inst) string { return strconv.Itoa(int(i.State().Code())) }),
		"instance-state-name":               one(func(i inst) string { return string(i.State()) }),
		"instance-type":                     one(func(i inst) string { return i.Type }),
		"key-name":                          maybe(func(i inst) string { return i.KeyName }),
		"launch-index":                      one(func(i inst) string { return strconv.Itoa(i.LaunchIndex) }),
		"launch-time":                       one(func(i inst) string { return timeWord(i.Launched) }),
		"maintenance-options.auto-recovery": one(fixed[inst](ec2.InstanceAutoRecoveryStateDefault)),
		"monitoring-state":                  one(func(i inst) string { return *showMonitoring(i).State }),
		"network-performance-options.bandwidth-weighting": one(fixed[inst]("default")),
		"operator.managed": one(fixed[inst]("false")),
		"owner-id":         one(func(i inst) string { return i.Account }),
		"platform-details": one(fixed[inst](platformDetails)),
		"private-dns-name-options.enable-resource-name-dns-a-record":    one(fixed[inst]("false")),
		"private-dns-name-options.enable-resource-name-dns-aaaa-record": one(fixed[inst]("false")),
		"private-dns-name-options.hostname-type":                        one(fixed[inst](ec2.HostnameTypeIpName)),
		"reason":                                                        maybe(transitionReason),
		"reservation-id":                                                one(func(i inst) string { return i.Reservation }),
		"root-device-name":                                              one(func(i inst) string { return i.RootDevice }),
		"root-device-type":                                              one(fixed[inst](ec2.DeviceTypeEbs)),
		"state-reason-code":                                             reasonField(func(r *ec2.StateReason) string { return *r.Code }),
		"state-reason-message":                                          reasonField(func(r *ec2.StateReason) string { return *r.Message }),
		"subnet-id":                                                     held(func(i inst) string { return i.Subnet }),
		"tenancy":                                                       one(fixed[inst](ec2.TenancyDefault)),
		"usage-operation":                                               one(fixed[inst](usageOperation)),
		"usage-operation-update-time":                                   one(func(i inst) string { return timeWord(i.Launched) }),
		"virtualization-type":                                           one(fixed[inst](ec2.VirtualizationTypeHvm)),
		"vpc-id":                                                        held(func(i inst) string { return i.VPC }),

		"metadata-options.http-endpoint":               one(func(i inst) string { return i.Metadata.Endpoint }),
		"metadata-options.http-protocol-ipv4":          one(func(i inst) string { return i.Metadata.Endpoint }),
		"metadata-options.http-protocol-ipv6":          one(fixed[inst]("disabled")),
		"metadata-options.http-put-response-hop-limit": one(func(i inst) string { return strconv.Itoa(i.Metadata.HopLimit) }),
		"metadata-options.http-tokens":                 one(func(i inst) string { return i.Metadata.Tokens }),
		"metadata-options.instance-metadata-tags":      one(func(i inst) string { return i.Metadata.Tags }),

		"block-device-mapping.attach-time":           volumeField(r, func(_ inst, v cloud.Volume) string { return timeWord(v.Attachment.Attached) }),
		"block-device-mapping.delete-on-termination": volumeField(r, func(_ inst, v cloud.Volume) string { return boolWord(v.Attachment.DeleteOnTermination) }),
		"block-device-mapping.device-name":           volumeField(r, func(_ inst, v cloud.Volume) string { return v.Attachment.Device }),
		"block-device-mapping.status":                volumeField(r, func(i inst, v cloud.Volume) string { return v.AttachmentState(i.Seen.Running) }),
		"block-device-mapping.volume-id":             volumeField(r, func(_ inst, v cloud.Volume) string { return v.ID }),
	}
	for _, name := range []string{
		"affinity", "capacity-reservation-id", "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
		"host-id", "iam-instance-profile.arn", "iam-instance-profile.id", "iam-instance-profile.name", "instance-lifecycle", "ipv6-address",
		"kernel-id", "operator.principal", "outpost-arn", "placement-group-name", "placement-partition-number", "platform", "product-code", "product-code.type",
		"ramdisk-id", "requester-id", "spot-instance-request-id", "tpm-support",
	} {
		all[name] = never[inst]
	}
	all["capacity-reservation-specification.capacity-reservation-preference"] = one(fixed[inst](ec2.CapacityReservationPreferenceOpen))
	s.addInterfaceFields(r, all)
	return all
}

// addInterfaceFields adds the filters on interfaces: all of
// DescribeNetworkInterfaces below "network-interface.", and the instance's own
// addresses and groups, which are those of its primary interface.
func (s *Service) addInterfaceFields(r store.Reader, all fields[cloud.Instance]) {
	nic := s.interfaceFields(r)
	for name, f := range nic {
		all["network-interface."+name] = interfaceField(r, f)
	}
	tags := func(n cloud.NetworkInterface) map[string]string { return n.Tags }
	for _, name := range []string{"tag-key", "tag-value"} {
		f, _ := tagField(name, tags)
		all["network-interface."+name] = interfaceField(r, f)
	}
	for _, name := range []string{
		"addresses.association.carrier-ip", "addresses.association.customer-owned-ip", "association.carrier-ip", "association.customer-owned-ip",
		"ipv4-prefixes.ipv4-prefix", "ipv6-address", "ipv6-addresses.is-primary-ipv6", "ipv6-native", "ipv6-prefixes.ipv6-prefix", "outpost-arn",
	} {
		all["network-interface."+name] = never[cloud.Instance]
	}
	all["network-interface.attachment.network-card-index"] = interfaceField(r, attachmentField(func(cloud.InterfaceAttachment) string { return "0" }))
	all["network-interface.deny-all-igw-traffic"] = interfaceField(r, flag(func(cloud.NetworkInterface) bool { return false }))
	all["network-interface.public-dns-name"] = interfaceField(r, nic["association.public-dns-name"])
	all["network-interface.addresses.association.public-dns-name"] = interfaceField(r, publicField(0, func(_ cloud.NetworkInterface, p cloud.PublicAddress) string { return s.Place.PublicName(p.Address) }))
	all["network-interface.addresses.association.allocation-id"] = interfaceField(r, publicField(0, func(_ cloud.NetworkInterface, p cloud.PublicAddress) string { return p.Allocation }))
	all["network-interface.addresses.association.association-id"] = interfaceField(r, publicField(0, func(_ cloud.NetworkInterface, p cloud.PublicAddress) string { return p.Association }))
	all["network-interface.addresses.association.ip-owner-id"] = interfaceField(r, publicField(0, s.publicOwner))
	for name, f := range map[string]field[cloud.NetworkInterface]{
		"dns-name":            nic["association.public-dns-name"],
		"ip-address":          nic["association.public-ip"],
		"private-dns-name":    nic["private-dns-name"],
		"private-ip-address":  one(func(n cloud.NetworkInterface) string { return n.Primary().String() }),
		"group-id":            nic["group-id"],
		"group-name":          nic["group-name"],
		"instance.group-id":   nic["group-id"],
		"instance.group-name": nic["group-name"],
		"source-dest-check":   nic["source-dest-check"],
	} {
		all[name] = primaryField(r, f)
	}
}

// held is the field of a property that an instance has until it is terminated.
func held(value func(cloud.Instance) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		return i.Released.IsZero() && is(value(i))
	}
}

func reasonField(value func(*ec2.StateReason) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		reason := stateReason(i, i.State())
		return reason != nil && is(value(reason))
	}
}

func volumeField(r store.Reader, value func(cloud.Instance, cloud.Volume) string) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		for v := range volumeTable.Select(r, "instance/"+i.ID) {
			if is(value(i, v)) {
				return true
			}
		}
		return false
	}
}

func interfaceField(r store.Reader, f field[cloud.NetworkInterface]) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		for n := range interfaceTable.Select(r, "instance/"+i.ID) {
			if f(n, is) {
				return true
			}
		}
		return false
	}
}

func primaryField(r store.Reader, f field[cloud.NetworkInterface]) field[cloud.Instance] {
	return func(i cloud.Instance, is func(string) bool) bool {
		for n := range interfaceTable.Select(r, "instance/"+i.ID) {
			if n.Attachment.DeviceIndex == 0 && f(n, is) {
				return true
			}
		}
		return false
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
