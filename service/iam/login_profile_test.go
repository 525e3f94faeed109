package iam

import (
	"context"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// grant gives a user of alice's an inline policy.
func (r *rig) grant(user, document string) {
	r.Helper()
	must(r.PutUserPolicy(r.ctx, &api.PutUserPolicyRequest{UserName: &user, PolicyName: new("inline"), PolicyDocument: &document}))(r)
}

// password sets a user's password, and returns the code of the error.
func (r *rig) password(user, password string) string {
	return code(second(r.UpdateLoginProfile(r.ctx, &api.UpdateLoginProfileRequest{UserName: &user, Password: &password})))
}

func TestLoginProfileLife(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	carol := new("carol")
	want(t, "get none", second(r.GetLoginProfile(r.ctx, &api.GetLoginProfileRequest{UserName: carol})), "NoSuchEntity", "Login Profile for User carol cannot be found.")
	want(t, "update none", second(r.UpdateLoginProfile(r.ctx, &api.UpdateLoginProfileRequest{UserName: carol, Password: new("Passw0rd!")})), "NoSuchEntity")
	want(t, "delete none", second(r.DeleteLoginProfile(r.ctx, &api.DeleteLoginProfileRequest{UserName: carol})), "NoSuchEntity")
	made := must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: carol, Password: new("Passw0rd!"), PasswordResetRequired: new(true)}))(t)
	if p := made.LoginProfile; *p.UserName != "carol" || !p.CreateDate.Equal(r.Judge.Now()) || !*p.PasswordResetRequired {
		t.Errorf("made %+v", p)
	}
	want(t, "create again", second(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: carol, Password: new("Passw0rd!")})), "EntityAlreadyExists", "Login Profile for user carol already exists.")
	must(r.UpdateLoginProfile(r.ctx, &api.UpdateLoginProfileRequest{UserName: carol, PasswordResetRequired: new(false)}))(t)
	got := must(r.GetLoginProfile(r.ctx, &api.GetLoginProfileRequest{UserName: carol}))(t)
	if *got.LoginProfile.PasswordResetRequired {
		t.Errorf("got %+v", got.LoginProfile)
	}
	for what, err := range map[string]error{
		"nobody's":            second(r.GetLoginProfile(r.ctx, &api.GetLoginProfileRequest{UserName: new("nobody")})),
		"another account's":   second(r.GetLoginProfile(r.bob, &api.GetLoginProfileRequest{UserName: carol})),
		"create for nobody":   second(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("nobody"), Password: new("Passw0rd!")})),
		"delete another's":    second(r.DeleteLoginProfile(r.bob, &api.DeleteLoginProfileRequest{UserName: carol})),
		"update of another's": second(r.UpdateLoginProfile(r.bob, &api.UpdateLoginProfileRequest{UserName: carol})),
	} {
		want(t, what, err, "NoSuchEntity")
	}
	want(t, "the root has none", second(r.GetLoginProfile(r.ctx, &api.GetLoginProfileRequest{})), "ValidationError")
	must(r.DeleteLoginProfile(r.ctx, &api.DeleteLoginProfileRequest{UserName: carol}))(t)
	want(t, "delete again", second(r.DeleteLoginProfile(r.ctx, &api.DeleteLoginProfileRequest{UserName: carol})), "NoSuchEntity")
}

// Nothing that could be a password stands in the store, or in an error.
func TestPasswordsAreKeptAsHashes(t *testing.T) {
	r := newRig(t)
	u := r.addUser("carol")
	must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Passw0rd!")}))(t)
	p, _ := loginTable.Get(r.db().View(), *u.UserId)
	if !strings.HasPrefix(p.Hash, "$argon2id$") || strings.Contains(p.Hash, "Passw0rd") {
		t.Errorf("kept %q", p.Hash)
	}
	long := strings.Repeat("secret", 30)
	err := second(r.UpdateLoginProfile(r.ctx, &api.UpdateLoginProfileRequest{UserName: new("carol"), Password: &long}))
	want(t, "too long", err, "ValidationError")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestDefaultPasswordPolicy(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	for password, message := range map[string]string{
		"Pass0!":               "Password should have a minimum length of 8",
		"password":             "Password should meet 2 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one number, Password should have at least one symbol",
		"passw0rd":             "Password should meet 1 more of the following requirements: Password should have at least one uppercase letter, Password should have at least one symbol",
		alice + "@example.org": "Password should not be the name or the email address of the account",
	} {
		err := second(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: &password}))
		want(t, password, err, "PasswordPolicyViolation", message)
	}
	for password, wanted := range map[string]string{"": "ValidationError", "Passw0rd\x00": "ValidationError", "Passw0rd→": "ValidationError"} {
		want(t, password, second(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: &password})), wanted)
	}
	must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("passw0rd!")}))(t)
}

func TestAccountPasswordPolicy(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Passw0rd!")}))(t)
	want(t, "none", second(r.GetAccountPasswordPolicy(r.ctx, nil)), "NoSuchEntity", "The Password Policy with domain name "+alice+" cannot be found.")
	want(t, "delete none", second(r.DeleteAccountPasswordPolicy(r.ctx, nil)), "NoSuchEntity")
	for what, in := range map[string]api.UpdateAccountPasswordPolicyRequest{
		"too short": {MinimumPasswordLength: new(int32(5))}, "too long": {MinimumPasswordLength: new(int32(129))},
		"no age": {MaxPasswordAge: new(int32(0))}, "too old": {MaxPasswordAge: new(int32(1096))},
		"no reuse": {PasswordReusePrevention: new(int32(0))}, "too many": {PasswordReusePrevention: new(int32(25))},
	} {
		want(t, what, second(r.UpdateAccountPasswordPolicy(r.ctx, &in)), "ValidationError")
	}
	must(r.UpdateAccountPasswordPolicy(r.ctx, &api.UpdateAccountPasswordPolicyRequest{
		MinimumPasswordLength: new(int32(10)), RequireSymbols: new(true), RequireNumbers: new(true), RequireUppercaseCharacters: new(true),
		RequireLowercaseCharacters: new(true), MaxPasswordAge: new(int32(90)), PasswordReusePrevention: new(int32(2)),
	}))(t)
	got := must(r.GetAccountPasswordPolicy(r.ctx, nil))(t).PasswordPolicy
	if *got.MinimumPasswordLength != 10 || !*got.ExpirePasswords || *got.MaxPasswordAge != 90 || *got.PasswordReusePrevention != 2 || *got.AllowUsersToChangePassword || *got.HardExpiry {
		t.Errorf("policy is %+v", got)
	}
	for password, wanted := range map[string]string{
		"Passw0rd!": "PasswordPolicyViolation", "passw0rd!!!!": "PasswordPolicyViolation", "PASSW0RD!!!!": "PasswordPolicyViolation",
		"Password!!!!": "PasswordPolicyViolation", "Passw0rd1234": "PasswordPolicyViolation",
	} {
		if got := r.password("carol", password); got != wanted {
			t.Errorf("%s: got %s", password, got)
		}
	}
	must(r.UpdateAccountPasswordPolicy(r.ctx, &api.UpdateAccountPasswordPolicyRequest{PasswordReusePrevention: new(int32(2))}))(t)
	for _, step := range []struct{ password, want string }{
		{"Passw0rd!", "PasswordPolicyViolation"}, // the present one
		{"second", ""},
		{"Passw0rd!", "PasswordPolicyViolation"}, // the last but one
		{"third!", ""},
		{"Passw0rd!", ""}, // forgotten
	} {
		if got := r.password("carol", step.password); got != step.want {
			t.Errorf("%s: got %q, want %q", step.password, got, step.want)
		}
	}
	must(r.DeleteAccountPasswordPolicy(r.ctx, nil))(t)
	want(t, "deleted", second(r.GetAccountPasswordPolicy(r.ctx, nil)), "NoSuchEntity")
	want(t, "another account's", second(r.GetAccountPasswordPolicy(r.bob, nil)), "NoSuchEntity")
}

func TestChangePassword(t *testing.T) {
	r := newRig(t)
	u := r.addUser("carol")
	ctx := r.as("user/carol")
	change := func(ctx context.Context, old, password string) error {
		return second(r.ChangePassword(ctx, &api.ChangePasswordRequest{OldPassword: &old, NewPassword: &password}))
	}
	want(t, "as the root", change(r.ctx, "x", "y"), "InvalidUserType")
	want(t, "without a permission", change(ctx, "Passw0rd!", "N3wPassw0rd!"), "AccessDenied")
	r.grant("carol", allowing("iam:ChangePassword"))
	want(t, "without a password", change(ctx, "Passw0rd!", "N3wPassw0rd!"), "NoSuchEntity")
	must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Passw0rd!"), PasswordResetRequired: new(true)}))(t)
	want(t, "with a wrong one", change(ctx, "Passw0rd?", "N3wPassw0rd!"), "AccessDenied", "The old password was incorrect.")
	want(t, "to a weak one", change(ctx, "Passw0rd!", "weak"), "PasswordPolicyViolation")
	want(t, "to nothing", change(ctx, "Passw0rd!", ""), "ValidationError")
	want(t, "right", change(ctx, "Passw0rd!", "N3wPassw0rd!"), "")
	if p, _ := loginTable.Get(r.db().View(), *u.UserId); p.MustReset {
		t.Error("the user must still change the password")
	}
	want(t, "with the old one", change(ctx, "Passw0rd!", "N3wPassw0rd!"), "AccessDenied")

	// The account may let all its users change their passwords.
	r.grant("carol", allowing("iam:GetUser"))
	want(t, "no permission again", change(ctx, "N3wPassw0rd!", "Passw0rd!"), "AccessDenied")
	must(r.UpdateAccountPasswordPolicy(r.ctx, &api.UpdateAccountPasswordPolicyRequest{AllowUsersToChangePassword: new(true)}))(t)
	want(t, "by the account's policy", change(ctx, "N3wPassw0rd!", "Passw0rd!"), "")
	r.grant("carol", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ChangePassword","Resource":"*"}]}`)
	want(t, "denied", change(ctx, "Passw0rd!", "N3wPassw0rd!"), "AccessDenied")
}
