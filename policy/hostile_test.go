package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/policy"
)

// TestHostileDocuments wants an answer to every document, and soon: the bound is
// a hundred times what the slowest takes, and a thousandth of what anything
// quadratic would.
func TestHostileDocuments(t *testing.T) {
	big := 10 << 20
	if slow {
		big = 1 << 20
	}
	allow := func(element, value string) string {
		s := `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringLike": {"aws:x": "y"}}}}`
		switch element {
		case "Action":
			return strings.Replace(s, `"Action": "*"`, `"Action": `+value, 1)
		case "Resource":
			return strings.Replace(s, `"Resource": "*"`, `"Resource": `+value, 1)
		default:
			return strings.Replace(s, `"y"`, value, 1)
		}
	}
	many := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return strings.Join(items, ",")
	}
	tests := map[string]struct {
		text   string
		reason string // a part of it; empty: taken
	}{
		"10 MB of brackets":            {strings.Repeat("[", big), "nesting"},
		"10,000 nested objects":        {strings.Repeat(`{"Statement":`, 10_000) + "1" + strings.Repeat("}", 10_000), "nesting"},
		"10 MB of white space":         {strings.Repeat(" \n", big/2), "ends"},
		"10 MB of white space before":  {strings.Repeat("\n", big) + allow("", `"y"`), ""},
		"10 MB of white space behind":  {allow("", `"y"`) + strings.Repeat("\n", big), ""},
		"a 10 MB action":               {allow("Action", `"s3:`+strings.Repeat("a", big)+`"`), ""},
		"a 10 MB action that is none":  {allow("Action", `"`+strings.Repeat("a", big)+`"`), "must be"},
		"a 10 MB resource of stars":    {allow("Resource", `"arn:aws:s3:::`+strings.Repeat("*", big)+`"`), ""},
		"a 10 MB value of variables":   {allow("", `"`+strings.Repeat("${a:b}", big/6)+`"`), "more than 1000"},
		"a 10 MB value of asterisks":   {allow("", `"`+strings.Repeat("${*}", big/4)+`"`), ""},
		"a 10 MB value of openings":    {allow("", `"`+strings.Repeat("${", big/2)+`"`), "no \"}\""},
		"10 MB of defaults":            {allow("", `"`+strings.Repeat("${a:b, '", big/8)+`"`), "no \"}\""},
		"a 10 MB value of escapes":     {allow("", `"`+strings.Repeat(`\u0041`, big/6)+`"`), ""},
		"a 10 MB number":               {strings.Replace(allow("", strings.Repeat("9", big)), "StringLike", "NumericLessThan", 1), ""},
		"a number of a huge exponent":  {strings.Replace(allow("", "1e999999999"), "StringLike", "NumericLessThan", 1), "must be a number"},
		"a huge epoch":                 {strings.Replace(allow("", strings.Repeat("9", 40)), "StringLike", "DateLessThan", 1), "must be a date"},
		"a 10 MB name":                 {`{"` + strings.Repeat("x", big) + `": 1}`, "no such element"},
		"a million values":             {allow("", "["+many(1_000_000, func(int) string { return `"a"` })+"]"), "more than 20000 elements"},
		"a million names":              {`{` + many(1_000_000, func(i int) string { return fmt.Sprintf(`"n%d":1`, i) }) + `}`, "more than 20000 elements"},
		"19,000 names, the last twice": {`{` + many(19_000, func(i int) string { return fmt.Sprintf(`"n%d":1`, i) }) + `,"n18999":1}`, "twice"},
		"3,000 statements":             {`{"Statement":[` + many(3_000, func(int) string { return `{"Effect":"Allow","Action":"*","Resource":"*"}` }) + `]}`, ""},
		"a null byte":                  {"{\x00}", "stands where"},
		"no UTF-8":                     {"{\"Statement\": \"a\xff\"}", "not valid UTF-8"},
		"half a character at the end":  {`{"Statement": "` + "\xc3", "not valid UTF-8"},
		"a byte order mark":            {"\ufeff{}", "stands where"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := policy.Parse(test.text, policy.IdentityPolicy)
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if test.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *policy.SyntaxError
			if !errors.As(err, &e) || !strings.Contains(e.Reason, test.reason) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%.300v, want a reason with %q", err, test.reason)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestHostilePatterns matches patterns that take naive matchers ages.
func TestHostilePatterns(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	tests := map[string]struct {
		action, resource, prefix string // patterns
		want                     bool
	}{
		"thousands of stars, no match":         {"s3:*", "arn:aws:s3:::" + strings.Repeat("*a", 4_000) + "b", "*", false},
		"thousands of stars, a match":          {"s3:*", "arn:aws:s3:::" + strings.Repeat("*a", 4_000), "*", true},
		"thousands of stars in every part":     {"s3:*", strings.ReplaceAll("arn:X:X:X:X:X", "X", strings.Repeat("*?", 1_000)), "*", false},
		"stars and question marks":             {"s3:*", "arn:aws:s3:::" + strings.Repeat("?*", 5_000), "*", true},
		"more question marks than characters":  {"s3:*", "arn:aws:s3:::" + strings.Repeat("?", 10_001), "*", false},
		"in an action":                         {"s3:" + strings.Repeat("*a", 4_000) + "b", "*", "*", false},
		"in a condition":                       {"s3:*", "*", strings.Repeat("*a", 4_000) + "b", false},
		"in a condition, behind many openings": {"s3:*", "*", strings.Repeat("*aaaa", 2_000) + "*", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := parse(t, policy.IdentityPolicy, fmt.Sprintf(`{"Statement": {"Effect": "Allow", "Action": %q, "Resource": %q, "Condition": {"StringLike": {"s3:prefix": %q}}}}`,
				test.action, test.resource, test.prefix))
			p := policy.Policies{Identity: []policy.Source{{Doc: d}}}
			begin := time.Now()
			got := p.Decide(&policy.Query{
				Principal: alice, Action: "s3:" + long, Resource: "arn:aws:s3:::" + long,
				Keys: keysOf(map[string][]string{"s3:prefix": {long}}),
			})
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if got.Allowed != test.want {
				t.Errorf("%+v", got)
			}
		})
	}
}
