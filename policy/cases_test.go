package policy_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/policy"
)

// The cases of testdata are written from AWS's documentation, and each names its
// page. Files *.json hold questions and their answers, grammar.txtar documents
// and their faults.

// group is a fact or two, and cases that share policies and parts of the query.
type group struct {
	scene
	Page  string
	About string
	Cases []struct {
		scene
		Name, Page, Want string
	}
}

// scene is what is asked and what applies. A policy is a document, a statement,
// or a list of statements; the latter are of version 2012-10-17.
type scene struct {
	Condition json.RawMessage // of an identity-based policy that allows everything
	Identity  []json.RawMessage
	Boundary  json.RawMessage
	Session   *[]json.RawMessage // null: the session was made without
	SCP       [][]json.RawMessage
	Bucket    json.RawMessage // a resource-based policy
	Key       json.RawMessage // one that must allow
	Trust     json.RawMessage
	Who       string
	Owner     string
	Action    string
	Resource  string
	Keys      map[string][]string
}

// people are the principals of the cases.
var people = map[string]policy.Principal{
	"": alice, "alice": alice, // a user of account 111122223333
	"alice without id": {Kind: policy.User, Account: home, ARN: "arn:aws:iam::111122223333:user/alice", Entity: "arn:aws:iam::111122223333:user/alice"},
	"root":             {Kind: policy.Root, Account: home, ARN: "arn:aws:iam::111122223333:root", Entity: "arn:aws:iam::111122223333:root", EntityID: home},
	"session":          {Kind: policy.AssumedRole, Account: home, ARN: "arn:aws:sts::111122223333:assumed-role/deploy/run1", Entity: "arn:aws:iam::111122223333:role/ci/deploy", EntityID: "AROADEPLOYDEPLOYDEPLO"},
	"federated":        {Kind: policy.FederatedUser, Account: home, ARN: "arn:aws:sts::111122223333:federated-user/carol", Entity: alice.ARN, EntityID: alice.EntityID},
	"bob":              {Kind: policy.User, Account: abroad, ARN: "arn:aws:iam::444455556666:user/bob", Entity: "arn:aws:iam::444455556666:user/bob", EntityID: "AIDABOBBOBBOBBOBBOBBO"},
	"foreign root":     {Kind: policy.Root, Account: abroad, ARN: "arn:aws:iam::444455556666:root", Entity: "arn:aws:iam::444455556666:root", EntityID: abroad},
	"foreign session":  {Kind: policy.AssumedRole, Account: abroad, ARN: "arn:aws:sts::444455556666:assumed-role/audit/night", Entity: "arn:aws:iam::444455556666:role/audit", EntityID: "AROAAUDITAUDITAUDITAU"},
	"anonymous":        {Kind: policy.Anonymous},
	"ec2":              {Kind: policy.Service, Service: "ec2.amazonaws.com"},
	"google":           {Kind: policy.WebIdentity, Provider: "accounts.google.com"},
	"oidc":             {Kind: policy.WebIdentity, Provider: "arn:aws:iam::111122223333:oidc-provider/token.example.com"},
	"saml":             {Kind: policy.SAML, Provider: "arn:aws:iam::111122223333:saml-provider/corp"},
}

const home, abroad = "111122223333", "444455556666"

var alice = policy.Principal{Kind: policy.User, Account: home, ARN: "arn:aws:iam::111122223333:user/alice", Entity: "arn:aws:iam::111122223333:user/alice", EntityID: "AIDAALICEALICEALICEAL"}

// shortKinds are the kinds as "want" calls them.
var shortKinds = map[string]policy.Kind{
	"identity": policy.IdentityPolicy, "resource": policy.ResourcePolicy, "trust": policy.TrustPolicy,
	"boundary": policy.BoundaryPolicy, "session": policy.SessionPolicy, "scp": policy.ServiceControlPolicy,
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []group
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&groups); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		names := map[string]bool{}
		for _, g := range groups {
			for _, c := range g.Cases {
				name := filepath.Base(file) + "/" + g.About + "/" + c.Name
				if page := c.Page + g.Page; !strings.Contains(page, ".html") || g.About == "" || c.Name == "" || names[name] {
					t.Errorf("%s: a case needs a page, a name of its own, and its group a subject", name)
				}
				names[name] = true
				n++
				t.Run(name, func(t *testing.T) { g.over(c.scene).check(t, c.Want) })
			}
		}
	}
	if n += grammarCases(t); n < 400 {
		t.Errorf("%d cases are too few", n)
	}
}

// over puts the case's scene over the group's.
func (g group) over(c scene) scene {
	s := g.scene
	pick := func(to *json.RawMessage, from json.RawMessage) {
		if from != nil {
			*to = from
		}
	}
	pick(&s.Condition, c.Condition)
	pick(&s.Boundary, c.Boundary)
	pick(&s.Bucket, c.Bucket)
	pick(&s.Key, c.Key)
	pick(&s.Trust, c.Trust)
	if c.Identity != nil {
		s.Identity = c.Identity
	}
	if c.Session != nil {
		s.Session = c.Session
	}
	if c.SCP != nil {
		s.SCP = c.SCP
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&s.Who, c.Who}, {&s.Owner, c.Owner}, {&s.Action, c.Action}, {&s.Resource, c.Resource}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if c.Keys != nil {
		s.Keys = maps.Clone(c.Keys)
		for k, v := range g.Keys {
			if _, ok := s.Keys[k]; !ok {
				s.Keys[k] = v
			}
		}
	}
	return s
}

// question is a scene with its policies as text.
type question struct {
	identity, session []string
	boundary          string
	hasSession        bool
	scp               [][]string
	resource          string
	resourceKind      policy.Kind
	required          bool
	query             policy.Query
	keys              map[string][]string // in lower case
}

func (s scene) question(t tester) question {
	who, ok := people[s.Who]
	if !ok {
		t.Fatalf("nobody is called %q", s.Who)
	}
	q := question{keys: map[string][]string{}, query: policy.Query{Principal: who, Action: s.Action, Resource: s.Resource, Owner: s.Owner}}
	for k, v := range s.Keys {
		q.keys[strings.ToLower(k)] = v
	}
	q.query.Keys = keysOf(q.keys)
	if q.query.Action == "" {
		q.query.Action = "ec2:RunInstances"
	}
	if q.query.Resource == "" {
		q.query.Resource = "arn:aws:ec2:eu-paris-1:111122223333:instance/i-1"
	}
	for _, p := range s.Identity {
		q.identity = append(q.identity, document(p))
	}
	if s.Condition != nil {
		q.identity = append(q.identity, document(json.RawMessage(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+string(s.Condition)+`}`)))
	}
	q.boundary = document(s.Boundary)
	if s.Session != nil {
		q.hasSession = true
		for _, p := range *s.Session {
			q.session = append(q.session, document(p))
		}
	}
	for _, level := range s.SCP {
		docs := []string{}
		for _, p := range level {
			docs = append(docs, document(p))
		}
		q.scp = append(q.scp, docs)
	}
	switch {
	case s.Bucket != nil:
		q.resource, q.resourceKind = document(s.Bucket), policy.ResourcePolicy
	case s.Key != nil:
		q.resource, q.resourceKind, q.required = document(s.Key), policy.ResourcePolicy, true
	case s.Trust != nil:
		q.resource, q.resourceKind, q.required = document(s.Trust), policy.TrustPolicy, true
	}
	return q
}

// document makes a document of a statement or of statements.
func document(raw json.RawMessage) string {
	var whole struct{ Statement json.RawMessage }
	if raw == nil || json.Unmarshal(raw, &whole) == nil && whole.Statement != nil {
		return string(raw)
	}
	return `{"Version":"2012-10-17","Statement":` + string(raw) + `}`
}

// policies compiles the question's policies.
func (q question) policies(t tester) *policy.Policies {
	source := func(kind policy.Kind, text string) policy.Source {
		return policy.Source{Kind: kind, Name: kind.String(), Doc: parse(t, kind, text)}
	}
	one := func(kind policy.Kind, text string) *policy.Source {
		if text == "" {
			return nil
		}
		return new(source(kind, text))
	}
	p := &policy.Policies{HasSession: q.hasSession, Required: q.required, Boundary: one(policy.BoundaryPolicy, q.boundary), Resource: one(q.resourceKind, q.resource)}
	for _, text := range q.identity {
		p.Identity = append(p.Identity, source(policy.IdentityPolicy, text))
	}
	for _, text := range q.session {
		p.Session = append(p.Session, source(policy.SessionPolicy, text))
	}
	for _, level := range q.scp {
		docs := []policy.Source{}
		for _, text := range level {
			docs = append(docs, source(policy.ServiceControlPolicy, text))
		}
		p.SCP = append(p.SCP, docs)
	}
	return p
}

// check asks, and compares with "allow", "deny" or "no" and the kind that
// decides, as in "no: boundary"; without one, it is an identity-based policy.
func (s scene) check(t *testing.T, want string) {
	q := s.question(t)
	p := q.policies(t)
	got := p.Decide(&q.query)
	if x := p.Explain(&q.query); x.Decision != got {
		t.Errorf("Explain decides %+v, Decide %+v", x.Decision, got)
	}
	verdict, by, ok := strings.Cut(want, ": ")
	if !ok {
		by = "identity"
	}
	kind, ok := shortKinds[by]
	if !ok || !slices.Contains([]string{"allow", "deny", "no"}, verdict) {
		t.Fatalf("%q is no answer", want)
	}
	if v := verdictOf(got); v != verdict || got.By != kind {
		t.Errorf("%s by %s, want %s by %s\n%s", v, got.By, verdict, kind, p.Explain(&q.query).Text())
	}
	if v := q.refer(); v != verdict {
		t.Errorf("the reference says %s, want %s", v, verdict)
	}
}

func verdictOf(d policy.Decision) string {
	switch {
	case d.Allowed:
		return "allow"
	case d.Explicit:
		return "deny"
	default:
		return "no"
	}
}

// grammarCases runs the documents of grammar.txtar and counts them. A file's
// name is its kind, its page, and what it shows; its last line is "=> ok" or the
// fault.
func grammarCases(t *testing.T) (n int) {
	a, err := txtar.ParseFile("testdata/grammar.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		words := strings.SplitN(f.Name, " ", 3)
		kind, ok := shortKinds[words[0]]
		if !ok || len(words) < 3 || !strings.HasSuffix(words[1], ".html") {
			t.Fatalf("%q must be a kind, a page and a name", f.Name)
		}
		n++
		t.Run("grammar/"+words[2], func(t *testing.T) {
			text, want, ok := strings.Cut(string(f.Data), "\n=> ")
			if !ok {
				t.Fatal("no answer")
			}
			want = strings.TrimSpace(want)
			got := "ok"
			if _, err := policy.Parse(text, kind); err != nil {
				got = err.Error()
				place := strings.SplitN(got, ": ", 2)
				place[0] = strings.NewReplacer("line ", "", ", column ", ":").Replace(place[0])
				got = strings.Join(place, " ")
			}
			if got != want {
				t.Errorf("got\n=> %s\nwant\n=> %s", got, want)
			}
		})
	}
	return n
}
