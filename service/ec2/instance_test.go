package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) instanceIDs(in ec2.DescribeInstancesRequest) ([]string, error) {
	out, err := r.DescribeInstances(r.ctx, &in)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, reservation := range out.Reservations {
		for _, i := range reservation.Instances {
			ids = append(ids, *i.InstanceId)
		}
	}
	return ids, nil
}

func TestDescribeInstancesFilters(t *testing.T) {
	r := newGuestRig(t)
	id := r.running(func(in *runIn) {
		in.KeyName, in.ClientToken, in.EbsOptimized = new("key"), new("token"), new(true)
		in.TagSpecifications = append(tagSpec("instance", "Name", "web"), tagSpec("network-interface", "nic", "first")...)
	})
	other := r.stopped(func(in *runIn) {
		in.SubnetId, in.InstanceType = &r.net.Subnets[1].ID, new("m5.large")
		in.Monitoring = &ec2.RunInstancesMonitoringEnabled{Enabled: new(true)}
		in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpEndpoint: new("disabled"), HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(3)), InstanceMetadataTags: new("enabled")}
	})
	eip := r.addElastic(id)
	i, nic, root := r.doc(id), r.nics(id)[0], r.volumes(id)[0]
	when := timeWord(i.Launched)
	private, public := nic.Primary().String(), nic.Addresses[0].Public.Address.String()
	privateName, publicName := r.Place.PrivateName(nic.Primary()), r.Place.PublicName(nic.Addresses[0].Public.Address)

	table := filterTable{
		names: slices.Concat(names(r.instanceFields()), names(r.nicFields(r.DB.View())), names(mappingFields(r.DB.View()))), id: id,
		ids: func(f []ec2.Filter) ([]string, error) { return r.instanceIDs(ec2.DescribeInstancesRequest{Filters: f}) },
		cases: map[string]string{
			"architecture": "x86_64", "availability-zone": "eu-paris-1a", "availability-zone-id": "eup1-az1", "boot-mode": "legacy-bios", "client-token": "token",
			"capacity-reservation-specification.capacity-reservation-preference": "open", "current-instance-boot-mode": "legacy-bios",
			"ebs-optimized": "true", "ena-support": "false", "enclave-options.enabled": "false", "hibernation-options.configured": "false", "hypervisor": "xen",
			"image-id": testImage, "instance-id": id, "instance-state-code": "16", "instance-state-name": "running", "instance-type": "t3.*", "key-name": "key",
			"launch-index": "0", "launch-time": when[:10] + "*", "maintenance-options.auto-recovery": "default", "monitoring-state": "disabled",
			"network-performance-options.bandwidth-weighting": "default", "operator.managed": "false", "owner-id": alice, "platform-details": "Linux/UNIX",
			"private-dns-name-options.enable-resource-name-dns-a-record": "false", "private-dns-name-options.enable-resource-name-dns-aaaa-record": "false",
			"private-dns-name-options.hostname-type": "ip-name", "reservation-id": i.Reservation, "root-device-name": "/dev/xvda", "root-device-type": "ebs",
			"subnet-id": i.Subnet, "tenancy": "default", "usage-operation": "RunInstances", "usage-operation-update-time": when, "virtualization-type": "hvm", "vpc-id": i.VPC,

			"metadata-options.http-endpoint": "enabled", "metadata-options.http-protocol-ipv4": "enabled", "metadata-options.http-protocol-ipv6": "disabled",
			"metadata-options.http-put-response-hop-limit": "1", "metadata-options.http-tokens": "optional", "metadata-options.instance-metadata-tags": "disabled",

			"block-device-mapping.attach-time": when, "block-device-mapping.delete-on-termination": "true", "block-device-mapping.device-name": "/dev/xvda",
			"block-device-mapping.status": "attached", "block-device-mapping.volume-id": root.ID,

			"dns-name": publicName, "ip-address": public, "private-dns-name": privateName, "private-ip-address": private, "source-dest-check": "true",
			"group-id": r.net.Group.ID, "group-name": "default", "instance.group-id": r.net.Group.ID, "instance.group-name": "default",

			"network-interface.addresses.association.allocation-id": eip.ID, "network-interface.addresses.association.association-id": eip.Association,
			"network-interface.addresses.association.ip-owner-id": alice, "network-interface.addresses.association.owner-id": alice,
			"network-interface.addresses.association.public-dns-name": publicName, "network-interface.addresses.association.public-ip": public,
			"network-interface.addresses.primary": "true", "network-interface.addresses.private-ip-address": private,
			"network-interface.association.allocation-id": eip.ID, "network-interface.association.association-id": eip.Association, "network-interface.association.ip-owner-id": alice,
			"network-interface.association.public-dns-name": publicName, "network-interface.association.public-ip": public,
			"network-interface.attachment.attach-time": when, "network-interface.attachment.attachment-id": nic.Attachment.ID,
			"network-interface.attachment.delete-on-termination": "true", "network-interface.attachment.device-index": "0", "network-interface.attachment.instance-id": id,
			"network-interface.attachment.instance-owner-id": alice, "network-interface.attachment.network-card-index": "0", "network-interface.attachment.status": "attached",
			"network-interface.availability-zone": "eu-paris-1a", "network-interface.availability-zone-id": "eup1-az1", "network-interface.deny-all-igw-traffic": "false", "network-interface.description": "",
			"network-interface.group-id": r.net.Group.ID, "network-interface.group-name": "default", "network-interface.interface-type": "interface",
			"network-interface.mac-address": nic.MAC, "network-interface.network-interface-id": nic.ID, "network-interface.owner-id": alice,
			"network-interface.private-dns-name": privateName, "network-interface.private-ip-address": private, "network-interface.public-dns-name": publicName,
			"network-interface.requester-managed": "false", "network-interface.source-dest-check": "true", "network-interface.status": "in-use",
			"network-interface.subnet-id": i.Subnet, "network-interface.tag-key": "nic", "network-interface.tag-value": "first", "network-interface.vpc-id": i.VPC,
		},
	}
	for _, name := range []string{
		"affinity", "capacity-reservation-id", "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id", "host-id",
		"iam-instance-profile.arn", "iam-instance-profile.id", "iam-instance-profile.name", "instance-lifecycle", "ipv6-address", "kernel-id",
		"network-interface.addresses.association.carrier-ip", "network-interface.addresses.association.customer-owned-ip", "network-interface.association.carrier-ip",
		"network-interface.association.customer-owned-ip", "network-interface.attachment.nat-gateway-id", "network-interface.ipv4-prefixes.ipv4-prefix",
		"network-interface.ipv6-address", "network-interface.ipv6-addresses.ipv6-address", "network-interface.ipv6-addresses.is-primary-ipv6", "network-interface.ipv6-native",
		"network-interface.ipv6-prefixes.ipv6-prefix", "network-interface.outpost-arn", "network-interface.requester-id", "operator.principal", "outpost-arn",
		"placement-group-name", "placement-partition-number", "platform", "product-code", "product-code.type", "ramdisk-id", "requester-id",
		"spot-instance-request-id", "tpm-support",
	} {
		table.cases[name] = absent
	}
	// Of a running instance there is nothing to say; see below.
	table.names = slices.DeleteFunc(table.names, func(n string) bool { return strings.Contains(n, "reason") })
	table.check(t)
	table.checkTags(t, r)

	// And those that tell the two instances apart.
	for name, value := range map[string]string{
		"availability-zone": "eu-paris-1b", "instance-state-name": "stopped", "instance-state-code": "80", "instance-type": "m5.large", "monitoring-state": "enabled",
		"metadata-options.http-endpoint": "disabled", "metadata-options.http-tokens": "required", "metadata-options.http-put-response-hop-limit": "3",
		"metadata-options.instance-metadata-tags": "enabled", "subnet-id": r.net.Subnets[1].ID, "ebs-optimized": "false",
		"state-reason-code": "Client.UserInitiatedShutdown", "state-reason-message": "*User initiated*", "reason": "User initiated (*)",
	} {
		if ids := must(table.ids(filters(name, value)))(t); !slices.Equal(ids, []string{other}) {
			t.Errorf("filter %s=%s: got %v, want %s", name, value, ids, other)
		}
	}
	two := filters("instance-state-name", "running")
	two[0].Values = append(two[0].Values, "stopped")
	if ids := must(table.ids(append(two, filters("vpc-id", i.VPC)...)))(t); len(ids) != 2 {
		t.Errorf("two values and another filter: got %v", ids)
	}
}

// addElastic gives an instance an elastic address instead of the assigned one.
func (r *rig) addElastic(instance string) cloud.Address {
	r.Helper()
	a := must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(r)
	must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: a.AllocationId, InstanceId: &instance}))(r)
	address, _ := addressTable.Get(r.DB.View(), *a.AllocationId)
	return address
}

func TestDescribeInstancesShows(t *testing.T) {
	r := newGuestRig(t)
	id := r.running()
	i := r.describe(id)
	nic := r.nics(id)[0]
	public := nic.Addresses[0].Public.Address
	for _, c := range []struct{ what, got, want string }{
		{"private name", *i.PrivateDnsName, r.Place.PrivateName(nic.Primary())},
		{"public name", *i.PublicDnsName, r.Place.PublicName(public)},
		{"public address", *i.PublicIpAddress, public.String()},
		{"owner of the address", *i.NetworkInterfaces[0].Association.IpOwnerId, "amazon"},
		{"interface", *i.NetworkInterfaces[0].NetworkInterfaceId, nic.ID},
		{"attachment", *i.NetworkInterfaces[0].Attachment.Status, "attached"},
		{"group", *i.SecurityGroups[0].GroupName, "default"},
		{"volume", *i.BlockDeviceMappings[0].Ebs.VolumeId, r.volumes(id)[0].ID},
		{"volume's state", *i.BlockDeviceMappings[0].Ebs.Status, "attached"},
		{"tenancy", *i.Placement.Tenancy, "default"},
		{"zone", *i.Placement.AvailabilityZone, "eu-paris-1a"},
		{"cores", fmt.Sprint(*i.CpuOptions.CoreCount, *i.CpuOptions.ThreadsPerCore), "2 1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
	r.update(func(tx *store.Tx) error {
		return vpcTable.Modify(tx, r.net.VPC.ID, func(v *cloud.VPC) error { v.DNSHostnames = false; return nil })
	})
	if i := r.describe(id); *i.PublicDnsName != "" || i.PrivateDnsName == nil {
		t.Errorf("a VPC without host names gave %s", *i.PublicDnsName)
	}
}

func TestDescribeInstancesRefuses(t *testing.T) {
	r := newGuestRig(t)
	id := r.running()
	ten := new(int32(10))
	for _, c := range []struct {
		in            ec2.DescribeInstancesRequest
		code, message string
	}{
		{ec2.DescribeInstancesRequest{InstanceIds: []string{"i-00000000000000009"}}, "InvalidInstanceID.NotFound", "The instance ID 'i-00000000000000009' does not exist"},
		{ec2.DescribeInstancesRequest{InstanceIds: []string{id, "web"}}, "InvalidInstanceID.Malformed", `Invalid id: "web" (expecting "i-...")`},
		{ec2.DescribeInstancesRequest{InstanceIds: []string{id}, MaxResults: ten}, "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults"},
		{ec2.DescribeInstancesRequest{MaxResults: new(int32(4))}, "InvalidParameterValue", "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5."},
		{ec2.DescribeInstancesRequest{MaxResults: new(int32(1001))}, "InvalidParameterValue", "Value ( 1001 ) for parameter maxResults is invalid. Expecting a value smaller than or equal to 1000."},
		{ec2.DescribeInstancesRequest{NextToken: new("x")}, "InvalidPaginationToken", "The specified pagination token is not valid or is expired."},
		{ec2.DescribeInstancesRequest{Filters: filters("colour", "red")}, "InvalidParameterValue", "The filter 'colour' is invalid"},
		{ec2.DescribeInstancesRequest{DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		_, err := r.DescribeInstances(r.ctx, &c.in)
		want(t, c.message, err, c.code, c.message)
	}
	if out := must(r.DescribeInstances(r.bob, &ec2.DescribeInstancesRequest{}))(t); len(out.Reservations) > 0 {
		t.Error("another account sees the instance")
	}
	_, err := r.DescribeInstances(r.bob, &ec2.DescribeInstancesRequest{InstanceIds: []string{id}})
	want(t, "another account", err, "InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
}

func TestDescribeInstancesPages(t *testing.T) {
	r := newGuestRig(t)
	r.fill(23, nil)
	var pages []int
	var all []string
	var token *string
	for {
		out := must(r.DescribeInstances(r.ctx, &ec2.DescribeInstancesRequest{MaxResults: new(int32(10)), NextToken: token}))(t)
		n := 0
		for _, reservation := range out.Reservations {
			n += len(reservation.Instances)
			for _, i := range reservation.Instances {
				all = append(all, *i.InstanceId)
				if *reservation.ReservationId != r.doc(*i.InstanceId).Reservation {
					t.Errorf("%s is in %s", *i.InstanceId, *reservation.ReservationId)
				}
			}
		}
		pages = append(pages, n)
		if token = out.NextToken; token == nil {
			break
		}
	}
	if !slices.Equal(pages, []int{10, 10, 3}) || !slices.IsSorted(all) || len(slices.Compact(all)) != 23 {
		t.Errorf("got pages %v with %d instances", pages, len(all))
	}
	out := must(r.DescribeInstances(r.ctx, &ec2.DescribeInstancesRequest{Filters: filters("tag:n", "1?"), MaxResults: new(int32(5))}))(t)
	if len(out.Reservations) != 3 || out.NextToken == nil {
		t.Errorf("a filtered page has %d reservations", len(out.Reservations))
	}
}

func TestDescribeInstanceStatus(t *testing.T) {
	r := newGuestRig(t)
	running, pending, stopped := r.running(), r.launchIDs()[0], r.stopped(func(in *runIn) { in.SubnetId = &r.net.Subnets[1].ID })
	ids := func(in ec2.DescribeInstanceStatusRequest) ([]string, error) {
		out, err := r.DescribeInstanceStatus(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.InstanceStatuses, func(s ec2.InstanceStatus) string { return *s.InstanceId }), nil
	}
	if got := must(ids(ec2.DescribeInstanceStatusRequest{}))(t); !slices.Equal(got, []string{running}) {
		t.Errorf("got %v, want the running one", got)
	}
	if got := must(ids(ec2.DescribeInstanceStatusRequest{InstanceIds: []string{pending}}))(t); len(got) > 0 {
		t.Errorf("got %v by ID, want nothing", got)
	}
	_, err := ids(ec2.DescribeInstanceStatusRequest{InstanceIds: []string{"i-00000000000000009"}})
	want(t, "unknown", err, "InvalidInstanceID.NotFound")
	out := must(r.DescribeInstanceStatus(r.ctx, &ec2.DescribeInstanceStatusRequest{IncludeAllInstances: new(true)}))(t)
	got := map[string]string{}
	for _, s := range out.InstanceStatuses {
		words := []string{*s.InstanceState.Name, *s.InstanceStatus.Status, *s.SystemStatus.Status}
		for _, d := range append(s.InstanceStatus.Details, s.SystemStatus.Details...) {
			words = append(words, *d.Name, *d.Status)
		}
		got[*s.InstanceId] = strings.Join(words, " ")
	}
	for id, words := range map[string]string{
		running: "running ok ok reachability passed reachability passed",
		pending: "pending initializing initializing reachability initializing reachability initializing",
		stopped: "stopped not-applicable not-applicable",
	} {
		if got[id] != words {
			t.Errorf("got %q, want %q", got[id], words)
		}
	}
	table := filterTable{
		names: names(r.statusFields()), id: running,
		ids: func(f []ec2.Filter) ([]string, error) {
			return ids(ec2.DescribeInstanceStatusRequest{Filters: f, IncludeAllInstances: new(true)})
		},
		cases: map[string]string{
			"availability-zone": "eu-paris-1a", "availability-zone-id": "eup1-az1", "instance-state-code": "16", "instance-state-name": "running",
			"instance-status.reachability": "passed", "instance-status.status": "ok", "system-status.reachability": "passed", "system-status.status": "ok",
			"operator.managed": "false", "operator.principal": absent,
			"attached-ebs-status.status": absent, "event.code": absent, "event.description": absent, "event.instance-event-id": absent,
			"event.not-after": absent, "event.not-before": absent, "event.not-before-deadline": absent,
		},
	}
	table.check(t)
	if got := must(table.ids(filters("availability-zone", "eu-paris-1b")))(t); !slices.Equal(got, []string{stopped}) {
		t.Errorf("got %v in the other zone", got)
	}
}

func TestDescribeInstanceCreditSpecifications(t *testing.T) {
	r := newGuestRig(t)
	burstable, steady := r.running(), r.running(func(in *runIn) { in.InstanceType = new("m5.large") })
	out := must(r.DescribeInstanceCreditSpecifications(r.ctx, &ec2.DescribeInstanceCreditSpecificationsRequest{}))(t)
	if got := out.InstanceCreditSpecifications; len(got) != 1 || *got[0].InstanceId != burstable || *got[0].CpuCredits != "standard" {
		t.Errorf("got %+v", got)
	}
	out = must(r.DescribeInstanceCreditSpecifications(r.ctx, &ec2.DescribeInstanceCreditSpecificationsRequest{InstanceIds: []string{steady}}))(t)
	if len(out.InstanceCreditSpecifications) > 0 {
		t.Error("a type that is not burstable has credits")
	}
	out = must(r.DescribeInstanceCreditSpecifications(r.ctx, &ec2.DescribeInstanceCreditSpecificationsRequest{Filters: filters("instance-id", steady)}))(t)
	if len(out.InstanceCreditSpecifications) > 0 {
		t.Error("the filter selects another instance")
	}
	_, err := r.DescribeInstanceCreditSpecifications(r.ctx, &ec2.DescribeInstanceCreditSpecificationsRequest{Filters: filters("zone", "x")})
	want(t, "unknown filter", err, "InvalidParameterValue")
	_, err = r.DescribeInstanceCreditSpecifications(r.ctx, &ec2.DescribeInstanceCreditSpecificationsRequest{InstanceIds: []string{"i"}})
	want(t, "malformed", err, "InvalidInstanceID.Malformed")
}
