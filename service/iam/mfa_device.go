package iam

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"

	"rsc.io/qr"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of MFA devices:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxDeviceName     = 226
	maxDevicesPerUser = 8
)

var devices = &register[cloud.MFADevice]{
	word: "mfa", parameter: "serialNumber", least: 9, most: 1024,
	noSuch:  "VirtualMFADevice with serial number %s doesn't exist.",
	account: func(d cloud.MFADevice) string { return d.Account },
	tags:    func(d *cloud.MFADevice) *map[string]string { return &d.Tags },
}

// CreateVirtualMFADevice makes a device that is nobody's yet. Only its answer
// shows the seed.
func (s *Service) CreateVirtualMFADevice(ctx context.Context, in *api.CreateVirtualMFADeviceRequest) (*api.CreateVirtualMFADeviceResponse, error) {
	account, name := cloud.CallerFrom(ctx).Account, val(in.VirtualMFADeviceName)
	path, err := pathOf(in.Path)
	if err == nil {
		err = checkName("virtualMFADeviceName", name, maxDeviceName)
	}
	serial := s.arn(account, devices.word+path+name)
	if err != nil {
		serial = "" // all devices
	}
	if _, err := s.allowNew(ctx, "CreateVirtualMFADevice", "TagMFADevice", nil, in.Tags, devices.aboutName(s, account, serial)); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags, false)
	if err != nil {
		return nil, err
	}
	seed := identity.NewSeed()
	d := cloud.MFADevice{
		Serial: serial, Account: account, Name: name, Path: path, Tags: tags, Created: s.Judge.Now().UTC(),
		Sealed: s.Judge.Keys.Secrets.Seal(serial, seed),
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if err := tx.Claim(cloud.MFADeviceNames(account), cloud.IAMName(path+name), serial); err != nil {
			return err
		}
		return mfaTable.Create(tx, d)
	})
	if _, taken := errors.AsType[*store.ClaimedError](err); taken || errors.Is(err, store.ErrExists) {
		err = cloud.Errorf("EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
	}
	if err != nil {
		return nil, err
	}
	return s.showSeed(d, seed)
}

// showSeed is the answer with the seed: as text, and as a picture that
// authenticators read.
func (s *Service) showSeed(d cloud.MFADevice, seed []byte) (*api.CreateVirtualMFADeviceResponse, error) {
	text := base32.StdEncoding.EncodeToString(seed)
	owner := d.Account
	if a, _ := accountTable.Get(s.db().View(), d.Account); a.Alias != "" {
		owner = a.Alias
	}
	code, err := qr.Encode("otpauth://totp/"+url.PathEscape(d.Name+"@"+owner)+"?secret="+text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw QR code of %s: %w", d.Serial, err)
	}
	return &api.CreateVirtualMFADeviceResponse{VirtualMFADevice: &api.VirtualMFADevice{
		SerialNumber: new(d.Serial), Base32StringSeed: []byte(text), QRCodePNG: code.PNG(), Tags: tagList(d.Tags),
	}}, nil
}

// DeleteVirtualMFADevice deletes a device that is nobody's.
func (s *Service) DeleteVirtualMFADevice(ctx context.Context, in *api.DeleteVirtualMFADeviceRequest) (*api.DeleteVirtualMFADeviceOutput, error) {
	_, d, err := devices.lookUp(ctx, s, in.SerialNumber, "DeleteVirtualMFADevice", nil)
	if err != nil {
		return nil, err
	}
	return done[api.DeleteVirtualMFADeviceOutput](devices.drop(ctx, s, d, func(d cloud.MFADevice) error {
		if d.User != "" {
			return cloud.Errorf("DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
		}
		return nil
	}))
}

// ListVirtualMFADevices lists the devices of the account, with whom they are
// enabled for.
func (s *Service) ListVirtualMFADevices(ctx context.Context, in *api.ListVirtualMFADevicesRequest) (*api.ListVirtualMFADevicesResponse, error) {
	c, err := s.allow(ctx, "ListVirtualMFADevices", nil)
	if err != nil {
		return nil, err
	}
	status := val(in.AssignmentStatus)
	if in.AssignmentStatus == nil {
		status = api.AssignmentStatusTypeAny
	}
	if err := checkOneOf("assignmentStatus", status, api.AssignmentStatusTypeAny, api.AssignmentStatusTypeAssigned, api.AssignmentStatusTypeUnassigned); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListVirtualMFADevices", status, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	var list []cloud.MFADevice
	for _, d := range devices.all(s, c.Account) {
		if status == api.AssignmentStatusTypeAny || (d.User != "") == (status == api.AssignmentStatusTypeAssigned) {
			list = append(list, d)
		}
	}
	page, more, marker := cut(p, list, cloud.MFADevice.Key)
	out := &api.ListVirtualMFADevicesResponse{VirtualMFADevices: []api.VirtualMFADevice{}, IsTruncated: more, Marker: marker}
	for _, d := range page {
		out.VirtualMFADevices = append(out.VirtualMFADevices, s.showDevice(d))
	}
	return out, nil
}

func (s *Service) showDevice(d cloud.MFADevice) api.VirtualMFADevice {
	out := api.VirtualMFADevice{SerialNumber: new(d.Serial)}
	if d.User == "" {
		return out
	}
	out.EnableDate = new(d.Enabled)
	if d.User == identity.RootUser {
		out.User = s.showRoot(d.Account)
	} else if u, ok := userTable.Get(s.db().View(), d.User); ok {
		out.User = new(s.showUser(u, false))
	}
	return out
}

// TagMFADevice adds tags to a device.
func (s *Service) TagMFADevice(ctx context.Context, in *api.TagMFADeviceRequest) (*api.TagMFADeviceOutput, error) {
	return done[api.TagMFADeviceOutput](devices.tag(ctx, s, "TagMFADevice", in.SerialNumber, in.Tags))
}

// UntagMFADevice removes tags from a device.
func (s *Service) UntagMFADevice(ctx context.Context, in *api.UntagMFADeviceRequest) (*api.UntagMFADeviceOutput, error) {
	return done[api.UntagMFADeviceOutput](devices.untag(ctx, s, "UntagMFADevice", in.SerialNumber, in.TagKeys))
}

// ListMFADeviceTags lists the tags of a device.
func (s *Service) ListMFADeviceTags(ctx context.Context, in *api.ListMFADeviceTagsRequest) (*api.ListMFADeviceTagsResponse, error) {
	tags, more, marker, err := devices.listTags(ctx, s, "ListMFADeviceTags", in.SerialNumber, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return &api.ListMFADeviceTagsResponse{Tags: tags, IsTruncated: more, Marker: marker}, nil
}
