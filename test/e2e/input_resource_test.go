package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// nobody is the ID of a resource that is not there.
func nobody(prefix string) string { return prefix + "-0123456789abcdef0" }

func (f *furniture) badInstances() []bad {
	type terminate = ec2.TerminateInstancesInput
	type modify = ec2.ModifyInstanceAttributeInput
	change := func(edit func(*modify)) func(context.Context) error {
		in := &modify{InstanceId: &f.instance}
		edit(in)
		return call(f.ec2.ModifyInstanceAttribute, in)
	}
	off := &types.AttributeBooleanValue{Value: new(false)}
	return []bad{
		{"terminate what is protected", call(f.ec2.TerminateInstances, &terminate{InstanceIds: []string{f.instance}}), "OperationNotPermitted", "disableApiTermination"},
		{"terminate it and a dead one", call(f.ec2.TerminateInstances, &terminate{InstanceIds: []string{f.dead, f.instance}}), "OperationNotPermitted", f.instance},
		{"terminate nobody", call(f.ec2.TerminateInstances, &terminate{InstanceIds: []string{nobody("i")}}), "InvalidInstanceID.NotFound", "The instance ID '" + nobody("i") + "' does not exist"},
		{"terminate no ID", call(f.ec2.TerminateInstances, &terminate{InstanceIds: []string{"i-0123"}}), "InvalidInstanceID.Malformed", `Invalid id: "i-0123"`},
		{"terminate a volume", call(f.ec2.TerminateInstances, &terminate{InstanceIds: []string{f.free}}), "InvalidInstanceID.Malformed", `(expecting "i-...")`},
		{"stop one and nobody", call(f.ec2.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{f.instance, nobody("i")}}), "InvalidInstanceID.NotFound", ""},
		{"stop one and a dead one", call(f.ec2.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{f.instance, f.dead}}), "IncorrectInstanceState", f.dead},
		{"start a dead one", call(f.ec2.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{f.dead}}), "IncorrectInstanceState", f.dead},
		{"reboot a dead one", call(f.ec2.RebootInstances, &ec2.RebootInstancesInput{InstanceIds: []string{f.dead}}), "IncorrectInstanceState", f.dead},
		{"change nothing", change(func(*modify) {}), "InvalidParameterCombination", "No attributes specified"},
		{"change two things", change(func(in *modify) { in.DisableApiStop, in.EbsOptimized = off, off }), "InvalidParameterCombination", "Fields for multiple attribute types specified"},
		{"change the type while it runs", change(func(in *modify) { in.InstanceType = &types.AttributeValue{Value: new("t2.micro")} }), "IncorrectInstanceState", "'stopped'"},
		{"change the user data while it runs", change(func(in *modify) { in.UserData = &types.SecureBlobAttributeValue{Value: []byte("x")} }), "IncorrectInstanceState", "'stopped'"},
		{"change to an unknown type", change(func(in *modify) { in.InstanceType = &types.AttributeValue{Value: new("t9.nano")} }), "InvalidParameterValue", "t9.nano"},
		{"change to too much user data", change(func(in *modify) { in.UserData = &types.SecureBlobAttributeValue{Value: make([]byte, 16385)} }), "InvalidParameterValue", "16384"},
		{"change to unknown groups", change(func(in *modify) { in.Groups = []string{f.peerGroup, nobody("sg")} }), "InvalidGroup.NotFound", ""},
		{"change a device that is not there", change(func(in *modify) {
			in.BlockDeviceMappings = []types.InstanceBlockDeviceMappingSpecification{{DeviceName: new("/dev/sdz"), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: new(false)}}}
		}), "InvalidInstanceAttributeValue", "No device is currently mapped at /dev/sdz"},
		{"change to an unknown shutdown behavior", change(func(in *modify) { in.InstanceInitiatedShutdownBehavior = &types.AttributeValue{Value: new("explode")} }), "InvalidParameterValue", "explode"},
		{"change a dead one", call(f.ec2.ModifyInstanceAttribute, &modify{InstanceId: &f.dead, DisableApiTermination: off}), "IncorrectInstanceState", f.dead},
		{"change nobody", call(f.ec2.ModifyInstanceAttribute, &modify{InstanceId: new(nobody("i")), DisableApiTermination: off}), "InvalidInstanceID.NotFound", ""},
		{"change to an unknown tokens option", call(f.ec2.ModifyInstanceMetadataOptions, &ec2.ModifyInstanceMetadataOptionsInput{InstanceId: &f.instance, HttpTokens: "maybe"}), "InvalidParameterValue", "maybe"},
		{"describe an unknown attribute", call(f.ec2.DescribeInstanceAttribute, &ec2.DescribeInstanceAttributeInput{InstanceId: &f.instance, Attribute: "colour"}), "InvalidParameterValue", "colour"},
		{"console of nobody", call(f.ec2.GetConsoleOutput, &ec2.GetConsoleOutputInput{InstanceId: new(nobody("i"))}), "InvalidInstanceID.NotFound", ""},
	}
}

func (f *furniture) badVolumes() []bad {
	type create = ec2.CreateVolumeInput
	type attach = ec2.AttachVolumeInput
	type detach = ec2.DetachVolumeInput
	volume := func(edit func(*create)) func(context.Context) error {
		in := &create{AvailabilityZone: &f.zone, Size: new(int32(1)), VolumeType: types.VolumeTypeGp3}
		edit(in)
		return call(f.ec2.CreateVolume, in)
	}
	size := func(n int32) func(context.Context) error { return volume(func(in *create) { in.Size = &n }) }
	return []bad{
		{"no zone", volume(func(in *create) { in.AvailabilityZone = nil }), "MissingParameter", "The request must contain the parameter zone"},
		{"unknown zone", volume(func(in *create) { in.AvailabilityZone = new("eu-paris-1z") }), "InvalidZone.NotFound", "The zone 'eu-paris-1z' does not exist."},
		{"zone by name and ID", volume(func(in *create) { in.AvailabilityZoneId = new("eup1-az1") }), "InvalidParameterCombination", ""},
		{"no size", volume(func(in *create) { in.Size = nil }), "MissingParameter", "size or snapshotId"},
		{"size 0", size(0), "InvalidParameterValue", "Volume of 0GiB is too small for volume type gp3; minimum is 1GiB."},
		{"negative size", size(-5), "InvalidParameterValue", "too small"},
		{"absurd size", size(1<<31 - 1), "InvalidParameterValue", "too large"},
		{"too large for its type", size(16385), "InvalidParameterValue", "Volume of 16385GiB is too large for volume type gp3; maximum is 16384GiB."},
		{"too small for its type", volume(func(in *create) { in.VolumeType = types.VolumeTypeSt1 }), "InvalidParameterValue", "125GiB"},
		{"unknown type", volume(func(in *create) { in.VolumeType = "gp9" }), "UnknownVolumeType", "Unsupported volume type 'gp9' for volume creation."},
		{"IOPS of a type that has none", volume(func(in *create) { in.VolumeType, in.Iops = types.VolumeTypeGp2, new(int32(3000)) }), "InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes."},
		{"no IOPS for a type that needs them", volume(func(in *create) { in.VolumeType, in.Size = types.VolumeTypeIo1, new(int32(4)) }), "MissingParameter", "The parameter iops must be specified for io1 volumes."},
		{"too many IOPS", volume(func(in *create) { in.Iops = new(int32(4000)) }), "InvalidParameterValue", "ratio"},
		{"throughput of another type", volume(func(in *create) { in.VolumeType, in.Throughput = types.VolumeTypeGp2, new(int32(125)) }), "InvalidParameterCombination", "The parameter throughput is not supported for gp2 volumes."},
		{"malformed snapshot", volume(func(in *create) { in.SnapshotId = new("snap") }), "InvalidParameterValue", "snapshotId"},
		{"unknown snapshot", volume(func(in *create) { in.SnapshotId = new(nobody("snap")) }), "InvalidSnapshot.NotFound", "does not exist"},
		{"tags of another kind", volume(func(in *create) { in.TagSpecifications = []types.TagSpecification{tag("instance", "k", "v")} }), "InvalidParameterValue", "'instance'"},

		{"attach what is attached", call(f.ec2.AttachVolume, &attach{VolumeId: &f.attached, InstanceId: &f.instance, Device: new("/dev/sdz")}), "VolumeInUse", f.attached + " is already attached to an instance"},
		{"attach to a device in use", call(f.ec2.AttachVolume, &attach{VolumeId: &f.free, InstanceId: &f.instance, Device: new("/dev/sdb")}), "InvalidParameterValue", "Attachment point /dev/sdb is already in use"},
		{"attach to no device", call(f.ec2.AttachVolume, &attach{VolumeId: &f.free, InstanceId: &f.instance, Device: new("/etc/passwd")}), "InvalidParameterValue", "/etc/passwd is not a valid EBS device name."},
		{"attach across zones", call(f.ec2.AttachVolume, &attach{VolumeId: &f.away, InstanceId: &f.instance, Device: new("/dev/sdz")}), "InvalidVolume.ZoneMismatch", "The volume '" + f.away + "' is not in the same availability zone as instance '" + f.instance + "'"},
		{"attach to a dead one", call(f.ec2.AttachVolume, &attach{VolumeId: &f.free, InstanceId: &f.dead, Device: new("/dev/sdz")}), "IncorrectState", f.dead},
		{"attach to nobody", call(f.ec2.AttachVolume, &attach{VolumeId: &f.free, InstanceId: new(nobody("i")), Device: new("/dev/sdz")}), "InvalidInstanceID.NotFound", ""},
		{"attach nothing", call(f.ec2.AttachVolume, &attach{VolumeId: new(nobody("vol")), InstanceId: &f.instance, Device: new("/dev/sdz")}), "InvalidVolume.NotFound", "The volume '" + nobody("vol") + "' does not exist."},
		{"detach what is free", call(f.ec2.DetachVolume, &detach{VolumeId: &f.free}), "IncorrectState", "'available'"},
		{"detach the root", call(f.ec2.DetachVolume, &detach{VolumeId: &f.root, Force: new(true)}), "OperationNotPermitted", "Unable to detach root volume '" + f.root + "' from instance '" + f.instance + "'"},
		{"detach from another instance", call(f.ec2.DetachVolume, &detach{VolumeId: &f.attached, InstanceId: &f.dead}), "InvalidAttachment.NotFound", ""},
		{"detach from another device", call(f.ec2.DetachVolume, &detach{VolumeId: &f.attached, Device: new("/dev/sdz")}), "InvalidAttachment.NotFound", ""},
		{"delete what is attached", call(f.ec2.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &f.attached}), "VolumeInUse", "Volume " + f.attached + " is currently attached to " + f.instance},
		{"delete nothing", call(f.ec2.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: new(nobody("vol"))}), "InvalidVolume.NotFound", ""},
		{"delete an instance", call(f.ec2.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &f.instance}), "InvalidVolumeID.Malformed", ""},
	}
}

func (f *furniture) badKeys() []bad {
	type create = ec2.CreateKeyPairInput
	type bring = ec2.ImportKeyPairInput
	return []bad{
		{"create one that is there", call(f.ec2.CreateKeyPair, &create{KeyName: &f.key}), "InvalidKeyPair.Duplicate", "The keypair 'taken' already exists."},
		{"name too long", call(f.ec2.CreateKeyPair, &create{KeyName: new(strings.Repeat("k", 256))}), "InvalidParameterValue", "KeyName"},
		{"name with spaces around", call(f.ec2.CreateKeyPair, &create{KeyName: new(" k ")}), "InvalidParameterValue", "KeyName"},
		{"empty name", call(f.ec2.CreateKeyPair, &create{KeyName: new("")}), "MissingParameter", "KeyName"},
		{"unknown type", call(f.ec2.CreateKeyPair, &create{KeyName: new("k"), KeyType: "dsa"}), "InvalidParameterValue", "dsa"},
		{"import one that is there", call(f.ec2.ImportKeyPair, &bring{KeyName: &f.key, PublicKeyMaterial: []byte(someKey)}), "InvalidKeyPair.Duplicate", ""},
		{"import a poem", call(f.ec2.ImportKeyPair, &bring{KeyName: new("k"), PublicKeyMaterial: []byte("roses are red")}), "InvalidKey.Format", "Key is not in valid OpenSSH public key format"},
		{"import a private key", call(f.ec2.ImportKeyPair, &bring{KeyName: new("k"), PublicKeyMaterial: []byte("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")}), "InvalidKey.Format", ""},
		{"import half a key", call(f.ec2.ImportKeyPair, &bring{KeyName: new("k"), PublicKeyMaterial: []byte(someKey[:50])}), "InvalidKey.Format", ""},
		{"import two keys", call(f.ec2.ImportKeyPair, &bring{KeyName: new("k"), PublicKeyMaterial: []byte(someKey + "\n" + someKey)}), "InvalidKey.Format", ""},
		{"delete by name and ID", call(f.ec2.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyName: &f.key, KeyPairId: new(nobody("key"))}), "InvalidParameterCombination", ""},
		{"delete by no ID", call(f.ec2.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyPairId: new("key-1")}), "InvalidKeyPairId.Malformed", ""},
		{"describe nobody", call(f.ec2.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{f.key, "nobody"}}), "InvalidKeyPair.NotFound", "The key pair 'nobody' does not exist"},
	}
}

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"

func (f *furniture) badAddresses() []bad {
	type allocate = ec2.AllocateAddressInput
	type associate = ec2.AssociateAddressInput
	type release = ec2.ReleaseAddressInput
	return []bad{
		{"one that is taken", call(f.ec2.AllocateAddress, &allocate{Address: &f.public}), "InvalidAddress.NotFound", f.public},
		{"one of another network", call(f.ec2.AllocateAddress, &allocate{Address: new("192.0.2.1")}), "InvalidAddress.NotFound", "192.0.2.1"},
		{"no address", call(f.ec2.AllocateAddress, &allocate{Address: new("1.2.3")}), "InvalidAddress.Malformed", ""},
		{"unknown domain", call(f.ec2.AllocateAddress, &allocate{Domain: "standard"}), "InvalidParameterValue", "standard"},
		{"release one in use", call(f.ec2.ReleaseAddress, &release{AllocationId: &f.address}), "InvalidIPAddress.InUse", f.public},
		{"release nothing", call(f.ec2.ReleaseAddress, &release{}), "MissingParameter", "allocationId"},
		{"release nobody's", call(f.ec2.ReleaseAddress, &release{AllocationId: new(nobody("eipalloc"))}), "InvalidAllocationID.NotFound", "The allocation ID '" + nobody("eipalloc") + "' does not exist"},
		{"release by both names", call(f.ec2.ReleaseAddress, &release{AllocationId: &f.address, PublicIp: &f.public}), "InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call"},
		{"associate nobody's", call(f.ec2.AssociateAddress, &associate{AllocationId: new(nobody("eipalloc")), InstanceId: &f.instance}), "InvalidAllocationID.NotFound", ""},
		{"associate with nobody", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress, InstanceId: new(nobody("i"))}), "InvalidInstanceID.NotFound", ""},
		{"associate with a dead one", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress, InstanceId: &f.dead}), "InvalidInstanceID", "The terminated instance '" + f.dead + "' is not in a valid state for this operation."},
		{"associate with nothing", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress}), "MissingParameter", ""},
		{"associate with two things", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress, InstanceId: &f.instance, NetworkInterfaceId: &f.port}), "InvalidParameterCombination", ""},
		{"associate with an address not there", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress, InstanceId: &f.instance, PrivateIpAddress: new("172.31.15.254")}), "InvalidParameterValue", "172.31.15.254"},
		{"associate over another", call(f.ec2.AssociateAddress, &associate{AllocationId: &f.freeAddress, InstanceId: &f.instance, AllowReassociation: new(false)}), "Resource.AlreadyAssociated", f.port},
		{"disassociate nothing", call(f.ec2.DisassociateAddress, &ec2.DisassociateAddressInput{AssociationId: new(nobody("eipassoc"))}), "InvalidAssociationID.NotFound", "The association ID '" + nobody("eipassoc") + "' does not exist"},
	}
}

func (f *furniture) badDescriptions() []bad {
	type instances = ec2.DescribeInstancesInput
	five := new(int32(5))
	return []bad{
		{"malformed instance", call(f.ec2.DescribeInstances, &instances{InstanceIds: []string{"i-WXYZ0123"}}), "InvalidInstanceID.Malformed", `Invalid id: "i-WXYZ0123"`},
		{"unknown instance beside another", call(f.ec2.DescribeInstances, &instances{InstanceIds: []string{f.instance, nobody("i")}}), "InvalidInstanceID.NotFound", "The instance ID '" + nobody("i") + "' does not exist"},
		{"unknown filter", call(f.ec2.DescribeInstances, &instances{Filters: filter("colour", "blue")}), "InvalidParameterValue", "The filter 'colour' is invalid"},
		{"filter without values", call(f.ec2.DescribeInstances, &instances{Filters: filter("instance-type")}), "InvalidParameterValue", "instance-type"},
		{"filter with too many values", call(f.ec2.DescribeInstances, &instances{Filters: filter("instance-type", make([]string, 201)...)}), "FilterLimitExceeded", "200"},
		{"page too small", call(f.ec2.DescribeInstances, &instances{MaxResults: new(int32(4))}), "InvalidParameterValue", "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than"},
		{"page too large", call(f.ec2.DescribeInstances, &instances{MaxResults: new(int32(1001))}), "InvalidParameterValue", "Value ( 1001 ) for parameter maxResults is invalid."},
		{"page of named ones", call(f.ec2.DescribeInstances, &instances{MaxResults: five, InstanceIds: []string{f.instance}}), "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults"},
		{"forged page", call(f.ec2.DescribeInstances, &instances{MaxResults: five, NextToken: new("bmV4dA")}), "InvalidPaginationToken", ""},
		{"unknown volume", call(f.ec2.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{nobody("vol")}}), "InvalidVolume.NotFound", ""},
		{"unknown VPC", call(f.ec2.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{nobody("vpc")}}), "InvalidVpcID.NotFound", "The vpc ID '" + nobody("vpc") + "' does not exist"},
		{"unknown subnet", call(f.ec2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{nobody("subnet")}}), "InvalidSubnetID.NotFound", ""},
		{"unknown route table", call(f.ec2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{nobody("rtb")}}), "InvalidRouteTableID.NotFound", ""},
		{"unknown gateway", call(f.ec2.DescribeInternetGateways, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{nobody("igw")}}), "InvalidInternetGatewayID.NotFound", ""},
		{"unknown interface", call(f.ec2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{nobody("eni")}}), "InvalidNetworkInterfaceID.NotFound", ""},
		{"unknown image", call(f.ec2.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{nobody("ami")}}), "InvalidAMIID.NotFound", ""},
		{"unknown type", call(f.ec2.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t9.nano"}}), "InvalidInstanceType", "t9.nano"},
		{"unknown region", call(f.ec2.DescribeRegions, &ec2.DescribeRegionsInput{RegionNames: []string{"mars-1"}}), "InvalidParameterValue", "Invalid region name: [mars-1]"},
		{"unknown zone", call(f.ec2.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"mars-1a"}}), "InvalidParameterValue", "Invalid availability zone: [mars-1a]"},
		{"unknown VPC attribute", call(f.ec2.DescribeVpcAttribute, &ec2.DescribeVpcAttributeInput{VpcId: &f.vpc, Attribute: "colour"}), "InvalidParameterValue", "colour"},
		{"unknown account attribute", call(f.ec2.DescribeAccountAttributes, &ec2.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{"colour"}}), "InvalidParameterValue", "colour"},
	}
}

// badForms are requests that the SDK would not send.
func (f *furniture) badForms() []bad {
	form := func(parameters string) func(context.Context) error {
		return f.form(strings.TrimSuffix(parameters+"&Version=2016-11-15", "&"))
	}
	launch := "Action=RunInstances&ImageId=" + f.image + "&InstanceType=t2.nano"
	deep := strings.Repeat(".1", 5000)
	var many strings.Builder
	for i := range 20001 {
		fmt.Fprintf(&many, "&InstanceId.%d=i", i+1)
	}
	return []bad{
		{"no action", form("InstanceId.1=" + f.instance), "MissingAction", ""},
		{"unknown action", form("Action=MakeCoffee"), "InvalidAction", "The action MakeCoffee is not valid for this web service."},
		{"action in other letters", form("Action=terminateinstances&InstanceId.1=" + f.instance), "InvalidAction", ""},
		{"unknown parameter", form("Action=DescribeInstances&Colour=blue"), "UnknownParameter", "The parameter Colour is not recognized"},
		{"unknown member", form("Action=DescribeInstances&Filter.1.Colour=blue"), "UnknownParameter", "Filter.1.Colour"},
		{"unknown parameter of a launch", form(launch + "&MinCount=1&MaxCount=1&Colour=blue"), "UnknownParameter", "Colour"},
		{"no counts", form(launch), "MissingParameter", "The request must contain the parameter M"},
		{"count in words", form(launch + "&MinCount=one&MaxCount=1"), "InvalidParameterValue", "one"},
		{"count beyond 32 bits", form(launch + "&MinCount=1&MaxCount=4294967297"), "InvalidParameterValue", "4294967297"},
		{"count with a fraction", form(launch + "&MinCount=1&MaxCount=1.5"), "InvalidParameterValue", "1.5"},
		{"perhaps a dry run", form(launch + "&MinCount=1&MaxCount=1&DryRun=perhaps"), "InvalidParameterValue", "perhaps"},
		{"user data of strange letters", form(launch + "&MinCount=1&MaxCount=1&UserData=%25%25%25"), "InvalidUserData.Malformed", ""},
		{"user data cut short", form(launch + "&MinCount=1&MaxCount=1&UserData=IyEvYmluL3N"), "InvalidUserData.Malformed", ""},
		{"user data too long by a byte", form(launch + "&MinCount=1&MaxCount=1&UserData=" + strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 16385))), "=", "%3D")), "InvalidParameterValue", "16384"},
		{"key of strange letters", form("Action=ImportKeyPair&KeyName=k&PublicKeyMaterial=%25%25"), "InvalidParameterValue", "PublicKeyMaterial"},
		{"nothing to terminate", form("Action=TerminateInstances"), "MissingParameter", "InstanceId"},
		{"an empty ID", form("Action=TerminateInstances&InstanceId.1="), "InvalidInstanceID.Malformed", ""},
		{"a list without numbers", form("Action=TerminateInstances&InstanceId.x=" + f.instance), "UnknownParameter", ""},
		{"a list with an absurd number", form("Action=TerminateInstances&InstanceId.99999999999=" + f.instance), "UnknownParameter", ""},
		{"a path that never ends", form("Action=DescribeInstances&Filter" + deep + "=x"), "UnknownParameter", ""},
		{"too many parameters", form("Action=TerminateInstances" + many.String()), "MalformedQueryString", ""},
		{"broken escapes", form("Action=DescribeInstances&InstanceId.1=%zz"), "MalformedQueryString", ""},
		{"a filter without name", form("Action=DescribeInstances&Filter.1.Value.1=x"), "InvalidParameterValue", ""},
		{"an ID of control characters", form("Action=TerminateInstances&InstanceId.1=i-%00%0d%0a%3C%26"), "InvalidInstanceID.Malformed", ""},
		{"an ID that is no text", form("Action=TerminateInstances&InstanceId.1=%ff%fe"), "InvalidInstanceID.Malformed", ""},
		{"a huge ID", form("Action=TerminateInstances&InstanceId.1=i-" + strings.Repeat("0", 500_000)), "InvalidInstanceID.Malformed", ""},
		{"a tag of control characters", form("Action=CreateTags&ResourceId.1=" + f.instance + "&Tag.1.Key=k&Tag.1.Value=%00%01"), "InvalidParameterValue", "control characters"},
		{"a tag that is no text", form("Action=CreateTags&ResourceId.1=" + f.instance + "&Tag.1.Key=%ff&Tag.1.Value=v"), "InvalidParameterValue", "UTF-8"},
		{"an interface of control characters", form(launch + "&MinCount=1&MaxCount=1&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.Description=%07"), "InvalidParameterValue", "control characters"},
		{"a tag without value", form("Action=CreateTags&ResourceId.1=" + f.instance + "&Tag.1.Key=k"), "InvalidParameterValue", "Tag value cannot be null. Use empty string instead."},
		{"no tags", form("Action=CreateTags&ResourceId.1=" + f.instance), "MissingParameter", ""},
		{"a volume without device", form("Action=AttachVolume&VolumeId=" + f.free + "&InstanceId=" + f.instance), "MissingParameter", "Device"},
		{"a volume of a size in words", form("Action=CreateVolume&AvailabilityZone=" + f.zone + "&Size=huge"), "InvalidParameterValue", "huge"},
		{"a key without name", form("Action=CreateKeyPair"), "MissingParameter", "The request must contain the parameter KeyName"},
		{"a group without name", form("Action=CreateSecurityGroup&GroupDescription=d"), "MissingParameter", "GroupName"},
		{"a group without description", form("Action=CreateSecurityGroup&GroupName=g"), "MissingParameter", "GroupDescription"},
		{"a group without ID", form("Action=DeleteSecurityGroup"), "MissingParameter", "The request must contain the parameter groupName or groupId"},
	}
}
