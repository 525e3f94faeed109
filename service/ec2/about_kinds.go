package ec2

import (
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The kinds of documents as policy is told of them, with the condition keys of
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html#amazonec2-resources-for-iam-policies
var (
	aboutInstance       = about[cloud.Instance]{prefix: "i", table: instanceTable, facts: instanceFacts}
	aboutVolume         = about[cloud.Volume]{prefix: "vol", table: volumeTable, facts: volumeFacts}
	aboutSnapshot       = about[cloud.Snapshot]{prefix: "snap", table: snapshotTable, facts: snapshotFacts, seen: seenSnapshot, more: snapshotOwner}
	aboutImage          = about[cloud.Image]{prefix: "ami", table: imageTable, facts: imageFacts, seen: seenImage, more: imageOwner}
	aboutKeyPair        = about[cloud.KeyPair]{prefix: "key", table: keyPairTable, facts: keyPairFacts, name: keyPairName}
	aboutVPC            = about[cloud.VPC]{prefix: "vpc", table: vpcTable, facts: vpcFacts}
	aboutSubnet         = about[cloud.Subnet]{prefix: "subnet", table: subnetTable, facts: subnetFacts}
	aboutRoutes         = about[cloud.RouteTable]{prefix: "rtb", table: routeTable, facts: routeTableFacts}
	aboutGateway        = about[cloud.InternetGateway]{prefix: "igw", table: gatewayTable, facts: gatewayFacts}
	aboutInterface      = about[cloud.NetworkInterface]{prefix: "eni", table: interfaceTable, facts: interfaceFacts}
	aboutAddress        = about[cloud.Address]{prefix: "eipalloc", table: addressTable, facts: addressFacts}
	aboutACL            = about[cloud.NetworkACL]{prefix: "acl", table: aclTable, facts: aclFacts}
	aboutList           = about[cloud.PrefixList]{prefix: "pl", table: listTable, facts: listFacts, seen: seenList, more: listOwner}
	aboutPeering        = about[cloud.Peering]{prefix: "pcx", table: peeringTable, facts: peeringFacts, seen: seenPeering}
	aboutFlowLog        = about[cloud.FlowLog]{prefix: "fl", table: flowLogTable, facts: flowLogFacts}
	aboutGroup          = about[cloud.SecurityGroup]{prefix: "sg", table: groupTable, facts: groupFacts}
	aboutEgress         = about[cloud.EgressGateway]{prefix: "eigw", table: egressTable, facts: egressFacts}
	aboutNAT            = about[cloud.NATGateway]{prefix: "nat", table: natTable, facts: natFacts}
	aboutOptions        = about[cloud.DHCPOptions]{prefix: "dopt", table: optionsTable, facts: optionsFacts}
	aboutImportSnapshot = about[cloud.ImportTask]{prefix: importSnapshots, table: importTable, facts: importFacts}
	aboutImportImage    = about[cloud.ImportTask]{prefix: importImages, table: importTable, facts: importFacts}
	aboutExportImage    = about[cloud.ExportTask]{prefix: exportImages, table: exportTable, facts: exportFacts}
	aboutEndpoint       = about[cloud.Endpoint]{prefix: "vpce", table: endpointTable, facts: endpointFacts}
)

func instanceFacts(a asking, i cloud.Instance) facts {
	f := facts{
		"AvailabilityZone": i.Zone, "AvailabilityZoneId": a.Place.ZoneID(i.Zone), "EbsOptimized": boolWord(i.EBSOptimized),
		"InstanceAutoRecovery": ec2.InstanceAutoRecoveryStateDefault, "InstanceBandwidthWeighting": "default",
		"InstanceID": i.ID, "InstanceMarketType": "on-demand", "InstanceMetadataTags": i.Metadata.Tags, "InstanceType": i.Type,
		"MetadataHttpEndpoint": i.Metadata.Endpoint, "MetadataHttpPutResponseHopLimit": number(i.Metadata.HopLimit), "MetadataHttpTokens": i.Metadata.Tokens,
		"RootDeviceType": ec2.DeviceTypeEbs, "Tenancy": ec2.TenancyDefault,
	}
	if i.Profile != nil {
		f["InstanceProfile"] = i.Profile.ARN
	}
	return f
}

func volumeFacts(a asking, v cloud.Volume) facts {
	f := facts{
		"AvailabilityZone": v.Zone, "AvailabilityZoneId": a.Place.ZoneID(v.Zone), "Encrypted": boolWord(v.Encrypted),
		"VolumeID": v.ID, "VolumeIops": number(v.IOPS), "VolumeSize": number(v.SizeGiB), "VolumeThroughput": number(v.Throughput), "VolumeType": v.Type,
	}
	if v.Snapshot != "" {
		f["ParentSnapshot"] = a.Place.ARN("ec2", "", "snapshot/"+v.Snapshot)
	}
	return f
}

func snapshotFacts(a asking, s cloud.Snapshot) facts {
	f := facts{"Encrypted": boolWord(s.Encrypted), "Owner": s.Account, "SnapshotID": s.ID, "VolumeSize": number(s.SizeGiB)}
	if s.Volume != "" {
		f["ParentVolume"] = a.Place.ARN("ec2", s.Account, "volume/"+s.Volume)
	}
	if !s.Created.IsZero() {
		f["SnapshotTime"] = timeWord(s.Created)
	}
	return f
}

func snapshotOwner(s cloud.Snapshot, keys map[string][]string) {
	keys["aws:ResourceAccount"] = []string{s.Account}
}

func imageFacts(_ asking, i cloud.Image) facts {
	return facts{"ImageID": i.ID, "ImageType": ec2.ImageTypeValuesMachine, "Public": boolWord(i.Public), "RootDeviceType": ec2.DeviceTypeEbs}
}

// imageOwner tells whose an image is. The operator's answer to its names as well
// as to its number, as in the filters of DescribeImages.
func imageOwner(i cloud.Image, keys map[string][]string) {
	keys["ec2:Owner"] = []string{i.Account}
	if i.Account == cloud.OperatorAccount {
		keys["ec2:Owner"] = append(keys["ec2:Owner"], "amazon", operatorAlias)
	}
	keys["aws:ResourceAccount"] = []string{i.Account}
}

func seenImage(a asking, id string) (cloud.Image, bool) { return visibleImage(a.r, a.c, id) }

func keyPairFacts(_ asking, k cloud.KeyPair) facts {
	return facts{"KeyPairName": k.Name, "KeyPairType": k.Type}
}

func keyPairName(k cloud.KeyPair) string { return k.Name }

func vpcFacts(_ asking, v cloud.VPC) facts { return facts{"Tenancy": v.Tenancy, "VpcID": v.ID} }

func subnetFacts(a asking, n cloud.Subnet) facts {
	return facts{"AvailabilityZone": n.Zone, "AvailabilityZoneId": a.Place.ZoneID(n.Zone), "SubnetID": n.ID, "Vpc": a.ref("vpc", n.VPC)}
}

func routeTableFacts(a asking, t cloud.RouteTable) facts {
	return facts{"RouteTableID": t.ID, "Vpc": a.ref("vpc", t.VPC)}
}

func gatewayFacts(_ asking, g cloud.InternetGateway) facts { return facts{"InternetGatewayID": g.ID} }

func interfaceFacts(a asking, n cloud.NetworkInterface) facts {
	return facts{"AvailabilityZone": n.Zone, "NetworkInterfaceID": n.ID, "Subnet": a.ref("subnet", n.Subnet), "Vpc": a.ref("vpc", n.VPC)}
}

func addressFacts(_ asking, d cloud.Address) facts {
	return facts{"AllocationId": d.ID, "Domain": "vpc", "PublicIpAddress": addrWord(d.Address)}
}

func groupFacts(a asking, g cloud.SecurityGroup) facts {
	return facts{"SecurityGroupID": g.ID, "Vpc": a.ref("vpc", g.VPC)}
}

func aclFacts(a asking, l cloud.NetworkACL) facts {
	return facts{"NetworkAclID": l.ID, "Vpc": a.ref("vpc", l.VPC)}
}

func listFacts(_ asking, l cloud.PrefixList) facts { return facts{"PrefixListID": l.ID} }

// listOwner tells whose a list is that is not the caller's.
func listOwner(l cloud.PrefixList, keys map[string][]string) {
	if l.Account == cloud.OperatorAccount {
		keys["aws:ResourceAccount"] = []string{l.Account}
	}
}

func seenList(a asking, id string) (cloud.PrefixList, bool) {
	l, ok := listTable.Get(a.r, id)
	return l, ok && (l.Account == a.c.Account || l.Account == cloud.OperatorAccount)
}

func peeringFacts(a asking, p cloud.Peering) facts {
	vpc := func(s cloud.PeeringSide) string {
		if s.VPC == "" {
			return ""
		}
		return a.Place.ARN("ec2", s.Account, "vpc/"+s.VPC)
	}
	return facts{"VpcPeeringConnectionID": p.ID, "AccepterVpc": vpc(p.Accepter), "RequesterVpc": vpc(p.Requester)}
}

func flowLogFacts(asking, cloud.FlowLog) facts { return nil }

func egressFacts(asking, cloud.EgressGateway) facts { return nil }

func importFacts(asking, cloud.ImportTask) facts { return nil }

func exportFacts(asking, cloud.ExportTask) facts { return nil }

func natFacts(asking, cloud.NATGateway) facts { return nil }

func optionsFacts(_ asking, o cloud.DHCPOptions) facts { return facts{"DhcpOptionsID": o.ID} }

func endpointFacts(_ asking, e cloud.Endpoint) facts {
	return facts{"VpceServiceName": e.Service, "VpceServiceOwner": poolOwner}
}

// ref is the ARN of another resource of the caller in a condition key, "" for none.
func (a asking) ref(prefix, id string) string {
	if id == "" {
		return ""
	}
	return a.subjectARN(prefix, id)
}

// number writes a number that is absent when it is 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// keyPair is the subject of the key pair of that name.
func (a asking) keyPair(name string) subject {
	if id, ok := store.Owner(a.r, keyNames(a.c.Account), name); ok {
		return aboutKeyPair.of(a, id)
	}
	return a.absent("key", name)
}

// group is the subject of the security group that a request names by its ID, or
// by its name in the default VPC.
func (a asking) group(ref groupRef) subject {
	if g, err := a.Service.group(a.r, a.c, ref.id, ref.name); err == nil {
		return aboutGroup.doc(a, g)
	}
	return a.absent("sg", val(ref.id))
}

// address is the subject of the elastic address that a request names by its
// allocation, or by the address itself.
func (a asking) address(allocation, ip *string) subject {
	if d, err := a.Service.address(a.r, a.c, allocation, ip); err == nil {
		return aboutAddress.doc(a, d)
	}
	return a.absent("eipalloc", val(allocation))
}

// rule is the subject of a security group's rule.
func (a asking) rule(id string) subject {
	x := a.absent("sgr", id)
	for g := range groupTable.Select(a.r, cloud.AccountLabel(a.c.Account)) {
		if i := slices.IndexFunc(g.Rules, func(r cloud.Rule) bool { return r.ID == id }); i >= 0 {
			x.Tags = g.Rules[i].Tags
			break
		}
	}
	return x
}
