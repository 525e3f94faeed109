package policy_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/policy"
)

func TestDocument(t *testing.T) {
	d := parse(t, policy.ResourcePolicy, `{
  "Version": "2012-10-17", "Id": "mine",
  "Statement": [
    {"Sid": "été", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:UserName}"}, {"Effect": "Deny", "Principal": "*",
     "Action": "*", "Resource": "*",
     "Condition": {"StringEquals": {"aws:PrincipalTag/Team": "${aws:RequestTag/Team, 'x'}"}, "Null": {"AWS:principaltag/team": true}}
    }]}`)
	if d.Kind() != policy.ResourcePolicy || d.Version() != "2012-10-17" || d.ID() != "mine" || d.Statements() != 2 {
		t.Errorf("%s, version %s, ID %s, %d statements", d.Kind(), d.Version(), d.ID(), d.Statements())
	}
	want := []policy.Statement{
		{Sid: "été", Start: policy.Position{Line: 4, Column: 5}, End: policy.Position{Line: 4, Column: 117}},
		{Deny: true, Start: policy.Position{Line: 4, Column: 119}, End: policy.Position{Line: 7, Column: 6}, Keys: []string{"aws:PrincipalTag/Team", "AWS:principaltag/team"}},
	}
	for i := range want {
		if got := d.Statement(i); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("statement %d is %+v, want %+v", i, got, want[i])
		}
	}
	if got, want := d.Keys(), []string{"aws:principaltag/team", "aws:requesttag/team", "aws:username"}; !reflect.DeepEqual(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	d.Keys()[0] = "changed"
	if d.Keys()[0] == "changed" {
		t.Error("a caller changed a document")
	}
}

func TestKindAsText(t *testing.T) {
	for name, kind := range shortKinds {
		b, err := kind.MarshalText()
		var again policy.Kind
		if err != nil || again.UnmarshalText(b) != nil || again != kind {
			t.Errorf("%s: %v became %q and %v", name, kind, b, again)
		}
	}
	if policy.Kind(99).String() == policy.IdentityPolicy.String() {
		t.Error("kind 99 has a name")
	}
	if new(policy.Kind).UnmarshalText([]byte("a whim")) == nil {
		t.Error("a whim is no kind of policy")
	}
}

// TestDecideWithoutDocuments: a source without a document is a policy without
// statements.
func TestDecideWithoutDocuments(t *testing.T) {
	p := policy.Policies{Identity: []policy.Source{{Name: "gone"}}, Resource: &policy.Source{Kind: policy.TrustPolicy}, Required: true}
	q := policy.Query{Principal: alice, Action: "sts:AssumeRole", Resource: "*"}
	if d := p.Decide(&q); d.Allowed || d.By != policy.TrustPolicy || d.Statement != -1 {
		t.Errorf("%+v", d)
	}
	checkExplanation(t, &p, &q)
}

func TestCache(t *testing.T) {
	c := policy.Cache{Size: 10}
	text := func(i int) string {
		return fmt.Sprintf(`{"Statement": {"Sid": "s%d", "Effect": "Allow", "Action": "*", "Resource": "*"}}`, i)
	}
	get := func(i int, kind policy.Kind) *policy.Document {
		d, err := c.Parse(text(i), kind)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := get(0, policy.IdentityPolicy)
	if get(0, policy.IdentityPolicy) != first {
		t.Error("the same text was compiled twice")
	}
	if get(0, policy.SessionPolicy) == first {
		t.Error("the kind makes a difference")
	}
	if _, err := c.Parse(text(0), policy.TrustPolicy); err == nil {
		t.Error("what is right for one kind is wrong for another")
	}
	for i := range 1000 {
		get(i, policy.IdentityPolicy)
		if get(0, policy.IdentityPolicy) != first {
			t.Fatal("what is asked for again and again was forgotten")
		}
		if c.Len() > 10 {
			t.Fatalf("%d documents in a cache of 10", c.Len())
		}
	}
}

// TestCacheConcurrently is for the race detector, and wants one document of a
// text.
func TestCacheConcurrently(t *testing.T) {
	var c policy.Cache
	var all sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				text := `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}` + strings.Repeat(" ", i%20)
				d, err := c.Parse(text, policy.IdentityPolicy)
				if err != nil {
					t.Error(err)
					return
				}
				if other, loaded := all.LoadOrStore(text, d); loaded && other != d {
					t.Error("two documents of one text are in use")
				}
			}
		})
	}
	wg.Wait()
}
