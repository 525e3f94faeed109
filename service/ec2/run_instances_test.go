package ec2

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

type runIn = ec2.RunInstancesRequest

func TestRunInstances(t *testing.T) {
	r := newGuestRig(t)
	group := r.net.Group.ID
	out := must(r.RunInstances(r.ctx, r.request(func(in *runIn) {
		in.MinCount, in.MaxCount = new(int32(2)), new(int32(2))
		in.KeyName = new("key")
		in.UserData = new(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n")))
		in.DisableApiTermination, in.DisableApiStop, in.EbsOptimized = new(true), new(true), new(true)
		in.Monitoring = &ec2.RunInstancesMonitoringEnabled{Enabled: new(true)}
		in.InstanceInitiatedShutdownBehavior = new("terminate")
		in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(2)), InstanceMetadataTags: new("enabled")}
		in.TagSpecifications = append(append(tagSpec("instance", "Name", "web"), tagSpec("volume", "v", "1")...), tagSpec("network-interface", "n", "1")...)
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{
			{DeviceName: new("/dev/sdf"), Ebs: &ec2.EbsBlockDevice{VolumeSize: new(int32(5)), DeleteOnTermination: new(false)}},
			{DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsBlockDevice{VolumeSize: new(int32(9))}},
			{DeviceName: new("/dev/sdg"), VirtualName: new("ephemeral0")},
			{DeviceName: new("/dev/sdh"), NoDevice: new("")},
		}
	})))(t)
	if len(out.Instances) != 2 || *out.OwnerId != alice || !cloud.ValidID("r", *out.ReservationId) {
		t.Fatalf("got %d instances of %s in %s", len(out.Instances), *out.OwnerId, *out.ReservationId)
	}
	for n, shown := range out.Instances {
		i := r.doc(*shown.InstanceId)
		if i.State() != cloud.InstancePending || *shown.State.Name != "pending" || *shown.StateReason.Code != "pending" {
			t.Errorf("got state %s", i.State())
		}
		if i.LaunchIndex != n || i.KeyName != "key" || string(i.UserData) != "#!/bin/sh\n" || !i.DisableTermination || !i.DisableStop || !i.EBSOptimized || !i.Monitoring ||
			i.OnShutdown != "terminate" || i.Tags["Name"] != "web" || i.Host != hostA || i.Slot != n+1 || i.Starts != 1 || i.Want != cloud.PowerRunning || !i.PublicAddress {
			t.Errorf("got %+v", i)
		}
		if i.Metadata != (cloud.MetadataOptions{Tokens: "required", HopLimit: 2, Endpoint: "enabled", Tags: "enabled"}) {
			t.Errorf("got metadata options %+v", i.Metadata)
		}
		v := r.volumes(i.ID)
		if len(v) != 2 {
			t.Fatalf("got %d volumes", len(v))
		}
		if root := v[0]; root.Image != testImage || root.SizeGiB != 9 || root.Type != "gp3" || root.IOPS != 3000 || root.Throughput != 125 ||
			root.Attachment.Device != "/dev/xvda" || !root.Attachment.DeleteOnTermination || root.Host != hostA || root.Tags["v"] != "1" {
			t.Errorf("got root %+v", root)
		}
		if data := v[1]; data.Image != "" || data.SizeGiB != 5 || data.Type != "gp2" || data.Attachment.Device != "/dev/sdf" || data.Attachment.DeleteOnTermination {
			t.Errorf("got volume %+v", data)
		}
		nics := r.nics(i.ID)
		if len(nics) != 1 {
			t.Fatalf("got %d interfaces", len(nics))
		}
		if n := nics[0]; !slices.Equal(n.Groups, []string{group}) || n.Subnet != r.net.Subnets[0].ID || n.Addresses[0].Public == nil ||
			!n.Attachment.DeleteOnTermination || n.Attachment.DeviceIndex != 0 || n.Tags["n"] != "1" {
			t.Errorf("got interface %+v", n)
		}
		for space, value := range map[string]string{
			cloud.MACs: nics[0].MAC, cloud.PrivateAddresses(i.VPC): nics[0].Primary().String(), cloud.PublicAddresses: nics[0].Addresses[0].Public.Address.String(),
		} {
			if owner, _ := store.Owner(r.DB.View(), space, value); owner != nics[0].ID {
				t.Errorf("%s %s is owned by %q", space, value, owner)
			}
		}
	}
	if used := r.host(hostA).Used; used != (cloud.Usage{VCPUs: 4, MemoryMiB: 2048, Guests: 2}) {
		t.Errorf("got usage %+v", used)
	}
}

func TestRunInstancesRefuses(t *testing.T) {
	r := newGuestRig(t)
	other := r.addVPC()
	taken := r.addInterface("i-00000000000000001", port{})
	free := r.addInterface("", port{})
	nic := func(change ...func(*ec2.InstanceNetworkInterfaceSpecification)) func(*runIn) {
		return func(in *runIn) {
			in.SubnetId = nil
			for n, c := range change {
				spec := ec2.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(n)), SubnetId: &r.net.Subnets[0].ID}
				c(&spec)
				in.NetworkInterfaces = append(in.NetworkInterfaces, spec)
			}
		}
	}
	type spec = ec2.InstanceNetworkInterfaceSpecification
	plain := func(*spec) {}
	disk := func(device string, ebs *ec2.EbsBlockDevice) func(*runIn) {
		return func(in *runIn) { in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: &device, Ebs: ebs}} }
	}
	before := r.DB.View().Revision()
	for _, c := range []struct {
		name    string
		change  func(*runIn)
		code    string
		message string
	}{
		{"no image", func(in *runIn) { in.ImageId = nil }, "MissingParameter", "The request must contain the parameter ImageId"},
		{"malformed image", func(in *runIn) { in.ImageId = new("ami-x") }, "InvalidAMIID.Malformed", `Invalid id: "ami-x"`},
		{"odd image", func(in *runIn) { in.ImageId = new("tiny") }, "InvalidAMIID.Malformed", `Invalid id: "tiny" (expecting "ami-...")`},
		{"unknown image", func(in *runIn) { in.ImageId = new("ami-00000000000000009") }, "InvalidAMIID.NotFound", "The image id '[ami-00000000000000009]' does not exist"},
		{"another's image", func(in *runIn) { in.ImageId = new(privateImage) }, "InvalidAMIID.NotFound", "The image id '[" + privateImage + "]' does not exist"},
		{"no type", func(in *runIn) { in.InstanceType = nil }, "MissingParameter", "The request must contain the parameter InstanceType"},
		{"unknown type", func(in *runIn) { in.InstanceType = new("t9.huge") }, "InvalidParameterValue", "Invalid value 't9.huge' for InstanceType. DescribeInstanceTypes lists those on offer."},
		{"min 0", func(in *runIn) { in.MinCount = new(int32(0)) }, "InvalidParameterValue", "Invalid value '0' for minCount. The number must be at least 1."},
		{"max below min", func(in *runIn) { in.MinCount = new(int32(2)) }, "InvalidParameterValue", "Invalid value '1' for maxCount. The number must not be less than minCount, 2."},
		{"too many", func(in *runIn) { in.MinCount, in.MaxCount = new(int32(1001)), new(int32(1001)) }, "InstanceLimitExceeded", "You have requested more instances (1001) than one request may launch (1000)."},
		{"unknown key", func(in *runIn) { in.KeyName = new("nokey") }, "InvalidKeyPair.NotFound", "The key pair 'nokey' does not exist"},
		{"malformed subnet", func(in *runIn) { in.SubnetId = new("subnet-1") }, "InvalidSubnetID.Malformed", `Invalid id: "subnet-1"`},
		{"another's subnet", func(in *runIn) { in.SubnetId = &r.bobs.Subnets[0].ID }, "InvalidSubnetID.NotFound", "The subnet ID '" + r.bobs.Subnets[0].ID + "' does not exist"},
		{"unknown zone", func(in *runIn) { in.Placement = &ec2.Placement{AvailabilityZone: new("x")} }, "InvalidParameterValue", "Invalid availability zone: [x]"},
		{"unknown zone ID", func(in *runIn) { in.Placement = &ec2.Placement{AvailabilityZoneId: new("x")} }, "InvalidParameterValue", "Invalid availability zone ID: [x]"},
		{"subnet of another zone", func(in *runIn) { in.Placement = &ec2.Placement{AvailabilityZone: new("eu-paris-1b")} }, "InvalidParameterValue", ""},
		{"unknown group", func(in *runIn) { in.SecurityGroupIds = []string{"sg-00000000000000001"} }, "InvalidGroup.NotFound", "The security group 'sg-00000000000000001' does not exist"},
		{"malformed group", func(in *runIn) { in.SecurityGroupIds = []string{"sg"} }, "InvalidGroupId.Malformed", `Invalid id: "sg" (expecting "sg-...")`},
		{
			"group of another VPC", func(in *runIn) { in.SecurityGroupIds = []string{other.Group.ID} }, "InvalidParameter",
			"Security group " + other.Group.ID + " and subnet " + r.net.Subnets[0].ID + " belong to different networks.",
		},
		{"group name with a subnet", func(in *runIn) { in.SubnetId, in.SecurityGroups = &r.net.Subnets[0].ID, []string{"default"} }, "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"},
		{"group name elsewhere", func(in *runIn) { in.SubnetId, in.SecurityGroups = &other.Subnets[0].ID, []string{"default"} }, "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"},
		{"unknown group name", func(in *runIn) { in.SubnetId, in.SecurityGroups = nil, []string{"web"} }, "InvalidGroup.NotFound", "The security group 'web' does not exist in default VPC '" + r.net.VPC.ID + "'"},

		{"user data not base64", func(in *runIn) { in.UserData = new("#!/bin/sh") }, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."},
		{"user data too long", func(in *runIn) { in.UserData = new(base64.StdEncoding.EncodeToString(make([]byte, 16385))) }, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{"user data far too long", func(in *runIn) { in.UserData = new(strings.Repeat("?", 1<<20)) }, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{"shutdown behavior", func(in *runIn) { in.InstanceInitiatedShutdownBehavior = new("reboot") }, "InvalidParameterValue", "Value (reboot) for parameter instanceInitiatedShutdownBehavior is invalid. Valid values are: stop, terminate."},
		{"hop limit", func(in *runIn) {
			in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: new(int32(65))}
		}, "InvalidParameterValue", "Invalid value '65' for httpPutResponseHopLimit. The number must be from 1 to 64."},
		{"tokens", func(in *runIn) { in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpTokens: new("no")} }, "InvalidParameterValue", "Value (no) for parameter HttpTokens is invalid. Valid values are: optional, required."},
		{"metadata over IPv6", func(in *runIn) {
			in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpProtocolIpv6: new("on")}
		}, "InvalidParameterValue", "Value (on) for parameter HttpProtocolIpv6 is invalid. Valid values are: enabled, disabled."},
		{"tag without a path", func(in *runIn) {
			in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{InstanceMetadataTags: new("enabled")}
			in.TagSpecifications = tagSpec("instance", "my tag", "x")
		}, "InvalidParameterValue", ""},
		{"tag of another kind", func(in *runIn) { in.TagSpecifications = tagSpec("vpc", "a", "b") }, "InvalidParameterValue", "'vpc' is not a valid taggable resource type for this operation."},
		{"long token", func(in *runIn) { in.ClientToken = new(strings.Repeat("x", 65)) }, "InvalidParameterValue", ""},
		{"dry run", func(in *runIn) { in.DryRun = new(true) }, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},

		{"address outside", func(in *runIn) { in.PrivateIpAddress = new("10.0.0.1") }, "InvalidParameterValue", "Address 10.0.0.1 does not fall within the subnet's address range"},
		{"reserved address", func(in *runIn) { in.PrivateIpAddress = new("172.31.0.2") }, "InvalidParameterValue", "Address 172.31.0.2 is in subnet's reserved address range"},
		{"no address", func(in *runIn) { in.PrivateIpAddress = new("x") }, "InvalidParameterValue", "Value (x) for parameter address is invalid. Invalid IPv4 address."},
		{"IPv6 address", func(in *runIn) { in.PrivateIpAddress = new("::1") }, "InvalidParameterValue", "Value (::1) for parameter address is invalid. Invalid IPv4 address."},
		{"address in use", func(in *runIn) { in.PrivateIpAddress = new(taken.Primary().String()) }, "InvalidIPAddress.InUse", "Address " + taken.Primary().String() + " is in use."},
		{
			"one address for many", func(in *runIn) { in.PrivateIpAddress, in.MaxCount = new("172.31.0.9"), new(int32(2)) }, "InvalidParameterCombination",
			"A private IP address may not be specified when launching more than one instance. Launch one, or leave the address to be chosen.",
		},

		{
			"interfaces and subnet", func(in *runIn) { nic(plain)(in); in.SubnetId = &r.net.Subnets[0].ID }, "InvalidParameterCombination",
			"Network interfaces and an instance-level subnet ID may not be specified on the same request",
		},
		{
			"interfaces and groups", func(in *runIn) { nic(plain)(in); in.SecurityGroupIds = []string{r.net.Group.ID} }, "InvalidParameterCombination",
			"Network interfaces and an instance-level security groups may not be specified on the same request",
		},
		{
			"interfaces and address", func(in *runIn) { nic(plain)(in); in.PrivateIpAddress = new("172.31.0.9") }, "InvalidParameterCombination",
			"Network interfaces and an instance-level private address may not be specified on the same request",
		},
		{"too many interfaces", nic(plain, plain, plain), "AttachmentLimitExceeded", "Interface count 3 exceeds the limit for t3.micro"},
		{"no index", nic(func(s *spec) { s.DeviceIndex = nil }), "InvalidParameterValue", "Each network interface requires a device index."},
		{"same index", nic(plain, func(s *spec) { s.DeviceIndex = new(int32(0)) }), "InvalidParameterValue", "Each network interface requires a unique device index."},
		{"no index 0", nic(func(s *spec) { s.DeviceIndex = new(int32(1)) }), "InvalidParameterValue", "When specifying network interfaces, you must include a device at index 0."},
		{
			"public on several", nic(func(s *spec) { s.AssociatePublicIpAddress = new(true) }, plain), "InvalidParameterCombination",
			"The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
		},
		{
			"public on index 1", nic(plain, func(s *spec) { s.AssociatePublicIpAddress = new(false) }), "InvalidParameterCombination",
			"The associatePublicIPAddress parameter can only be specified for the network interface with DeviceIndex 0",
		},
		{"zones differ", nic(plain, func(s *spec) { s.SubnetId = &r.net.Subnets[1].ID }), "InvalidParameterCombination", "The network interfaces of an instance must be in the same availability zone"},
		{"VPCs differ", nic(plain, func(s *spec) { s.SubnetId = &other.Subnets[0].ID }), "InvalidParameterCombination", "The network interfaces of an instance must be in the same VPC"},
		{"too many addresses", nic(func(s *spec) { s.SecondaryPrivateIpAddressCount = new(int32(2)) }), "PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit."},
		{"absurdly many addresses", nic(func(s *spec) { s.SecondaryPrivateIpAddressCount = new(int32(1 << 30)) }), "PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit."},
		{"two primaries", nic(func(s *spec) {
			s.PrivateIpAddress = new("172.31.0.9")
			s.PrivateIpAddresses = []ec2.PrivateIpAddressSpecification{{Primary: new(true), PrivateIpAddress: new("172.31.0.10")}}
		}), "InvalidParameterCombination", "Only one primary private IP address can be specified."},
		{"address twice", nic(func(s *spec) {
			s.PrivateIpAddress = new("172.31.0.9")
			s.PrivateIpAddresses = []ec2.PrivateIpAddressSpecification{{PrivateIpAddress: new("172.31.0.9")}}
		}), "InvalidParameterValue", "Address 172.31.0.9 is given more than once"},
		{"count and list", nic(func(s *spec) {
			s.SecondaryPrivateIpAddressCount = new(int32(1))
			s.PrivateIpAddresses = []ec2.PrivateIpAddressSpecification{{PrivateIpAddress: new("172.31.0.9")}}
		}), "InvalidParameterCombination", "The number of secondary private addresses and secondary private addresses may not be specified on the same request"},
		{"existing and subnet", nic(func(s *spec) { s.NetworkInterfaceId = &free.ID }), "InvalidParameterCombination", "A network interface may not specify both a network interface ID and a subnet ID"},
		{
			"existing and group", nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId, s.Groups = &free.ID, nil, []string{r.net.Group.ID} }), "InvalidParameterCombination",
			"A network interface may not specify both a network interface ID and security groups",
		},
		{"existing for many", func(in *runIn) {
			nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId = &free.ID, nil })(in)
			in.MaxCount = new(int32(2))
		}, "InvalidParameterCombination", ""},
		{"interface in use", nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId = &taken.ID, nil }), "InvalidNetworkInterface.InUse", "Interface: [" + taken.ID + "] in use."},
		{
			"interface twice", nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId = &free.ID, nil }, func(s *spec) { s.NetworkInterfaceId, s.SubnetId = &free.ID, nil }), "InvalidParameterValue",
			"The network interface '" + free.ID + "' is given more than once",
		},
		{
			"unknown interface", nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId = new("eni-00000000000000001"), nil }), "InvalidNetworkInterfaceID.NotFound",
			"The networkInterface ID 'eni-00000000000000001' does not exist",
		},
		{"malformed interface", nic(func(s *spec) { s.NetworkInterfaceId, s.SubnetId = new("eni"), nil }), "InvalidNetworkInterfaceId.Malformed", `Invalid id: "eni" (expecting "eni-...")`},

		{"device without a name", disk("", nil), "MissingParameter", "The request must contain the parameter DeviceName"},
		{"odd device", disk("/dev/nvme1n1", &ec2.EbsBlockDevice{VolumeSize: new(int32(1))}), "InvalidBlockDeviceMapping", "Value (/dev/nvme1n1) for parameter device is invalid. /dev/nvme1n1 is not a valid EBS device name."},
		{"device twice", func(in *runIn) {
			m := ec2.BlockDeviceMapping{DeviceName: new("/dev/sdf"), Ebs: &ec2.EbsBlockDevice{VolumeSize: new(int32(1))}}
			in.BlockDeviceMappings = []ec2.BlockDeviceMapping{m, m}
		}, "InvalidBlockDeviceMapping", "The device '/dev/sdf' is used in more than one block-device mapping"},
		{"root left out", func(in *runIn) {
			in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), NoDevice: new("")}}
		}, "InvalidBlockDeviceMapping", "The root device '/dev/xvda' cannot be left out"},
		{"small root", disk("/dev/xvda", &ec2.EbsBlockDevice{VolumeSize: new(int32(1))}), "InvalidBlockDeviceMapping", "Volume of size 1GB is smaller than the image's root device, expect size >= 2GB"},
		{"no size", disk("/dev/sdf", &ec2.EbsBlockDevice{}), "MissingParameter", "The request must contain the parameter size or snapshotId"},
		{"no disk", disk("/dev/sdf", nil), "InvalidBlockDeviceMapping", "The mapping of '/dev/sdf' names none of ebs, virtualName and noDevice"},
		{"odd virtual name", func(in *runIn) {
			in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), VirtualName: new("ephemeral99")}}
		}, "InvalidBlockDeviceMapping", "The virtual name 'ephemeral99' of '/dev/sdf' is not valid"},
		{
			"encrypted", disk("/dev/sdf", &ec2.EbsBlockDevice{VolumeSize: new(int32(1)), KmsKeyId: new("k")}), "InvalidParameterDependency",
			"The parameter KmsKeyId requires the parameter Encrypted to be set.",
		},
		{"snapshot", disk("/dev/sdf", &ec2.EbsBlockDevice{SnapshotId: new("snap-00000000000000001")}), "InvalidSnapshot.NotFound", "The snapshot 'snap-00000000000000001' does not exist."},
		{"too many devices", func(in *runIn) {
			for n := range 11 {
				in.BlockDeviceMappings = append(in.BlockDeviceMappings, ec2.BlockDeviceMapping{DeviceName: new(fmt.Sprintf("/dev/xvd%c", 'b'+n)), Ebs: &ec2.EbsBlockDevice{VolumeSize: new(int32(1))}})
			}
		}, "AttachmentLimitExceeded", "An instance of type t3.micro has room for 10 volumes and network interfaces beside its root device and primary interface."},

		{
			"too large for any host", func(in *runIn) { in.InstanceType = new("r5.4xlarge") }, "InsufficientInstanceCapacity",
			"We currently do not have sufficient r5.4xlarge capacity in the Availability Zone you requested (eu-paris-1a): no host has 16 vCPUs, 131072 MiB of memory and 1 GiB of disk to spare. " +
				"Stop or terminate instances, choose a smaller type or another zone, or add a host.",
		},
	} {
		_, err := r.RunInstances(r.ctx, r.request(c.change))
		if c.message == "" {
			want(t, c.name, err, c.code)
		} else {
			want(t, c.name, err, c.code, c.message)
		}
	}
	if now := r.DB.View().Revision(); now != before {
		t.Error("a refused launch wrote something")
	}
}

// Each of these asks for an effect that this cloud does not have.
func TestRunInstancesRefusesWhatItDoesNotHave(t *testing.T) {
	r := newGuestRig(t)
	for name, c := range map[string]struct {
		change func(*runIn)
		code   string
	}{
		"additional info": {func(in *runIn) { in.AdditionalInfo = new("x") }, "UnsupportedOperation"},
		"elastic GPU":     {func(in *runIn) { in.ElasticGpuSpecification = make([]ec2.ElasticGpuSpecification, 1) }, "UnsupportedOperation"},
		"accelerator":     {func(in *runIn) { in.ElasticInferenceAccelerators = make([]ec2.ElasticInferenceAccelerator, 1) }, "UnsupportedOperation"},
		"enclave":         {func(in *runIn) { in.EnclaveOptions = &ec2.EnclaveOptionsRequest{Enabled: new(true)} }, "UnsupportedOperation"},
		"hibernation":     {func(in *runIn) { in.HibernationOptions = &ec2.HibernationOptionsRequest{Configured: new(true)} }, "UnsupportedOperation"},
		"spot":            {func(in *runIn) { in.InstanceMarketOptions = &ec2.InstanceMarketOptionsRequest{MarketType: new("spot")} }, "UnsupportedOperation"},
		"kernel":          {func(in *runIn) { in.KernelId = new("aki-1") }, "UnsupportedOperation"},
		"ramdisk":         {func(in *runIn) { in.RamdiskId = new("ari-1") }, "UnsupportedOperation"},
		"license":         {func(in *runIn) { in.LicenseSpecifications = make([]ec2.LicenseConfigurationRequest, 1) }, "UnsupportedOperation"},
		"IPv6 count":      {func(in *runIn) { in.Ipv6AddressCount = new(int32(1)) }, "InvalidParameterValue"}, // the subnet has none
		"IPv6 address":    {func(in *runIn) { in.Ipv6Addresses = make([]ec2.InstanceIpv6Address, 1) }, "InvalidParameterValue"},
		"primary IPv6":    {func(in *runIn) { in.EnablePrimaryIpv6 = new(true) }, "UnsupportedOperation"},
		"operator":        {func(in *runIn) { in.Operator = &ec2.OperatorRequest{} }, "UnsupportedOperation"},
		"secondary network": {func(in *runIn) {
			in.SecondaryInterfaces = make([]ec2.InstanceSecondaryInterfaceSpecificationRequest, 1)
		}, "UnsupportedOperation"},
		"bandwidth": {func(in *runIn) {
			in.NetworkPerformanceOptions = &ec2.InstanceNetworkPerformanceOptionsRequest{BandwidthWeighting: new("vpc-1")}
		}, "UnsupportedOperation"},
		"profile name":    {func(in *runIn) { in.IamInstanceProfile = &ec2.IamInstanceProfileSpecification{Name: new("x")} }, "InvalidParameterValue"},
		"profile ARN":     {func(in *runIn) { in.IamInstanceProfile = &ec2.IamInstanceProfileSpecification{Arn: new("x")} }, "InvalidParameterValue"},
		"template ID":     {func(in *runIn) { in.LaunchTemplate = &ec2.LaunchTemplateSpecification{LaunchTemplateId: new("lt-1")} }, "InvalidLaunchTemplateId.NotFound"},
		"template name":   {func(in *runIn) { in.LaunchTemplate = &ec2.LaunchTemplateSpecification{LaunchTemplateName: new("x")} }, "InvalidLaunchTemplateName.NotFoundException"},
		"placement group": {func(in *runIn) { in.Placement = &ec2.Placement{GroupName: new("x")} }, "InvalidPlacementGroup.Unknown"},
		"tenancy":         {func(in *runIn) { in.Placement = &ec2.Placement{Tenancy: new("dedicated")} }, "UnsupportedOperation"},
		"dedicated host":  {func(in *runIn) { in.Placement = &ec2.Placement{HostId: new("h-1")} }, "UnsupportedOperation"},
		"affinity":        {func(in *runIn) { in.Placement = &ec2.Placement{Affinity: new("host")} }, "UnsupportedOperation"},
		"partition":       {func(in *runIn) { in.Placement = &ec2.Placement{PartitionNumber: new(int32(1))} }, "UnsupportedOperation"},
		"cores":           {func(in *runIn) { in.CpuOptions = &ec2.CpuOptionsRequest{CoreCount: new(int32(1))} }, "UnsupportedOperation"},
		"threads":         {func(in *runIn) { in.CpuOptions = &ec2.CpuOptionsRequest{ThreadsPerCore: new(int32(2))} }, "UnsupportedOperation"},
		"SEV":             {func(in *runIn) { in.CpuOptions = &ec2.CpuOptionsRequest{AmdSevSnp: new("enabled")} }, "UnsupportedOperation"},
		"nested":          {func(in *runIn) { in.CpuOptions = &ec2.CpuOptionsRequest{NestedVirtualization: new("enabled")} }, "UnsupportedOperation"},
		"unlimited": {func(in *runIn) {
			in.CreditSpecification = &ec2.CreditSpecificationRequest{CpuCredits: new("unlimited")}
		}, "UnsupportedOperation"},
		"odd credits": {func(in *runIn) { in.CreditSpecification = &ec2.CreditSpecificationRequest{CpuCredits: new("x")} }, "InvalidParameterValue"},
		"credits of a steady": {func(in *runIn) {
			in.InstanceType, in.CreditSpecification = new("m5.large"), &ec2.CreditSpecificationRequest{CpuCredits: new("standard")}
		}, "InvalidParameterCombination"},
		"reservation": {func(in *runIn) {
			in.CapacityReservationSpecification = &ec2.CapacityReservationSpecification{CapacityReservationTarget: &ec2.CapacityReservationTarget{}}
		}, "UnsupportedOperation"},
		"odd reservation": {func(in *runIn) {
			in.CapacityReservationSpecification = &ec2.CapacityReservationSpecification{CapacityReservationPreference: new("x")}
		}, "InvalidParameterValue"},
		"recovery": {func(in *runIn) {
			in.MaintenanceOptions = &ec2.InstanceMaintenanceOptionsRequest{AutoRecovery: new("disabled")}
		}, "UnsupportedOperation"},
		"host name": {func(in *runIn) {
			in.PrivateDnsNameOptions = &ec2.PrivateDnsNameOptionsRequest{HostnameType: new("resource-name")}
		}, "UnsupportedOperation"},
	} {
		_, err := r.RunInstances(r.ctx, r.request(c.change))
		want(t, name, err, c.code)
	}
	for name, change := range map[string]func(*ec2.InstanceNetworkInterfaceSpecification){
		"IPv6":     func(s *ec2.InstanceNetworkInterfaceSpecification) { s.PrimaryIpv6 = new(true) },
		"prefixes": func(s *ec2.InstanceNetworkInterfaceSpecification) { s.Ipv4PrefixCount = new(int32(1)) },
		"carrier":  func(s *ec2.InstanceNetworkInterfaceSpecification) { s.AssociateCarrierIpAddress = new(true) },
		"EFA":      func(s *ec2.InstanceNetworkInterfaceSpecification) { s.InterfaceType = new("efa") },
		"card":     func(s *ec2.InstanceNetworkInterfaceSpecification) { s.NetworkCardIndex = new(int32(1)) },
		"queues":   func(s *ec2.InstanceNetworkInterfaceSpecification) { s.EnaQueueCount = new(int32(2)) },
		"ENA express": func(s *ec2.InstanceNetworkInterfaceSpecification) {
			s.EnaSrdSpecification = &ec2.EnaSrdSpecificationRequest{EnaSrdEnabled: new(true)}
		},
		"tracking": func(s *ec2.InstanceNetworkInterfaceSpecification) {
			s.ConnectionTrackingSpecification = &ec2.ConnectionTrackingSpecificationRequest{}
		},
	} {
		_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) {
			spec := ec2.InstanceNetworkInterfaceSpecification{DeviceIndex: new(int32(0))}
			change(&spec)
			in.SubnetId, in.NetworkInterfaces = nil, []ec2.InstanceNetworkInterfaceSpecification{spec}
		}))
		want(t, name, err, "UnsupportedOperation")
	}
}

// What every instance has anyway may be asked for.
func TestRunInstancesAcceptsHarmlessDefaults(t *testing.T) {
	r := newGuestRig(t)
	r.launchIDs(func(in *runIn) {
		in.EnclaveOptions = &ec2.EnclaveOptionsRequest{Enabled: new(false)}
		in.HibernationOptions = &ec2.HibernationOptionsRequest{Configured: new(false)}
		in.CpuOptions = &ec2.CpuOptionsRequest{CoreCount: new(int32(2)), ThreadsPerCore: new(int32(1))}
		in.CreditSpecification = &ec2.CreditSpecificationRequest{CpuCredits: new("standard")}
		in.CapacityReservationSpecification = &ec2.CapacityReservationSpecification{CapacityReservationPreference: new("open")}
		in.MaintenanceOptions = &ec2.InstanceMaintenanceOptionsRequest{AutoRecovery: new("default")}
		in.NetworkPerformanceOptions = &ec2.InstanceNetworkPerformanceOptionsRequest{BandwidthWeighting: new("default")}
		in.Placement = &ec2.Placement{AvailabilityZone: new("eu-paris-1a"), Tenancy: new("default"), GroupName: new("")}
		in.PrivateDnsNameOptions = &ec2.PrivateDnsNameOptionsRequest{HostnameType: new("ip-name"), EnableResourceNameDnsARecord: new(false)}
		in.Ipv6AddressCount, in.EnablePrimaryIpv6 = new(int32(0)), new(false)
	})
}

func TestRunInstancesInterfaces(t *testing.T) {
	r := newGuestRig(t)
	kept := r.addInterface("", port{addresses: []netip.Addr{netip.MustParseAddr("172.31.0.77")}})
	id := r.launchIDs(func(in *runIn) {
		in.InstanceType, in.SubnetId = new("t3.small"), nil
		in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{
			{DeviceIndex: new(int32(2)), NetworkInterfaceId: &kept.ID},
			{DeviceIndex: new(int32(1)), Description: new("second"), DeleteOnTermination: new(false), SecondaryPrivateIpAddressCount: new(int32(2))},
			{
				DeviceIndex: new(int32(0)), SubnetId: &r.net.Subnets[0].ID, PrivateIpAddress: new("172.31.0.80"),
				PrivateIpAddresses: []ec2.PrivateIpAddressSpecification{{PrivateIpAddress: new("172.31.0.81")}}, Groups: []string{r.net.Group.ID},
			},
		}
	})[0]
	nics := r.nics(id)
	if len(nics) != 3 {
		t.Fatalf("got %d interfaces", len(nics))
	}
	if n := nics[0]; n.Addresses[0].Private.String() != "172.31.0.80" || n.Addresses[1].Private.String() != "172.31.0.81" || n.Addresses[0].Public != nil || !n.Attachment.DeleteOnTermination {
		t.Errorf("got primary %+v", n)
	}
	if n := nics[1]; len(n.Addresses) != 3 || n.Description != "second" || n.Attachment.DeleteOnTermination || n.Subnet != nics[0].Subnet {
		t.Errorf("got second %+v", n)
	}
	if n := nics[2]; n.ID != kept.ID || n.Attachment.DeviceIndex != 2 || n.Attachment.DeleteOnTermination {
		t.Errorf("got third %+v", n)
	}
	shown := r.describe(id)
	if len(shown.NetworkInterfaces) != 3 || *shown.PrivateIpAddress != "172.31.0.80" || shown.PublicIpAddress != nil || *shown.PublicDnsName != "" {
		t.Errorf("got %d interfaces, %v", len(shown.NetworkInterfaces), *shown.PrivateIpAddress)
	}
}

func TestRunInstancesPublicAddress(t *testing.T) {
	r := newGuestRig(t)
	private := r.addVPC()
	r.update(func(tx *store.Tx) error {
		return subnetTable.Modify(tx, private.Subnets[0].ID, func(s *cloud.Subnet) error { s.MapPublicIP = false; return nil })
	})
	for _, c := range []struct {
		subnet string
		asked  *bool
		public bool
	}{
		{r.net.Subnets[0].ID, nil, true},
		{r.net.Subnets[0].ID, new(false), false},
		{r.net.Subnets[0].ID, new(true), true},
		{private.Subnets[0].ID, nil, false},
		{private.Subnets[0].ID, new(false), false},
		{private.Subnets[0].ID, new(true), true},
	} {
		id := r.launchIDs(func(in *runIn) {
			in.SubnetId = nil
			in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), SubnetId: &c.subnet, AssociatePublicIpAddress: c.asked}}
		})[0]
		if got := r.nics(id)[0].Addresses[0].Public != nil; got != c.public {
			t.Errorf("%+v: public %v", c, got)
		}
		if got := r.doc(id).PublicAddress; got != c.public {
			t.Errorf("%+v: public at each start %v", c, got)
		}
	}
}

// A launch that names no place goes to a zone with room.
func TestRunInstancesChoosesZone(t *testing.T) {
	r := newGuestRig(t)
	anywhere := func(in *runIn) { in.SubnetId = nil }
	if i := r.doc(r.launchIDs(anywhere)[0]); i.Zone != "eu-paris-1a" || i.Subnet != r.net.Subnets[0].ID {
		t.Errorf("got %s, want the first zone", i.Zone)
	}
	r.changeHost(hostA, func(h *cloud.Host) { h.MemoryMiB = 3072 }) // room for two more
	if i := r.doc(r.launchIDs(anywhere, func(in *runIn) { in.MinCount, in.MaxCount = new(int32(3)), new(int32(3)) })[0]); i.Zone != "eu-paris-1b" || i.Subnet != r.net.Subnets[1].ID || i.Host != hostB {
		t.Errorf("got %s on %s, want the zone with room", i.Zone, i.Host)
	}
	if i := r.doc(r.launchIDs(anywhere, func(in *runIn) { in.Placement = &ec2.Placement{AvailabilityZoneId: new("eup1-az2")} })[0]); i.Zone != "eu-paris-1b" {
		t.Errorf("got %s, want the zone of the ID", i.Zone)
	}
	r.update(func(tx *store.Tx) error { return subnetTable.Delete(tx, r.net.Subnets[1].ID) })
	_, err := r.RunInstances(r.ctx, r.request(anywhere, func(in *runIn) { in.MinCount, in.MaxCount = new(int32(3)), new(int32(3)) }))
	want(t, "no room where a subnet is", err, "InsufficientInstanceCapacity")
	_, err = r.RunInstances(r.ctx, r.request(anywhere, func(in *runIn) { in.Placement = &ec2.Placement{AvailabilityZone: new("eu-paris-1b")} }))
	want(t, "no subnet in the zone", err, "MissingInput")
	r.update(func(tx *store.Tx) error {
		return accountTable.Modify(tx, alice, func(a *cloud.Account) error { a.DefaultVPC = ""; return nil })
	})
	_, err = r.RunInstances(r.ctx, r.request(anywhere))
	want(t, "no default VPC", err, "VPCIdNotSpecified")
}

// As many as there is room for between MinCount and MaxCount are launched, or
// none and nothing is left behind.
func TestRunInstancesPartial(t *testing.T) {
	r := newGuestRig(t)
	r.changeHost(hostA, func(h *cloud.Host) { h.MemoryMiB = 3 * 1024 })
	if ids := r.launchIDs(func(in *runIn) { in.MaxCount = new(int32(10)) }); len(ids) != 3 {
		t.Errorf("launched %d, want 3", len(ids))
	}
	before := r.DB.View().Revision()
	_, err := r.RunInstances(r.ctx, r.request())
	want(t, "full host", err, "InsufficientInstanceCapacity")
	if e := err.(*cloud.Error); e.HTTPStatus() != 500 {
		t.Errorf("got status %d, want 500", e.HTTPStatus())
	}
	r.changeHost(hostB, func(h *cloud.Host) { h.DiskFree = 5 })
	inB := func(in *runIn) { in.SubnetId = &r.net.Subnets[1].ID }
	if ids := r.launchIDs(inB, func(in *runIn) {
		in.MaxCount = new(int32(10))
		in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), Ebs: &ec2.EbsBlockDevice{VolumeSize: new(int32(100))}}}
	}); len(ids) != 2 {
		t.Errorf("launched %d on 5 GiB of disk, want 2", len(ids))
	}
	if ids := r.launchIDs(inB, func(in *runIn) { in.MaxCount = new(int32(10)) }); len(ids) != 1 {
		t.Errorf("launched %d on 1 GiB of disk, want 1", len(ids))
	}
	_, err = r.RunInstances(r.ctx, r.request(inB))
	want(t, "full disk", err, "InsufficientInstanceCapacity")
	if before == r.DB.View().Revision() {
		t.Error("nothing was written")
	}
	r.tick(0)
	r.clock.Add(61)
	_, err = r.RunInstances(r.ctx, r.request(inB))
	want(t, "silent host", err, "InsufficientInstanceCapacity")
}

func TestVCPULimit(t *testing.T) {
	r := newGuestRig(t)
	r.Limits.VCPUs = 5
	ids := r.launchIDs(func(in *runIn) { in.MaxCount = new(int32(9)) })
	if len(ids) != 2 {
		t.Fatalf("launched %d of 2 vCPUs each, want 2", len(ids))
	}
	const words = "You have requested more vCPU capacity than your current vCPU limit of 5 allows. Stop or terminate instances, or ask the operator for a higher limit."
	_, err := r.RunInstances(r.ctx, r.request())
	want(t, "over the limit", err, "VcpuLimitExceeded", words)
	if _, err := r.RunInstances(r.bob, r.request(func(in *runIn) { in.SubnetId = nil })); err != nil {
		t.Errorf("another account's limit: %v", err)
	}
	r.runs(ids[0])
	must(r.StopInstances(r.ctx, &ec2.StopInstancesRequest{InstanceIds: ids[:1]}))(t)
	_, err = r.RunInstances(r.ctx, r.request())
	want(t, "one is stopping", err, "VcpuLimitExceeded", words)
	r.ends(ids[0])
	r.settle(ids[0])
	r.launchIDs()
	_, err = r.StartInstances(r.ctx, &ec2.StartInstancesRequest{InstanceIds: ids[:1]})
	want(t, "start over the limit", err, "VcpuLimitExceeded", words)
}

func TestClientToken(t *testing.T) {
	r := newGuestRig(t)
	token := func(in *runIn) { in.ClientToken = new("once") }
	first := must(r.RunInstances(r.ctx, r.request(token)))(t)
	again := must(r.RunInstances(r.ctx, r.request(token)))(t)
	if *first.ReservationId != *again.ReservationId || *first.Instances[0].InstanceId != *again.Instances[0].InstanceId {
		t.Error("the same token launched again")
	}
	_, err := r.RunInstances(r.ctx, r.request(token, func(in *runIn) { in.InstanceType = new("t3.nano") }))
	want(t, "other parameters", err, "IdempotentParameterMismatch")
	id := *first.Instances[0].InstanceId
	r.update(func(tx *store.Tx) error { return instanceTable.Delete(tx, id) })
	_, err = r.RunInstances(r.ctx, r.request(token))
	want(t, "forgotten instance", err, "IdempotentInstanceTerminated")
	if out := must(r.RunInstances(r.bob, r.request(token, func(in *runIn) { in.SubnetId = nil })))(t); *out.OwnerId != bob {
		t.Error("a token reached another account")
	}
}

func TestParallelClientToken(t *testing.T) {
	r := newGuestRig(t)
	reservations := make([]string, 50)
	var work sync.WaitGroup
	for n := range reservations {
		work.Go(func() {
			out, err := r.RunInstances(r.ctx, r.request(func(in *runIn) {
				in.ClientToken, in.MinCount, in.MaxCount = new("once"), new(int32(2)), new(int32(2))
			}))
			if err != nil {
				t.Error(err)
				return
			}
			reservations[n] = *out.ReservationId
		})
	}
	work.Wait()
	slices.Sort(reservations)
	if all := slices.Compact(reservations); len(all) != 1 {
		t.Errorf("got reservations %v, want one", all)
	}
	if n := instanceTable.Count(r.DB.View(), cloud.AccountLabel(alice)); n != 2 {
		t.Errorf("got %d instances, want 2", n)
	}
}

// Guests spread over hosts, and a slot is free again once its guest has gone.
func TestPlacement(t *testing.T) {
	r := newGuestRig(t)
	r.addHost("host-c", 0)
	ids := r.launchIDs(func(in *runIn) { in.MinCount, in.MaxCount = new(int32(6)), new(int32(6)) })
	on := map[string][]int{}
	for _, id := range ids {
		i := r.doc(id)
		on[i.Host] = append(on[i.Host], i.Slot)
	}
	for host, taken := range on {
		if slices.Sort(taken); !slices.Equal(taken, []int{1, 2, 3}) {
			t.Errorf("%s: got slots %v", host, taken)
		}
	}
	if len(on) != 2 {
		t.Errorf("guests are on %v", on)
	}
	gone := r.doc(ids[0])
	r.runs(gone.ID)
	must(r.TerminateInstances(r.ctx, &ec2.TerminateInstancesRequest{InstanceIds: ids[:1]}))(t)
	r.ends(gone.ID)
	r.settle(gone.ID)
	if next := r.doc(r.launchIDs()[0]); next.Host != gone.Host || next.Slot != gone.Slot {
		t.Errorf("got slot %d on %s, want %d on %s", next.Slot, next.Host, gone.Slot, gone.Host)
	}
	r.changeHost(hostA, func(h *cloud.Host) { h.Seen = r.Now().Add(-2 * time.Minute) })
	for range 4 {
		if i := r.doc(r.launchIDs()[0]); i.Host != "host-c" {
			t.Errorf("placed on the silent %s", i.Host)
		}
	}
}

func FuzzDeviceName(f *testing.F) {
	for _, name := range []string{"/dev/sdf", "sdf", "/dev/xvda", "xvdba", "/dev/sda1", "/dev/nvme0n1", "/dev/sdZZ"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !validDevice(name) {
			return
		}
		if len(name) > len("/dev/sda15") || strings.ContainsAny(name, " \x00\"'<>&.") {
			t.Errorf("%q is accepted", name)
		}
	})
}

func FuzzUserData(f *testing.F) {
	f.Add("IyEvYmluL3NoCg==")
	f.Add("IyEvYmlu\nL3NoCg==\n")
	f.Add("")
	f.Add("====")
	f.Fuzz(func(t *testing.T, encoded string) {
		data, err := decodeUserData(encoded)
		switch {
		case err != nil && code(err) != "InvalidUserData.Malformed" && code(err) != "InvalidParameterValue":
			t.Fatal(err)
		case err == nil && (len(data) > maxUserData || data != nil && len(data) == 0):
			t.Fatalf("accepted %d bytes", len(data))
		}
	})
}
