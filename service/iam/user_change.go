package iam

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// UpdateUser gives a user another name or path. Groups, keys and trust follow:
// they hold the user's ID. The caller must be allowed to update both the user that
// is and the user that will be.
func (s *Service) UpdateUser(ctx context.Context, in *api.UpdateUserRequest) (*api.UpdateUserOutput, error) {
	_, u, err := find(ctx, s, users, in.UserName, question{action: "UpdateUser", newPath: in.NewPath, newName: in.NewUserName})
	if err != nil {
		return nil, err
	}
	if in.NewUserName != nil {
		if err := checkName("newUserName", *in.NewUserName, maxUserName); err != nil {
			return nil, err
		}
	}
	if in.NewPath != nil {
		if err := checkPath("newPath", *in.NewPath); err != nil {
			return nil, err
		}
	}
	return done[api.UpdateUserOutput](change(ctx, s, users, u, func(tx *store.Tx, u *cloud.User) error {
		if in.NewPath != nil {
			u.Path = *in.NewPath
		}
		if in.NewUserName == nil {
			return nil
		}
		old := u.Name
		u.Name = *in.NewUserName
		return users.rename(tx, u.Account, old, u.Name, u.ID)
	}))
}

// DeleteUser deletes a user that has nothing any more.
func (s *Service) DeleteUser(ctx context.Context, in *api.DeleteUserRequest) (*api.DeleteUserOutput, error) {
	_, u, err := find(ctx, s, users, in.UserName, question{action: "DeleteUser"})
	if err != nil {
		return nil, err
	}
	return done[api.DeleteUserOutput](remove(ctx, s, users, u, refuseUser))
}

// refuseUser says what is in the way of a user's deletion, and forgets when the
// user was last seen if nothing is.
func refuseUser(tx *store.Tx, u cloud.User) error {
	if err := refuseGrants(u.Grants); err != nil {
		return err
	}
	_, password := loginTable.Get(tx, u.ID)
	switch {
	case len(u.Groups) > 0:
		return conflict("remove users from group")
	case keyTable.Count(tx, cloud.UserLabel(u.ID)) > 0:
		return conflict("delete access keys")
	case password:
		return conflict("delete login profile")
	case mfaTable.Count(tx, cloud.UserLabel(u.ID)) > 0:
		return conflict("delete MFA device")
	}
	return forget(tx, u.ID)
}

// refuseGrants says which policies are in the way of a deletion.
func refuseGrants(g cloud.Grants) error {
	switch {
	case len(g.Attached) > 0:
		return conflict("detach all policies")
	case len(g.Inline) > 0:
		return conflict("delete policies")
	}
	return nil
}

// forget drops when something was last used.
func forget(tx *store.Tx, id string) error {
	if _, ok := lastUseTable.Get(tx, id); !ok {
		return nil
	}
	return lastUseTable.Delete(tx, id)
}
