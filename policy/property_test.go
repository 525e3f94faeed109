package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/policy"
)

// The property: the engine and the reference agree about everything. Alphabets
// are small, so that things do match.

// drawn draws parts of questions.
type drawn struct{ *rapid.T }

func (d drawn) pick(from ...string) string { return rapid.SampledFrom(from).Draw(d.T, "pick") }

// chance is true once in n times.
func (d drawn) chance(n int) bool { return rapid.IntRange(1, n).Draw(d.T, "chance") == n }

// some draws up to n of what one draws, as a list or by itself.
func (d drawn) some(n int, one func() any) any {
	k := rapid.IntRange(1, n).Draw(d.T, "some")
	if k == 1 && !d.chance(4) {
		return one()
	}
	if d.chance(40) {
		k = 0
	}
	list := []any{}
	for range k {
		list = append(list, one())
	}
	return list
}

var (
	actions   = []string{"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "ec2:RunInstances", "sts:AssumeRole"}
	resources = []string{"*", "arn:aws:s3:::b/alice/x", "arn:aws:s3:::b/*", "arn:aws:s3:r:1:a:b:c", "arn:aws:iam::111122223333:role/target"}
	texts     = []string{"a", "A", "ab", "alice", "", "*", "a*", "1", "2026"}
	keyNames  = []string{"aws:k", "aws:username", "aws:Tags"}
)

func (d drawn) action() any {
	return d.pick("*", "*", "*", "s3:*", "s3:Get*", "S3:getobject", "s3:?utObject", "s3:*Object", "s3:GetObject", "ec2:RunInstances", "ec2:*Run*", "s3:PutObject", "sts:*")
}

func (d drawn) resource() any {
	return d.pick("*", "*", "*", "*", "arn:*:*:*:*:*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/${aws:k, 'alice'}/x", "arn:aws:s3:*:*:a*",
		"arn:aws:s3:*:*:*c", "arn:aws:s3:::b/${*}", "arn:aws:s3:::b/?", "arn:aws:s3:?:?:a:?:c", "arn:aws:s3:::?/alice/x", "arn:aws:iam::*:role/*")
}

// condition draws the operator and what it compares with.
func (d drawn) condition() (string, any) {
	var operator string
	var one func() any
	text := func() any {
		return d.pick("a", "A", "ab", "a*", "?", "*", "", "${aws:username}", "${aws:k, 'a'}", "${aws:Tags}", "al${*}", "a?${aws:username}")
	}
	number := func() any {
		if d.chance(3) {
			return rapid.IntRange(-2, 3).Draw(d.T, "number")
		}
		return d.pick("1", "01", "1.0", "-1", "1.5", "2", "0", "-0", "2026", "+1")
	}
	date := func() any {
		return d.pick("2026", "2026-01", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00.5+01:00", "1767225600", "1767225600.5")
	}
	truth := func() any {
		if d.chance(2) {
			return d.chance(2)
		}
		return d.pick("true", "false", "True")
	}
	switch d.pick("text", "text", "text", "number", "date", "bool", "binary", "ip", "arn", "null") {
	case "text":
		operator, one = d.pick("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"), text
	case "number":
		operator, one = "Numeric"+d.pick("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"), number
	case "date":
		operator, one = "Date"+d.pick("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"), date
	case "bool":
		operator, one = "Bool", truth
	case "binary":
		operator, one = "BinaryEquals", func() any { return d.pick("YQ==", "YWI=", "", "KioqKg==") }
	case "ip":
		operator, one = d.pick("IpAddress", "NotIpAddress"), func() any {
			return d.pick("10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.1.2.9/24", "::ffff:10.0.0.0/104")
		}
	case "arn":
		operator, one = d.pick("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"), func() any {
			return d.pick("arn:aws:s3:::b/*", "arn:aws:s3:*:*:*", "arn:aws:s3:::b/${aws:username}/x", "${aws:k}", "*", "arn:*", "arn:aws:s3:*:c", "arn:aws:s3:?:?:a?b:c")
		}
	case "null":
		return d.pick("", "", "ForAllValues:", "ForAnyValue:") + "Null", d.some(2, truth)
	}
	return d.pick("", "", "ForAllValues:", "ForAnyValue:") + operator + d.pick("", "", "IfExists"), d.some(3, one)
}

func (d drawn) conditions() any {
	block := object{}
	for range rapid.IntRange(0, 2).Draw(d.T, "operators") {
		operator, values := d.condition()
		block[operator] = object{d.pick(keyNames...): values}
	}
	return block
}

// principal draws whom a statement names.
func (d drawn) principal(kind policy.Kind) any {
	if kind != policy.TrustPolicy && d.chance(6) {
		return "*"
	}
	m := object{}
	if d.chance(3) {
		m["Service"] = d.pick("ec2.amazonaws.com", "ecs.amazonaws.com")
	}
	if kind == policy.TrustPolicy && d.chance(3) {
		m["Federated"] = d.pick("accounts.google.com", people["oidc"].Provider, people["saml"].Provider)
	}
	if !d.chance(6) {
		m["AWS"] = d.some(3, func() any {
			who := people[d.pick("alice", "session", "federated", "bob", "foreign session")]
			return d.pick(who.ARN, who.Entity, who.EntityID, who.Account, "arn:aws:iam::"+who.Account+":root", "*")
		})
	}
	return m
}

func (d drawn) statement(kind policy.Kind, denies int) object {
	s := object{"Effect": "Allow", d.not("Action"): d.some(2, d.action)}
	if d.chance(denies) {
		s["Effect"] = "Deny"
	}
	switch kind {
	case policy.TrustPolicy:
		s["Action"] = d.pick("sts:*", "sts:AssumeRole", "sts:AssumeRole*")
		delete(s, "NotAction")
		s["Principal"] = d.principal(kind)
	case policy.ResourcePolicy:
		s[d.not("Principal")] = d.principal(kind)
		fallthrough
	default:
		s[d.not("Resource")] = d.some(2, d.resource)
	}
	if d.chance(2) {
		s["Condition"] = d.conditions()
	}
	return s
}

func (d drawn) not(element string) string {
	if d.chance(5) {
		return "Not" + element
	}
	return element
}

func (d drawn) document(kind policy.Kind) string {
	denies := 6
	doc := object{"Statement": d.some(3, func() any { return d.statement(kind, denies) })}
	if list, ok := doc["Statement"].([]any); ok && len(list) == 0 {
		doc["Statement"] = d.statement(kind, denies)
	}
	if !d.chance(4) {
		doc["Version"] = "2012-10-17"
	}
	b, err := json.Marshal(doc)
	if err != nil {
		d.Fatal(err)
	}
	return string(b)
}

func (d drawn) documents(kind policy.Kind, most int) (docs []string) {
	for range rapid.SampledFrom([]int{1, 1, 2, most, 0}).Filter(func(n int) bool { return n <= most }).Draw(d.T, "documents") {
		docs = append(docs, d.document(kind))
	}
	return docs
}

// values draws what a key has in the request.
func (d drawn) values() []string {
	pool := append([]string{
		"10.1.2.3", "2001:db8::1", "añb", "::ffff:10.1.2.3", "true", "FALSE", "1.0", "-1", "-1.5", "1.5", "2026-01-01T00:00:00Z", "2025-12-31", "1767225600",
		"arn:aws:s3:::b/alice/x", "arn:aws:s3:r:1:a:b:c", "****", "al*", "nonsense\xff",
	}, texts...)
	values := []string{}
	for range rapid.SampledFrom([]int{1, 1, 1, 1, 2, 3, 0}).Draw(d.T, "values") {
		values = append(values, rapid.SampledFrom(pool).Draw(d.T, "value"))
	}
	return values
}

func (d drawn) question() question {
	q := question{keys: map[string][]string{}}
	who := d.pick("alice", "alice", "alice", "session", "session", "federated", "root", "bob", "foreign session", "anonymous", "ec2", "google", "oidc", "saml", "alice without id")
	q.query = policy.Query{Principal: people[who], Action: d.pick(actions...), Resource: d.pick(resources...), Owner: d.pick("", home, home, abroad)}
	for _, k := range keyNames {
		if !d.chance(3) {
			q.keys[strings.ToLower(k)] = d.values()
		}
	}
	q.query.Keys = keysOf(q.keys)
	q.identity = d.documents(policy.IdentityPolicy, 3)
	if d.chance(5) {
		q.boundary = d.document(policy.BoundaryPolicy)
	}
	if d.chance(4) {
		q.hasSession, q.session = true, d.documents(policy.SessionPolicy, 2)
	}
	if d.chance(4) {
		for range rapid.IntRange(1, 3).Draw(d.T, "levels") {
			level := d.documents(policy.ServiceControlPolicy, 1)
			if !d.chance(4) {
				level = append(level, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
			}
			q.scp = append(q.scp, level)
		}
	}
	if d.chance(2) {
		q.resourceKind = policy.ResourcePolicy
		if q.query.Action == "sts:AssumeRole" {
			q.resourceKind, q.required = policy.TrustPolicy, true
		}
		q.resource = d.document(q.resourceKind)
		q.required = q.required || d.chance(4)
	}
	return q
}

func TestEngineAgreesWithReference(t *testing.T) {
	counts := map[string]int{}
	byKind := map[string]int{}
	agree := func(t *rapid.T) {
		q := drawn{t}.question()
		p := q.policies(t)
		d := p.Decide(&q.query)
		if got, want := verdictOf(d), q.refer(); got != want {
			t.Errorf("the engine says %s, the reference %s\nidentity %s\nboundary %s\nsession %v %s\nscp %s\nresource (%v, required %v) %s\nwho %+v\n%s %s of %q\nkeys %q\n%s",
				got, want, q.identity, q.boundary, q.hasSession, q.session, q.scp, q.resourceKind, q.required, q.resource,
				q.query.Principal, q.query.Action, q.query.Resource, q.query.Owner, q.keys, p.Explain(&q.query).Text())
		}
		counts[verdictOf(d)]++
		byKind[fmt.Sprintf("%s by %s", verdictOf(d), d.By)]++
		checkExplanation(t, p, &q.query)
	}
	rounds := 50 // of 100 checks, unless a flag says otherwise
	if slow {
		rounds = 10
	}
	for range rounds {
		rapid.Check(t, agree)
	}
	if t.Failed() {
		return
	}
	total := counts["allow"] + counts["deny"] + counts["no"]
	t.Logf("%d: %v, %v", total, counts, byKind)
	for _, verdict := range []string{"allow", "deny", "no"} {
		if counts[verdict]*8 < total {
			t.Errorf("%d of %d are %q: the others are tested better", counts[verdict], total, verdict)
		}
	}
}

// checkExplanation holds an explanation to the decision: the statement that
// decided is marked, alone, and its stage says so.
func checkExplanation(t tester, p *policy.Policies, q *policy.Query) {
	d, x := p.Decide(q), p.Explain(q)
	if x.Decision != d {
		t.Errorf("Explain decides %+v, Decide %+v", x.Decision, d)
	}
	decided := 0
	for _, stage := range x.Stages {
		if stage.Result == policy.Denies && d.Allowed {
			t.Errorf("a stage denies what is allowed")
		}
		for _, source := range stage.Policies {
			for _, s := range source.Statements {
				if s.Matched != (len(s.Mismatches) == 0) {
					t.Errorf("matched %v with %d mismatches", s.Matched, len(s.Mismatches))
				}
				if s.Decided {
					decided++
					if want := map[bool]string{true: "Allow", false: "Deny"}[d.Allowed]; s.Effect != want || s.Index != d.Statement || s.Sid != d.Sid || stage.Kind != d.By {
						t.Errorf("%+v decided %+v", s, d)
					}
				}
			}
		}
	}
	if explicit := d.Statement >= 0; decided > 1 && distinct(p) || (decided > 0) != explicit {
		t.Errorf("%d statements decided %+v", decided, d)
	}
	if lines := strings.Count(x.Text(), "\n=> "); lines == 0 {
		t.Errorf("no line is marked:\n%s", x.Text())
	}
	if _, err := json.Marshal(x); err != nil {
		t.Errorf("%v", err)
	}
}

// distinct reports whether no two policies have the same name.
func distinct(p *policy.Policies) bool {
	names := map[string]bool{}
	n := 0
	see := func(sources ...policy.Source) {
		for _, s := range sources {
			names[s.Name] = true
			n++
		}
	}
	see(p.Identity...)
	see(p.Session...)
	for _, level := range p.SCP {
		see(level...)
	}
	return len(names) == n
}
