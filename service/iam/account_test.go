package iam

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func TestAccountAlias(t *testing.T) {
	r := newRig(t)
	create := func(alias string) error {
		return second(r.CreateAccountAlias(r.ctx, &api.CreateAccountAliasRequest{AccountAlias: &alias}))
	}
	for alias, wanted := range map[string]string{
		"": "ValidationError", "ab": "ValidationError", strings.Repeat("a", 64): "ValidationError", "Acme": "ValidationError", "-acme": "ValidationError",
		"acme-": "ValidationError", "ac--me": "ValidationError", "ac_me": "ValidationError", "123456789012": "InvalidInput", "1234567890123": "", "a-c-m-e": "",
	} {
		want(t, alias, create(alias), wanted)
	}
	want(t, "once", create("acme"), "")
	want(t, "again", create("acme"), "")
	list := must(r.ListAccountAliases(r.ctx, &api.ListAccountAliasesRequest{}))(t)
	if !slices.Equal(list.AccountAliases, []string{"acme"}) || *list.IsTruncated {
		t.Errorf("listed %+v", list)
	}
	bobs := func(alias string) error {
		return second(r.CreateAccountAlias(r.bob, &api.CreateAccountAliasRequest{AccountAlias: &alias}))
	}
	want(t, "another account's", bobs("acme"), "EntityAlreadyExists", "The account alias acme already exists.")
	want(t, "what alice had before", bobs("a-c-m-e"), "")
	remove := func(alias string) error {
		return second(r.DeleteAccountAlias(r.ctx, &api.DeleteAccountAliasRequest{AccountAlias: &alias}))
	}
	want(t, "delete another account's", remove("a-c-m-e"), "NoSuchEntity", "The account alias a-c-m-e cannot be found.")
	want(t, "delete", remove("acme"), "")
	want(t, "delete again", remove("acme"), "NoSuchEntity")
	if list := must(r.ListAccountAliases(r.ctx, &api.ListAccountAliasesRequest{}))(t); len(list.AccountAliases) != 0 {
		t.Errorf("listed %+v", list)
	}
	want(t, "bob takes it", bobs("acme"), "")
}

func TestGetAccountSummary(t *testing.T) {
	r := newRig(t)
	before := must(r.GetAccountSummary(r.ctx, nil))(t).SummaryMap
	r.addUser("carol")
	r.addUser("dave")
	must(r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("admins")}))(t)
	must(r.CreateServiceLinkedRole(r.ctx, &api.CreateServiceLinkedRoleRequest{AWSServiceName: new("es.amazonaws.com")}))(t)
	must(r.CreatePolicy(r.ctx, &api.CreatePolicyRequest{PolicyName: new("p"), PolicyDocument: new(allowing("ec2:*"))}))(t)
	must(r.CreateOpenIDConnectProvider(r.ctx, &api.CreateOpenIDConnectProviderRequest{Url: new("https://idp.example.org")}))(t)
	must(r.CreateSAMLProvider(r.ctx, &api.CreateSAMLProviderRequest{Name: new("corp"), SAMLMetadataDocument: new(samlMetadata(t))}))(t)
	must(r.CreateInstanceProfile(r.ctx, &api.CreateInstanceProfileRequest{InstanceProfileName: new("p")}))(t)
	must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{}))(t)
	r.addDevice("spare")
	want(t, "enable", r.addDevice("phone").enable(r.ctx, rootName), "")
	must(r.CreateUser(r.bob, &api.CreateUserRequest{UserName: new("erin")}))(t)

	changed := map[string][2]int32{
		"Users": {0, 2}, "Groups": {0, 1}, "Roles": {0, 1}, "Policies": {0, 1}, "PolicyVersionsInUse": {0, 1}, "Providers": {0, 2}, "InstanceProfiles": {0, 1},
		"AccountAccessKeysPresent": {0, 1}, "MFADevices": {0, 2}, "MFADevicesInUse": {0, 1}, "AccountMFAEnabled": {0, 1},
	}
	after := must(r.GetAccountSummary(r.ctx, nil))(t).SummaryMap
	if len(after) != len(before) {
		t.Errorf("%d entries became %d", len(before), len(after))
	}
	for key, n := range after {
		old, ok := before[key]
		if c, is := changed[key]; is && (old != c[0] || n != c[1]) || !is && old != n || !ok {
			t.Errorf("%s was %d, is %d", key, old, n)
		}
	}
	for key, n := range map[string]int32{"UsersQuota": 5000, "PolicySizeQuota": 6144, "AccessKeysPerUserQuota": 2, "ServerCertificatesQuota": 20, "AccountPasswordPresent": 0} {
		if got, ok := after[key]; got != n || !ok {
			t.Errorf("%s is %d", key, got)
		}
	}
}

// report returns the report's rows by user, and each row by column.
func (r *rig) credentialReport() map[string]map[string]string {
	r.Helper()
	got := must(r.GetCredentialReport(r.ctx, nil))(r)
	rows, err := csv.NewReader(bytes.NewReader(got.Content)).ReadAll()
	if err != nil || *got.ReportFormat != "text/csv" {
		r.Fatalf("%s: %v", *got.ReportFormat, err)
	}
	all := map[string]map[string]string{}
	for _, row := range rows[1:] {
		all[row[0]] = map[string]string{}
		for i, value := range row {
			all[row[0]][rows[0][i]] = value
		}
	}
	return all
}

func TestCredentialReport(t *testing.T) {
	r := newRig(t)
	want(t, "none", second(r.GetCredentialReport(r.ctx, nil)), "ReportNotPresent")
	u := r.addUser("carol")
	r.addUser("dave,eve")
	must(r.UpdateAccountPasswordPolicy(r.ctx, &api.UpdateAccountPasswordPolicyRequest{MaxPasswordAge: new(int32(10))}))(t)
	must(r.CreateLoginProfile(r.ctx, &api.CreateLoginProfileRequest{UserName: new("carol"), Password: new("Passw0rd!")}))(t)
	key := must(r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{UserName: new("carol")}))(t).AccessKey
	want(t, "enable", r.addDevice("phone").enable(r.ctx, "carol"), "")
	used := time.Date(2023, 11, 14, 10, 0, 0, 0, time.UTC)
	r.update(func(tx *store.Tx) error {
		return lastUseTable.Put(tx, cloud.LastUse{ID: *key.AccessKeyId, Account: alice, When: used, Service: "ec2", Region: "eu-paris-1"})
	})
	if made := must(r.GenerateCredentialReport(r.ctx, nil))(t); *made.State != "COMPLETE" {
		t.Errorf("made %+v", made)
	}
	all := r.credentialReport()
	now := "2023-11-14T22:13:20+00:00"
	for who, wanted := range map[string]map[string]string{
		"<root_account>": {"arn": "arn:aws:iam::" + alice + ":root", "password_enabled": "not_supported", "mfa_active": "false", "access_key_1_active": "false", "access_key_1_last_rotated": "N/A", "cert_2_active": "false", "cert_2_last_rotated": "N/A"},
		"carol": {
			"arn": *u.Arn, "user_creation_time": now, "password_enabled": "true", "password_last_used": "no_information", "password_last_changed": now, "password_next_rotation": "2023-11-24T22:13:20+00:00",
			"mfa_active": "true", "access_key_1_active": "true", "access_key_1_last_rotated": now, "access_key_1_last_used_date": "2023-11-14T10:00:00+00:00", "access_key_1_last_used_region": "eu-paris-1", "access_key_1_last_used_service": "ec2",
			"access_key_2_active": "false", "access_key_2_last_used_date": "N/A",
		},
		"dave,eve": {"password_enabled": "false", "password_last_used": "N/A", "mfa_active": "false"},
	} {
		for column, value := range wanted {
			if got := all[who][column]; got != value {
				t.Errorf("%s of %s: %q, want %q", column, who, got, value)
			}
		}
	}
	if len(all) != 3 {
		t.Errorf("report has %d rows", len(all))
	}

	// A report is good for four hours: until then there is no other.
	r.addUser("frank")
	r.cloud.Seconds.Add(4*60*60 - 1)
	must(r.GenerateCredentialReport(r.ctx, nil))(t)
	if len(r.credentialReport()) != 3 {
		t.Error("a report was made too early")
	}
	r.cloud.Seconds.Add(1)
	want(t, "old", second(r.GetCredentialReport(r.ctx, nil)), "ReportExpired")
	must(r.GenerateCredentialReport(r.ctx, nil))(t)
	if len(r.credentialReport()) != 4 {
		t.Error("no new report was made")
	}
	want(t, "another account's", second(r.GetCredentialReport(r.bob, nil)), "ReportNotPresent")
}
