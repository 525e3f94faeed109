package policy_test

import (
	"fmt"
	"testing"

	"github.com/vauban-cloud/vauban/policy"
)

// policiesOf are n managed policies of a user, of which the last allows the
// query of benchQuery.
func policiesOf(t tester, n int, condition string) *policy.Policies {
	p := &policy.Policies{}
	for i := range n {
		action := fmt.Sprintf("service%d:*", i)
		if i == n-1 {
			action = "ec2:RunInstances"
		}
		p.Identity = append(p.Identity, policy.Source{
			Name: fmt.Sprintf("arn:aws:iam::123456789012:policy/p%d", i),
			Doc: parse(t, policy.IdentityPolicy, fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
				{"Effect": "Allow", "Action": [%q, "s3:Get*"], "Resource": "arn:aws:ec2:*:123456789012:instance/*"%s},
				{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}`, action, condition)),
		})
	}
	return p
}

func benchQuery() *policy.Query {
	return &policy.Query{
		Principal: policy.Principal{Kind: policy.User, Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/alice", Entity: "arn:aws:iam::123456789012:user/alice"},
		Action:    "ec2:RunInstances",
		Resource:  "arn:aws:ec2:eu-paris-1:123456789012:instance/i-0123456789abcdef0",
		Keys: keysOf(map[string][]string{
			"aws:sourceip": {"203.0.113.7"}, "aws:currenttime": {"2026-03-01T12:00:00Z"}, "aws:principaltag/team": {"blue"},
			"aws:resourcetag/team": {"blue"},
		}),
	}
}

// keysOf makes Keys of a map with names in lower case.
func keysOf(values map[string][]string) policy.Keys {
	return func(name string) ([]string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

// someConditions hold for benchQuery.
const someConditions = `, "Condition": {
	"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]},
	"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"},
	"StringEquals": {"aws:ResourceTag/team": "blue"}}`

func BenchmarkDecide(b *testing.B) {
	for _, conditions := range []bool{false, true} {
		for _, n := range []int{1, 10, 100} {
			name, condition := fmt.Sprintf("policies=%d", n), ""
			if conditions {
				name, condition = name+"/conditions", someConditions
			}
			b.Run(name, func(b *testing.B) {
				p, q := policiesOf(b, n, condition), benchQuery()
				b.ReportAllocs()
				for b.Loop() {
					if !p.Decide(q).Allowed {
						b.Fatal("not allowed")
					}
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	const text = `{"Version": "2012-10-17", "Statement": [{"Sid": "Own", "Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"],
		"Resource": "arn:aws:s3:::bucket/${aws:username}/*"` + someConditions + `}]}`
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := policy.Parse(text, policy.IdentityPolicy); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCache(b *testing.B) {
	const text = `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`
	var c policy.Cache
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Parse(text, policy.IdentityPolicy); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestDecideAllocatesNothing holds simple decisions, and those with the common
// conditions, to no garbage.
func TestDecideAllocatesNothing(t *testing.T) {
	for _, condition := range []string{"", someConditions} {
		p, q := policiesOf(t, 10, condition), benchQuery()
		if n := testing.AllocsPerRun(100, func() { p.Decide(q) }); n != 0 {
			t.Errorf("%v allocations a decision with conditions %q", n, condition)
		}
	}
}
