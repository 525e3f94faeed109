package ec2

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"a", "a", true},
		{"a", "A", false},
		{"*", "", true},
		{"*", "anything at all", true},
		{"a*", "a", true},
		{"a*", "abc", true},
		{"a*", "ba", false},
		{"*c", "abc", true},
		{"a*c", "abcbc", true},
		{"a*c", "abcb", false},
		{"*b*", "abc", true},
		{"a**c", "ac", true},
		{"?", "a", true},
		{"?", "", false},
		{"?", "ab", false},
		{"a?c", "abc", true},
		{"??", "é", false},
		{"?", "é", true},
		{"*é", "caféé", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\?`, "?", true},
		{`\?`, "a", false},
		{`\\`, `\`, true},
		{`a\`, `a\`, true},
		{`\a`, "a", true},
		{`*\**`, "a*b", true},
		{`*\**`, "ab", false},
		{`\**`, "*ab", true},
	} {
		if got := wildcard(c.pattern, c.s); got != c.want {
			t.Errorf("wildcard(%q, %q) = %t", c.pattern, c.s, got)
		}
	}
}

// wildcardRegexp says the same as wildcard, by way of a regular expression.
func wildcardRegexp(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(r)))
			escaped = false
		case r == '\\':
			escaped = true
		case r == '*':
			b.WriteString(`.*`)
		case r == '?':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	if escaped {
		b.WriteString(`\\`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*\?\\*`, `*?\ and more`)
	f.Add("***", "")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		wildcard(pattern, s) // must not panic
		pattern, s = strings.ToValidUTF8(pattern, "�"), strings.ToValidUTF8(s, "�")
		if got := wildcard(pattern, s); got != wildcardRegexp(pattern).MatchString(s) {
			t.Errorf("wildcard(%q, %q) = %t", pattern, s, got)
		}
	})
}

// thing is what filters are tried on.
type thing struct {
	name  string
	ports []string
	tags  map[string]string
}

var thingFields = fields[thing]{
	"name": one(func(v thing) string { return v.name }),
	"port": func(v thing, is func(string) bool) bool { return slices.ContainsFunc(v.ports, is) },
	"zone": maybe(func(thing) string { return "" }),
}

// naive says of one filter what match compiles, without haste.
func naive(f ec2.Filter, v thing) bool {
	var values []string
	switch name := *f.Name; {
	case name == "name":
		values = []string{v.name}
	case name == "port":
		values = v.ports
	case name == "tag-key":
		values = slices.Collect(maps.Keys(v.tags))
	case name == "tag-value":
		values = slices.Collect(maps.Values(v.tags))
	case strings.HasPrefix(name, "tag:"):
		if value, ok := v.tags[name[4:]]; ok {
			values = []string{value}
		}
	}
	for _, pattern := range f.Values {
		if slices.ContainsFunc(values, wildcardRegexp(pattern).MatchString) {
			return true
		}
	}
	return false
}

func TestFiltersAgreeWithNaiveOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab*?\\é]{0,4}`)
		name := rapid.OneOf(rapid.SampledFrom([]string{"name", "port", "zone", "tag-key", "tag-value"}),
			rapid.Map(rapid.StringMatching(`[ab*]{1,2}`), func(k string) string { return "tag:" + k }))
		filter := rapid.Custom(func(t *rapid.T) ec2.Filter {
			return ec2.Filter{Name: new(name.Draw(t, "name")), Values: rapid.SliceOfN(word, 1, 4).Draw(t, "values")}
		})
		given := rapid.SliceOfN(filter, 0, 3).Draw(t, "filters")
		v := thing{
			name: word.Draw(t, "thing"), ports: rapid.SliceOfN(word, 0, 3).Draw(t, "ports"),
			tags: rapid.MapOfN(rapid.StringMatching(`[ab*]{1,2}`), word, 0, 4).Draw(t, "tags"),
		}
		keep, err := match(given, thingFields, func(v thing) map[string]string { return v.tags })
		if err != nil {
			t.Fatal(err)
		}
		expected := !slices.ContainsFunc(given, func(f ec2.Filter) bool { return !naive(f, v) })
		if keep(v) != expected {
			t.Fatalf("match says %t, naive filters say %t", keep(v), expected)
		}
	})
}

func TestFilterErrors(t *testing.T) {
	many := func(n int) []string { return slices.Repeat([]string{"x"}, n) }
	for _, c := range []struct {
		name    string
		filters []ec2.Filter
		code    string
		message string
	}{
		{"unknown", filters("colour", "red"), "InvalidParameterValue", "The filter 'colour' is invalid"},
		{"case matters", filters("Name", "x"), "InvalidParameterValue", "The filter 'Name' is invalid"},
		{"empty name", filters("", "x"), "InvalidParameterValue", "The filter 'null' is invalid"},
		{"no name", []ec2.Filter{{Values: []string{"x"}}}, "InvalidParameterValue", "The filter 'null' is invalid"},
		{"tag without key", filters("tag:", "x"), "InvalidParameterValue", "The filter 'tag:' is invalid"},
		{"no values", []ec2.Filter{{Name: new("name")}}, "InvalidParameterValue", "The filter 'name' has no values"},
		{"200 values", []ec2.Filter{{Name: new("name"), Values: many(200)}}, "", ""},
		{"201 values", []ec2.Filter{{Name: new("name"), Values: many(201)}}, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200"},
		{"50 filters", slices.Repeat(filters("name", "x"), 50), "", ""},
		{"51 filters", slices.Repeat(filters("name", "x"), 51), "FilterLimitExceeded", "The maximum number of filters specified on a single call is 50"},
	} {
		_, err := match(c.filters, thingFields, func(v thing) map[string]string { return v.tags })
		want(t, c.name, err, c.code, c.message)
	}
	_, err := match(filters("tag:a", "b"), thingFields, nil)
	want(t, "tags where there are none", err, "InvalidParameterValue")
}

func TestFiltersAllocateNothing(t *testing.T) {
	keep, err := match([]ec2.Filter{
		{Name: new("name"), Values: []string{"web-*", "db"}}, {Name: new("tag:env"), Values: []string{"prod"}},
	}, thingFields, func(v thing) map[string]string { return v.tags })
	if err != nil {
		t.Fatal(err)
	}
	v := thing{name: "web-1", tags: map[string]string{"env": "prod"}}
	if !keep(v) {
		t.Fatal("filter does not match")
	}
	if n := testing.AllocsPerRun(100, func() { keep(v) }); n != 0 {
		t.Errorf("a look at a resource allocates %v times", n)
	}
}

func BenchmarkFilter10000(b *testing.B) {
	things := make([]thing, 10_000)
	for i := range things {
		things[i] = thing{name: "web-" + strings.Repeat("x", i%7), tags: map[string]string{"env": []string{"prod", "test"}[i%2]}}
	}
	for b.Loop() {
		keep, err := match(filters("name", "web-?xx*", "tag:env", "prod"), thingFields, func(v thing) map[string]string { return v.tags })
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for range where(slices.Values(things), keep) {
			n++
		}
	}
}
