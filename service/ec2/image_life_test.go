package ec2

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
)

// seen are the IDs that a caller finds among the images of alice.
func (r *rig) seen(ctx context.Context, in ec2.DescribeImagesRequest) []string {
	r.Helper()
	in.Owners = []string{alice}
	return each(must(r.DescribeImages(ctx, &in))(r).Images, func(i ec2.Image) string { return *i.ImageId })
}

func TestDeregisterImage(t *testing.T) {
	r := newGuestRig(t)
	shared, own := r.takeSnapshot(r.createVolume()), r.takeSnapshot(r.createVolume())
	other := r.registerImage(shared)
	id := r.registerImage(own, func(in *registerIn) {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, device("/dev/sdb", ebs{SnapshotId: &shared}))
	})
	name := r.image(id).Name
	_, err := r.DeregisterImage(r.bob, &ec2.DeregisterImageRequest{ImageId: &id})
	want(t, "another's", err, "InvalidAMIID.NotFound")
	_, err = r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: new(testImage)})
	want(t, "the operator's", err, "AuthFailure", "Not authorized for image:"+testImage)
	out := must(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id, DeleteAssociatedSnapshots: new(true)}))(t)
	codes := map[string]string{}
	for _, d := range out.DeleteSnapshotResults {
		codes[*d.SnapshotId] = *d.ReturnCode
	}
	if len(codes) != 2 || codes[own] != "success" || codes[shared] != "skipped" {
		t.Errorf("got %v", codes)
	}
	if n, _ := snapshotTable.Get(r.DB.View(), own); !n.Delete {
		t.Error("its snapshot stays")
	}
	for what, err := range map[string]error{
		"again":  errorOf(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id})),
		"see":    errorOf(r.DescribeImages(r.ctx, &ec2.DescribeImagesRequest{ImageIds: []string{id}})),
		"launch": errorOf(r.RunInstances(r.ctx, r.request(func(in *runIn) { in.ImageId = &id }))),
		"tag":    errorOf(r.CreateTags(r.ctx, &ec2.CreateTagsRequest{Resources: []string{id}, Tags: tags("k", "v")})),
	} {
		want(t, what, err, "InvalidAMIID.NotFound")
	}
	r.registerImage(shared, func(in *registerIn) { in.Name = &name })
	if got := r.seen(r.ctx, ec2.DescribeImagesRequest{}); len(got) != 2 || !slices.Contains(got, other) {
		t.Errorf("alice has %v", got)
	}
}

func errorOf[T any](_ T, err error) error { return err }

// noDeletion lets everybody do everything but delete snapshots.
type noDeletion struct{}

func (noDeletion) Authorize(_ context.Context, q policy.Request) error {
	if q.Action == "ec2:DeleteSnapshot" {
		return errors.New("no")
	}
	return nil
}

func TestDeregisterWithoutPermission(t *testing.T) {
	r := newGuestRig(t)
	snapshot := r.takeSnapshot(r.createVolume())
	id := r.registerImage(snapshot)
	r.Authz = noDeletion{}
	out := must(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id, DeleteAssociatedSnapshots: new(true)}))(t)
	if n, _ := snapshotTable.Get(r.DB.View(), snapshot); n.Delete || *out.DeleteSnapshotResults[0].ReturnCode != "missing-permissions" {
		t.Errorf("got %+v", out)
	}
}

func TestDeregistrationProtection(t *testing.T) {
	r := newGuestRig(t)
	id := r.registerImage(r.takeSnapshot(r.createVolume()))
	enable := func(cool bool) {
		must(r.EnableImageDeregistrationProtection(r.ctx, &ec2.EnableImageDeregistrationProtectionRequest{ImageId: &id, WithCooldown: &cool}))(t)
	}
	disable := func() {
		must(r.DisableImageDeregistrationProtection(r.ctx, &ec2.DisableImageDeregistrationProtectionRequest{ImageId: &id}))(t)
	}
	is := func(state string) {
		t.Helper()
		if got := *r.shown(id).DeregistrationProtection; got != state {
			t.Errorf("the protection is %s, want %s", got, state)
		}
		if state == "disabled" {
			return
		}
		_, err := r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id})
		want(t, state, err, "OperationNotPermitted")
	}
	is("disabled")
	enable(false)
	is("enabled-without-cooldown")
	disable()
	is("disabled")
	enable(true)
	is("enabled-with-cooldown")
	disable()
	is("enabled-with-cooldown")
	r.tick(24*time.Hour - time.Second)
	is("enabled-with-cooldown")
	r.tick(time.Second)
	is("disabled")
	must(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: &id}))(t)
}

// A disabled image cannot be launched, and whom it was shared with loses it for good.
func TestDisableImage(t *testing.T) {
	r := newGuestRig(t)
	id := r.registerImage(r.takeSnapshot(r.createVolume()))
	must(r.ModifyImageAttribute(r.ctx, &ec2.ModifyImageAttributeRequest{ImageId: &id, OperationType: new("add"), UserIds: []string{bob}}))(t)
	for range 2 {
		must(r.DisableImage(r.ctx, &ec2.DisableImageRequest{ImageId: &id}))(t)
	}
	_, err := r.RunInstances(r.ctx, r.request(func(in *runIn) { in.ImageId = &id }))
	want(t, "launch", err, "InvalidAMIID.Unavailable", "The AMI ID '"+id+"' is currently disabled and may not be used for this operation")
	_, err = r.ModifyImageAttribute(r.ctx, &ec2.ModifyImageAttributeRequest{ImageId: &id, OperationType: new("add"), UserIds: []string{bob}})
	want(t, "share", err, "InvalidAMIID.Unavailable")
	if len(r.seen(r.ctx, ec2.DescribeImagesRequest{})) != 0 || len(r.seen(r.ctx, ec2.DescribeImagesRequest{IncludeDisabled: new(true)})) != 1 || *r.shown(id).State != "disabled" {
		t.Error("a disabled image is listed to who does not ask for it, or is not to who does")
	}
	must(r.EnableImage(r.ctx, &ec2.EnableImageRequest{ImageId: &id}))(t)
	if *r.shown(id).State != "available" || len(r.seen(r.bob, ec2.DescribeImagesRequest{IncludeDisabled: new(true)})) != 0 {
		t.Error("an enabled image is not available, or still shared")
	}
	r.launchIDs(func(in *runIn) { in.ImageId, in.BlockDeviceMappings = &id, nil })
}

// Others do not find a deprecated image unless they ask for it, or know its ID.
func TestDeprecation(t *testing.T) {
	r := newGuestRig(t)
	id := r.registerImage(r.takeSnapshot(r.createVolume()))
	must(r.ModifyImageAttribute(r.ctx, &ec2.ModifyImageAttributeRequest{ImageId: &id, OperationType: new("add"), UserGroups: []string{"all"}}))(t)
	deprecate := func(at time.Time) error {
		_, err := r.EnableImageDeprecation(r.ctx, &ec2.EnableImageDeprecationRequest{ImageId: &id, DeprecateAt: &at})
		return err
	}
	want(t, "in the past", deprecate(r.Now().Add(-time.Second)), "InvalidParameterValue")
	want(t, "too far", deprecate(r.Now().AddDate(10, 0, 2)), "InvalidParameterValue")
	_, err := r.EnableImageDeprecation(r.ctx, &ec2.EnableImageDeprecationRequest{ImageId: &id})
	want(t, "no time", err, "MissingParameter")
	at := r.Now().Add(time.Hour + 30*time.Second)
	want(t, "in an hour", deprecate(at), "")
	if got := *r.shown(id).DeprecationTime; got != timeWord(at.Truncate(time.Minute)) {
		t.Errorf("it is deprecated at %s", got)
	}
	listed := func(ctx context.Context, in ec2.DescribeImagesRequest, want bool) {
		t.Helper()
		if got := r.seen(ctx, in); (len(got) == 1) != want {
			t.Errorf("%+v finds %v", in, got)
		}
	}
	listed(r.bob, ec2.DescribeImagesRequest{}, true)
	r.tick(time.Hour)
	r.tick(time.Minute)
	listed(r.bob, ec2.DescribeImagesRequest{}, false)
	listed(r.bob, ec2.DescribeImagesRequest{IncludeDeprecated: new(true)}, true)
	listed(r.bob, ec2.DescribeImagesRequest{ImageIds: []string{id}}, true)
	listed(r.ctx, ec2.DescribeImagesRequest{}, true)
	must(r.DisableImageDeprecation(r.ctx, &ec2.DisableImageDeprecationRequest{ImageId: &id}))(t)
	listed(r.bob, ec2.DescribeImagesRequest{}, true)
}

// Every operation on one image answers for a bad, an unknown, and another's image.
func TestImageOperationsRefuse(t *testing.T) {
	r := newGuestRig(t)
	for what, do := range map[string]func(id *string) error{
		"DeregisterImage": func(id *string) error {
			return errorOf(r.DeregisterImage(r.ctx, &ec2.DeregisterImageRequest{ImageId: id}))
		},
		"EnableImage":  func(id *string) error { return errorOf(r.EnableImage(r.ctx, &ec2.EnableImageRequest{ImageId: id})) },
		"DisableImage": func(id *string) error { return errorOf(r.DisableImage(r.ctx, &ec2.DisableImageRequest{ImageId: id})) },
		"EnableImageDeprecation": func(id *string) error {
			return errorOf(r.EnableImageDeprecation(r.ctx, &ec2.EnableImageDeprecationRequest{ImageId: id, DeprecateAt: new(r.Now().Add(time.Hour))}))
		},
		"DisableImageDeprecation": func(id *string) error {
			return errorOf(r.DisableImageDeprecation(r.ctx, &ec2.DisableImageDeprecationRequest{ImageId: id}))
		},
		"EnableImageDeregistrationProtection": func(id *string) error {
			return errorOf(r.EnableImageDeregistrationProtection(r.ctx, &ec2.EnableImageDeregistrationProtectionRequest{ImageId: id}))
		},
		"DisableImageDeregistrationProtection": func(id *string) error {
			return errorOf(r.DisableImageDeregistrationProtection(r.ctx, &ec2.DisableImageDeregistrationProtectionRequest{ImageId: id}))
		},
		"DescribeImageAttribute": func(id *string) error {
			return errorOf(r.DescribeImageAttribute(r.ctx, &ec2.DescribeImageAttributeRequest{ImageId: id, Attribute: new("description")}))
		},
		"ModifyImageAttribute": func(id *string) error {
			return errorOf(r.ModifyImageAttribute(r.ctx, &ec2.ModifyImageAttributeRequest{ImageId: id, Description: &ec2.AttributeValue{Value: new("d")}}))
		},
		"ResetImageAttribute": func(id *string) error {
			return errorOf(r.ResetImageAttribute(r.ctx, &ec2.ResetImageAttributeRequest{ImageId: id, Attribute: new("launchPermission")}))
		},
	} {
		want(t, what, do(nil), "MissingParameter")
		want(t, what, do(new("i-1")), "InvalidAMIID.Malformed")
		want(t, what, do(new("ami-00000000000000009")), "InvalidAMIID.NotFound")
		want(t, what, do(new(privateImage)), "InvalidAMIID.NotFound")
		want(t, what, do(new(testImage)), "AuthFailure")
	}
	if i := r.image(testImage); i.Retired || i.Disabled || i.Protected || !i.Deprecated.Equal(time.Time{}) || i.Account != cloud.OperatorAccount {
		t.Errorf("the operator's image is changed: %+v", i)
	}
}
