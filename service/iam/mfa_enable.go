package iam

import (
	"context"
	"errors"
	"net/http"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// rootName stands for the root of the account where an operation on MFA devices
// wants the name of a user; no user can have it. It is how the credential report
// calls the root.
const rootName = "<root_account>"

// owner is whom a device is enabled for.
type owner struct {
	id   string // of the user, or identity.RootUser
	name string
}

// deviceOwner finds whom a request names: a user, or the root by rootName, or the
// caller if it names nobody; once the caller was allowed the action.
func (s *Service) deviceOwner(ctx context.Context, name *string, action string) (cloud.Caller, owner, error) {
	c := cloud.CallerFrom(ctx)
	if c.Type == cloud.PrincipalRoot && name == nil || val(name) == rootName {
		c, err := s.allow(ctx, action, nil, s.aboutRoot(ctx))
		if err == nil && c.Type != cloud.PrincipalRoot {
			err = &cloud.Error{Code: "AccessDenied", Message: "Only the root of an account may manage its MFA devices.", Status: http.StatusForbidden}
		}
		return c, owner{identity.RootUser, rootName}, err
	}
	c, u, err := s.userOrSelf(ctx, name, action)
	return c, owner{u.ID, u.Name}, err
}

// EnableMFADevice gives a device to a user who proves, with two codes that follow
// each other, to have it.
func (s *Service) EnableMFADevice(ctx context.Context, in *api.EnableMFADeviceRequest) (*api.EnableMFADeviceOutput, error) {
	c, o, err := s.deviceOwner(ctx, in.UserName, "EnableMFADevice")
	if err != nil {
		return nil, err
	}
	return done[api.EnableMFADeviceOutput](s.syncDevice(ctx, c, in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2, func(tx *store.Tx, d *cloud.MFADevice) error {
		if _, ok := userTable.Get(tx, o.id); !ok && o.id != identity.RootUser {
			return users.missing(o.name)
		}
		if d.User != "" {
			return cloud.Errorf("EntityAlreadyExists", "MFA Device is already in use.")
		}
		if len(devicesOf(tx, c.Account, o.id)) >= maxDevicesPerUser {
			return quota("MFADevicesPerUser", maxDevicesPerUser)
		}
		d.User, d.Enabled = o.id, s.Judge.Now().UTC()
		return nil
	}))
}

// ResyncMFADevice takes two codes to learn how far the clock of a device is off.
func (s *Service) ResyncMFADevice(ctx context.Context, in *api.ResyncMFADeviceRequest) (*api.ResyncMFADeviceOutput, error) {
	c, o, err := s.deviceOwner(ctx, in.UserName, "ResyncMFADevice")
	if err != nil {
		return nil, err
	}
	return done[api.ResyncMFADeviceOutput](s.syncDevice(ctx, c, in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2, func(_ *store.Tx, d *cloud.MFADevice) error {
		return o.has(*d)
	}))
}

// has refuses a device that is another's.
func (o owner) has(d cloud.MFADevice) error {
	if d.User != o.id {
		return noSuch("MFA Device invalid for user.")
	}
	return nil
}

// syncDevice checks two codes of a device of the caller's account that accept
// takes.
func (s *Service) syncDevice(ctx context.Context, c cloud.Caller, serial, first, second *string, accept func(*store.Tx, *cloud.MFADevice) error) error {
	if err := checkLength(devices.parameter, val(serial), devices.least, devices.most); err != nil {
		return err
	}
	for parameter, code := range map[string]string{"authenticationCode1": val(first), "authenticationCode2": val(second)} {
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			return constraint(parameter, code, "Member must be six digits")
		}
	}
	err := s.Judge.SyncMFA(ctx, *serial, *first, *second, func(tx *store.Tx, d *cloud.MFADevice) error {
		if d.Account != c.Account {
			return identity.ErrUnknownDevice
		}
		return accept(tx, d)
	})
	switch {
	case errors.Is(err, identity.ErrUnknownDevice):
		return devices.missing(*serial)
	case errors.Is(err, identity.ErrManyWrongCodes):
		return invalidCode("Too many wrong authentication codes in a row. Wait a while and try again.")
	case errors.Is(err, identity.ErrWrongCode):
		return invalidCode("Authentication code for device is not valid.")
	}
	return err
}

func invalidCode(message string) error {
	return &cloud.Error{Code: "InvalidAuthenticationCode", Message: message, Status: http.StatusForbidden}
}

// DeactivateMFADevice takes a device from its user.
func (s *Service) DeactivateMFADevice(ctx context.Context, in *api.DeactivateMFADeviceRequest) (*api.DeactivateMFADeviceOutput, error) {
	c, o, err := s.deviceOwner(ctx, in.UserName, "DeactivateMFADevice")
	if err != nil {
		return nil, err
	}
	d, err := s.device(c, in.SerialNumber)
	if err != nil {
		return nil, err
	}
	return done[api.DeactivateMFADeviceOutput](devices.alter(ctx, s, d, func(_ *store.Tx, d *cloud.MFADevice) error {
		if err := o.has(*d); err != nil {
			return err
		}
		*d = cloud.MFADevice{
			Serial: d.Serial, Account: d.Account, Name: d.Name, Path: d.Path, Sealed: d.Sealed, Created: d.Created, Tags: d.Tags,
			Last: d.Last, Wrong: d.Wrong, Locked: d.Locked,
		}
		return nil
	}))
}

// device finds a device of the caller's account.
func (s *Service) device(c cloud.Caller, serial *string) (cloud.MFADevice, error) {
	if err := checkLength(devices.parameter, val(serial), devices.least, devices.most); err != nil {
		return cloud.MFADevice{}, err
	}
	d, ok := devices.get(s.db().View(), c.Account, *serial)
	if !ok {
		return d, devices.missing(*serial)
	}
	return d, nil
}

// GetMFADevice shows the device of a user.
func (s *Service) GetMFADevice(ctx context.Context, in *api.GetMFADeviceRequest) (*api.GetMFADeviceResponse, error) {
	c, o, err := s.deviceOwner(ctx, in.UserName, "GetMFADevice")
	if err != nil {
		return nil, err
	}
	d, err := s.device(c, in.SerialNumber)
	if err == nil {
		err = o.has(d)
	}
	if err != nil {
		return nil, err
	}
	return &api.GetMFADeviceResponse{SerialNumber: &d.Serial, UserName: &o.name, EnableDate: &d.Enabled}, nil
}

// ListMFADevices lists the devices of a user.
func (s *Service) ListMFADevices(ctx context.Context, in *api.ListMFADevicesRequest) (*api.ListMFADevicesResponse, error) {
	c, o, err := s.deviceOwner(ctx, in.UserName, "ListMFADevices")
	if err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListMFADevices", o.id, in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	page, more, marker := cut(p, devicesOf(s.db().View(), c.Account, o.id), cloud.MFADevice.Key)
	out := &api.ListMFADevicesResponse{MFADevices: []api.MFADevice{}, IsTruncated: more, Marker: marker}
	for _, d := range page {
		out.MFADevices = append(out.MFADevices, api.MFADevice{SerialNumber: new(d.Serial), UserName: new(o.name), EnableDate: new(d.Enabled)})
	}
	return out, nil
}

// devicesOf lists the devices that are enabled for a user or the root.
func devicesOf(r store.Reader, account, id string) (list []cloud.MFADevice) {
	for d := range mfaTable.Select(r, cloud.UserLabel(id)) {
		if d.Account == account { // every account has a root
			list = append(list, d)
		}
	}
	return list
}
