package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

type attachNICIn = ec2.AttachNetworkInterfaceRequest

// attachmentOf is what DescribeNetworkInterfaces says an interface is attached to, nil for nothing.
func (r *rig) attachmentOf(id string) *ec2.NetworkInterfaceAttachment {
	r.Helper()
	return must(r.DescribeNetworkInterfaces(r.ctx, &ec2.DescribeNetworkInterfacesRequest{NetworkInterfaceIds: []string{id}}))(r.TB).NetworkInterfaces[0].Attachment
}

func TestAttachNetworkInterface(t *testing.T) {
	r := newGuestRig(t)
	i, halted := r.running(), r.stopped()
	n, elsewhere := r.addInterface("", port{}), r.addInterface("", port{subnet: r.net.Subnets[1]})
	busy := r.nics(i)[0]
	for what, c := range map[string]struct {
		change func(*attachNICIn)
		code   string
	}{
		"no interface":    {func(in *attachNICIn) { in.NetworkInterfaceId = nil }, "MissingParameter"},
		"no instance":     {func(in *attachNICIn) { in.InstanceId = nil }, "MissingParameter"},
		"no index":        {func(in *attachNICIn) { in.DeviceIndex = nil }, "MissingParameter"},
		"negative":        {func(in *attachNICIn) { in.DeviceIndex = new(int32(-1)) }, "InvalidParameterValue"},
		"card":            {func(in *attachNICIn) { in.NetworkCardIndex = new(int32(1)) }, "UnsupportedOperation"},
		"the primary's":   {func(in *attachNICIn) { in.DeviceIndex = new(int32(0)) }, "InvalidParameterValue"},
		"in use":          {func(in *attachNICIn) { in.NetworkInterfaceId = &busy.ID }, "InvalidNetworkInterface.InUse"},
		"another zone":    {func(in *attachNICIn) { in.NetworkInterfaceId = &elsewhere.ID }, "InvalidParameterCombination"},
		"unknown":         {func(in *attachNICIn) { in.InstanceId = new("i-01234567") }, "InvalidInstanceID.NotFound"},
		"unknown one":     {func(in *attachNICIn) { in.NetworkInterfaceId = new("eni-01234567") }, "InvalidNetworkInterfaceID.NotFound"},
		"queues":          {func(in *attachNICIn) { in.EnaQueueCount = new(int32(2)) }, "UnsupportedOperation"},
		"the second card": {func(*attachNICIn) {}, ""},
	} {
		if c.code == "" {
			continue // the last
		}
		in := attachNICIn{NetworkInterfaceId: &n.ID, InstanceId: &i, DeviceIndex: new(int32(1))}
		c.change(&in)
		_, err := r.AttachNetworkInterface(r.ctx, &in)
		want(t, what, err, c.code)
	}
	out := must(r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &n.ID, InstanceId: &i, DeviceIndex: new(int32(1))}))(t)
	if at := r.attachmentOf(n.ID); *at.Status != "attaching" || *at.AttachmentId != *out.AttachmentId || *at.DeleteOnTermination {
		t.Errorf("attachment is %+v", at)
	}
	seen := r.doc(i).Seen
	seen.Cards = busy.ID + "," + n.ID
	r.see(i, seen)
	if at := r.attachmentOf(n.ID); *at.Status != "attached" {
		t.Errorf("attachment is %s once the card is in", *at.Status)
	}
	third := r.addInterface("", port{})
	_, err := r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &third.ID, InstanceId: &i, DeviceIndex: new(int32(2))})
	want(t, "more than the type has", err, "AttachmentLimitExceeded")
	must(r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &third.ID, InstanceId: &halted, DeviceIndex: new(int32(5))}))(t)
	if at := r.attachmentOf(third.ID); *at.Status != "attached" {
		t.Errorf("attachment to a stopped instance is %s", *at.Status)
	}
}

func TestDetachNetworkInterface(t *testing.T) {
	r := newGuestRig(t)
	i, halted := r.running(), r.stopped()
	n, m := r.addInterface("", port{}), r.addInterface("", port{})
	allocation, _ := r.allocate()
	must(r.AssociateAddress(r.ctx, &ec2.AssociateAddressRequest{AllocationId: &allocation, NetworkInterfaceId: &m.ID}))(t)
	out := must(r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &n.ID, InstanceId: &i, DeviceIndex: new(int32(1))}))(t)
	cold := must(r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &m.ID, InstanceId: &halted, DeviceIndex: new(int32(1))}))(t)
	if a, _ := addressTable.Get(r.DB.View(), allocation); a.Instance != halted {
		t.Errorf("the elastic address is of instance %q", a.Instance)
	}
	detach := func(id string, force bool) error {
		_, err := r.DetachNetworkInterface(r.ctx, &ec2.DetachNetworkInterfaceRequest{AttachmentId: &id, Force: &force})
		return err
	}
	want(t, "the primary", detach(r.nics(i)[0].Attachment.ID, true), "OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
	want(t, "unknown", detach("eni-attach-01234567", false), "InvalidAttachmentID.NotFound")
	want(t, "malformed", detach("x", false), "InvalidAttachmentID.Malformed")
	want(t, "from a running guest", detach(*out.AttachmentId, false), "")
	if at := r.attachmentOf(n.ID); at == nil || *at.Status != "detaching" {
		t.Errorf("attachment is %+v before the guest has let go", at)
	}
	want(t, "from a stopped one", detach(*cold.AttachmentId, false), "")
	if at := r.attachmentOf(m.ID); at != nil {
		t.Errorf("attachment is %+v", at)
	}
	if a, _ := addressTable.Get(r.DB.View(), allocation); a.Instance != "" || a.Interface != m.ID {
		t.Errorf("the elastic address is %+v", a)
	}
	seen := r.doc(i).Seen
	seen.Cards = m.ID
	r.see(i, seen)
	_, err := r.AttachNetworkInterface(r.ctx, &attachNICIn{NetworkInterfaceId: &m.ID, InstanceId: &i, DeviceIndex: new(int32(2))})
	want(t, "one that the guest clings to", err, "IncorrectState")
}

func TestNetworkInterfaceAttributes(t *testing.T) {
	r := newGuestRig(t)
	n := r.nics(r.running())[0]
	group := r.newSecurityGroup("web")
	type in = ec2.ModifyNetworkInterfaceAttributeRequest
	flag := func(v bool) *ec2.AttributeBooleanValue { return &ec2.AttributeBooleanValue{Value: &v} }
	attachment := func(id string, del *bool) *ec2.NetworkInterfaceAttachmentChanges {
		return &ec2.NetworkInterfaceAttachmentChanges{AttachmentId: &id, DeleteOnTermination: del}
	}
	for what, c := range map[string]struct {
		in   in
		code string
	}{
		"nothing":           {in{}, "InvalidParameterCombination"},
		"two":               {in{Description: &ec2.AttributeValue{Value: new("d")}, SourceDestCheck: flag(true)}, "InvalidParameterCombination"},
		"no value":          {in{SourceDestCheck: &ec2.AttributeBooleanValue{}}, "MissingParameter"},
		"unknown group":     {in{Groups: []string{"sg-01234567"}}, "InvalidGroup.NotFound"},
		"other attachment":  {in{Attachment: attachment("eni-attach-01234567", new(false))}, "InvalidAttachmentID.NotFound"},
		"half attachment":   {in{Attachment: attachment(n.Attachment.ID, nil)}, "MissingParameter"},
		"primary IPv6":      {in{EnablePrimaryIpv6: new(true)}, "UnsupportedOperation"},
		"public address":    {in{AssociatePublicIpAddress: new(true)}, "UnsupportedOperation"},
		"description":       {in{Description: &ec2.AttributeValue{Value: new("words")}}, ""},
		"groups":            {in{Groups: []string{group}}, ""},
		"source/dest check": {in{SourceDestCheck: flag(false)}, ""},
		"deletion":          {in{Attachment: attachment(n.Attachment.ID, new(false))}, ""},
	} {
		c.in.NetworkInterfaceId = &n.ID
		_, err := r.ModifyNetworkInterfaceAttribute(r.ctx, &c.in)
		want(t, what, err, c.code)
	}
	get := func(attribute string) *ec2.DescribeNetworkInterfaceAttributeResult {
		return must(r.DescribeNetworkInterfaceAttribute(r.ctx, &ec2.DescribeNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n.ID, Attribute: &attribute}))(t)
	}
	if *get("description").Description.Value != "words" || *get("groupSet").Groups[0].GroupId != group || *get("sourceDestCheck").SourceDestCheck.Value || *get("attachment").Attachment.DeleteOnTermination {
		t.Error("an attribute was not changed")
	}
	_, err := r.DescribeNetworkInterfaceAttribute(r.ctx, &ec2.DescribeNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n.ID, Attribute: new("x")})
	want(t, "unknown attribute", err, "InvalidParameterValue")
	must(r.ResetNetworkInterfaceAttribute(r.ctx, &ec2.ResetNetworkInterfaceAttributeRequest{NetworkInterfaceId: &n.ID, SourceDestCheck: new("true")}))(t)
	if !*get("sourceDestCheck").SourceDestCheck.Value {
		t.Error("the check is off after a reset")
	}
}

// A launch may make several interfaces, take ones that are there, and give addresses of both families.
func TestRunInstancesWithInterfaces(t *testing.T) {
	r := newGuestRig(t)
	subnet := r.withIPv6(false)
	kept, managed := r.addInterface("", port{subnet: subnet}), r.addInterface("", port{subnet: subnet})
	r.update(func(tx *store.Tx) error {
		return interfaceTable.Modify(tx, managed.ID, func(n *cloud.NetworkInterface) error { n.Of = "nat-0123456789abcdef0"; return nil })
	})
	with := func(second string) func(*runIn) {
		return func(in *runIn) {
			in.SubnetId, in.InstanceType = nil, new("t3.small")
			in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{
				{DeviceIndex: new(int32(0)), SubnetId: &subnet.ID, SecondaryPrivateIpAddressCount: new(int32(1)), Ipv6AddressCount: new(int32(2))},
				{DeviceIndex: new(int32(1)), NetworkInterfaceId: &second},
				{DeviceIndex: new(int32(2)), SubnetId: &subnet.ID, DeleteOnTermination: new(false)},
			}
		}
	}
	_, err := r.RunInstances(r.ctx, r.request(with(managed.ID)))
	want(t, "with a managed interface", err, "OperationNotPermitted")
	shown := r.describe(r.running(with(kept.ID)))
	nics := shown.NetworkInterfaces
	if len(nics) != 3 || len(nics[0].PrivateIpAddresses) != 2 || len(nics[0].Ipv6Addresses) != 2 || *nics[1].NetworkInterfaceId != kept.ID || *nics[2].Attachment.DeleteOnTermination {
		t.Errorf("interfaces are %+v", nics)
	}
	if val(shown.Ipv6Address) != *nics[0].Ipv6Addresses[0].Ipv6Address {
		t.Errorf("IPv6 address of the instance is %s", val(shown.Ipv6Address))
	}
	simple := r.describe(r.running(func(in *runIn) { in.SubnetId, in.Ipv6AddressCount = &subnet.ID, new(int32(1)) }))
	if len(simple.NetworkInterfaces[0].Ipv6Addresses) != 1 {
		t.Errorf("a launch with one IPv6 address has %+v", simple.NetworkInterfaces[0].Ipv6Addresses)
	}
}
