package policy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/policy"
)

var update = flag.Bool("update", false, "rewrite what explanations say in testdata/explain.txtar")

// TestExplanations compares with testdata/explain.txtar: NAME.json is a scene,
// NAME.txt what its explanation prints.
func TestExplanations(t *testing.T) {
	const file = "testdata/explain.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(a.Files); i += 2 {
		name, ok := strings.CutSuffix(a.Files[i].Name, ".json")
		if !ok || a.Files[i+1].Name != name+".txt" {
			t.Fatalf("%s and %s are no pair", a.Files[i].Name, a.Files[i+1].Name)
		}
		want := &a.Files[i+1].Data
		t.Run(name, func(t *testing.T) {
			var s scene
			dec := json.NewDecoder(bytes.NewReader(a.Files[i].Data))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&s); err != nil {
				t.Fatal(err)
			}
			q := s.question(t)
			got := q.policies(t).Explain(&q.query).Text()
			if *update {
				*want = []byte(got)
			}
			if got != string(*want) {
				t.Errorf("got\n%s\nwant\n%s", got, *want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExplanationAsJSON wants nothing lost when an explanation is sealed into a
// message and read again.
func TestExplanationAsJSON(t *testing.T) {
	s := scene{
		Identity: []json.RawMessage{[]byte(`{"Sid": "S", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:Team": ["a", "b"]}}}`)},
		Bucket:   []byte(`{"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"}`),
	}
	q := s.question(t)
	x := q.policies(t).Explain(&q.query)
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var again policy.Explanation
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(x, again) {
		t.Errorf("%+v\nbecame\n%+v", x, again)
	}
	for _, part := range []string{`"by":"resource-based policy"`, `"missing":["aws:team"]`, `"key":"aws:Team"`, `"wanted":["a","b"]`, `"absent":true`} {
		if !bytes.Contains(b, []byte(part)) {
			t.Errorf("%s is not in %s", part, b)
		}
	}
}

// TestBecause has the phrases of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
func TestBecause(t *testing.T) {
	implicit := map[policy.Kind]string{
		policy.IdentityPolicy:       "because no identity-based policy allows the ec2:RunInstances action",
		policy.ResourcePolicy:       "because no resource-based policy allows the ec2:RunInstances action",
		policy.TrustPolicy:          "because no role trust policy allows the ec2:RunInstances action",
		policy.BoundaryPolicy:       "because no permissions boundary allows the ec2:RunInstances action",
		policy.SessionPolicy:        "because no session policy allows the ec2:RunInstances action",
		policy.ServiceControlPolicy: "because no service control policy allows the ec2:RunInstances action",
	}
	explicit := map[policy.Kind]string{
		policy.IdentityPolicy:       "with an explicit deny in an identity-based policy",
		policy.ResourcePolicy:       "with an explicit deny in a resource-based policy",
		policy.TrustPolicy:          "with an explicit deny in the role trust policy",
		policy.BoundaryPolicy:       "with an explicit deny in a permissions boundary",
		policy.SessionPolicy:        "with an explicit deny in a session policy",
		policy.ServiceControlPolicy: "with an explicit deny in a service control policy",
	}
	for kind, want := range implicit {
		if got := (policy.Decision{By: kind, Statement: -1}).Because("ec2:RunInstances"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := (policy.Decision{By: kind, Explicit: true}).Because("ec2:RunInstances"); got != explicit[kind] {
			t.Errorf("%q, want %q", got, explicit[kind])
		}
		if got := (policy.Decision{By: kind, Allowed: true}).Because("ec2:RunInstances"); got != "" {
			t.Errorf("%q of what is allowed", got)
		}
	}
}
