package sts_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

func TestGetCallerIdentity(t *testing.T) {
	r := newRig(t)
	r.allowUser(document(map[string]any{"Effect": "Deny", "Action": "*", "Resource": "*"}))
	out := must(r.GetCallerIdentity(r.carol, &api.GetCallerIdentityRequest{}))(t)
	if *out.Account != alice || *out.Arn != carolARN || *out.UserId != r.user.ID {
		t.Errorf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
	out = must(r.GetCallerIdentity(r.AsRoot(alice), &api.GetCallerIdentityRequest{}))(t)
	if *out.Account != alice || *out.Arn != "arn:aws:iam::000000000001:root" || *out.UserId != alice {
		t.Errorf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
}

func TestGetAccessKeyInfo(t *testing.T) {
	r := newRig(t)
	key := cloud.AccessKey{ID: identity.NewAccessKeyID(identity.KeyPrefix), Account: bob, Disabled: true}
	r.Update(func(tx *store.Tx) error { return keys.Create(tx, key) })
	temporary := *must(r.GetSessionToken(r.AsRoot(bob), &api.GetSessionTokenRequest{}))(t).Credentials.AccessKeyId
	stranger := "ASIA77777777" + "ABCDEFGH" // an account that is not here
	for id, test := range map[string]struct{ account, code, words string }{
		key.ID:                   {bob, "", ""},
		temporary:                {bob, "", ""},
		temporary[:12] + "ABCDE": {"", "ValidationError", "no access key"},
		stranger:                 {"", "ValidationError", "no access key"},
		"AKIAABCDEFGHIJKLMNOP":   {"", "ValidationError", "no access key"},
		"ASIA11111111ABCDEFGH":   {"", "ValidationError", "no access key"},
		"AKIA":                   {"", "ValidationError", "greater than or equal to 16"},
		"AKIA-----------------":  {"", "ValidationError", "pattern"},
		strings.Repeat("A", 129): {"", "ValidationError", "128"},
	} {
		out, err := r.GetAccessKeyInfo(r.AsRoot(alice), &api.GetAccessKeyInfoRequest{AccessKeyId: &id})
		want(t, id, err, test.code, test.words)
		if err == nil && *out.Account != test.account {
			t.Errorf("%s: account %s", id, *out.Account)
		}
	}
	_, err := r.GetAccessKeyInfo(r.AsRoot(alice), &api.GetAccessKeyInfoRequest{})
	want(t, "none", err, "ValidationError", "Value null at 'accessKeyId'")
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	r := newRig(t)
	err := r.Authorize(t.Context(), policy.Request{Caller: cloud.CallerFrom(r.carol), Action: "ec2:RunInstances", Resources: []policy.Resource{{ARN: "arn:aws:ec2:eu-paris-1:000000000001:instance/*"}}})
	e, _ := errors.AsType[*cloud.Error](err)
	_, encoded, ok := strings.Cut(e.Message, "Encoded authorization failure message: ")
	if !ok {
		t.Fatal(err)
	}
	_, err = r.DecodeAuthorizationMessage(r.carol, &api.DecodeAuthorizationMessageRequest{EncodedMessage: &encoded})
	want(t, "without permission", err, "AccessDenied", "sts:DecodeAuthorizationMessage")
	r.allowUser(allow("sts:DecodeAuthorizationMessage"))
	out := must(r.DecodeAuthorizationMessage(r.carol, &api.DecodeAuthorizationMessageRequest{EncodedMessage: &encoded}))(t)
	var m identity.Message
	if err := json.Unmarshal([]byte(*out.DecodedMessage), &m); err != nil || m.Allowed || m.Context.Action != "ec2:RunInstances" || m.Context.Principal.ARN != carolARN {
		t.Errorf("%s, %v", *out.DecodedMessage, err)
	}
	_, err = r.DecodeAuthorizationMessage(r.AsRoot(bob), &api.DecodeAuthorizationMessageRequest{EncodedMessage: &encoded})
	want(t, "another account's", err, "InvalidAuthorizationMessageException", "")
	for name, bad := range map[string]string{
		"cut": encoded[:len(encoded)-4], "changed": "A" + encoded[1:], "broken": encoded[:9] + "\n" + encoded[9:], "text": "hello",
	} {
		_, err := r.DecodeAuthorizationMessage(r.AsRoot(alice), &api.DecodeAuthorizationMessageRequest{EncodedMessage: &bad})
		if bad != encoded {
			want(t, name, err, "InvalidAuthorizationMessageException", "Message is not valid")
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err = r.DecodeAuthorizationMessage(r.AsRoot(alice), &api.DecodeAuthorizationMessageRequest{})
	want(t, "none", err, "ValidationError", "encodedMessage")
	_, err = r.DecodeAuthorizationMessage(r.AsRoot(alice), &api.DecodeAuthorizationMessageRequest{EncodedMessage: new(strings.Repeat("A", 10241))})
	want(t, "long", err, "ValidationError", "10240")
}
