package ec2

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// keysOf are the condition keys of each kind of resource, without "ec2:": those
// of the reference that resources here can have a value for.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html#amazonec2-resources-for-iam-policies
var keysOf = map[string]string{
	"instance": "AvailabilityZone AvailabilityZoneId EbsOptimized InstanceAutoRecovery InstanceBandwidthWeighting InstanceID InstanceMarketType " +
		"InstanceMetadataTags InstanceProfile InstanceType MetadataHttpEndpoint MetadataHttpPutResponseHopLimit MetadataHttpTokens RootDeviceType Tenancy",
	"volume":              "AvailabilityZone AvailabilityZoneId Encrypted VolumeID VolumeIops VolumeSize VolumeThroughput VolumeType",
	"snapshot":            "Encrypted Owner ParentVolume SnapshotID SnapshotTime VolumeSize aws:ResourceAccount",
	"image":               "ImageID ImageType Owner Public RootDeviceType aws:ResourceAccount",
	"key-pair":            "KeyPairName KeyPairType",
	"vpc":                 "Tenancy VpcID",
	"subnet":              "AvailabilityZone AvailabilityZoneId SubnetID Vpc",
	"route-table":         "RouteTableID Vpc",
	"internet-gateway":    "InternetGatewayID",
	"network-interface":   "AvailabilityZone NetworkInterfaceID Subnet Vpc",
	"elastic-ip":          "AllocationId Domain PublicIpAddress",
	"security-group":      "SecurityGroupID Vpc",
	"security-group-rule": "",

	"egress-only-internet-gateway": "",
	"natgateway":                   "",
	"dhcp-options":                 "DhcpOptionsID",
	"vpc-endpoint":                 "VpceServiceName VpceServiceOwner",
	"network-acl":                  "NetworkAclID Vpc",
	"prefix-list":                  "PrefixListID",
	"vpc-peering-connection":       "AccepterVpc RequesterVpc VpcPeeringConnectionID",
	"vpc-flow-log":                 "",
	"import-snapshot-task":         "",
	"import-image-task":            "",
	"export-image-task":            "",
}

// unmade are the keys that a resource has not before it is made.
var unmade = map[string]string{
	"instance": "InstanceID", "volume": "VolumeID", "snapshot": "SnapshotID SnapshotTime aws:ResourceAccount", "image": "ImageID aws:ResourceAccount", "key-pair": "KeyPairName", "network-interface": "NetworkInterfaceID",
	"elastic-ip": "AllocationId PublicIpAddress", "security-group": "SecurityGroupID Vpc",
	"vpc": "VpcID", "subnet": "SubnetID", "route-table": "RouteTableID", "internet-gateway": "InternetGatewayID", "dhcp-options": "DhcpOptionsID",
	"network-acl": "NetworkAclID", "prefix-list": "PrefixListID", "vpc-peering-connection": "VpcPeeringConnectionID",
}

// recorder lets everybody do everything, and notes what was asked.
type recorder struct{ asked []policy.Request }

func (r *recorder) Authorize(_ context.Context, q policy.Request) error {
	r.asked = append(r.asked, q)
	return nil
}

// kindsAsked writes a request as "ACTION KIND KIND…". A kind is followed by "*"
// if the resource is to be made, and by "+KEY" for each condition key, and "-KEY",
// that differs from keysOf.
func kindsAsked(q policy.Request) string {
	words := []string{q.Action}
	for _, r := range q.Resources {
		kind, name, _ := strings.Cut(r.ARN[strings.LastIndexByte(r.ARN, ':')+1:], "/")
		word, want := kind, strings.Fields(keysOf[kind])
		_, typed := r.Keys["ec2:KeyPairType"]
		if name == "*" || kind == "key-pair" && typed && r.Keys["ec2:KeyPairName"] == nil {
			word += "*"
			want = slices.DeleteFunc(want, func(k string) bool { return slices.Contains(strings.Fields(unmade[kind]), k) })
		}
		for _, key := range slices.Sorted(maps.Keys(r.Keys)) {
			if key = strings.TrimPrefix(key, "ec2:"); !slices.Contains(want, key) {
				word += "+" + key
			}
		}
		for _, key := range want {
			if r.Keys["ec2:"+key] == nil && r.Keys[key] == nil {
				word += "-" + key
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// authRig has one of everything, tagged.
type authRig struct {
	*rig
	*recorder
	instance, volume, loose, snapshot, image, address, mapped, nic, group, rule, key string

	net1    net1
	filters filterFurniture
	tasks   transferFurniture
}

func newAuthRig(t *testing.T) *authRig {
	a := &authRig{rig: newGuestRig(t), recorder: &recorder{}}
	a.addProfile(alice, "web")
	a.addProfile(alice, "batch")
	a.instance = a.running(func(in *runIn) { in.KeyName, in.IamInstanceProfile = new("key"), byName("web") })
	a.volume = a.volumes(a.instance)[0].ID
	zone := a.net.Subnets[0].Zone
	a.loose = *must(a.CreateVolume(a.ctx, &ec2.CreateVolumeRequest{AvailabilityZone: &zone, Size: new(int32(1)), VolumeType: new("gp3")}))(t).VolumeId
	a.seeVolume(a.loose, cloud.VolumeSeen{Ready: true})
	a.snapshot = a.takeSnapshot(a.loose)
	a.image = a.registerImage(a.snapshot)
	a.address = *must(a.AllocateAddress(a.ctx, &ec2.AllocateAddressRequest{}))(t).AllocationId
	a.mapped = *must(a.AllocateAddress(a.ctx, &ec2.AllocateAddressRequest{}))(t).AllocationId
	a.nic = a.addInterface("", port{addresses: []netip.Addr{{}, {}}}).ID
	a.group = *must(a.CreateSecurityGroup(a.ctx, &ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("w")}))(t).GroupId
	a.rule = *must(a.AuthorizeSecurityGroupIngress(a.ctx, &ec2.AuthorizeSecurityGroupIngressRequest{GroupId: &a.group, IpPermissions: []ec2.IpPermission{tcp(22, 22, "10.0.0.0/8")}}))(t).SecurityGroupRules[0].SecurityGroupRuleId
	for k := range keyPairTable.Select(a.DB.View(), cloud.AccountLabel(alice)) {
		a.key = k.ID
	}
	must(a.AssociateAddress(a.ctx, &ec2.AssociateAddressRequest{AllocationId: &a.mapped, NetworkInterfaceId: &a.nic}))(t)
	a.net1 = a.newNet1()
	a.filters = a.addFilters()
	a.tasks = a.addTransfers()
	a.Consoles, a.Authz = &consoles{}, a.recorder
	return a
}

// call is a request, as a dry run if it can be one, and what policy is asked
// about it, a line each.
type call struct {
	do   func(a *authRig) error
	asks string
}

func op[In, Out any](f func(*Service, context.Context, *In) (*Out, error), in func(a *authRig) In, asks string) call {
	return call{func(a *authRig) error {
		request := in(a)
		if dry := reflect.ValueOf(&request).Elem().FieldByName("DryRun"); dry.IsValid() {
			dry.Set(reflect.ValueOf(new(true)))
		}
		_, err := f(a.Service, a.ctx, &request)
		if code(err) == "DryRunOperation" {
			return nil
		}
		return err
	}, asks}
}

// list is a request that is about all.
func list[In, Out any](f func(*Service, context.Context, *In) (*Out, error)) call {
	return op(f, func(*authRig) (in In) { return in }, "")
}

// calls has for each operation that the service implements what it asks about:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html#amazonec2-actions-as-permissions
func calls() map[string]call {
	type S = Service
	instances := func(a *authRig) []string { return []string{a.instance} }
	all := map[string]call{
		"DescribeAccountAttributes":              list((*S).DescribeAccountAttributes),
		"DescribeAddresses":                      list((*S).DescribeAddresses),
		"DescribeAvailabilityZones":              list((*S).DescribeAvailabilityZones),
		"DescribeIamInstanceProfileAssociations": list((*S).DescribeIamInstanceProfileAssociations),
		"DescribeImages":                         list((*S).DescribeImages),
		"DescribeInstanceCreditSpecifications":   list((*S).DescribeInstanceCreditSpecifications),
		"DescribeInstanceStatus":                 list((*S).DescribeInstanceStatus),
		"DescribeInstanceTypeOfferings":          list((*S).DescribeInstanceTypeOfferings),
		"DescribeInstanceTypes":                  list((*S).DescribeInstanceTypes),
		"DescribeInstances":                      list((*S).DescribeInstances),
		"DescribeInternetGateways":               list((*S).DescribeInternetGateways),
		"DescribeKeyPairs":                       list((*S).DescribeKeyPairs),
		"DescribeNetworkInterfaces":              list((*S).DescribeNetworkInterfaces),
		"DescribeRegions":                        list((*S).DescribeRegions),
		"DescribeRouteTables":                    list((*S).DescribeRouteTables),
		"DescribeSecurityGroupRules":             list((*S).DescribeSecurityGroupRules),
		"DescribeSecurityGroups":                 list((*S).DescribeSecurityGroups),
		"DescribeSubnets":                        list((*S).DescribeSubnets),
		"DescribeTags":                           list((*S).DescribeTags),
		"DescribeVolumeStatus":                   list((*S).DescribeVolumeStatus),
		"DescribeVolumes":                        list((*S).DescribeVolumes),
		"DescribeVpcs":                           list((*S).DescribeVpcs),

		"DescribeInstanceAttribute": op((*S).DescribeInstanceAttribute, func(a *authRig) ec2.DescribeInstanceAttributeRequest {
			return ec2.DescribeInstanceAttributeRequest{InstanceId: &a.instance, Attribute: new("kernel")}
		}, "instance"),
		"DescribeVpcAttribute": op((*S).DescribeVpcAttribute, func(a *authRig) ec2.DescribeVpcAttributeRequest {
			return ec2.DescribeVpcAttributeRequest{VpcId: &a.net.VPC.ID, Attribute: new("enableDnsSupport")}
		}, "vpc"),
		"GetConsoleOutput": op((*S).GetConsoleOutput, func(a *authRig) ec2.GetConsoleOutputRequest {
			return ec2.GetConsoleOutputRequest{InstanceId: &a.instance}
		}, "instance"),

		"AllocateAddress": op((*S).AllocateAddress, func(*authRig) ec2.AllocateAddressRequest {
			return ec2.AllocateAddressRequest{TagSpecifications: tagSpec("elastic-ip", "k", "v")}
		}, "elastic-ip*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags elastic-ip*+aws:RequestTag/k+aws:TagKeys"),
		"ReleaseAddress": op((*S).ReleaseAddress, func(a *authRig) ec2.ReleaseAddressRequest {
			return ec2.ReleaseAddressRequest{AllocationId: &a.address}
		}, "elastic-ip"),
		"AssociateAddress": op((*S).AssociateAddress, func(a *authRig) ec2.AssociateAddressRequest {
			return ec2.AssociateAddressRequest{AllocationId: &a.address, InstanceId: &a.instance}
		}, "elastic-ip instance"),
		"AssociateAddress to an interface": op((*S).AssociateAddress, func(a *authRig) ec2.AssociateAddressRequest {
			return ec2.AssociateAddressRequest{AllocationId: &a.address, NetworkInterfaceId: &a.nic}
		}, "elastic-ip network-interface"),
		"DisassociateAddress": op((*S).DisassociateAddress, func(a *authRig) ec2.DisassociateAddressRequest {
			d, _ := addressTable.Get(a.DB.View(), a.mapped)
			return ec2.DisassociateAddressRequest{AssociationId: &d.Association}
		}, "elastic-ip network-interface"),

		"AssociateIamInstanceProfile": op((*S).AssociateIamInstanceProfile, func(a *authRig) ec2.AssociateIamInstanceProfileRequest {
			a.update(func(tx *store.Tx) error {
				return instanceTable.Modify(tx, a.instance, func(i *cloud.Instance) error { i.Profile = nil; return nil })
			})
			return ec2.AssociateIamInstanceProfileRequest{InstanceId: &a.instance, IamInstanceProfile: byName("batch")}
		}, "instance+NewInstanceProfile-InstanceProfile\niam:PassRole role"),
		"ReplaceIamInstanceProfileAssociation": op((*S).ReplaceIamInstanceProfileAssociation, func(a *authRig) ec2.ReplaceIamInstanceProfileAssociationRequest {
			return ec2.ReplaceIamInstanceProfileAssociationRequest{AssociationId: &a.doc(a.instance).Profile.ID, IamInstanceProfile: byName("batch")}
		}, "instance+NewInstanceProfile\niam:PassRole role"),
		"DisassociateIamInstanceProfile": op((*S).DisassociateIamInstanceProfile, func(a *authRig) ec2.DisassociateIamInstanceProfileRequest {
			return ec2.DisassociateIamInstanceProfileRequest{AssociationId: &a.doc(a.instance).Profile.ID}
		}, "instance"),

		"AttachVolume": op((*S).AttachVolume, func(a *authRig) ec2.AttachVolumeRequest {
			return ec2.AttachVolumeRequest{VolumeId: &a.loose, InstanceId: &a.instance, Device: new("/dev/sdf")}
		}, "volume instance"),
		"DetachVolume": op((*S).DetachVolume, func(a *authRig) ec2.DetachVolumeRequest {
			return ec2.DetachVolumeRequest{VolumeId: &a.volume}
		}, "volume instance"),
		"CreateVolume": op((*S).CreateVolume, func(a *authRig) ec2.CreateVolumeRequest {
			return ec2.CreateVolumeRequest{AvailabilityZone: &a.net.Subnets[0].Zone, Size: new(int32(1)), VolumeType: new("gp3"), TagSpecifications: tagSpec("volume", "k", "v")}
		}, "volume*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags volume*+aws:RequestTag/k+aws:TagKeys"),
		"CreateVolume without tags": op((*S).CreateVolume, func(a *authRig) ec2.CreateVolumeRequest {
			return ec2.CreateVolumeRequest{AvailabilityZone: &a.net.Subnets[0].Zone, Size: new(int32(1))}
		}, "volume*-VolumeIops-VolumeThroughput"),
		"DeleteVolume": op((*S).DeleteVolume, func(a *authRig) ec2.DeleteVolumeRequest { return ec2.DeleteVolumeRequest{VolumeId: &a.loose} }, "volume"),

		"CreateKeyPair": op((*S).CreateKeyPair, func(*authRig) ec2.CreateKeyPairRequest {
			return ec2.CreateKeyPairRequest{KeyName: new("new"), KeyType: new("ed25519"), TagSpecifications: tagSpec("key-pair", "k", "v")}
		}, "key-pair*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags key-pair*+aws:RequestTag/k+aws:TagKeys"),
		"ImportKeyPair": op((*S).ImportKeyPair, func(*authRig) ec2.ImportKeyPairRequest {
			return ec2.ImportKeyPairRequest{KeyName: new("new"), PublicKeyMaterial: []byte(opensshED25519)}
		}, "key-pair-KeyPairName-KeyPairType"),
		"DeleteKeyPair": op((*S).DeleteKeyPair, func(*authRig) ec2.DeleteKeyPairRequest { return ec2.DeleteKeyPairRequest{KeyName: new("key")} }, "key-pair"),
		"DeleteKeyPair by ID": op((*S).DeleteKeyPair, func(a *authRig) ec2.DeleteKeyPairRequest { return ec2.DeleteKeyPairRequest{KeyPairId: &a.key} },
			"key-pair"),

		"CreateSecurityGroup": op((*S).CreateSecurityGroup, func(*authRig) ec2.CreateSecurityGroupRequest {
			return ec2.CreateSecurityGroupRequest{GroupName: new("new"), Description: new("n"), TagSpecifications: tagSpec("security-group", "k", "v")}
		}, "security-group*+aws:RequestTag/k+aws:TagKeys vpc\nec2:CreateTags security-group*+aws:RequestTag/k+aws:TagKeys"),
		"DeleteSecurityGroup": op((*S).DeleteSecurityGroup, func(*authRig) ec2.DeleteSecurityGroupRequest {
			return ec2.DeleteSecurityGroupRequest{GroupName: new("web")}
		}, "security-group"),
		"AuthorizeSecurityGroupIngress": op((*S).AuthorizeSecurityGroupIngress, func(a *authRig) ec2.AuthorizeSecurityGroupIngressRequest {
			return ec2.AuthorizeSecurityGroupIngressRequest{
				GroupId: &a.group, IpPermissions: []ec2.IpPermission{tcp(80, 80, "10.0.0.0/8")}, TagSpecifications: tagSpec("security-group-rule", "k", "v"),
			}
		}, "security-group security-group-rule*+aws:RequestTag/k+aws:TagKeys\nec2:CreateTags security-group-rule*+aws:RequestTag/k+aws:TagKeys"),
		"AuthorizeSecurityGroupEgress": op((*S).AuthorizeSecurityGroupEgress, func(a *authRig) ec2.AuthorizeSecurityGroupEgressRequest {
			return ec2.AuthorizeSecurityGroupEgressRequest{GroupId: &a.group, IpPermissions: []ec2.IpPermission{tcp(80, 80, "10.0.0.0/8")}}
		}, "security-group"),
		"RevokeSecurityGroupIngress": op((*S).RevokeSecurityGroupIngress, func(a *authRig) ec2.RevokeSecurityGroupIngressRequest {
			return ec2.RevokeSecurityGroupIngressRequest{GroupId: &a.group, SecurityGroupRuleIds: []string{a.rule}}
		}, "security-group"),
		"RevokeSecurityGroupEgress": op((*S).RevokeSecurityGroupEgress, func(a *authRig) ec2.RevokeSecurityGroupEgressRequest {
			g, _ := groupTable.Get(a.DB.View(), a.group)
			return ec2.RevokeSecurityGroupEgressRequest{GroupId: &a.group, SecurityGroupRuleIds: []string{g.Rules[0].ID}}
		}, "security-group"),
		"UpdateSecurityGroupRuleDescriptionsIngress": op((*S).UpdateSecurityGroupRuleDescriptionsIngress, func(a *authRig) ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest {
			return ec2.UpdateSecurityGroupRuleDescriptionsIngressRequest{GroupId: &a.group, SecurityGroupRuleDescriptions: []ec2.SecurityGroupRuleDescription{{SecurityGroupRuleId: &a.rule, Description: new("d")}}}
		}, "security-group"),
		"UpdateSecurityGroupRuleDescriptionsEgress": op((*S).UpdateSecurityGroupRuleDescriptionsEgress, func(a *authRig) ec2.UpdateSecurityGroupRuleDescriptionsEgressRequest {
			g, _ := groupTable.Get(a.DB.View(), a.group)
			return ec2.UpdateSecurityGroupRuleDescriptionsEgressRequest{GroupName: new("web"), SecurityGroupRuleDescriptions: []ec2.SecurityGroupRuleDescription{{SecurityGroupRuleId: &g.Rules[0].ID, Description: new("d")}}}
		}, "security-group"),

		"CreateTags": op((*S).CreateTags, func(a *authRig) ec2.CreateTagsRequest {
			ids := []string{
				a.instance, a.volume, a.key, a.net.VPC.ID, a.net.Subnets[0].ID, a.net.Routes.ID, a.net.Gateway.ID, a.nic, a.address, a.group, a.rule,
			}
			return ec2.CreateTagsRequest{Resources: ids, Tags: tags("k", "v")}
		}, "instance+aws:RequestTag/k+aws:TagKeys volume+aws:RequestTag/k+aws:TagKeys key-pair+aws:RequestTag/k+aws:TagKeys vpc+aws:RequestTag/k+aws:TagKeys "+
			"subnet+aws:RequestTag/k+aws:TagKeys route-table+aws:RequestTag/k+aws:TagKeys internet-gateway+aws:RequestTag/k+aws:TagKeys "+
			"network-interface+aws:RequestTag/k+aws:TagKeys elastic-ip+aws:RequestTag/k+aws:TagKeys security-group+aws:RequestTag/k+aws:TagKeys "+
			"security-group-rule+aws:RequestTag/k+aws:TagKeys"),
		"DeleteTags": op((*S).DeleteTags, func(a *authRig) ec2.DeleteTagsRequest {
			return ec2.DeleteTagsRequest{Resources: []string{a.instance}, Tags: tags("k", "v")}
		}, "instance+aws:RequestTag/k+aws:TagKeys"),
		"DeleteTags of all keys": op((*S).DeleteTags, func(a *authRig) ec2.DeleteTagsRequest {
			return ec2.DeleteTagsRequest{Resources: []string{a.instance}}
		}, "instance"),

		"RunInstances": op((*S).RunInstances, func(a *authRig) ec2.RunInstancesRequest {
			return *a.request(func(in *runIn) {
				in.KeyName, in.IamInstanceProfile = new("key"), byName("web")
				in.TagSpecifications = slices.Concat(tagSpec("instance", "k", "v"), tagSpec("volume", "w", "v"))
			})
		}, "image+IsLaunchTemplateResource instance*+aws:RequestTag/k+aws:TagKeys+IsLaunchTemplateResource "+
			"volume*+aws:RequestTag/w+aws:TagKeys+IsLaunchTemplateResource network-interface*+AssociatePublicIpAddress+IsLaunchTemplateResource "+
			"subnet+IsLaunchTemplateResource security-group+IsLaunchTemplateResource key-pair+IsLaunchTemplateResource\n"+
			"ec2:CreateTags instance*+aws:RequestTag/k+aws:TagKeys+IsLaunchTemplateResource volume*+aws:RequestTag/w+aws:TagKeys+IsLaunchTemplateResource\n"+
			"iam:PassRole role"),
		"RunInstances with an interface": op((*S).RunInstances, func(a *authRig) ec2.RunInstancesRequest {
			return *a.request(func(in *runIn) {
				in.SubnetId = nil
				in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), NetworkInterfaceId: &a.nic}}
			})
		}, "image+IsLaunchTemplateResource instance*+IsLaunchTemplateResource-InstanceProfile volume*+IsLaunchTemplateResource "+
			"network-interface+IsLaunchTemplateResource subnet+IsLaunchTemplateResource"),

		"StartInstances": op((*S).StartInstances, func(a *authRig) ec2.StartInstancesRequest {
			return ec2.StartInstancesRequest{InstanceIds: instances(a)}
		}, "instance"),
		"StopInstances": op((*S).StopInstances, func(a *authRig) ec2.StopInstancesRequest { return ec2.StopInstancesRequest{InstanceIds: instances(a)} }, "instance"),
		"RebootInstances": op((*S).RebootInstances, func(a *authRig) ec2.RebootInstancesRequest {
			return ec2.RebootInstancesRequest{InstanceIds: instances(a)}
		}, "instance"),
		"TerminateInstances": op((*S).TerminateInstances, func(a *authRig) ec2.TerminateInstancesRequest {
			return ec2.TerminateInstancesRequest{InstanceIds: instances(a)}
		}, "instance"),
		"ModifyInstanceAttribute": op((*S).ModifyInstanceAttribute, func(a *authRig) modifyIn {
			return modifyIn{InstanceId: &a.instance, Attribute: new("sourceDestCheck"), Value: new("false")}
		}, "instance+Attribute+Attribute/SourceDestCheck"),
		"ModifyInstanceAttribute of groups": op((*S).ModifyInstanceAttribute, func(a *authRig) modifyIn {
			return modifyIn{InstanceId: &a.instance, Groups: []string{a.group}}
		}, "instance+Attribute security-group"),
		"ModifyInstanceAttribute of mappings": op((*S).ModifyInstanceAttribute, func(a *authRig) modifyIn {
			return modifyIn{InstanceId: &a.instance, BlockDeviceMappings: []ec2.InstanceBlockDeviceMappingSpecification{{
				DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: new(false)},
			}}}
		}, "instance+Attribute volume"),
		"ModifyInstanceMetadataOptions": op((*S).ModifyInstanceMetadataOptions, func(a *authRig) ec2.ModifyInstanceMetadataOptionsRequest {
			return ec2.ModifyInstanceMetadataOptionsRequest{InstanceId: &a.instance, HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(2))}
		}, "instance+Attribute+Attribute/HttpPutResponseHopLimit+Attribute/HttpTokens"),
	}
	maps.Copy(all, networkCalls())
	maps.Copy(all, diskCalls())
	maps.Copy(all, transferCalls())
	maps.Copy(all, imageCalls())
	return all
}

// Every operation asks about the resources that it is about, with the keys that
// the reference lists, and where something is made with tags or a role is passed
// it asks about that too.
func TestEveryOperationNamesItsResources(t *testing.T) {
	all := calls()
	maps.Copy(all, filterCalls())
	for _, o := range ec2.API().Operations {
		if o.Bind(&Service{}) != nil && all[o.Name].do == nil {
			t.Errorf("no row says what %s asks about", o.Name)
		}
	}
	shared := newAuthRig(t)
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			a := shared
			if slices.ContainsFunc([]string{"IamInstanceProfile", "CidrBlock", "VpcAttribute", "SubnetAttribute"}, func(s string) bool { return strings.Contains(name, s) }) { // there are no dry runs of these
				a = newAuthRig(t)
			}
			a.asked = nil
			if err := c.do(a); err != nil {
				t.Fatal(err)
			}
			operation, _, _ := strings.Cut(name, " ")
			want := strings.TrimSpace("ec2:" + operation + " " + c.asks)
			var got []string
			for _, q := range a.asked {
				got = append(got, kindsAsked(q))
				if service, _, _ := strings.Cut(q.Action, ":"); service == "ec2" && q.Keys["ec2:Region"][0] != a.Place.Region {
					t.Errorf("%s has no region", q.Action)
				}
				if action := q.Keys["ec2:CreateAction"]; q.Action == "ec2:CreateTags" && operation != "CreateTags" && !slices.Equal(action, []string{operation}) {
					t.Errorf("tags are created by %v", action)
				}
			}
			if text := strings.Join(got, "\n"); text != want {
				t.Errorf("it asks\n%s\nwant\n%s", text, want)
			}
		})
	}
}
