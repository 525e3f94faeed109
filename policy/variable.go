package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxVariables is how many a value may have: far more than a use for them.
const maxVariables = 1000

// template is text with policy variables:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
type template []piece

// piece is text (a glob, where the element takes wildcards), or a variable.
type piece struct {
	text     string
	key      string // in lower case; empty: text
	fallback string // what stands for a missing value
	defaults bool   // fallback is given
}

// parseTemplate compiles a value. Without variables, the template is nil and
// the text is all. With wild, "*" and "?" become wildcards.
func parseTemplate(value string, variables, wild bool) (template, string, error) {
	literal := func(s string) string {
		if wild {
			return wildcards.Replace(s)
		}
		return s
	}
	if !variables || !strings.Contains(value, "${") {
		return nil, literal(value), nil
	}
	var t template
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(value, "${")
		text.WriteString(literal(before))
		if !found {
			break
		}
		p, after, err := parseVariable(rest)
		if err != nil {
			return nil, "", err
		}
		value = after
		if p.key == "" {
			text.WriteString(p.text)
			continue
		}
		if t = append(t, piece{text: text.String()}, p); len(t) > 2*maxVariables {
			return nil, "", fmt.Errorf("the value has more than %d policy variables", maxVariables)
		}
		text.Reset()
	}
	if t == nil {
		return nil, text.String(), nil
	}
	return append(t, piece{text: text.String()}), "", nil
}

// parseVariable reads what follows "${".
func parseVariable(s string) (p piece, rest string, err error) {
	name, rest, closed := strings.Cut(s, "}")
	if !closed {
		return p, "", errors.New(`a policy variable has no "}"`)
	}
	if i := strings.IndexByte(name, ','); i >= 0 {
		name = s[:i]
		fallback := strings.TrimLeft(s[i+1:], " ")
		if !strings.HasPrefix(fallback, "'") {
			return p, "", fmt.Errorf("the default of ${%s} must stand in single quotation marks", short(name))
		}
		// The default may hold braces, so its end is looked for, not the variable's.
		p.fallback, rest, closed = strings.Cut(fallback[1:], "'")
		if !closed {
			return p, "", fmt.Errorf("the default of ${%s} has no closing quotation mark", short(name))
		}
		if rest, closed = strings.CutPrefix(rest, "}"); !closed {
			return p, "", fmt.Errorf(`"}" must follow the default of ${%s}`, short(name))
		}
		p.defaults = true
	}
	switch prefix, key, ok := strings.Cut(name, ":"); {
	case !p.defaults && (name == "*" || name == "?" || name == "$"):
		p.text = name
	case name == "":
		return p, "", errors.New("a policy variable has no name")
	case strings.ContainsAny(name, " \t\r\n"):
		return p, "", fmt.Errorf("the name of ${%s} has a space in it", short(name))
	case !ok || prefix == "" || key == "":
		return p, "", fmt.Errorf("${%s} must name a condition key, such as ${aws:username}", short(name))
	default:
		p.key = strings.ToLower(name)
	}
	return p, rest, nil
}

// expand puts in the values. It reports false if one is missing: then nothing
// equals or is like the text.
func (t template) expand(keys Keys) (string, bool) {
	var b strings.Builder
	for i := range t {
		p := &t[i]
		if p.key == "" {
			b.WriteString(p.text)
			continue
		}
		v, ok := p.value(keys)
		if !ok {
			return "", false
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// value returns the variable's value. An empty value counts as none. Keys with
// several values cannot be variables, nor can what is no text.
func (p *piece) value(keys Keys) (string, bool) {
	var values []string
	if keys != nil {
		values, _ = keys(p.key)
	}
	switch {
	case len(values) > 1:
		return "", false
	case len(values) == 0 || values[0] == "":
		return p.fallback, p.defaults
	}
	// No value may bring the bytes that are wildcards.
	if !utf8.ValidString(values[0]) {
		return "", false
	}
	return values[0], true
}
