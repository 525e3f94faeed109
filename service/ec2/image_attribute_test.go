package ec2

import (
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

type modifyImageIn = ec2.ModifyImageAttributeRequest

func TestShareImage(t *testing.T) {
	r := newGuestRig(t)
	snapshot := r.takeSnapshot(r.createVolume())
	id := r.registerImage(snapshot, func(in *registerIn) { in.TagSpecifications = tagSpec("image", "Name", "i") })
	share := func(in modifyImageIn) {
		t.Helper()
		in.ImageId = &id
		must(r.ModifyImageAttribute(r.ctx, &in))(t)
	}
	permissions := func() (all []string) {
		out := must(r.DescribeImageAttribute(r.ctx, &ec2.DescribeImageAttributeRequest{ImageId: &id, Attribute: new("launchPermission")}))(t)
		for _, p := range out.LaunchPermissions {
			all = append(all, val(p.UserId)+val(p.Group))
		}
		return all
	}
	bobSees := func(in ec2.DescribeImagesRequest, want bool) {
		t.Helper()
		if got := r.seen(r.bob, in); slices.Contains(got, id) != want {
			t.Errorf("%+v: bob sees %v", in, got)
		}
	}
	launch := func() error { _, err := r.RunInstances(r.bob, r.bobsRequest(id)); return err }
	bobSees(ec2.DescribeImagesRequest{}, false)
	want(t, "launch of what is not shared", launch(), "InvalidAMIID.NotFound")

	share(modifyImageIn{Attribute: new("launchPermission"), OperationType: new("add"), UserIds: []string{bob, alice, bob}})
	if got := permissions(); !slices.Equal(got, []string{bob}) {
		t.Errorf("it is shared with %v", got)
	}
	bobSees(ec2.DescribeImagesRequest{}, true)
	bobSees(ec2.DescribeImagesRequest{ImageIds: []string{id}}, true)
	bobSees(ec2.DescribeImagesRequest{ExecutableUsers: []string{"self"}}, true)
	bobSees(ec2.DescribeImagesRequest{ExecutableUsers: []string{"all"}}, false)
	bobSees(ec2.DescribeImagesRequest{Filters: filters("tag:Name", "i")}, false)
	if got := must(r.DescribeImages(r.ctx, &ec2.DescribeImagesRequest{ExecutableUsers: []string{bob}}))(t).Images; len(got) != 1 {
		t.Errorf("alice finds %d images that bob may launch", len(got))
	}
	want(t, "launch of what is shared", launch(), "") // though bob cannot see the snapshot
	_, err := r.CopyImage(r.bob, &ec2.CopyImageRequest{Name: new("copy"), SourceImageId: &id, SourceRegion: &r.Place.Region})
	want(t, "copy", err, "InvalidRequest", "You do not have permission to access the storage of this ami")
	must(r.ModifySnapshotAttribute(r.ctx, &ec2.ModifySnapshotAttributeRequest{SnapshotId: &snapshot, OperationType: new("add"), UserIds: []string{bob}}))(t)
	copied := must(r.CopyImage(r.bob, &ec2.CopyImageRequest{Name: new("copy"), SourceImageId: &id, SourceRegion: &r.Place.Region, CopyImageTags: new(true)}))(t)
	if i := r.image(*copied.ImageId); i.Account != bob || len(i.Tags) != 0 {
		t.Errorf("got %+v", i)
	}
	_, err = r.ModifyImageAttribute(r.bob, &modifyImageIn{ImageId: &id, Description: &ec2.AttributeValue{Value: new("bob's")}})
	want(t, "change another's", err, "AuthFailure", "Not authorized for image:"+id)

	must(r.CancelImageLaunchPermission(r.bob, &ec2.CancelImageLaunchPermissionRequest{ImageId: &id}))(t)
	bobSees(ec2.DescribeImagesRequest{}, false)
	_, err = r.CancelImageLaunchPermission(r.bob, &ec2.CancelImageLaunchPermissionRequest{ImageId: &id})
	want(t, "cancel again", err, "InvalidAMIID.NotFound")

	share(modifyImageIn{LaunchPermission: &ec2.LaunchPermissionModifications{Add: []ec2.LaunchPermission{{Group: new("all")}}}})
	bobSees(ec2.DescribeImagesRequest{ExecutableUsers: []string{"all"}}, true)
	bobSees(ec2.DescribeImagesRequest{Filters: filters("is-public", "true", "tag:Name", "i")}, true)
	_, err = r.CancelImageLaunchPermission(r.bob, &ec2.CancelImageLaunchPermissionRequest{ImageId: &id})
	want(t, "cancel of a public one", err, "InvalidParameterValue")
	share(modifyImageIn{OperationType: new("remove"), UserGroups: []string{"all"}})
	share(modifyImageIn{OperationType: new("add"), UserIds: []string{bob}})
	must(r.ResetImageAttribute(r.ctx, &ec2.ResetImageAttributeRequest{ImageId: &id, Attribute: new("launchPermission")}))(t)
	bobSees(ec2.DescribeImagesRequest{}, false)
	if got := permissions(); len(got) != 0 {
		t.Errorf("it is still shared with %v", got)
	}
}

// bobsRequest is bob's request for an instance of the image.
func (r *rig) bobsRequest(image string) *runIn {
	return r.request(func(in *runIn) { in.ImageId, in.SubnetId = &image, &r.bobs.Subnets[0].ID })
}

func TestImageAttributes(t *testing.T) {
	r := newGuestRig(t)
	id := r.registerImage(r.takeSnapshot(r.createVolume()), func(in *registerIn) { in.SriovNetSupport = new("simple") })
	for _, in := range []modifyImageIn{
		{Attribute: new("description"), Value: new("better")},
		{ImdsSupport: &ec2.AttributeValue{Value: new("v2.0")}},
	} {
		in.ImageId = &id
		must(r.ModifyImageAttribute(r.ctx, &in))(t)
	}
	for attribute, want := range map[string]string{
		"description": "better", "imdsSupport": "v2.0", "sriovNetSupport": "simple", "bootMode": "legacy-bios", "deregistrationProtection": "disabled",
		"kernel": "", "ramdisk": "", "tpmSupport": "", "uefiData": "",
	} {
		out := must(r.DescribeImageAttribute(r.ctx, &ec2.DescribeImageAttributeRequest{ImageId: &id, Attribute: &attribute}))(t)
		got := map[string]*ec2.AttributeValue{
			"description": out.Description, "imdsSupport": out.ImdsSupport, "sriovNetSupport": out.SriovNetSupport, "bootMode": out.BootMode,
			"deregistrationProtection": out.DeregistrationProtection, "kernel": out.KernelId, "ramdisk": out.RamdiskId, "tpmSupport": out.TpmSupport, "uefiData": out.UefiData,
		}[attribute]
		if got == nil || val(got.Value) != want || *out.ImageId != id {
			t.Errorf("%s: got %+v", attribute, got)
		}
	}
	out := must(r.DescribeImageAttribute(r.ctx, &ec2.DescribeImageAttributeRequest{ImageId: &id, Attribute: new("blockDeviceMapping")}))(t)
	if len(out.BlockDeviceMappings) != 1 || *out.BlockDeviceMappings[0].Ebs.VolumeSize != 10 {
		t.Errorf("got %+v", out)
	}
	for attribute, wanted := range map[string]string{"": "MissingParameter", "lastLaunchedTime": "UnsupportedOperation", "color": "InvalidParameterValue"} {
		_, err := r.DescribeImageAttribute(r.ctx, &ec2.DescribeImageAttributeRequest{ImageId: &id, Attribute: &attribute})
		want(t, attribute, err, wanted)
	}
	for attribute, wanted := range map[string]string{"": "MissingParameter", "description": "InvalidParameterValue"} {
		_, err := r.ResetImageAttribute(r.ctx, &ec2.ResetImageAttributeRequest{ImageId: &id, Attribute: &attribute})
		want(t, attribute, err, wanted)
	}
}

func TestModifyImageAttributeRefuses(t *testing.T) {
	r := newGuestRig(t)
	id := r.registerImage(r.takeSnapshot(r.createVolume()))
	sealed := r.registerImage(r.takeSnapshot(r.createVolume(func(in *ec2.CreateVolumeRequest) { in.Encrypted = new(true) })))
	text := &ec2.AttributeValue{Value: new("d")}
	all := &ec2.LaunchPermissionModifications{Add: []ec2.LaunchPermission{{Group: new("all")}}}
	for _, c := range []struct {
		what string
		in   modifyImageIn
		code string
		says string
	}{
		{"nothing", modifyImageIn{}, "InvalidParameterCombination", "No attributes specified."},
		{"two things", modifyImageIn{Description: text, LaunchPermission: all}, "InvalidParameterCombination", "Fields for multiple attribute types specified"},
		{"odd attribute", modifyImageIn{Attribute: new("color"), Value: new("red")}, "InvalidParameterValue", ""},
		{"product codes", modifyImageIn{ProductCodes: []string{"x"}}, "UnsupportedOperation", ""},
		{"no operation", modifyImageIn{UserIds: []string{bob}}, "InvalidParameterValue", ""},
		{"odd user", modifyImageIn{UserIds: []string{"bob"}, OperationType: new("add")}, "InvalidAMIAttributeItemValue", `Invalid attribute item value "bob" for userId item type.`},
		{"odd group", modifyImageIn{UserGroups: []string{"some"}, OperationType: new("add")}, "InvalidParameterValue", ""},
		{"organization", modifyImageIn{OrganizationArns: []string{"arn"}, OperationType: new("add")}, "UnsupportedOperation", ""},
		{"unit", modifyImageIn{OrganizationalUnitArns: []string{"arn"}, OperationType: new("remove")}, "UnsupportedOperation", ""},
		{"both forms", modifyImageIn{UserIds: []string{bob}, OperationType: new("add"), LaunchPermission: all}, "InvalidParameterCombination", ""},
		{"odd IMDS", modifyImageIn{ImdsSupport: text}, "InvalidParameterValue", ""},
		{"encrypted", modifyImageIn{ImageId: &sealed, LaunchPermission: all}, "InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can’t be shared. Specify another snapshot."},
	} {
		if c.in.ImageId == nil {
			c.in.ImageId = &id
		}
		_, err := r.ModifyImageAttribute(r.ctx, &c.in)
		if c.says == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.says)
		}
	}
}
