package iam

import (
	"encoding/json"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func TestAccessKeys(t *testing.T) {
	r := newRig(t)
	carol := r.addUser("carol")
	r.addUser("dave")
	create := func(user string) (*api.AccessKey, error) {
		out, err := r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{UserName: &user})
		if err != nil {
			return nil, err
		}
		return out.AccessKey, nil
	}
	key := must(create("carol"))(t)
	if !strings.HasPrefix(*key.AccessKeyId, "AKIA") || len(*key.AccessKeyId) != 20 || len(*key.SecretAccessKey) != 40 || *key.Status != "Active" || *key.UserName != "carol" {
		t.Errorf("key is %+v", *key.AccessKeyId)
	}
	secret, caller, active, err := r.Judge.Lookup(*key.AccessKeyId, "")
	if err != nil || secret != *key.SecretAccessKey || caller.UserID != *carol.UserId || !active {
		t.Errorf("the key proves %+v, %v", caller, err)
	}
	kept, _ := keyTable.Get(r.db().View(), *key.AccessKeyId)
	if raw := must(json.Marshal(kept))(t); strings.Contains(string(raw), *key.SecretAccessKey) || kept.Secret != "" {
		t.Error("the store has the secret")
	}
	if _, err := r.Judge.Keys.Secrets.Open("AKIAOTHER", kept.Sealed); err == nil {
		t.Error("the secret is not bound to its key")
	}
	must(create("carol"))(t)
	want(t, "a third", second(create("carol")), "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	want(t, "nobody's", second(create("none")), "NoSuchEntity", "The user with name none cannot be found.")
	want(t, "no name", second(create("")), "ValidationError")
	want(t, "delete the user", second(r.DeleteUser(r.ctx, &api.DeleteUserRequest{UserName: new("carol")})), "DeleteConflict", "Cannot delete entity, must delete access keys first.")

	first := must(r.ListAccessKeys(r.ctx, &api.ListAccessKeysRequest{UserName: new("carol"), MaxItems: new(int32(1))}))(t)
	rest := must(r.ListAccessKeys(r.ctx, &api.ListAccessKeysRequest{UserName: new("carol"), Marker: first.Marker}))(t)
	if len(first.AccessKeyMetadata) != 1 || len(rest.AccessKeyMetadata) != 1 || *rest.IsTruncated || *first.AccessKeyMetadata[0].UserName != "carol" {
		t.Errorf("keys are %+v, %+v", first, rest)
	}

	update := func(user, id, status string) error {
		return second(r.UpdateAccessKey(r.ctx, &api.UpdateAccessKeyRequest{UserName: &user, AccessKeyId: &id, Status: &status}))
	}
	id := *key.AccessKeyId
	const unknown = "AKIAAAAAAAAAAAAAAAAA"
	want(t, "another user's", update("dave", id, "Inactive"), "NoSuchEntity", "The Access Key with id "+id+" cannot be found.")
	want(t, "unknown", update("carol", unknown, "Inactive"), "NoSuchEntity", "The Access Key with id "+unknown+" cannot be found.")
	want(t, "no state", update("carol", id, "inactive"), "ValidationError", "1 validation error detected: Value 'inactive' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]")
	want(t, "no ID", update("carol", "AKIA", "Active"), "ValidationError")
	want(t, "bad ID", update("carol", "AKIA/AAAAAAAAAAAAAAA", "Active"), "ValidationError")
	want(t, "inactive", update("carol", id, "Inactive"), "")
	if _, _, _, err := r.Judge.Lookup(id, ""); err == nil {
		t.Error("an inactive key signs")
	}
	for _, k := range must(r.ListAccessKeys(r.ctx, &api.ListAccessKeysRequest{UserName: new("carol")}))(t).AccessKeyMetadata {
		if (*k.Status == "Inactive") != (*k.AccessKeyId == id) {
			t.Errorf("key is %+v", k)
		}
	}
	want(t, "active", update("carol", id, "Active"), "")
	if _, _, _, err := r.Judge.Lookup(id, ""); err != nil {
		t.Error("an active key does not sign")
	}

	used := func(id string) (*api.GetAccessKeyLastUsedResponse, error) {
		return r.GetAccessKeyLastUsed(r.ctx, &api.GetAccessKeyLastUsedRequest{AccessKeyId: &id})
	}
	if u := must(used(id))(t); *u.UserName != "carol" || *u.AccessKeyLastUsed.Region != "N/A" || *u.AccessKeyLastUsed.ServiceName != "N/A" || u.AccessKeyLastUsed.LastUsedDate != nil {
		t.Errorf("never used: %+v", u.AccessKeyLastUsed)
	}
	r.update(func(tx *store.Tx) error {
		return lastUseTable.Put(tx, cloud.LastUse{ID: id, Account: alice, When: r.Judge.Now(), Service: "ec2", Region: "eu-paris-1"})
	})
	if u := must(used(id))(t).AccessKeyLastUsed; *u.Region != "eu-paris-1" || *u.ServiceName != "ec2" || !u.LastUsedDate.Equal(r.Judge.Now()) {
		t.Errorf("used: %+v", u)
	}
	want(t, "use of an unknown key", second(used(unknown)), "NoSuchEntity")
	want(t, "use of nothing", second(used("x")), "ValidationError")
	want(t, "bob asks", second(r.GetAccessKeyLastUsed(r.bob, &api.GetAccessKeyLastUsedRequest{AccessKeyId: &id})), "NoSuchEntity", "The Access Key with id "+id+" cannot be found.")

	del := func(user, id string) error {
		return second(r.DeleteAccessKey(r.ctx, &api.DeleteAccessKeyRequest{UserName: &user, AccessKeyId: &id}))
	}
	want(t, "delete another user's", del("dave", id), "NoSuchEntity")
	want(t, "bob deletes", second(r.DeleteAccessKey(r.bob, &api.DeleteAccessKeyRequest{AccessKeyId: &id})), "NoSuchEntity")
	want(t, "delete", del("carol", id), "")
	want(t, "delete again", del("carol", id), "NoSuchEntity")
	if _, _, _, err := r.Judge.Lookup(id, ""); err == nil {
		t.Error("a deleted key signs")
	}
}

// Without a name, keys are the caller's own.
func TestOwnAccessKeys(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	r.addUser("dave")
	r.put("carol", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/${aws:username}"}}`)
	carol := r.as("user/carol")
	own := must(r.CreateAccessKey(carol, &api.CreateAccessKeyRequest{}))(t).AccessKey
	if *own.UserName != "carol" {
		t.Errorf("own key is of %s", *own.UserName)
	}
	want(t, "somebody else's", second(r.CreateAccessKey(carol, &api.CreateAccessKeyRequest{UserName: new("dave")})), "AccessDenied")
	want(t, "of an unknown", second(r.GetAccessKeyLastUsed(carol, &api.GetAccessKeyLastUsedRequest{AccessKeyId: new("AKIAAAAAAAAAAAAAAAAA")})), "AccessDenied")
	must(r.GetAccessKeyLastUsed(carol, &api.GetAccessKeyLastUsedRequest{AccessKeyId: own.AccessKeyId}))(t)
	must(r.UpdateAccessKey(carol, &api.UpdateAccessKeyRequest{AccessKeyId: own.AccessKeyId, Status: new("Inactive")}))(t)

	root := must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(t).AccessKey
	_, caller, _, err := r.Judge.Lookup(*root.AccessKeyId, "")
	if err != nil || caller.Type != cloud.PrincipalRoot || caller.Account != alice {
		t.Errorf("root's key proves %+v, %v", caller, err)
	}
	must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(t)
	want(t, "root's third", second(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{})), "LimitExceeded")
	if n := len(must(r.ListAccessKeys(r.ctx, &api.ListAccessKeysRequest{}))(t).AccessKeyMetadata); n != 2 {
		t.Errorf("root has %d keys", n)
	}
	if u := must(r.GetAccessKeyLastUsed(r.ctx, &api.GetAccessKeyLastUsedRequest{AccessKeyId: root.AccessKeyId}))(t); u.UserName != nil {
		t.Errorf("root's key is of %s", *u.UserName)
	}
	want(t, "root deletes a user's as its own", second(r.DeleteAccessKey(r.ctx, &api.DeleteAccessKeyRequest{AccessKeyId: own.AccessKeyId})), "NoSuchEntity")
	must(r.DeleteAccessKey(r.ctx, &api.DeleteAccessKeyRequest{AccessKeyId: root.AccessKeyId}))(t)
	must(r.DeleteAccessKey(carol, &api.DeleteAccessKeyRequest{AccessKeyId: own.AccessKeyId}))(t)

	r.addRole("admin")
	must(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: new("admin"), PolicyArn: new(admin)}))(t)
	session := r.cloud.As("arn:aws:sts::" + alice + ":assumed-role/admin/s")
	want(t, "a role has none", second(r.CreateAccessKey(session, &api.CreateAccessKeyRequest{})), "ValidationError", "Must specify userName when calling with non-User credentials")
	must(r.CreateAccessKey(session, &api.CreateAccessKeyRequest{UserName: new("dave")}))(t)
}
