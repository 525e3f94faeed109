package main

import (
	"fmt"

	"github.com/vauban-cloud/vauban/policy"
)

// decisions measures the policy engine alone: policies that were compiled, on
// one core. Only decisions about one policy have a goal.
func decisions(b *bench) {
	const conditions = `, "Condition": {
		"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]},
		"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"},
		"StringEquals": {"aws:ResourceTag/team": "blue"}}`
	for _, n := range []int{1, 10, 100} {
		r := b.decide(n, "")
		if n == 1 {
			r.Goal = atLeast(1_000_000)
		}
		b.add(r)
	}
	for _, n := range []int{1, 10, 100} {
		r := b.decide(n, conditions)
		r.Measure += ", with conditions"
		b.add(r)
	}
}

// decide measures decisions about n policies of two statements each, of which
// the last allows.
func (b *bench) decide(n int, conditions string) result {
	const user = "arn:aws:iam::123456789012:user/alice"
	var p policy.Policies
	for i := range n {
		action := fmt.Sprintf("service%d:*", i)
		if i == n-1 {
			action = "ec2:RunInstances"
		}
		d, err := policy.Parse(fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": [%q, "s3:Get*"], "Resource": "arn:aws:ec2:*:123456789012:instance/*"%s},
			{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}`, action, conditions), policy.IdentityPolicy)
		b.must(err)
		p.Identity = append(p.Identity, policy.Source{Kind: policy.IdentityPolicy, Doc: d})
	}
	keys := map[string][]string{"aws:sourceip": {"203.0.113.7"}, "aws:currenttime": {"2026-03-01T12:00:00Z"}, "aws:resourcetag/team": {"blue"}}
	q := policy.Query{
		Principal: policy.Principal{Kind: policy.User, Account: "123456789012", ARN: user, Entity: user},
		Action:    "ec2:RunInstances", Resource: "arn:aws:ec2:eu-paris-1:123456789012:instance/i-0123456789abcdef0",
		Keys: func(name string) ([]string, bool) {
			v, ok := keys[name]
			return v, ok
		},
	}
	count := b.samples(5_000_000, 100_000) / n
	begin := processorTime()
	for range count {
		if !p.Decide(&q).Allowed {
			b.Fatal("what should be allowed is not")
		}
	}
	took := processorTime() - begin
	return result{
		Measure: fmt.Sprintf("decisions a second a core, policies: %d", n), Value: float64(count) / took.Seconds(), Unit: "/s",
		Note: fmt.Sprintf("%d decisions, %.0f ns of CPU each", count, float64(took.Nanoseconds())/float64(count)),
	}
}
