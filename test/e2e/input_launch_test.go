package e2e_test

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// launch is a launch that would succeed but for the edit.
func (f *furniture) launch(edit func(*ec2.RunInstancesInput)) func(context.Context) error {
	in := &ec2.RunInstancesInput{ImageId: &f.image, InstanceType: types.InstanceTypeT2Nano, MinCount: new(int32(1)), MaxCount: new(int32(1))}
	edit(in)
	return call(f.ec2.RunInstances, in)
}

// nics is a launch with these network interfaces.
func (f *furniture) nics(list ...types.InstanceNetworkInterfaceSpecification) func(context.Context) error {
	return f.launch(func(in *ec2.RunInstancesInput) { in.NetworkInterfaces = list })
}

func (f *furniture) badLaunches() []bad {
	type in = *ec2.RunInstancesInput
	type nic = types.InstanceNetworkInterfaceSpecification
	const unknown = "0123456789abcdef0"
	zero, one := new(int32(0)), new(int32(1))
	tagged := func(tags ...types.Tag) func(in) {
		return func(i in) {
			i.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags}}
		}
	}
	return []bad{
		{"malformed image", f.launch(func(i in) { i.ImageId = new("ami-xyz") }), "InvalidAMIID.Malformed", `Invalid id: "ami-xyz"`},
		{"image of another kind", f.launch(func(i in) { i.ImageId = new("i-" + unknown) }), "InvalidAMIID.Malformed", `(expecting "ami-...")`},
		{"unknown image", f.launch(func(i in) { i.ImageId = new("ami-" + unknown) }), "InvalidAMIID.NotFound", "The image id '[ami-" + unknown + "]' does not exist"},
		{"no image", f.launch(func(i in) { i.ImageId = nil }), "MissingParameter", "ImageId"},
		{"unknown type", f.launch(func(i in) { i.InstanceType = "t9.nano" }), "InvalidParameterValue", "Invalid value 't9.nano' for InstanceType"},
		{"unknown key", f.launch(func(i in) { i.KeyName = new("nobody") }), "InvalidKeyPair.NotFound", "The key pair 'nobody' does not exist"},
		{"count of 0", f.launch(func(i in) { i.MinCount, i.MaxCount = zero, zero }), "InvalidParameterValue", "minCount"},
		{"negative count", f.launch(func(i in) { i.MinCount = new(int32(-1)) }), "InvalidParameterValue", "minCount"},
		{"MaxCount below MinCount", f.launch(func(i in) { i.MinCount = new(int32(2)) }), "InvalidParameterValue", "maxCount"},
		{"too many at once", f.launch(func(i in) { i.MinCount, i.MaxCount = new(int32(5000)), new(int32(5000)) }), "InstanceLimitExceeded", ""},
		{"token of another launch", f.launch(func(i in) { i.ClientToken = new("furniture") }), "IdempotentParameterMismatch", "furniture"},
		{"token too long", f.launch(func(i in) { i.ClientToken = new(strings.Repeat("t", 65)) }), "InvalidParameterValue", "64"},
		{"token of other letters", f.launch(func(i in) { i.ClientToken = new("jeton-é") }), "InvalidParameterValue", ""},

		{"malformed subnet", f.launch(func(i in) { i.SubnetId = new("subnet-1") }), "InvalidSubnetID.Malformed", "subnet-1"},
		{"unknown subnet", f.launch(func(i in) { i.SubnetId = new("subnet-" + unknown) }), "InvalidSubnetID.NotFound", "The subnet ID 'subnet-" + unknown + "' does not exist"},
		{"malformed group", f.launch(func(i in) { i.SecurityGroupIds = []string{"worn"} }), "InvalidGroupId.Malformed", `Invalid id: "worn" (expecting "sg-...")`},
		{"unknown group", f.launch(func(i in) { i.SecurityGroupIds = []string{f.group, "sg-" + unknown} }), "InvalidGroup.NotFound", "The security group 'sg-" + unknown + "' does not exist"},
		{"unknown group name", f.launch(func(i in) { i.SecurityGroups = []string{"nobody"} }), "InvalidGroup.NotFound", "The security group 'nobody' does not exist in default VPC '" + f.vpc + "'"},
		{"group names with a subnet", f.launch(func(i in) { i.SubnetId, i.SecurityGroups = &f.subnet, []string{"worn"} }), "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"},
		{"group names and IDs with a subnet", f.launch(func(i in) {
			i.SubnetId, i.SecurityGroups, i.SecurityGroupIds = &f.subnet, []string{"worn"}, []string{f.group}
		}), "InvalidParameterCombination", "groupName"},
		{"unknown zone", f.launch(func(i in) { i.Placement = &types.Placement{AvailabilityZone: new("eu-paris-1z")} }), "InvalidParameterValue", "Invalid availability zone: [eu-paris-1z]"},
		{"zone of another subnet", f.launch(func(i in) { i.SubnetId, i.Placement = &f.otherSubnet, &types.Placement{AvailabilityZone: &f.zone} }), "InvalidParameterValue", f.otherZone},
		{"unknown placement group", f.launch(func(i in) { i.Placement = &types.Placement{GroupName: new("nobody")} }), "InvalidPlacementGroup.Unknown", "The Placement Group 'nobody' is unknown."},
		{"dedicated host", f.launch(func(i in) { i.Placement = &types.Placement{Tenancy: types.TenancyDedicated} }), "UnsupportedOperation", ""},

		{"address outside the subnet", f.launch(func(i in) { i.SubnetId, i.PrivateIpAddress = &f.subnet, new("10.1.2.3") }), "InvalidParameterValue", "Address 10.1.2.3 does not fall within the subnet's address range"},
		{"reserved address", f.launch(func(i in) { i.SubnetId, i.PrivateIpAddress = &f.subnet, new(gatewayOf(f.private)) }), "InvalidParameterValue", "is in subnet's reserved address range"},
		{"address in use", f.launch(func(i in) { i.SubnetId, i.PrivateIpAddress = &f.subnet, &f.private }), "InvalidIPAddress.InUse", "Address " + f.private + " is in use."},
		{"no address", f.launch(func(i in) { i.PrivateIpAddress = new("300.1.2.3") }), "InvalidParameterValue", "Invalid IPv4 address"},
		{"IPv6 address", f.launch(func(i in) { i.PrivateIpAddress = new("2001:db8::1") }), "InvalidParameterValue", "Invalid IPv4 address"},
		{"one address for two", f.launch(func(i in) { i.MaxCount, i.PrivateIpAddress = new(int32(2)), new("172.31.9.9") }), "InvalidParameterCombination", ""},
		{"IPv6", f.launch(func(i in) { i.Ipv6AddressCount = one }), "InvalidParameterValue", "no IPv6 CIDR block"},

		{"interfaces and subnet", f.launch(func(i in) { i.SubnetId, i.NetworkInterfaces = &f.subnet, []nic{{DeviceIndex: zero}} }), "InvalidParameterCombination", "Network interfaces and an instance-level subnet ID may not be specified on the same request"},
		{"interfaces and groups", f.launch(func(i in) { i.SecurityGroupIds, i.NetworkInterfaces = []string{f.group}, []nic{{DeviceIndex: zero}} }), "InvalidParameterCombination", "Network interfaces and an instance-level security groups may not be specified on the same request"},
		{"interfaces and address", f.launch(func(i in) { i.PrivateIpAddress, i.NetworkInterfaces = new("172.31.9.9"), []nic{{DeviceIndex: zero}} }), "InvalidParameterCombination", ""},
		{"interface in use", f.nics(nic{DeviceIndex: zero, NetworkInterfaceId: &f.port}), "InvalidNetworkInterface.InUse", f.port},
		{"malformed interface", f.nics(nic{DeviceIndex: zero, NetworkInterfaceId: new("eni-é")}), "InvalidNetworkInterfaceId.Malformed", ""},
		{"unknown interface", f.nics(nic{DeviceIndex: zero, NetworkInterfaceId: new("eni-" + unknown)}), "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-" + unknown + "' does not exist"},
		{"existing interface with a subnet", f.nics(nic{DeviceIndex: zero, NetworkInterfaceId: &f.port, SubnetId: &f.subnet}), "InvalidParameterCombination", ""},
		{"interface without index", f.nics(nic{SubnetId: &f.subnet}), "InvalidParameterValue", "device index"},
		{"no primary interface", f.nics(nic{DeviceIndex: one}), "InvalidParameterValue", "index 0"},
		{"two primary interfaces", f.nics(nic{DeviceIndex: zero}, nic{DeviceIndex: zero}), "InvalidParameterValue", "unique device index"},
		{"interfaces in two zones", f.nics(nic{DeviceIndex: zero, SubnetId: &f.subnet}, nic{DeviceIndex: one, SubnetId: &f.otherSubnet}), "InvalidParameterCombination", "zone"},
		{"too many interfaces", f.nics(nic{DeviceIndex: zero}, nic{DeviceIndex: one}, nic{DeviceIndex: new(int32(2))}), "AttachmentLimitExceeded", "Interface count 3 exceeds the limit for t2.nano"},
		{"public address with two interfaces", f.nics(nic{DeviceIndex: zero, AssociatePublicIpAddress: new(true)}, nic{DeviceIndex: one}), "InvalidParameterCombination", "associatePublicIPAddress"},
		{"two primary addresses", f.nics(nic{DeviceIndex: zero, PrivateIpAddresses: []types.PrivateIpAddressSpecification{
			{PrivateIpAddress: new("172.31.9.8"), Primary: new(true)}, {PrivateIpAddress: new("172.31.9.9"), Primary: new(true)},
		}}), "InvalidParameterCombination", "Only one primary private IP address can be specified"},
		{"number and list of addresses", f.nics(nic{DeviceIndex: zero, SecondaryPrivateIpAddressCount: one, PrivateIpAddresses: []types.PrivateIpAddressSpecification{
			{PrivateIpAddress: new("172.31.9.9")},
		}}), "InvalidParameterCombination", ""},
		{"absurdly many addresses", f.nics(nic{DeviceIndex: zero, SecondaryPrivateIpAddressCount: new(int32(1 << 30))}), "PrivateIpAddressLimitExceeded", ""},

		{"oversized user data", f.launch(func(i in) { i.UserData = new(base64.StdEncoding.EncodeToString(make([]byte, 16385))) }), "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{"much user data", f.launch(func(i in) { i.UserData = new(strings.Repeat("A", 1<<19)) }), "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{"user data in the clear", f.launch(func(i in) { i.UserData = new("#!/bin/sh") }), "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data"},
		{"unknown shutdown behavior", f.launch(func(i in) { i.InstanceInitiatedShutdownBehavior = "explode" }), "InvalidParameterValue", "explode"},
		{"unknown tokens option", f.launch(func(i in) { i.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpTokens: "maybe"} }), "InvalidParameterValue", "maybe"},
		{"hop limit of 65", f.launch(func(i in) {
			i.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: new(int32(65))}
		}), "InvalidParameterValue", "65"},
		{"unknown profile", f.launch(func(i in) { i.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: new("nobody")} }), "InvalidParameterValue", "Value (nobody) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{"unknown launch template", f.launch(func(i in) {
			i.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateName: new("nobody")}
		}), "InvalidLaunchTemplateName.NotFoundException", "nobody"},
		{"spot", f.launch(func(i in) {
			i.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: types.MarketTypeSpot}
		}), "UnsupportedOperation", ""},
		{"hibernation", f.launch(func(i in) { i.HibernationOptions = &types.HibernationOptionsRequest{Configured: new(true)} }), "UnsupportedOperation", ""},

		{"long tag key", f.launch(tagged(types.Tag{Key: new(strings.Repeat("k", 129)), Value: new("")})), "InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters"},
		{"long tag value", f.launch(tagged(types.Tag{Key: new("k"), Value: new(strings.Repeat("é", 257))})), "InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters"},
		{"too many tags", f.launch(tagged(manyTags(51)...)), "TagLimitExceeded", ""},
		{"reserved tag", f.launch(tagged(types.Tag{Key: new("aws:cloud"), Value: new("")})), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"tags of what is not made", f.launch(func(i in) {
			i.TagSpecifications = []types.TagSpecification{tag(types.ResourceTypeVpc, "k", "v")}
		}), "InvalidParameterValue", "'vpc' is not a valid taggable resource type for this operation."},
	}
}

// badDevices are launches with disks that cannot be.
func (f *furniture) badDevices() []bad {
	devices := func(list ...types.BlockDeviceMapping) func(context.Context) error {
		return f.launch(func(i *ec2.RunInstancesInput) { i.BlockDeviceMappings = list })
	}
	disk := func(name string, ebs types.EbsBlockDevice) types.BlockDeviceMapping {
		return types.BlockDeviceMapping{DeviceName: &name, Ebs: &ebs}
	}
	size := func(n int32) types.EbsBlockDevice { return types.EbsBlockDevice{VolumeSize: &n} }
	return []bad{
		{"root device too small", devices(disk("/dev/xvda", size(0))), "InvalidBlockDeviceMapping", "smaller"},
		{"one device twice", devices(disk("/dev/sdb", size(1)), disk("/dev/sdb", size(1))), "InvalidBlockDeviceMapping", "/dev/sdb"},
		{"device of no name", devices(disk("sofa", size(1))), "InvalidBlockDeviceMapping", "sofa"},
		{"disk of no size", devices(disk("/dev/sdb", types.EbsBlockDevice{DeleteOnTermination: new(true)})), "MissingParameter", "size"},
		{"absurdly large disk", devices(disk("/dev/sdb", size(1<<30))), "InvalidParameterValue", "too large"},
		{"negative disk", devices(disk("/dev/sdb", size(-1))), "InvalidParameterValue", "too small"},
		{"unknown volume type", devices(disk("/dev/sdb", types.EbsBlockDevice{VolumeSize: new(int32(1)), VolumeType: "gp9"})), "UnknownVolumeType", "gp9"},
		{"unknown snapshot", devices(disk("/dev/sdb", types.EbsBlockDevice{SnapshotId: new("snap-0123456789abcdef0")})), "InvalidSnapshot.NotFound", "The snapshot 'snap-0123456789abcdef0' does not exist."},
		{"nothing and something", devices(types.BlockDeviceMapping{DeviceName: new("/dev/sdb"), NoDevice: new(""), Ebs: &types.EbsBlockDevice{VolumeSize: new(int32(1))}}), "InvalidBlockDeviceMapping", "/dev/sdb"},
		{"no root device", devices(types.BlockDeviceMapping{DeviceName: new("/dev/xvda"), NoDevice: new("")}), "InvalidBlockDeviceMapping", "/dev/xvda"},
	}
}

// tooLarge are launches for which no host has room, at any time.
func (f *furniture) tooLarge() []bad {
	type in = *ec2.RunInstancesInput
	many := func(i in) { i.InstanceType, i.MinCount, i.MaxCount = "r5.4xlarge", new(int32(1000)), new(int32(1000)) }
	return []bad{
		{"a thousand large ones", f.launch(many), "InsufficientInstanceCapacity", "capacity"},
		{"with a subnet", f.launch(func(i in) { many(i); i.SubnetId = &f.subnet }), "InsufficientInstanceCapacity", f.zone},
		{"with a zone", f.launch(func(i in) { many(i); i.Placement = &types.Placement{AvailabilityZone: &f.otherZone} }), "InsufficientInstanceCapacity", f.otherZone},
		{"with a token", f.launch(func(i in) { many(i); i.ClientToken = new("many") }), "InsufficientInstanceCapacity", ""},
		{"with the token again", f.launch(func(i in) { many(i); i.ClientToken = new("many") }), "InsufficientInstanceCapacity", ""},
		{"with disks, addresses and tags", f.launch(func(i in) {
			many(i)
			i.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: new("/dev/sdb"), Ebs: &types.EbsBlockDevice{VolumeSize: new(int32(1))}}}
			i.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), AssociatePublicIpAddress: new(true), SecondaryPrivateIpAddressCount: new(int32(1))}}
			i.TagSpecifications = []types.TagSpecification{tag(types.ResourceTypeInstance, "k", "v")}
		}), "InsufficientInstanceCapacity", ""},
	}
}

// gatewayOf is the first address of the /20 that an address lies in: the router's.
func gatewayOf(address string) string {
	return netip.PrefixFrom(netip.MustParseAddr(address), 20).Masked().Addr().Next().String()
}
