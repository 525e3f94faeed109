package iam

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"image/png"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
)

// authenticator is a device in somebody's hand.
type authenticator struct {
	r      *rig
	serial string
	seed   []byte
}

func (r *rig) addDevice(name string) authenticator {
	r.Helper()
	made := must(r.CreateVirtualMFADevice(r.ctx, &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: &name}))(r).VirtualMFADevice
	seed, err := base32.StdEncoding.DecodeString(string(made.Base32StringSeed))
	if err != nil {
		r.Fatal(err)
	}
	return authenticator{r, *made.SerialNumber, seed}
}

// code is what the device shows some periods from now.
func (a authenticator) code(periods int64) *string {
	return new(identity.TOTP(a.seed, identity.TOTPCounter(a.r.Judge.Now())+periods))
}

// enable gives the device to a user of alice's.
func (a authenticator) enable(ctx context.Context, user string) error {
	return second(a.r.EnableMFADevice(ctx, &api.EnableMFADeviceRequest{
		UserName: &user, SerialNumber: &a.serial, AuthenticationCode1: a.code(-1), AuthenticationCode2: a.code(0),
	}))
}

func TestCreateVirtualMFADevice(t *testing.T) {
	r := newRig(t)
	made := must(r.CreateVirtualMFADevice(r.ctx, &api.CreateVirtualMFADeviceRequest{
		VirtualMFADeviceName: new("phone"), Path: new("/staff/"), Tags: []api.Tag{{Key: new("team"), Value: new("web")}},
	}))(t).VirtualMFADevice
	if *made.SerialNumber != "arn:aws:iam::"+alice+":mfa/staff/phone" || len(made.Base32StringSeed) != 64 || *made.Tags[0].Value != "web" {
		t.Errorf("made %+v", made)
	}
	picture, err := png.Decode(bytes.NewReader(made.QRCodePNG))
	if err != nil || picture.Bounds().Dx() < 100 {
		t.Errorf("picture %v, %v", picture, err)
	}
	d, _ := mfaTable.Get(r.db().View(), *made.SerialNumber)
	if bytes.Contains(d.Sealed, made.Base32StringSeed) {
		t.Error("the seed is not sealed")
	}
	for _, bad := range []struct {
		what, name, path, want string
	}{
		{"the same", "phone", "/staff/", "EntityAlreadyExists"},
		{"in other letters", "Phone", "/staff/", "EntityAlreadyExists"},
		{"elsewhere", "phone", "/", ""},
		{"without a name", "", "/", "ValidationError"},
		{"with a long name", strings.Repeat("x", 227), "/", "ValidationError"},
		{"with a bad name", "a b", "/", "ValidationError"},
		{"with a bad path", "other", "staff", "ValidationError"},
	} {
		want(t, bad.what, second(r.CreateVirtualMFADevice(r.ctx, &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: &bad.name, Path: &bad.path})), bad.want)
	}
	want(t, "in another account", second(r.CreateVirtualMFADevice(r.bob, &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: new("phone"), Path: new("/staff/")})), "")
}

func TestEnableMFADevice(t *testing.T) {
	r := newRig(t)
	u := r.addUser("carol")
	a := r.addDevice("phone")
	enable := func(ctx context.Context, user, serial string, first, second string) string {
		_, err := r.EnableMFADevice(ctx, &api.EnableMFADeviceRequest{UserName: &user, SerialNumber: &serial, AuthenticationCode1: &first, AuthenticationCode2: &second})
		return code(err)
	}
	for what, got := range map[string][2]string{
		"one code twice":           {enable(r.ctx, "carol", a.serial, *a.code(0), *a.code(0)), "InvalidAuthenticationCode"},
		"backwards":                {enable(r.ctx, "carol", a.serial, *a.code(0), *a.code(-1)), "InvalidAuthenticationCode"},
		"five digits":              {enable(r.ctx, "carol", a.serial, "12345", *a.code(0)), "ValidationError"},
		"letters":                  {enable(r.ctx, "carol", a.serial, "abcdef", *a.code(0)), "ValidationError"},
		"no user":                  {enable(r.ctx, "nobody", a.serial, *a.code(-1), *a.code(0)), "NoSuchEntity"},
		"no device":                {enable(r.ctx, "carol", a.serial+"x", *a.code(-1), *a.code(0)), "NoSuchEntity"},
		"another account's device": {enable(r.bob, rootName, a.serial, *a.code(-1), *a.code(0)), "NoSuchEntity"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: got %q, want %q", what, got[0], got[1])
		}
	}
	want(t, "enable", a.enable(r.ctx, "carol"), "")
	want(t, "enable again", a.enable(r.ctx, "carol"), "EntityAlreadyExists")
	want(t, "delete in use", second(r.DeleteVirtualMFADevice(r.ctx, &api.DeleteVirtualMFADeviceRequest{SerialNumber: &a.serial})), "DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")

	got := must(r.GetMFADevice(r.ctx, &api.GetMFADeviceRequest{SerialNumber: &a.serial, UserName: new("carol")}))(t)
	if *got.UserName != "carol" || !got.EnableDate.Equal(r.Judge.Now()) {
		t.Errorf("got %+v", got)
	}
	list := must(r.ListMFADevices(r.ctx, &api.ListMFADevicesRequest{UserName: new("carol")}))(t)
	if len(list.MFADevices) != 1 || *list.MFADevices[0].SerialNumber != a.serial {
		t.Errorf("listed %+v", list)
	}
	all := must(r.ListVirtualMFADevices(r.ctx, &api.ListVirtualMFADevicesRequest{AssignmentStatus: new("Assigned")}))(t)
	if len(all.VirtualMFADevices) != 1 || *all.VirtualMFADevices[0].User.UserName != "carol" || all.VirtualMFADevices[0].Base32StringSeed != nil {
		t.Errorf("listed %+v", all)
	}
	if free := must(r.ListVirtualMFADevices(r.ctx, &api.ListVirtualMFADevicesRequest{AssignmentStatus: new("Unassigned")}))(t); len(free.VirtualMFADevices) != 0 {
		t.Errorf("unassigned are %+v", free)
	}
	want(t, "a status", second(r.ListVirtualMFADevices(r.ctx, &api.ListVirtualMFADevicesRequest{AssignmentStatus: new("Lost")})), "ValidationError")

	r.cloud.Seconds.Add(60)
	if err := r.Judge.VerifyMFA(t.Context(), alice, *u.UserId, a.serial, *a.code(0)); err != nil {
		t.Errorf("a code of the device: %v", err)
	}
	resync := func(user string, first, last *string) error {
		return second(r.ResyncMFADevice(r.ctx, &api.ResyncMFADeviceRequest{UserName: &user, SerialNumber: &a.serial, AuthenticationCode1: first, AuthenticationCode2: last}))
	}
	r.addUser("dave")
	want(t, "resync of another's", resync("dave", a.code(10), a.code(11)), "NoSuchEntity", "MFA Device invalid for user.")
	want(t, "resync", resync("carol", a.code(10), a.code(11)), "")
	want(t, "resync with the same codes", resync("carol", a.code(10), a.code(11)), "InvalidAuthenticationCode")

	deactivate := &api.DeactivateMFADeviceRequest{UserName: new("carol"), SerialNumber: &a.serial}
	want(t, "deactivate another's", second(r.DeactivateMFADevice(r.ctx, &api.DeactivateMFADeviceRequest{UserName: new("dave"), SerialNumber: &a.serial})), "NoSuchEntity")
	want(t, "deactivate", second(r.DeactivateMFADevice(r.ctx, deactivate)), "")
	want(t, "deactivate again", second(r.DeactivateMFADevice(r.ctx, deactivate)), "NoSuchEntity")
	want(t, "get", second(r.GetMFADevice(r.ctx, &api.GetMFADeviceRequest{SerialNumber: &a.serial, UserName: new("carol")})), "NoSuchEntity")
	want(t, "delete", second(r.DeleteVirtualMFADevice(r.ctx, &api.DeleteVirtualMFADeviceRequest{SerialNumber: &a.serial})), "")
	want(t, "delete again", second(r.DeleteVirtualMFADevice(r.ctx, &api.DeleteVirtualMFADeviceRequest{SerialNumber: &a.serial})), "NoSuchEntity")
	r.addDevice("phone") // the name is free again
}

// The root of an account has devices, too; only itself may manage them.
func TestRootsMFADevice(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.grant("carol", allowing("iam:*"))
	a := r.addDevice("root-account-mfa-device")
	want(t, "enable as a user", a.enable(r.as("user/carol"), rootName), "AccessDenied")
	want(t, "enable", a.enable(r.ctx, rootName), "")
	list := must(r.ListMFADevices(r.ctx, &api.ListMFADevicesRequest{}))(t)
	if len(list.MFADevices) != 1 {
		t.Errorf("listed %+v", list)
	}
	if other := must(r.ListMFADevices(r.bob, &api.ListMFADevicesRequest{}))(t); len(other.MFADevices) != 0 {
		t.Errorf("another root has %+v", other)
	}
	all := must(r.ListVirtualMFADevices(r.ctx, &api.ListVirtualMFADevicesRequest{}))(t)
	if *all.VirtualMFADevices[0].User.Arn != "arn:aws:iam::"+alice+":root" {
		t.Errorf("listed %+v", all.VirtualMFADevices[0].User)
	}
	if mine := must(r.ListMFADevices(r.as("user/carol"), &api.ListMFADevicesRequest{}))(t); len(mine.MFADevices) != 0 {
		t.Errorf("carol has %+v", mine)
	}
	want(t, "deactivate", second(r.DeactivateMFADevice(r.ctx, &api.DeactivateMFADeviceRequest{SerialNumber: &a.serial})), "")
}

func TestMFADeviceQuotaAndPages(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	for i := range 9 {
		wanted := ""
		if i == 8 {
			wanted = "LimitExceeded"
		}
		want(t, fmt.Sprint(i), r.addDevice(fmt.Sprint("device", i)).enable(r.ctx, "carol"), wanted)
	}
	var got []string
	in := &api.ListMFADevicesRequest{UserName: new("carol"), MaxItems: new(int32(3))}
	for pages := 1; ; pages++ {
		out := must(r.ListMFADevices(r.ctx, in))(t)
		for _, d := range out.MFADevices {
			got = append(got, *d.SerialNumber)
		}
		if !*out.IsTruncated {
			if pages != 3 || len(got) != 8 {
				t.Errorf("%d pages: %q", pages, got)
			}
			break
		}
		in.Marker = out.Marker
	}
	want(t, "another's marker", second(r.ListMFADevices(r.ctx, &api.ListMFADevicesRequest{Marker: in.Marker})), "ValidationError")
}

func TestMFADeviceTags(t *testing.T) {
	r := newRig(t)
	a := r.addDevice("phone")
	tags := []api.Tag{{Key: new("team"), Value: new("web")}, {Key: new("Team"), Value: new("db")}}
	must(r.TagMFADevice(r.ctx, &api.TagMFADeviceRequest{SerialNumber: &a.serial, Tags: tags}))(t)
	must(r.UntagMFADevice(r.ctx, &api.UntagMFADeviceRequest{SerialNumber: &a.serial, TagKeys: []string{"team"}}))(t)
	got := must(r.ListMFADeviceTags(r.ctx, &api.ListMFADeviceTagsRequest{SerialNumber: &a.serial}))(t)
	if len(got.Tags) != 1 || *got.Tags[0].Key != "Team" || *got.IsTruncated {
		t.Errorf("tags are %+v", got)
	}
	want(t, "reserved", second(r.TagMFADevice(r.ctx, &api.TagMFADeviceRequest{SerialNumber: &a.serial, Tags: []api.Tag{{Key: new("aws:x"), Value: new("")}}})), "InvalidInput")
	want(t, "another account's", second(r.ListMFADeviceTags(r.bob, &api.ListMFADeviceTagsRequest{SerialNumber: &a.serial})), "NoSuchEntity")

	// Policies see the tags.
	r.addUser("carol")
	r.grant("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:DeleteVirtualMFADevice","Resource":"arn:aws:iam::*:mfa/*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"db"}}}}`)
	other := r.addDevice("other")
	drop := func(serial string) error {
		return second(r.DeleteVirtualMFADevice(r.as("user/carol"), &api.DeleteVirtualMFADeviceRequest{SerialNumber: &serial}))
	}
	want(t, "delete one without the tag", drop(other.serial), "AccessDenied")
	want(t, "delete one that is not there", drop(cloud.NewID("x")), "AccessDenied")
	want(t, "delete the tagged one", drop(a.serial), "")
}
