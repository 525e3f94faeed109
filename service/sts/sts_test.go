package sts_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/service/sts"
)

func TestGetCallerIdentity(t *testing.T) {
	s := &sts.Service{Authz: policy.AccountRule{}}
	ctx := cloud.WithCaller(context.Background(), cloud.Caller{
		Account: "000000000001", ARN: "arn:aws:iam::000000000001:root", UserID: "000000000001",
	})
	out, err := s.GetCallerIdentity(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "000000000001" || *out.Arn != "arn:aws:iam::000000000001:root" || *out.UserId != "000000000001" {
		t.Fatalf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
}

func TestGetCallerIdentityOfNobody(t *testing.T) {
	s := &sts.Service{Authz: policy.AccountRule{}}
	_, err := s.GetCallerIdentity(context.Background(), nil)
	var e *cloud.Error
	if !errors.As(err, &e) || e.Code != "AccessDenied" {
		t.Fatalf("%v, want AccessDenied", err)
	}
}
