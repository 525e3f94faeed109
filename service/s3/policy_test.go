package s3

import (
	"context"
	"errors"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// statementOf is a policy of one statement: what it says besides its action and
// resource.
func statementOf(rest string) string {
	return `{"Version":"2012-10-17","Statement":[{"Action":"s3:GetObject","Resource":"arn:aws:s3:::one/*",` + rest + `}]}`
}

const (
	toAll   = `"Effect":"Allow","Principal":"*"`
	toBob   = `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + bob + `:root"}`
	withKey = toAll + `,"Condition":`
)

func TestPutBucketPolicy(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	put := func(document string) error {
		return second(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: new("one"), Policy: &document}))
	}
	for name, c := range map[string]struct{ document, code string }{
		"empty":              {"", "MalformedPolicy"},
		"no object":          {"[]", "MalformedPolicy"},
		"cut":                {statementOf(toBob)[:50], "MalformedPolicy"},
		"no principal":       {statementOf(`"Effect":"Allow"`), "MalformedPolicy"},
		"another bucket":     {strings.ReplaceAll(statementOf(toBob), ":::one/", ":::two/"), "MalformedPolicy"},
		"a longer bucket":    {strings.ReplaceAll(statementOf(toBob), ":::one/", ":::ones/"), "MalformedPolicy"},
		"another service":    {strings.ReplaceAll(statementOf(toBob), "s3:GetObject", "ec2:RunInstances"), "MalformedPolicy"},
		"nobody":             {statementOf(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + bob + `:user/none"}`), "MalformedPolicy"},
		"no account":         {statementOf(`"Effect":"Allow","Principal":{"AWS":"999999999999"}`), "MalformedPolicy"},
		"long":               {statementOf(toBob + strings.Repeat(" ", 20<<10)), "MalformedPolicy"},
		"public":             {statementOf(toAll), "AccessDenied"},
		"principals twice":   {statementOf(toAll + `,"principal":{"AWS":"` + bob + `"}`), "MalformedPolicy"},
		"effects twice":      {statementOf(toAll + `,"Effect":"Deny"`), "MalformedPolicy"},
		"lower case":         {strings.Replace(statementOf(toBob), "Statement", "statement", 1), "MalformedPolicy"},
		"public with others": {statementOf(`"Effect":"Allow","Principal":{"AWS":["` + bob + `","*"]}`), "AccessDenied"},
		"a deny to all":      {statementOf(`"Effect":"Deny","Principal":"*"`), ""},
		"an account":         {statementOf(`"Effect":"Allow","Principal":{"AWS":"` + bob + `"}`), ""},
		"root of an account": {statementOf(toBob), ""},
		"all of the bucket":  {strings.ReplaceAll(statementOf(toBob), ":::one/", ":::o*/"), ""},
		"everything":         {strings.ReplaceAll(statementOf(toBob), "s3:GetObject", "*"), ""},
	} {
		want(t, name, put(c.document), c.code)
		if c.code != "" {
			continue
		}
		if got := must(r.GetBucketPolicy(r.ctx, &api.GetBucketPolicyRequest{Bucket: new("one")}))(t); *got.Policy != c.document {
			t.Errorf("%s: then the policy is %s", name, *got.Policy)
		}
	}
	must(r.DeleteBucketPolicy(r.ctx, &api.DeleteBucketPolicyRequest{Bucket: new("one")}))(t)
	want(t, "get none", second(r.GetBucketPolicy(r.ctx, &api.GetBucketPolicyRequest{Bucket: new("one")})), "NoSuchBucketPolicy")
	want(t, "status of none", second(r.GetBucketPolicyStatus(r.ctx, &api.GetBucketPolicyStatusRequest{Bucket: new("one")})), "NoSuchBucketPolicy")
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: new("one")}))(t)
	want(t, "public where it is not blocked", put(statementOf(toAll)), "")
	status := must(r.GetBucketPolicyStatus(r.ctx, &api.GetBucketPolicyStatusRequest{Bucket: new("one")}))(t)
	if !*status.PolicyStatus.IsPublic {
		t.Error("the bucket is not public")
	}
}

func TestIsPublic(t *testing.T) {
	for statement, public := range map[string]bool{
		toAll:                             true,
		toBob:                             false,
		`"Effect":"Deny","Principal":"*"`: false,
		`"Effect":"Allow","Principal":{"AWS":"*"}`:                                                true,
		`"Effect":"Allow","NotPrincipal":{"AWS":"000000000002"}`:                                  true,
		`"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"}`:                     false,
		withKey + `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`:                                 false,
		withKey + `{"IpAddress":{"aws:SourceIp":["192.0.2.1","2001:db8::/32"]}}`:                  false,
		withKey + `{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/1"]}}`:                   true,
		withKey + `{"IpAddress":{"aws:SourceIp":"2001::/16"}}`:                                    true,
		withKey + `{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`:                              true,
		withKey + `{"StringEquals":{"AWS:PrincipalOrgID":"o-1234567890"}}`:                        false,
		withKey + `{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1234567890"}}`:                true,
		withKey + `{"StringNotEquals":{"aws:PrincipalOrgID":"o-1234567890"}}`:                     true,
		withKey + `{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::000000000002:role/*"}}`:        true,
		withKey + `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::000000000002:role/r"}}`:         false,
		withKey + `{"ForAnyValue:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r-1/"}}`:             false,
		withKey + `{"ForAllValues:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r-1/"}}`:            true,
		withKey + `{"StringEquals":{"aws:SourceVpc":"${aws:SourceVpc}"}}`:                         true,
		withKey + `{"StringEquals":{"aws:UserAgent":"secret"}}`:                                   true,
		withKey + `{"StringEquals":{"aws:UserAgent":"secret","aws:SourceAccount":"00000000002"}}`: false,
	} {
		if got := isPublic(statementOf(statement)); got != public {
			t.Errorf("public: %v, want %v: %s", got, public, statement)
		}
	}
}

// Policies open a bucket to others, and close it to its own.
func TestBucketPolicyDecides(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	head := func(what, code string) {
		t.Helper()
		want(t, what, second(r.HeadBucket(r.bob, &api.HeadBucketRequest{Bucket: new("one")})), code)
	}
	put := func(rest string) {
		t.Helper()
		document := `{"Statement":[{"Action":"s3:ListBucket","Resource":"arn:aws:s3:::one",` + rest + `}]}`
		must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: new("one"), Policy: &document}))(t)
	}
	head("without a policy", "AccessDenied")
	put(toBob)
	head("with a policy", "")
	must(r.DeletePublicAccessBlock(r.ctx, &api.DeletePublicAccessBlockRequest{Bucket: new("one")}))(t)
	put(toAll)
	head("with a public policy", "")
	must(r.PutPublicAccessBlock(r.ctx, &api.PutPublicAccessBlockRequest{
		Bucket: new("one"), PublicAccessBlockConfiguration: &api.PublicAccessBlockConfiguration{RestrictPublicBuckets: new(true)},
	}))(t)
	head("with a public policy that is restricted", "AccessDenied")
	carol := r.user(alice, "carol", "")
	want(t, "an own user", second(r.HeadBucket(carol, &api.HeadBucketRequest{Bucket: new("one")})), "")
	document := `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::one","arn:aws:s3:::one/*"]}]}`
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: new("one"), Policy: &document}))(t)
	want(t, "the owner who locked himself out", second(r.HeadBucket(r.ctx, &api.HeadBucketRequest{Bucket: new("one")})), "AccessDenied")
	want(t, "and his tags", second(r.GetBucketTagging(r.ctx, &api.GetBucketTaggingRequest{Bucket: new("one")})), "AccessDenied")
	must(r.DeleteBucketPolicy(r.ctx, &api.DeleteBucketPolicyRequest{Bucket: new("one")}))(t)
	want(t, "the owner again", second(r.HeadBucket(r.ctx, &api.HeadBucketRequest{Bucket: new("one")})), "")
}

// A user who is made anew under the same name is another one to a policy.
func TestBucketPolicyKnowsUsersByID(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	arn := "arn:aws:iam::" + bob + ":user/dave"
	dave := r.user(bob, "dave", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	document := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":"s3:ListBucket","Resource":"arn:aws:s3:::one"}]}`
	must(r.PutBucketPolicy(r.ctx, &api.PutBucketPolicyRequest{Bucket: new("one"), Policy: &document}))(t)
	head := func(ctx context.Context) error {
		return second(r.HeadBucket(ctx, &api.HeadBucketRequest{Bucket: new("one")}))
	}
	want(t, "dave", head(dave), "")
	if got := must(r.GetBucketPolicy(r.ctx, &api.GetBucketPolicyRequest{Bucket: new("one")}))(t); *got.Policy != document {
		t.Errorf("policy is %s", *got.Policy)
	}
	old := cloud.CallerFrom(dave).Entity
	r.cloud.Update(func(tx *store.Tx) error {
		u, _ := store.Table[cloud.User]{}.Get(tx, old)
		tx.ReleaseAll(old)
		if err := (store.Table[cloud.User]{}).Delete(tx, old); err != nil {
			return err
		}
		u.ID = "AIDAANOTHERDAVE"
		return errors.Join(tx.Claim(cloud.UserNames(bob), cloud.IAMName("dave"), u.ID), store.Table[cloud.User]{}.Create(tx, u))
	})
	want(t, "the new dave", head(r.cloud.As(arn)), "AccessDenied")
	got := must(r.GetBucketPolicy(r.ctx, &api.GetBucketPolicyRequest{Bucket: new("one")}))(t)
	if !strings.Contains(*got.Policy, `"`+old+`"`) {
		t.Errorf("policy is %s", *got.Policy)
	}
}
