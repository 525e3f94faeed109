package policy_test

import (
	"testing"

	"github.com/vauban-cloud/vauban/policy"
)

// TestAccessList decides with access control lists, whose rules are at
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html.
func TestAccessList(t *testing.T) {
	const (
		toAll     = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`
		toAbroad  = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + abroad + `"},"Action":"s3:GetObject","Resource":"*"}}`
		denyAll   = `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`
		mayRead   = `{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`
		noControl = `{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`
	)
	source := func(kind policy.Kind, text string) *policy.Source {
		if text == "" {
			return nil
		}
		d, err := policy.Parse(text, kind)
		if err != nil {
			t.Fatal(err)
		}
		return &policy.Source{Kind: kind, Name: kind.String(), Doc: d}
	}
	for name, c := range map[string]struct {
		who                    string
		list, bucket, identity string
		scp                    string
		denyOnly, allowed      bool
		by                     policy.Kind
	}{
		"nobody, nothing":               {who: "anonymous", by: policy.ResourcePolicy},
		"nobody, listed":                {who: "anonymous", list: toAll, allowed: true, by: policy.AccessControlList},
		"nobody, another is listed":     {who: "anonymous", list: toAbroad, by: policy.ResourcePolicy},
		"nobody, denied":                {who: "anonymous", list: toAll, bucket: denyAll, by: policy.ResourcePolicy},
		"nobody, by policy":             {who: "anonymous", list: toAbroad, bucket: toAll, allowed: true, by: policy.ResourcePolicy},
		"an account's user":             {who: "bob", list: toAbroad, identity: mayRead, allowed: true, by: policy.AccessControlList},
		"a user whose account is mum":   {who: "bob", list: toAbroad, by: policy.IdentityPolicy},
		"a root":                        {who: "foreign root", list: toAbroad, identity: mayRead, allowed: true, by: policy.AccessControlList},
		"its account's controls":        {who: "bob", list: toAbroad, identity: mayRead, scp: noControl, by: policy.ServiceControlPolicy},
		"an own user, listed to all":    {who: "alice", list: toAll, allowed: true, by: policy.AccessControlList},
		"an own user, not listed":       {who: "alice", list: toAbroad, by: policy.IdentityPolicy},
		"a policy that is not heard":    {who: "bob", bucket: toAbroad, identity: mayRead, denyOnly: true, by: policy.ResourcePolicy},
		"a denial that is":              {who: "bob", list: toAbroad, bucket: denyAll, identity: mayRead, denyOnly: true, by: policy.ResourcePolicy},
		"a list beside what is unheard": {who: "bob", list: toAbroad, bucket: toAbroad, identity: mayRead, denyOnly: true, allowed: true, by: policy.AccessControlList},
	} {
		p := policy.Policies{Resource: source(policy.ResourcePolicy, c.bucket), ACL: source(policy.AccessControlList, c.list), DenyOnly: c.denyOnly}
		if s := source(policy.IdentityPolicy, c.identity); s != nil {
			p.Identity = []policy.Source{*s}
		}
		if s := source(policy.ServiceControlPolicy, c.scp); s != nil {
			p.SCP = [][]policy.Source{{*s}}
		}
		q := policy.Query{Principal: people[c.who], Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Owner: home}
		d := p.Decide(&q)
		if d.Allowed != c.allowed || d.By != c.by {
			t.Errorf("%s: allowed %v by %s; want %v by %s", name, d.Allowed, d.By, c.allowed, c.by)
		}
		x := p.Explain(&q)
		if x.Decision != d {
			t.Errorf("%s: the explanation decides otherwise: %+v", name, x.Decision)
		}
		if told := hasStage(x, policy.AccessControlList); told != (c.list != "") {
			t.Errorf("%s: the explanation tells of a list: %v", name, told)
		}
		for _, s := range x.Stages {
			if s.Kind == policy.ResourcePolicy && c.denyOnly && s.Result == policy.Allows {
				t.Errorf("%s: the explanation says that the bucket's policy allows", name)
			}
		}
	}
}

func hasStage(x policy.Explanation, kind policy.Kind) bool {
	for _, s := range x.Stages {
		if s.Kind == kind {
			return true
		}
	}
	return false
}
