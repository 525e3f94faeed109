package identity_test

import (
	"fmt"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// BenchmarkAuthorize is what every request pays: to find the policies of a user
// with some, and to decide.
func BenchmarkAuthorize(b *testing.B) {
	c := identitytest.New(b)
	u := cloud.User{Meta: cloud.Meta{ID: "AIDABENCH", Account: identitytest.Alice}, Name: "bench", Path: "/"}
	u.Inline = map[string]string{}
	for i := range 10 {
		u.Inline[fmt.Sprint(i)] = allow(fmt.Sprintf("s3:Get%d", i))
	}
	u.Inline["last"] = allow("ec2:DescribeInstances")
	c.Update(func(tx *store.Tx) error { return users.Create(tx, u) })
	q := policy.Request{
		Caller: cloud.Caller{Account: identitytest.Alice, ARN: "arn:aws:iam::" + identitytest.Alice + ":user/bench", Type: cloud.PrincipalUser, Entity: u.ID},
		Action: "ec2:DescribeInstances",
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Authorize(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}
