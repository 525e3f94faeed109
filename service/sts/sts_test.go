package sts_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/service/sts"
)

func TestGetCallerIdentity(t *testing.T) {
	c := identitytest.New(t)
	s := &sts.Service{Judge: c.Judge, Authz: c.Judge}
	out, err := s.GetCallerIdentity(c.AsRoot(identitytest.Alice), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "000000000001" || *out.Arn != "arn:aws:iam::000000000001:root" || *out.UserId != "000000000001" {
		t.Fatalf("%s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
}
