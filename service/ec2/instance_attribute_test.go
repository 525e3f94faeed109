package ec2

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

type modifyIn = ec2.ModifyInstanceAttributeRequest

func yes(v bool) *ec2.AttributeBooleanValue { return &ec2.AttributeBooleanValue{Value: &v} }
func word(v string) *ec2.AttributeValue     { return &ec2.AttributeValue{Value: &v} }
func blob(v string) *ec2.SecureBlobAttributeValue {
	return &ec2.SecureBlobAttributeValue{Value: []byte(v)}
}

// Each attribute: what is shown before and after a change by its own member and
// by Attribute and Value.
func TestInstanceAttributes(t *testing.T) {
	r := newGuestRig(t)
	id := r.stopped(func(in *runIn) { in.UserData = new("YQ==") })
	shown := func(name string) string {
		t.Helper()
		out := must(r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &id, Attribute: &name}))(t)
		var words []string
		for _, v := range []*ec2.AttributeValue{out.InstanceType, out.UserData, out.InstanceInitiatedShutdownBehavior, out.RootDeviceName, out.KernelId, out.RamdiskId, out.SriovNetSupport} {
			if v != nil {
				words = append(words, val(v.Value))
			}
		}
		for _, v := range []*ec2.AttributeBooleanValue{out.DisableApiTermination, out.DisableApiStop, out.EbsOptimized, out.EnaSupport, out.SourceDestCheck} {
			if v != nil {
				words = append(words, boolWord(*v.Value))
			}
		}
		for _, m := range out.BlockDeviceMappings {
			words = append(words, *m.DeviceName+"="+boolWord(*m.Ebs.DeleteOnTermination))
		}
		for _, g := range out.Groups {
			words = append(words, *g.GroupName)
		}
		if out.EnclaveOptions != nil {
			words = append(words, boolWord(*out.EnclaveOptions.Enabled))
		}
		if out.ProductCodes != nil {
			words = append(words, "codes")
		}
		if *out.InstanceId != id {
			t.Errorf("got attribute of %s", *out.InstanceId)
		}
		return strings.Join(words, " ")
	}
	web := *must(r.CreateSecurityGroup(r.ctx, &ec2.CreateSecurityGroupRequest{GroupName: new("web"), Description: new("w")}))(t).GroupId
	mapping := func(keep bool) []ec2.InstanceBlockDeviceMappingSpecification {
		return []ec2.InstanceBlockDeviceMappingSpecification{{DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: &keep}}}
	}
	for _, c := range []struct {
		name, before, after string
		change, back        modifyIn
	}{
		{"instanceType", "t3.micro", "t3.nano", modifyIn{InstanceType: word("t3.nano")}, modifyIn{Attribute: new("instanceType"), Value: new("t3.micro")}},
		{"userData", "YQ==", "Yg==", modifyIn{UserData: blob("b")}, modifyIn{Attribute: new("userData"), Value: new("YQ==")}},
		{"disableApiTermination", "false", "true", modifyIn{DisableApiTermination: yes(true)}, modifyIn{Attribute: new("disableApiTermination"), Value: new("false")}},
		{"disableApiStop", "false", "true", modifyIn{DisableApiStop: yes(true)}, modifyIn{Attribute: new("disableApiStop"), Value: new("false")}},
		{"ebsOptimized", "false", "true", modifyIn{EbsOptimized: yes(true)}, modifyIn{Attribute: new("ebsOptimized"), Value: new("false")}},
		{"sourceDestCheck", "true", "false", modifyIn{SourceDestCheck: yes(false)}, modifyIn{Attribute: new("sourceDestCheck"), Value: new("true")}},
		{"instanceInitiatedShutdownBehavior", "stop", "terminate", modifyIn{InstanceInitiatedShutdownBehavior: word("terminate")}, modifyIn{Attribute: new("instanceInitiatedShutdownBehavior"), Value: new("stop")}},
		{"blockDeviceMapping", "/dev/xvda=true", "/dev/xvda=false", modifyIn{BlockDeviceMappings: mapping(false)}, modifyIn{Attribute: new("blockDeviceMapping"), BlockDeviceMappings: mapping(true)}},
		{"groupSet", "default", "web", modifyIn{Groups: []string{web}}, modifyIn{Groups: []string{r.net.Group.ID}}},
	} {
		if got := shown(c.name); got != c.before {
			t.Errorf("%s: got %q, want %q", c.name, got, c.before)
		}
		for _, step := range []struct {
			in   modifyIn
			want string
		}{{c.change, c.after}, {c.back, c.before}} {
			step.in.InstanceId = &id
			if _, err := r.ModifyInstanceAttribute(r.ctx, &step.in); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if got := shown(c.name); got != step.want {
				t.Errorf("%s: got %q, want %q", c.name, got, step.want)
			}
		}
	}
	for name, value := range map[string]string{
		"rootDeviceName": "/dev/xvda", "enaSupport": "false", "enclaveOptions": "false", "productCodes": "codes", "kernel": "", "ramdisk": "", "sriovNetSupport": "",
	} {
		if got := shown(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	_, err := r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &id, Attribute: new("colour")})
	want(t, "unknown attribute", err, "InvalidParameterValue", "Value (colour) for parameter attribute is invalid. Unknown attribute.")
	_, err = r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &id})
	want(t, "no attribute", err, "MissingParameter", "The request must contain the parameter Attribute")
	_, err = r.DescribeInstanceAttribute(r.bob, &ec2.DescribeInstanceAttributeRequest{InstanceId: &id, Attribute: new("kernel")})
	want(t, "another's", err, "InvalidInstanceID.NotFound")
	gone := r.inState(cloud.InstanceTerminated)
	if out := must(r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &gone, Attribute: new("groupSet")}))(t); len(out.Groups) > 0 {
		t.Error("a terminated instance has groups")
	}
}

func TestModifyInstanceAttributeRefuses(t *testing.T) {
	r := newGuestRig(t)
	running, stopped, gone := r.running(), r.stopped(), r.inState(cloud.InstanceShuttingDown)
	several := r.running(func(in *runIn) {
		in.SubnetId = nil
		in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0))}, {DeviceIndex: new(int32(1))}}
	})
	mapped := func(change ...func(*ec2.InstanceBlockDeviceMappingSpecification)) modifyIn {
		m := ec2.InstanceBlockDeviceMappingSpecification{DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: new(true)}}
		for _, c := range change {
			c(&m)
		}
		return modifyIn{BlockDeviceMappings: []ec2.InstanceBlockDeviceMappingSpecification{m}}
	}
	for _, c := range []struct {
		id            string
		in            modifyIn
		code, message string
	}{
		{running, modifyIn{InstanceType: word("t3.nano")}, "IncorrectInstanceState", "The instance '" + running + "' is not in the 'stopped' state."},
		{running, modifyIn{UserData: blob("x")}, "IncorrectInstanceState", "The instance '" + running + "' is not in the 'stopped' state."},
		{gone, modifyIn{DisableApiStop: yes(true)}, "IncorrectInstanceState", "The instance '" + gone + "' is not in a state from which its attributes can be changed."},
		{stopped, modifyIn{InstanceType: word("t9.nano")}, "InvalidParameterValue", "Invalid value 't9.nano' for InstanceType. DescribeInstanceTypes lists those on offer."},
		{stopped, modifyIn{UserData: blob(strings.Repeat("x", 16385))}, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{stopped, modifyIn{Attribute: new("userData"), Value: new("?")}, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."},
		{stopped, modifyIn{}, "InvalidParameterCombination", "No attributes specified."},
		{stopped, modifyIn{DisableApiStop: yes(true), EbsOptimized: yes(true)}, "InvalidParameterCombination", "Fields for multiple attribute types specified: disableApiStop, ebsOptimized"},
		{stopped, modifyIn{DisableApiStop: &ec2.AttributeBooleanValue{}}, "MissingParameter", "The request must contain the parameter Value"},
		{stopped, modifyIn{SourceDestCheck: &ec2.AttributeBooleanValue{}}, "MissingParameter", "The request must contain the parameter Value"},
		{stopped, modifyIn{Attribute: new("disableApiStop"), Value: new("yes")}, "InvalidParameterValue", "Value (yes) for parameter value is invalid. Valid values are: true, false."},
		{stopped, modifyIn{Attribute: new("rootDeviceName"), Value: new("x")}, "InvalidParameterValue", "Value (rootDeviceName) for parameter attribute is invalid. The attribute cannot be changed by Attribute and Value."},
		{stopped, modifyIn{InstanceInitiatedShutdownBehavior: word("sleep")}, "InvalidParameterValue", "Value (sleep) for parameter instanceInitiatedShutdownBehavior is invalid. Valid values are: stop, terminate."},
		{stopped, modifyIn{Kernel: word("aki-1")}, "UnsupportedOperation", "The attribute 'kernel' cannot be changed: it is the image's or the host's."},
		{stopped, modifyIn{Attribute: new("sriovNetSupport"), Value: new("simple")}, "UnsupportedOperation", "The attribute 'sriovNetSupport' cannot be changed: it is the image's or the host's."},
		{stopped, modifyIn{Groups: []string{"sg-00000000000000009"}}, "InvalidGroup.NotFound", "The security group 'sg-00000000000000009' does not exist"},
		{several, modifyIn{Groups: []string{r.net.Group.ID}}, "InvalidInstanceID", "There are multiple interfaces attached to instance '" + several + "'. Please specify an interface ID for the operation instead."},
		{several, modifyIn{SourceDestCheck: yes(false)}, "InvalidInstanceID", "There are multiple interfaces attached to instance '" + several + "'. Please specify an interface ID for the operation instead."},
		{running, mapped(func(m *ec2.InstanceBlockDeviceMappingSpecification) { m.DeviceName = new("/dev/sdz") }), "InvalidInstanceAttributeValue", "No device is currently mapped at /dev/sdz"},
		{running, mapped(func(m *ec2.InstanceBlockDeviceMappingSpecification) { m.DeviceName = nil }), "MissingParameter", "The request must contain the parameter DeviceName"},
		{running, mapped(func(m *ec2.InstanceBlockDeviceMappingSpecification) { m.Ebs = nil }), "MissingParameter", "The request must contain the parameter DeleteOnTermination"},
		{running, mapped(func(m *ec2.InstanceBlockDeviceMappingSpecification) { m.NoDevice = new("") }), "UnsupportedOperation", ""},
		{running, mapped(func(m *ec2.InstanceBlockDeviceMappingSpecification) { m.Ebs.VolumeId = new("vol-1") }), "InvalidInstanceAttributeValue", "The volume 'vol-1' is not the one mapped at /dev/xvda"},
		{"i-00000000000000009", modifyIn{EbsOptimized: yes(true)}, "InvalidInstanceID.NotFound", "The instance ID 'i-00000000000000009' does not exist"},
		{running, modifyIn{EbsOptimized: yes(true), DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		c.in.InstanceId = &c.id
		_, err := r.ModifyInstanceAttribute(r.ctx, &c.in)
		if c.message == "" {
			want(t, c.code, err, c.code)
		} else {
			want(t, c.message, err, c.code, c.message)
		}
	}
	fat := r.stopped(func(in *runIn) {
		in.SubnetId, in.InstanceType = nil, new("t3.small")
		in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), SecondaryPrivateIpAddressCount: new(int32(3))}}
	})
	_, err := r.ModifyInstanceAttribute(r.ctx, &modifyIn{InstanceId: &fat, InstanceType: word("t3.nano")})
	want(t, "too many addresses for the type", err, "PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
}

// The type that is promised is the one that is given back.
func TestChangeTypeKeepsBooks(t *testing.T) {
	r := newGuestRig(t)
	id := r.stopped()
	must(r.ModifyInstanceAttribute(r.ctx, &modifyIn{InstanceId: &id, InstanceType: word("t3.xlarge")}))(t)
	must(r.powerOps()["start"](id))(t)
	if used := r.host(hostA).Used; used != (cloud.Usage{VCPUs: 4, MemoryMiB: 16384, Guests: 1}) {
		t.Errorf("got usage %+v", used)
	}
	r.runs(id)
	must(r.powerOps()["terminate"](id))(t)
	r.ends(id)
	r.settle(id)
	if used := r.host(hostA).Used; used != (cloud.Usage{}) {
		t.Errorf("got usage %+v", used)
	}
}

func TestModifyInstanceMetadataOptions(t *testing.T) {
	r := newGuestRig(t)
	id := r.running(func(in *runIn) { in.TagSpecifications = tagSpec("instance", "a b", "x") })
	out := must(r.ModifyInstanceMetadataOptions(r.ctx, &ec2.ModifyInstanceMetadataOptionsRequest{InstanceId: &id, HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(64)), HttpProtocolIpv6: new("enabled")}))(t)
	if o := out.InstanceMetadataOptions; *o.HttpTokens != "required" || *o.HttpPutResponseHopLimit != 64 || *o.HttpEndpoint != "enabled" || *o.HttpProtocolIpv6 != "enabled" || *o.State != "applied" {
		t.Errorf("got %+v", o)
	}
	if got := *r.describe(id).MetadataOptions.HttpTokens; got != "required" {
		t.Errorf("got %s", got)
	}
	for _, c := range []struct {
		in   ec2.ModifyInstanceMetadataOptionsRequest
		code string
	}{
		{ec2.ModifyInstanceMetadataOptionsRequest{HttpEndpoint: new("off")}, "InvalidParameterValue"},
		{ec2.ModifyInstanceMetadataOptionsRequest{HttpPutResponseHopLimit: new(int32(0))}, "InvalidParameterValue"},
		{ec2.ModifyInstanceMetadataOptionsRequest{InstanceMetadataTags: new("enabled")}, "InvalidParameterValue"},
		{ec2.ModifyInstanceMetadataOptionsRequest{HttpProtocolIpv6: new("on")}, "InvalidParameterValue"},
	} {
		c.in.InstanceId = &id
		_, err := r.ModifyInstanceMetadataOptions(r.ctx, &c.in)
		want(t, c.code, err, c.code)
	}
	gone := r.inState(cloud.InstanceShuttingDown)
	_, err := r.ModifyInstanceMetadataOptions(r.ctx, &ec2.ModifyInstanceMetadataOptionsRequest{InstanceId: &gone})
	want(t, "terminated", err, "IncorrectInstanceState")
}

func TestUserDataIsShownAsGiven(t *testing.T) {
	r := newGuestRig(t)
	data := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", maxUserData)))
	id := r.launchIDs(func(in *runIn) { in.UserData = &data })[0]
	out := must(r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &id, Attribute: new("userData")}))(t)
	if *out.UserData.Value != data {
		t.Error("user data of 16 KiB is not shown as given")
	}
	none := r.launchIDs()[0]
	out = must(r.DescribeInstanceAttribute(r.ctx, &ec2.DescribeInstanceAttributeRequest{InstanceId: &none, Attribute: new("userData")}))(t)
	if out.UserData == nil || out.UserData.Value != nil {
		t.Errorf("got user data %v of an instance without", out.UserData)
	}
}
