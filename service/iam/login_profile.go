package iam

import (
	"context"
	"errors"
	"net/http"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// userOrSelf finds the user that a request names, or the caller if it names none,
// once the caller was allowed the action.
func (s *Service) userOrSelf(ctx context.Context, name *string, action string) (cloud.Caller, cloud.User, error) {
	if name == nil {
		own := false
		if name, own = s.self(ctx); !own {
			c, err := s.allow(ctx, action, nil, s.aboutRoot(ctx))
			if err == nil {
				err = errNeedsUser()
			}
			return c, cloud.User{}, err
		}
	}
	return find(ctx, s, users, name, question{action: action})
}

// CreateLoginProfile gives a user a password.
func (s *Service) CreateLoginProfile(ctx context.Context, in *api.CreateLoginProfileRequest) (*api.CreateLoginProfileResponse, error) {
	c, u, err := s.userOrSelf(ctx, in.UserName, "CreateLoginProfile")
	if err != nil {
		return nil, err
	}
	if _, ok := loginTable.Get(s.db().View(), u.ID); ok {
		return nil, loginExists(u)
	}
	hash, err := s.newPassword(ctx, u, val(in.Password), nil)
	if err != nil {
		return nil, err
	}
	now := s.Judge.Now().UTC()
	p := cloud.LoginProfile{User: u.ID, Account: c.Account, Hash: hash, Created: now, Changed: now, MustReset: val(in.PasswordResetRequired)}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if _, ok := userTable.Get(tx, u.ID); !ok {
			return users.missing(u.Name)
		}
		return loginTable.Create(tx, p)
	})
	if errors.Is(err, store.ErrExists) {
		err = loginExists(u)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateLoginProfileResponse{LoginProfile: showLogin(u, p)}, nil
}

func loginExists(u cloud.User) error {
	return cloud.Errorf("EntityAlreadyExists", "Login Profile for user %s already exists.", u.Name)
}

func noLogin(u cloud.User) error { return noSuch("Login Profile for User %s cannot be found.", u.Name) }

func showLogin(u cloud.User, p cloud.LoginProfile) *api.LoginProfile {
	return &api.LoginProfile{UserName: new(u.Name), CreateDate: new(p.Created), PasswordResetRequired: new(p.MustReset)}
}

// GetLoginProfile says whether a user has a password, and since when.
func (s *Service) GetLoginProfile(ctx context.Context, in *api.GetLoginProfileRequest) (*api.GetLoginProfileResponse, error) {
	_, u, err := s.userOrSelf(ctx, in.UserName, "GetLoginProfile")
	if err != nil {
		return nil, err
	}
	p, ok := loginTable.Get(s.db().View(), u.ID)
	if !ok {
		return nil, noLogin(u)
	}
	return &api.GetLoginProfileResponse{LoginProfile: showLogin(u, p)}, nil
}

// UpdateLoginProfile sets another password for a user, or makes the user choose one.
func (s *Service) UpdateLoginProfile(ctx context.Context, in *api.UpdateLoginProfileRequest) (*api.UpdateLoginProfileOutput, error) {
	_, u, err := find(ctx, s, users, in.UserName, question{action: "UpdateLoginProfile"})
	if err != nil {
		return nil, err
	}
	p, ok := loginTable.Get(s.db().View(), u.ID)
	if !ok {
		return nil, noLogin(u)
	}
	hash := p.Hash
	if in.Password != nil {
		if hash, err = s.newPassword(ctx, u, *in.Password, &p); err != nil {
			return nil, err
		}
	}
	return done[api.UpdateLoginProfileOutput](s.replaceLogin(ctx, u, p, func(p *cloud.LoginProfile) {
		p.Replace(hash, s.Judge.Now().UTC())
		if in.PasswordResetRequired != nil {
			p.MustReset = *in.PasswordResetRequired
		}
	}))
}

// replaceLogin changes a password that was read before, unless somebody else
// changed it since: what was proved and compared would not be true of the new one.
func (s *Service) replaceLogin(ctx context.Context, u cloud.User, was cloud.LoginProfile, fn func(*cloud.LoginProfile)) error {
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		return loginTable.Modify(tx, u.ID, func(p *cloud.LoginProfile) error {
			if p.Hash != was.Hash {
				return &cloud.Error{
					Code: "ConcurrentModification", Status: http.StatusConflict,
					Message: "The password was changed by another request at the same time. Try again.",
				}
			}
			fn(p)
			return nil
		})
	})
	if errors.Is(err, store.ErrNotFound) {
		return noLogin(u)
	}
	return err
}

// DeleteLoginProfile takes a user's password away. Access keys go on working.
func (s *Service) DeleteLoginProfile(ctx context.Context, in *api.DeleteLoginProfileRequest) (*api.DeleteLoginProfileOutput, error) {
	_, u, err := s.userOrSelf(ctx, in.UserName, "DeleteLoginProfile")
	if err != nil {
		return nil, err
	}
	err = s.db().Update(ctx, func(tx *store.Tx) error { return loginTable.Delete(tx, u.ID) })
	if errors.Is(err, store.ErrNotFound) {
		err = noLogin(u)
	}
	return done[api.DeleteLoginProfileOutput](err)
}

// ChangePassword changes the password of the user who calls. Where the account's
// password policy lets users do that, it needs no other permission, but a Deny
// still counts.
func (s *Service) ChangePassword(ctx context.Context, in *api.ChangePasswordRequest) (*api.ChangePasswordOutput, error) {
	c := cloud.CallerFrom(ctx)
	u, own := userTable.Get(s.db().View(), c.Entity)
	own = own && c.Type == cloud.PrincipalUser
	resource := s.aboutRoot(ctx)
	if own {
		resource = about(s, u)
		resource.Policy = s.changeGrant(u)
	}
	if _, err := s.allow(ctx, "ChangePassword", nil, resource); err != nil {
		return nil, err
	}
	if !own {
		return nil, cloud.Errorf("InvalidUserType", "Only IAM Users can change their own password")
	}
	p, ok := loginTable.Get(s.db().View(), u.ID)
	if !ok {
		return nil, noLogin(u)
	}
	for parameter, password := range map[string]string{"oldPassword": val(in.OldPassword), "newPassword": val(in.NewPassword)} {
		if err := checkPasswordText(parameter, password); err != nil {
			return nil, err
		}
	}
	right, err := s.Judge.CheckPassword(ctx, p.Hash, val(in.OldPassword))
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, &cloud.Error{Code: "AccessDenied", Message: "The old password was incorrect.", Status: http.StatusForbidden}
	}
	hash, err := s.newPassword(ctx, u, val(in.NewPassword), &p)
	if err != nil {
		return nil, err
	}
	return done[api.ChangePasswordOutput](s.replaceLogin(ctx, u, p, func(p *cloud.LoginProfile) {
		p.Replace(hash, s.Judge.Now().UTC())
		p.MustReset = false
	}))
}

// changeGrant is what the account's password policy grants a user:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_enable-user-change.html
func (s *Service) changeGrant(u cloud.User) policy.Attached {
	a, _ := accountTable.Get(s.db().View(), u.Account)
	if a.Passwords == nil || !a.Passwords.UsersMayChange {
		return policy.Attached{}
	}
	return policy.Attached{
		Kind: policy.ResourcePolicy, Name: "password policy of the account",
		Document: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + u.ID + `"},"Action":"iam:ChangePassword","Resource":"*"}}`,
	}
}
