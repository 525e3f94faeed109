package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamCredentials are the operations on access keys, passwords and MFA devices.
var iamCredentials = table{
	"iam:CreateAccessKey": onCarol(func() any { return &api.CreateAccessKeyRequest{UserName: new("carol")} }),
	"iam:ListAccessKeys":  onCarol(func() any { return &api.ListAccessKeysRequest{UserName: new("carol")} }),
	"iam:UpdateAccessKey": onKey(func(id string) any {
		return &api.UpdateAccessKeyRequest{UserName: new("carol"), AccessKeyId: &id, Status: new("Inactive")}
	}),
	"iam:DeleteAccessKey":      onKey(func(id string) any { return &api.DeleteAccessKeyRequest{UserName: new("carol"), AccessKeyId: &id} }),
	"iam:GetAccessKeyLastUsed": onKey(func(id string) any { return &api.GetAccessKeyLastUsedRequest{AccessKeyId: &id} }),

	"iam:CreateLoginProfile": onCarol(func() any {
		return &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Correct horse 1")}
	}),
	"iam:GetLoginProfile": onPassword(func() any { return &api.GetLoginProfileRequest{UserName: new("carol")} }),
	"iam:UpdateLoginProfile": onPassword(func() any {
		return &api.UpdateLoginProfileRequest{UserName: new("carol"), Password: new("Correct horse 2")}
	}),
	"iam:DeleteLoginProfile": onPassword(func() any { return &api.DeleteLoginProfileRequest{UserName: new("carol")} }),
	"iam:ChangePassword": func(w *world) row {
		made[*api.CreateLoginProfileResponse](w, Alice, &api.CreateLoginProfileRequest{UserName: new("tess"), Password: new("Correct horse 1")})
		return row{
			in:    &api.ChangePasswordRequest{OldPassword: new("Correct horse 1"), NewPassword: new("Correct horse 2")},
			needs: []need{on(w.iamARN("user/tess"))},
			other: "NoSuchEntity", // who has no password
		}
	},

	"iam:CreateVirtualMFADevice": func(w *world) row {
		arn := w.iamARN("mfa/team/phone")
		return row{
			in:    &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: new("phone"), Path: new(path), Tags: blueIAM},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagMFADevice", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:DeleteVirtualMFADevice": func(w *world) row {
		serial, _ := w.phone()
		return row{in: &api.DeleteVirtualMFADeviceRequest{SerialNumber: &serial}, needs: []need{on(serial, blue, "blue")}, other: "NoSuchEntity"}
	},
	"iam:ListVirtualMFADevices": func(w *world) row {
		w.phone()
		return row{in: &api.ListVirtualMFADevicesRequest{}}
	},
	"iam:ListMFADeviceTags": func(w *world) row {
		serial, _ := w.phone()
		return row{in: &api.ListMFADeviceTagsRequest{SerialNumber: &serial}, needs: []need{on(serial, blue, "blue")}, other: "NoSuchEntity"}
	},
	"iam:TagMFADevice": func(w *world) row {
		serial, _ := w.phone()
		return row{
			in:    &api.TagMFADeviceRequest{SerialNumber: &serial, Tags: blueIAM},
			needs: []need{on(serial, blue, "blue", "aws:RequestTag/team", "blue")},
			other: "NoSuchEntity",
		}
	},
	"iam:UntagMFADevice": func(w *world) row {
		serial, _ := w.phone()
		return row{
			in:    &api.UntagMFADeviceRequest{SerialNumber: &serial, TagKeys: []string{"team"}},
			needs: []need{on(serial, blue, "blue", "aws:TagKeys", "team")},
			other: "NoSuchEntity",
		}
	},
	"iam:EnableMFADevice": func(w *world) row {
		serial, seed := w.phone()
		return w.carolRow(&api.EnableMFADeviceRequest{
			UserName: new("carol"), SerialNumber: &serial, AuthenticationCode1: new(w.code(seed, -1)), AuthenticationCode2: new(w.code(seed, 0)),
		})
	},
	"iam:DeactivateMFADevice": func(w *world) row {
		r := w.carolRow(nil)
		serial, _ := w.enabled()
		r.in = &api.DeactivateMFADeviceRequest{UserName: new("carol"), SerialNumber: &serial}
		return r
	},
	"iam:ResyncMFADevice": func(w *world) row {
		r := w.carolRow(nil)
		serial, seed := w.enabled()
		w.Seconds.Add(300)
		r.in = &api.ResyncMFADeviceRequest{
			UserName: new("carol"), SerialNumber: &serial, AuthenticationCode1: new(w.code(seed, -1)), AuthenticationCode2: new(w.code(seed, 0)),
		}
		return r
	},
	"iam:GetMFADevice": func(w *world) row {
		r := w.carolRow(nil)
		serial, _ := w.enabled()
		r.in = &api.GetMFADeviceRequest{UserName: new("carol"), SerialNumber: &serial}
		return r
	},
	"iam:ListMFADevices": func(w *world) row {
		r := w.carolRow(&api.ListMFADevicesRequest{UserName: new("carol")})
		w.enabled()
		return r
	},
}

// onKey is the row of an operation on an access key of carol's.
func onKey(in func(id string) any) func(*world) row {
	return func(w *world) row {
		r := w.carolRow(nil)
		r.in = in(w.key())
		return r
	}
}

// onPassword is the row of an operation on carol's password.
func onPassword(in func() any) func(*world) row {
	return func(w *world) row {
		r := w.carolRow(in())
		made[*api.CreateLoginProfileResponse](w, Alice, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Correct horse 1")})
		return r
	}
}
