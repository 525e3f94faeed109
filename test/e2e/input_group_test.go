package e2e_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func (f *furniture) badGroups() []bad {
	type create = ec2.CreateSecurityGroupInput
	type remove = ec2.DeleteSecurityGroupInput
	group := func(name, description string) func(context.Context) error {
		return call(f.ec2.CreateSecurityGroup, &create{GroupName: &name, Description: &description})
	}
	return []bad{
		{"name in use", group("worn", "again"), "InvalidGroup.Duplicate", "The security group 'worn' already exists for VPC '" + f.vpc + "'"},
		{"name in use, VPC named", call(f.ec2.CreateSecurityGroup, &create{GroupName: new("worn"), Description: new("d"), VpcId: &f.vpc}), "InvalidGroup.Duplicate", ""},
		{"reserved name", group("default", "mine"), "InvalidParameterValue", "Cannot use reserved security group name: default"},
		{"name like an ID", group("sg-mine", "mine"), "InvalidParameterValue", "Group names may not be in the format sg-*."},
		{"name too long", group(strings.Repeat("n", 256), "long"), "InvalidParameterValue", ""},
		{"name of other letters", group("grüppe", "d"), "InvalidParameterValue", "Character sets beyond ASCII are not supported."},
		{"description too long", group("g", strings.Repeat("d", 256)), "InvalidParameterValue", ""},
		{"description of other signs", group("g", "<script>"), "InvalidParameterValue", "Invalid security group description."},
		{"empty description", group("g", ""), "MissingParameter", "GroupDescription"},
		{"unknown VPC", call(f.ec2.CreateSecurityGroup, &create{GroupName: new("g"), Description: new("d"), VpcId: new(nobody("vpc"))}), "InvalidVpcID.NotFound", "The vpc ID '" + nobody("vpc") + "' does not exist"},
		{"delete one in use", call(f.ec2.DeleteSecurityGroup, &remove{GroupId: &f.group}), "DependencyViolation", "resource " + f.group + " has a dependent object"},
		{"delete one that another names", call(f.ec2.DeleteSecurityGroup, &remove{GroupId: &f.peerGroup}), "DependencyViolation", "resource " + f.peerGroup + " has a dependent object"},
		{"delete the default", call(f.ec2.DeleteSecurityGroup, &remove{GroupName: new("default")}), "CannotDelete", `name: "default" cannot be deleted by a user`},
		{"delete nobody", call(f.ec2.DeleteSecurityGroup, &remove{GroupId: new(nobody("sg"))}), "InvalidGroup.NotFound", "The security group '" + nobody("sg") + "' does not exist"},
		{"delete no ID", call(f.ec2.DeleteSecurityGroup, &remove{GroupId: new("sg-0")}), "InvalidGroupId.Malformed", ""},
		{"delete by an unknown name", call(f.ec2.DeleteSecurityGroup, &remove{GroupName: new("nobody")}), "InvalidGroup.NotFound", "The security group 'nobody' does not exist in default VPC '" + f.vpc + "'"},
	}
}

func (f *furniture) badRules() []bad {
	type allow = ec2.AuthorizeSecurityGroupIngressInput
	type revoke = ec2.RevokeSecurityGroupIngressInput
	in := func(permissions ...types.IpPermission) func(context.Context) error {
		return call(f.ec2.AuthorizeSecurityGroupIngress, &allow{GroupId: &f.group, IpPermissions: permissions})
	}
	cidr := func(c string) func(context.Context) error { return in(permission("tcp", 80, 80, c)) }
	port := func(from, to int32) func(context.Context) error { return in(permission("tcp", from, to, "0.0.0.0/0")) }
	var ranges []string
	for i := range 61 {
		ranges = append(ranges, fmt.Sprintf("10.%d.0.0/16", i))
	}
	described := permission("tcp", 80, 80)
	described.IpRanges = []types.IpRange{{CidrIp: new("10.0.0.0/8"), Description: new(strings.Repeat("d", 256))}}
	return []bad{
		{"octet too large", cidr("300.0.0.0/8"), "InvalidParameterValue", "CIDR block 300.0.0.0/8 is malformed"},
		{"prefix too long", cidr("10.0.0.0/33"), "InvalidParameterValue", "CIDR block 10.0.0.0/33 is malformed"},
		{"no prefix", cidr("10.0.0.1"), "InvalidParameterValue", "CIDR block 10.0.0.1 is malformed"},
		{"octet too few", cidr("10.0.0/8"), "InvalidParameterValue", "CIDR block"},
		{"leading zero", cidr("010.0.0.0/8"), "InvalidParameterValue", "CIDR block"},
		{"IPv6 as IPv4", cidr("2001:db8::/32"), "InvalidParameterValue", "CIDR block"},
		{"a good and a bad range", in(permission("tcp", 80, 80, "10.0.0.0/8", "everywhere")), "InvalidParameterValue", "CIDR block everywhere is malformed"},
		{"ports the wrong way round", port(90, 80), "InvalidParameterValue", "Invalid TCP/UDP port range (90:80)"},
		{"port too large", port(0, 65536), "InvalidParameterValue", "65536"},
		{"negative port", port(-5, 80), "InvalidParameterValue", "-5"},
		{"no ports", in(types.IpPermission{IpProtocol: new("tcp"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}), "InvalidParameterValue", "Must specify both from and to ports with TCP/UDP."},
		{"ICMP type too large", in(permission("icmp", 256, -1, "0.0.0.0/0")), "InvalidParameterValue", "256"},
		{"unknown protocol", in(permission("carrier-pigeon", 1, 1, "0.0.0.0/0")), "InvalidParameterValue", "carrier-pigeon"},
		{"protocol number too large", in(permission("256", 1, 1, "0.0.0.0/0")), "InvalidParameterValue", "256"},
		{"no protocol", in(types.IpPermission{IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}), "MissingParameter", ""},
		{"no rules", in(), "MissingParameter", "ipPermissions"},
		{"rule that is there", in(permission("tcp", 22, 22, "192.0.2.0/24")), "InvalidPermission.Duplicate", `the specified rule "peer: 192.0.2.0/24, TCP, from port: 22, to port: 22, ALLOW" already exists`},
		{"rule that is there, by other bits", in(permission("6", 22, 22, "192.0.2.99/24")), "InvalidPermission.Duplicate", ""},
		{"a new rule and one that is there", in(permission("tcp", 81, 81, "192.0.2.0/24"), permission("tcp", 22, 22, "192.0.2.0/24")), "InvalidPermission.Duplicate", ""},
		{"one rule twice", in(permission("tcp", 81, 81, "10.0.0.0/8"), permission("tcp", 81, 81, "10.0.0.0/8")), "InvalidParameterValue", "The same permission must not appear multiple times"},
		{"more rules than a group has", in(permission("tcp", 81, 81, ranges...)), "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."},
		{"description too long", in(described), "InvalidParameterValue", "Invalid rule description."},
		{"unknown source group", in(types.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: new(nobody("sg"))}}}), "InvalidGroup.NotFound", nobody("sg")},
		{"group of another account", in(types.IpPermission{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &f.peerGroup, UserId: new("123456789012")}}}), "InvalidGroup.NotFound", f.peerGroup},
		{"unknown prefix list", in(types.IpPermission{IpProtocol: new("-1"), PrefixListIds: []types.PrefixListId{{PrefixListId: new(nobody("pl"))}}}), "InvalidPrefixListID.NotFound", nobody("pl")},
		{"two forms at once", call(f.ec2.AuthorizeSecurityGroupIngress, &allow{GroupId: &f.group, IpProtocol: new("tcp"), IpPermissions: []types.IpPermission{permission("tcp", 81, 81, "10.0.0.0/8")}}), "InvalidParameterCombination", "ipPermissions"},
		{"unknown group", call(f.ec2.AuthorizeSecurityGroupIngress, &allow{GroupId: new(nobody("sg")), IpPermissions: []types.IpPermission{permission("tcp", 81, 81, "10.0.0.0/8")}}), "InvalidGroup.NotFound", nobody("sg")},
		{"default egress again", call(f.ec2.AuthorizeSecurityGroupEgress, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &f.group, IpPermissions: []types.IpPermission{permission("-1", -1, -1, "0.0.0.0/0")}}), "InvalidPermission.Duplicate", ""},
		{"revoke nothing", call(f.ec2.RevokeSecurityGroupIngress, &revoke{GroupId: &f.group}), "MissingParameter", ""},
		{"revoke an unknown rule", call(f.ec2.RevokeSecurityGroupIngress, &revoke{GroupId: &f.group, SecurityGroupRuleIds: []string{f.groupRule, nobody("sgr")}}), "InvalidSecurityGroupRuleId.NotFound", nobody("sgr")},
		{"revoke a rule of the other direction", call(f.ec2.RevokeSecurityGroupEgress, &ec2.RevokeSecurityGroupEgressInput{GroupId: &f.group, SecurityGroupRuleIds: []string{f.groupRule}}), "InvalidSecurityGroupRuleId.NotFound", ""},
		{"revoke a rule of another group", call(f.ec2.RevokeSecurityGroupIngress, &revoke{GroupId: &f.peerGroup, SecurityGroupRuleIds: []string{f.groupRule}}), "InvalidSecurityGroupRuleId.NotFound", ""},
		{"revoke no ID", call(f.ec2.RevokeSecurityGroupIngress, &revoke{GroupId: &f.group, SecurityGroupRuleIds: []string{"22"}}), "InvalidSecurityGroupRuleId.Malformed", ""},
		{"revoke by rule and by ID", call(f.ec2.RevokeSecurityGroupIngress, &revoke{GroupId: &f.group, SecurityGroupRuleIds: []string{f.groupRule}, IpPermissions: []types.IpPermission{permission("tcp", 22, 22, "192.0.2.0/24")}}), "InvalidParameterCombination", ""},
	}
}

func (f *furniture) badTags() []bad {
	put := func(ids []string, tags ...types.Tag) func(context.Context) error {
		return call(f.ec2.CreateTags, &ec2.CreateTagsInput{Resources: ids, Tags: tags})
	}
	kv := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	one := []string{f.instance}
	return []bad{
		{"key too long", put(one, kv(strings.Repeat("é", 129), "v")), "InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters"},
		{"value too long", put(one, kv("k", strings.Repeat("v", 257))), "InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters"},
		{"empty key", put(one, kv("", "v")), "InvalidTagKey.Malformed", "Tag keys cannot be empty or null."},
		{"reserved key", put(one, kv("aws:name", "v")), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"reserved key in other letters", put(one, kv("AWS:name", "v")), "InvalidParameterValue", "reserved"},
		{"a key twice", put(one, kv("k", "1"), kv("k", "2")), "InvalidParameterValue", "k"},
		{"too many", put(one, manyTags(51)...), "TagLimitExceeded", ""},
		{"unknown instance", put([]string{nobody("i")}, kv("k", "v")), "InvalidInstanceID.NotFound", "The instance ID '" + nobody("i") + "' does not exist"},
		{"unknown volume beside an instance", put([]string{f.instance, nobody("vol")}, kv("k", "v")), "InvalidVolume.NotFound", nobody("vol")},
		{"unknown group", put([]string{nobody("sg")}, kv("k", "v")), "InvalidGroup.NotFound", nobody("sg")},
		{"unknown kind", put([]string{"thing-0123456789abcdef0"}, kv("k", "v")), "InvalidID", "The ID 'thing-0123456789abcdef0' is not valid"},
		{"no ID", put([]string{"all of them"}, kv("k", "v")), "InvalidID", "The ID 'all of them' is not valid"},
		{"the operator's image", put([]string{f.image}, kv("k", "v")), "InvalidAMIID.NotFound", f.image},
		{"remove a reserved key", call(f.ec2.DeleteTags, &ec2.DeleteTagsInput{Resources: one, Tags: []types.Tag{{Key: new("aws:name")}}}), "InvalidParameterValue", "reserved"},
		{"remove from nobody", call(f.ec2.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{nobody("i")}, Tags: []types.Tag{{Key: new("k")}}}), "InvalidInstanceID.NotFound", ""},
	}
}

// manyTags are n tags with different keys.
func manyTags(n int) (tags []types.Tag) {
	for i := range n {
		tags = append(tags, types.Tag{Key: new(fmt.Sprint("k", i)), Value: new("")})
	}
	return tags
}
