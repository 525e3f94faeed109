package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// CreateUser makes a user without any permission or credential.
func (s *Service) CreateUser(ctx context.Context, in *api.CreateUserRequest) (*api.CreateUserResponse, error) {
	k := keys{}.with(boundaryKey, val(in.PermissionsBoundary))
	account, name := cloud.CallerFrom(ctx).Account, val(in.UserName)
	path, pathErr := pathOf(in.Path)
	if _, err := s.allowNew(ctx, "CreateUser", "TagUser", k, in.Tags, users.aboutName(s, account, path, name)); err != nil {
		return nil, err
	}
	if err := checkName(users.parameter, name, maxUserName); err != nil {
		return nil, err
	}
	if pathErr != nil {
		return nil, pathErr
	}
	tags, err := addTags(nil, in.Tags, true)
	if err != nil {
		return nil, err
	}
	u := cloud.User{Meta: s.meta(identity.UserPrefix, account, tags), Name: name, Path: path}
	err = s.db().Update(ctx, func(tx *store.Tx) error {
		if err := s.setBoundary(tx, &u.Grants, account, in.PermissionsBoundary); err != nil {
			return err
		}
		return users.create(tx, u)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateUserResponse{User: new(s.showUser(u, true))}, nil
}

// meta is the shared part of something new.
func (s *Service) meta(prefix, account string, tags map[string]string) cloud.Meta {
	return cloud.Meta{ID: identity.NewID(prefix), Account: account, Created: s.Judge.Now().UTC(), Tags: tags}
}

// showUser is a user as the API shows it; lists leave out tags and boundary.
func (s *Service) showUser(u cloud.User, whole bool) api.User {
	out := api.User{
		Arn: new(s.arn(u.Account, u.Resource())), CreateDate: new(u.Created), Path: new(u.Path),
		UserId: new(u.ID), UserName: new(u.Name),
	}
	if use, ok := lastUseTable.Get(s.db().View(), u.ID); ok {
		out.PasswordLastUsed = new(use.When)
	}
	if whole {
		out.PermissionsBoundary = showBoundary(u.Boundary)
		if len(u.Tags) > 0 {
			out.Tags = tagList(u.Tags)
		}
	}
	return out
}

// self returns the name of the user that an operation without UserName is about:
// the caller's own. own is false for callers that are no users.
func (s *Service) self(ctx context.Context) (name *string, own bool) {
	c := cloud.CallerFrom(ctx)
	if c.Type != cloud.PrincipalUser {
		return nil, false
	}
	u, ok := userTable.Get(s.db().View(), c.Entity)
	return new(u.Name), ok
}

// errNeedsUser is for callers that are no users and name none.
func errNeedsUser() error {
	return cloud.Errorf("ValidationError", "Must specify userName when calling with non-User credentials")
}

// GetUser shows a user: without a name the caller, who may be the root.
func (s *Service) GetUser(ctx context.Context, in *api.GetUserRequest) (*api.GetUserResponse, error) {
	name := in.UserName
	if name == nil {
		var own bool
		if name, own = s.self(ctx); !own {
			return s.getRoot(ctx)
		}
	}
	_, u, err := find(ctx, s, users, name, question{action: "GetUser"})
	if err != nil {
		return nil, err
	}
	return &api.GetUserResponse{User: new(s.showUser(u, true))}, nil
}

// getRoot shows the root of the account to itself.
func (s *Service) getRoot(ctx context.Context) (*api.GetUserResponse, error) {
	c, err := s.allow(ctx, "GetUser", nil, s.aboutRoot(ctx))
	if err != nil {
		return nil, err
	}
	if c.Type != cloud.PrincipalRoot {
		return nil, errNeedsUser()
	}
	return &api.GetUserResponse{User: s.showRoot(c.Account)}, nil
}

// showRoot is the root of an account as the API shows it.
func (s *Service) showRoot(id string) *api.User {
	account, _ := accountTable.Get(s.db().View(), id)
	out := &api.User{Arn: new(s.arn(id, "root")), CreateDate: &account.Created, Path: new("/"), UserId: &id}
	if use, ok := lastUseTable.Get(s.db().View(), id); ok {
		out.PasswordLastUsed = &use.When
	}
	return out
}

// ListUsers lists users by name.
func (s *Service) ListUsers(ctx context.Context, in *api.ListUsersRequest) (*api.ListUsersResponse, error) {
	c, err := s.allowList(ctx, "ListUsers", users.word, in.PathPrefix)
	if err != nil {
		return nil, err
	}
	if err := checkPathPrefix(in.PathPrefix); err != nil {
		return nil, err
	}
	p, err := s.page(c, "ListUsers", "", in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	page, more, marker := cut(p, list(s, users, c.Account, in.PathPrefix), byUserName)
	out := &api.ListUsersResponse{Users: []api.User{}, IsTruncated: more, Marker: marker}
	for _, u := range page {
		out.Users = append(out.Users, s.showUser(u, false))
	}
	return out, nil
}

func byUserName(u cloud.User) string { return cloud.IAMName(u.Name) }
