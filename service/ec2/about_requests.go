package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// What requests are about that name more than one resource, or something that
// is not there yet.

func (a asking) newKeyPair(name *string, kind string, specs []ec2.TagSpecification) subject {
	x := aboutKeyPair.made(a, cloud.KeyPair{Type: kind}, requestTags(specs, "key-pair"))
	x.ARN = a.subjectARN("key", cmp.Or(val(name), "*")) // its name is known
	return x
}

func (a asking) namedKeyPair(name, id *string) subject {
	if val(id) != "" {
		return aboutKeyPair.of(a, *id)
	}
	return a.keyPair(val(name))
}

func (a asking) newAddress(specs []ec2.TagSpecification) subject {
	return aboutAddress.made(a, cloud.Address{}, requestTags(specs, "elastic-ip"))
}

func (a asking) association(in *ec2.AssociateAddressRequest) []subject {
	about := []subject{a.address(in.AllocationId, in.PublicIp)}
	if val(in.InstanceId) != "" {
		about = append(about, aboutInstance.of(a, *in.InstanceId))
	}
	if val(in.NetworkInterfaceId) != "" {
		about = append(about, aboutInterface.of(a, *in.NetworkInterfaceId))
	}
	return about
}

func (a asking) disassociation(in *ec2.DisassociateAddressRequest) []subject {
	d, err := a.associated(a.r, a.c, in.AssociationId, in.PublicIp)
	switch {
	case err != nil:
		return []subject{a.absent("eipalloc", "")}
	case d.Interface == "":
		return []subject{aboutAddress.doc(a, d)}
	}
	return []subject{aboutAddress.doc(a, d), aboutInterface.of(a, d.Interface)}
}

func (a asking) newGroup(in *ec2.CreateSecurityGroupRequest) []subject {
	vpc := cmp.Or(val(in.VpcId), a.defaultVPC(a.r, a.c))
	return []subject{
		aboutGroup.made(a, cloud.SecurityGroup{}, requestTags(in.TagSpecifications, "security-group")), aboutVPC.of(a, vpc),
	}
}

// newRules is a group, and the rules that it is given, if they are given tags.
func (a asking) newRules(ref groupRef, specs []ec2.TagSpecification) []subject {
	about := []subject{a.group(ref)}
	if tags := requestTags(specs, "security-group-rule"); len(tags) > 0 {
		rule := a.absent("sgr", "")
		rule.made = true
		about = append(about, rule.giving(tags))
	}
	return about
}

// detachment is a volume, and the instance that it is to be detached from.
func (a asking) detachment(in *ec2.DetachVolumeRequest) []subject {
	about := []subject{aboutVolume.of(a, val(in.VolumeId))}
	instance := val(in.InstanceId)
	if v, ok := aboutVolume.find(a, val(in.VolumeId)); ok && instance == "" && v.Attachment != nil {
		instance = v.Attachment.Instance
	}
	if instance != "" {
		about = append(about, aboutInstance.of(a, instance))
	}
	return about
}

// tagged is the resources that a request gives tags, or takes them from.
func (a asking) tagged(ids []string, given []ec2.Tag) []subject {
	tags := make(map[string]string, len(given))
	for _, t := range given {
		tags[val(t.Key)] = val(t.Value)
	}
	return each(ids[:min(len(ids), maxTagged)], func(id string) subject { // more are refused
		kind, ok := taggableOf(id)
		if !ok {
			x := a.absent("i", "")
			x.ARN = a.Place.ARN("ec2", a.c.Account, "*/"+id)
			return x.giving(tags)
		}
		return kind.subject(a, id).giving(tags)
	})
}

// attributeSubjects is an instance with the attribute that a request changes, and
// the groups and volumes that the attribute names.
func (a asking) attributeSubjects(in *ec2.ModifyInstanceAttributeRequest) []subject {
	if named, err := namedAttribute(in); err == nil {
		in = named
	}
	about := []subject{aboutInstance.of(a, val(in.InstanceId)).with(changed(in))}
	about = append(about, aboutGroup.named(a, in.Groups...)...)
	for _, m := range in.BlockDeviceMappings {
		for _, v := range volumesOf(a.r, cloud.Instance{Meta: cloud.Meta{ID: val(in.InstanceId)}}) {
			if v.Account == a.c.Account && v.Attachment.Device == val(m.DeviceName) {
				about = append(about, aboutVolume.doc(a, v))
			}
		}
	}
	return about
}

// changed tells which attribute a request changes, and to what where that is one
// word: ec2:Attribute and ec2:Attribute/NAME.
func changed(in *ec2.ModifyInstanceAttributeRequest) facts {
	word := func(v *ec2.AttributeValue) string { return val(v.Value) }
	flag := func(v *ec2.AttributeBooleanValue) string {
		if v.Value == nil {
			return ""
		}
		return boolWord(*v.Value)
	}
	switch {
	case in.InstanceType != nil:
		return attribute("InstanceType", word(in.InstanceType))
	case in.UserData != nil:
		return attribute("UserData", "")
	case in.DisableApiTermination != nil:
		return attribute("DisableApiTermination", flag(in.DisableApiTermination))
	case in.DisableApiStop != nil:
		return attribute("DisableApiStop", flag(in.DisableApiStop))
	case in.EbsOptimized != nil:
		return attribute("EbsOptimized", flag(in.EbsOptimized))
	case in.InstanceInitiatedShutdownBehavior != nil:
		return attribute("InstanceInitiatedShutdownBehavior", word(in.InstanceInitiatedShutdownBehavior))
	case in.SourceDestCheck != nil:
		return attribute("SourceDestCheck", flag(in.SourceDestCheck))
	case len(in.Groups) > 0:
		return attribute("GroupSet", "")
	case len(in.BlockDeviceMappings) > 0:
		return attribute("BlockDeviceMapping", "")
	case val(in.Attribute) != "": // one that cannot be changed
		return attribute(strings.ToUpper((*in.Attribute)[:1])+(*in.Attribute)[1:], "")
	}
	return nil
}

func attribute(name, value string) facts {
	return facts{"Attribute": name, "Attribute/" + name: value}
}

// metadataSubject is an instance with the metadata options that a request changes.
func (a asking) metadataSubject(in *ec2.ModifyInstanceMetadataOptionsRequest) subject {
	f := facts{
		"Attribute/HttpTokens": val(in.HttpTokens), "Attribute/HttpEndpoint": val(in.HttpEndpoint),
		"Attribute/HttpProtocolIpv6": val(in.HttpProtocolIpv6), "Attribute/InstanceMetadataTags": val(in.InstanceMetadataTags),
		"Attribute/HttpPutResponseHopLimit": number(int(val(in.HttpPutResponseHopLimit))),
	}
	x := aboutInstance.of(a, val(in.InstanceId)).with(f)
	for _, name := range slices.Sorted(maps.Keys(f.keys())) {
		x.Keys["ec2:Attribute"] = append(x.Keys["ec2:Attribute"], strings.TrimPrefix(name, "ec2:Attribute/"))
	}
	return x
}
