package policy_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vauban-cloud/vauban/policy"
)

// seeds are the documents of the grammar's cases.
func seeds(f *testing.F) (texts []string) {
	a, err := txtar.ParseFile("testdata/grammar.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		text, _, _ := strings.Cut(string(file.Data), "\n=> ")
		texts = append(texts, text)
	}
	return texts
}

// FuzzParse wants a document or a fault within the text, and of a document that
// the standard library reads the same, and that it stays the same in another
// layout.
func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		for kind := range shortKinds {
			f.Add(text, int(shortKinds[kind]))
		}
	}
	f.Add("{\"Versio\\n\": 1}", 0) // a name that would break the message's line
	f.Fuzz(func(t *testing.T, text string, kind int) {
		if kind < 0 || kind > int(policy.ServiceControlPolicy) {
			return
		}
		k := policy.Kind(kind)
		d, err := policy.Parse(text, k)
		if err != nil {
			var e *policy.SyntaxError
			if !errors.As(err, &e) || d != nil || e.Reason == "" || e.Line < 1 || e.Column < 1 || e.Line > strings.Count(text, "\n")+1 || e.Column > len(text)+1 {
				t.Fatalf("%#v", err)
			}
			if !utf8.ValidString(e.Error()) || strings.Contains(e.Error(), "\n") {
				t.Fatalf("%q is not one line", e.Error())
			}
			return
		}
		var tree object
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatalf("the standard library does not take it: %v", err)
		}
		if n := len(list(tree["Statement"])); n != d.Statements() {
			t.Fatalf("%d statements, the standard library finds %d", d.Statements(), n)
		}
		lines := strings.Split(text, "\n")
		for i := range d.Statements() {
			s := d.Statement(i)
			for at, want := range map[policy.Position]string{s.Start: "{", {Line: s.End.Line, Column: s.End.Column - 1}: "}"} {
				if got := string([]rune(lines[at.Line-1])[at.Column-1]); got != want {
					t.Fatalf("%q stands at %+v, want %q", got, at, want)
				}
			}
		}
		again, err := json.MarshalIndent(tree, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		d2, err := policy.Parse(string(again), k)
		if err != nil {
			t.Fatalf("%v in another layout:\n%s", err, again)
		}
		if !reflect.DeepEqual(d.Keys(), d2.Keys()) || d.Version() != d2.Version() || d.ID() != d2.ID() {
			t.Fatal("another layout makes it another document")
		}
	})
}

// FuzzDecide gives any text to decisions about any document: they end, agree
// with their explanation, and with the reference.
func FuzzDecide(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text, "s3:GetObject", "arn:aws:s3:::b/alice/x", "aws:username", "alice")
	}
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*?:*","Resource":"arn:*:?:*::${a:b, 'c'}*","Condition":{"ForAllValues:ArnNotLikeIfExists":{"a:b":"${a:b}*"}}}}`, "a:b", "arn:a:b:::c", "a:b", "\xff*")
	f.Fuzz(func(t *testing.T, text, action, resource, key, value string) {
		if len(text)+len(resource)+len(value) > 10_000 { // the reference is slow
			return
		}
		q := question{
			keys:  map[string][]string{strings.ToLower(key): strings.Split(value, "\n")},
			query: policy.Query{Principal: alice, Action: action, Resource: resource},
		}
		q.query.Keys = keysOf(q.keys)
		for _, k := range shortKinds {
			if _, err := policy.Parse(text, k); err != nil {
				continue
			}
			q := q
			switch k {
			case policy.ResourcePolicy, policy.TrustPolicy:
				q.resource, q.resourceKind, q.required = text, k, k == policy.TrustPolicy
			default:
				q.identity = []string{text}
			}
			p := q.policies(t)
			checkExplanation(t, p, &q.query)
			if !ascii(action) { // actions are ASCII; case beyond it is nobody's business
				continue
			}
			if got, want := verdictOf(p.Decide(&q.query)), q.refer(); got != want {
				t.Fatalf("the engine says %s, the reference %s", got, want)
			}
		}
	})
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
