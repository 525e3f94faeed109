package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The versions of the language. Without one, a document has the older, which
// knows no variables:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
const (
	oldVersion = "2008-10-17"
	newVersion = "2012-10-17"
)

// Parse compiles a document of a kind. The error is a *SyntaxError. It takes
// time and memory linear in the text, refuses nesting deeper than the grammar
// needs and more than 20,000 elements; how long the text may be is the caller's
// business.
func Parse(text string, kind Kind) (d *Document, err error) {
	p := parser{kind: kind, at: positions{text: text}, keys: map[string]bool{}}
	defer func() {
		switch f := recover().(type) {
		case nil:
		case fault:
			d, err = nil, p.syntaxError(text, f)
		default:
			panic(f)
		}
	}()
	r := reader{text: text}
	return p.document(r.document()), nil
}

// parser compiles what was read.
type parser struct {
	kind      Kind
	variables bool // the version knows them
	at        positions
	keys      map[string]bool
	path      []string // of the element that is being compiled
}

// fail ends the parsing with a fault at a node.
func (p *parser) fail(offset int, format string, args ...any) {
	panic(fault{offset: offset, path: p.pathText(), reason: fmt.Sprintf(format, shorten(args)...)})
}

func (p *parser) syntaxError(text string, f fault) *SyntaxError {
	at := positions{text: text}
	place := at.of(f.offset)
	return &SyntaxError{Line: place.Line, Column: place.Column, Path: f.path, Reason: f.reason}
}

// pathText joins the path: "Statement[1].Condition.StringLike".
func (p *parser) pathText() string {
	var b strings.Builder
	for _, s := range p.path {
		if b.Len() > 0 && s[0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(short(s))
	}
	return b.String()
}

// within compiles something below the present element.
func (p *parser) within(name string, compile func()) {
	if name == "" {
		name = `""`
	}
	p.path = append(p.path, name)
	compile()
	p.path = p.path[:len(p.path)-1]
}

// want fails unless the node is of the type.
func (p *parser) want(n node, is nodeType) {
	if n.is != is {
		p.fail(n.start, "must be %s, not %s", is, n.is)
	}
}

// text returns the text of a string.
func (p *parser) text(n node) string {
	p.want(n, stringNode)
	return n.text
}

// each calls compile for one value, or for each of an array.
func (p *parser) each(n node, compile func(node)) {
	if n.is != arrayNode {
		compile(n)
		return
	}
	for i, item := range n.items {
		p.within("["+strconv.Itoa(i)+"]", func() { compile(item) })
	}
}

func (p *parser) document(n node) *Document {
	p.want(n, objectNode)
	d := &Document{kind: p.kind, version: oldVersion}
	var statements *node
	for _, m := range n.members {
		p.within(m.name, func() {
			switch m.name {
			case "Version":
				if d.version = p.text(m.value); d.version != oldVersion && d.version != newVersion {
					p.fail(m.value.start, "must be %q or %q", newVersion, oldVersion)
				}
			case "Id":
				if !p.kind.attached() {
					p.fail(m.start, "has no place in this kind of policy (%s): leave it out", p.kind)
				}
				d.id = p.text(m.value)
			case "Statement":
				statements = &m.value
			default:
				p.fail(m.start, "there is no such element: a policy has Version, Id and Statement")
			}
		})
	}
	if statements == nil {
		p.fail(n.start, "the policy has no Statement")
	}
	p.variables = d.version == newVersion
	p.within("Statement", func() {
		if statements.is == arrayNode && len(statements.items) == 0 {
			p.fail(statements.start, "must have a statement at least")
		}
		sids := map[string]bool{}
		p.each(*statements, func(n node) {
			s := p.statement(n)
			if s.sid != "" && sids[s.sid] {
				p.fail(n.start, "the Sid %q stands in another statement, too", s.sid)
			}
			sids[s.sid] = true
			d.statements = append(d.statements, s)
		})
	})
	for k := range p.keys {
		d.keys = append(d.keys, k)
	}
	slices.Sort(d.keys)
	return d
}

// elements of a statement and those that exclude each other.
var elements = map[string]string{
	"Sid": "", "Effect": "", "Condition": "",
	"Principal": "NotPrincipal", "NotPrincipal": "Principal",
	"Action": "NotAction", "NotAction": "Action",
	"Resource": "NotResource", "NotResource": "Resource",
}

func (p *parser) statement(n node) (s statement) {
	p.want(n, objectNode)
	s.start, s.end = p.at.of(n.start), p.at.of(n.end)
	s.source = &statementSource{}
	has := func(a string) bool { return n.has(a) || n.has("Not"+a) }
	for _, m := range n.members {
		p.within(m.name, func() {
			other, known := elements[m.name]
			if !known {
				p.fail(m.start, "there is no such element in a statement")
			}
			if other != "" && n.has(other) {
				p.fail(m.start, "a statement cannot have both %s and %s", m.name, other)
			}
			p.element(&s, m)
		})
	}
	switch {
	case !n.has("Effect"):
		p.fail(n.start, "the statement has no Effect")
	case !has("Action"):
		p.fail(n.start, "the statement has neither Action nor NotAction")
	case p.kind == TrustPolicy:
		s.anyResource = true
	case !has("Resource"):
		p.fail(n.start, "the statement has neither Resource nor NotResource")
	}
	if p.kind.attached() && s.principals == nil {
		p.fail(n.start, "the statement has no Principal")
	}
	return s
}

// element compiles one member of a statement.
func (p *parser) element(s *statement, m member) {
	switch m.name {
	case "Sid":
		s.sid = p.sid(m.value)
	case "Effect":
		switch p.text(m.value) {
		case "Allow":
		case "Deny":
			s.deny = true
		default:
			p.fail(m.value.start, `must be "Allow" or "Deny"`)
		}
	case "Action", "NotAction":
		s.notAction = m.name == "NotAction"
		p.each(m.value, func(n node) {
			s.actions = append(s.actions, p.action(n))
			s.source.actions = append(s.source.actions, n.text)
		})
	case "Resource", "NotResource":
		if p.kind == TrustPolicy {
			p.fail(m.start, "a role trust policy has no resource but its role: leave it out")
		}
		s.notResource = m.name == "NotResource"
		p.each(m.value, func(n node) {
			s.resources = append(s.resources, p.resource(n))
			s.source.resources = append(s.source.resources, n.text)
		})
	case "Principal", "NotPrincipal":
		s.principals = p.principals(m, &s.source.principals)
	case "Condition":
		s.conditions = p.conditions(m.value)
	}
}

// sid compiles a Sid. Policies of IAM allow letters and digits; other services
// allow more:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
func (p *parser) sid(n node) string {
	sid := p.text(n)
	if p.kind != ResourcePolicy && p.kind != AccessControlList {
		for _, c := range sid {
			if !alphanumeric(c) {
				p.fail(n.start, "may have letters A-Z, a-z and digits only, not %q", c)
			}
		}
	}
	return sid
}

func alphanumeric(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// action compiles "*" or "service:name" with wildcards in the name.
func (p *parser) action(n node) actionPattern {
	text := p.text(n)
	if text == "*" {
		return actionPattern{shape: everything}
	}
	service, name, ok := strings.Cut(text, ":")
	if !ok || service == "" || name == "" {
		p.fail(n.start, `%q must be "*" or a service and an action, such as "ec2:RunInstances" or "s3:Get*"`, text)
	}
	for _, c := range service {
		if !alphanumeric(c) && c != '-' {
			p.fail(n.start, "%q has %q in the name of the service: letters, digits and hyphens may stand there", text, c)
		}
	}
	for _, c := range name {
		if !alphanumeric(c) && !strings.ContainsRune("*?-_", c) {
			p.fail(n.start, "%q has %q in the name of the action: letters, digits, * and ? may stand there", text, c)
		}
	}
	if p.kind == TrustPolicy && !strings.EqualFold(service, "sts") {
		p.fail(n.start, "a role trust policy is about actions of sts, not %q", text)
	}
	a := actionPattern{}
	a.shape, a.text = shapeOf(wildcards.Replace(strings.ToLower(text)))
	return a
}

// resource compiles "*" or an ARN with wildcards and variables.
func (p *parser) resource(n node) (r resourcePattern) {
	text := p.text(n)
	if text == "*" {
		r.shape = everything
		return r
	}
	before := text // all that is not to have a variable
	if p.variables {
		before, _, _ = strings.Cut(text, "${")
	}
	if !strings.HasPrefix(text, "arn:") || strings.Count(text, ":") < 5 {
		p.fail(n.start, `%q must be "*" or an ARN of six parts, arn:partition:service:region:account:resource`, text)
	}
	if fenceOf(before) == 0 {
		p.fail(n.start, "%q has a policy variable before the fifth colon: variables may stand in the last part of an ARN only", text)
	}
	t, glob, err := parseTemplate(text, p.variables, true)
	if err != nil {
		p.fail(n.start, "%v", err)
	}
	p.mention(t)
	r.template = t
	if t == nil {
		r.shape, r.text = shapeOf(glob)
	}
	return r
}

// mention notes the keys of variables.
func (p *parser) mention(t template) {
	for i := range t {
		if t[i].key != "" {
			p.keys[t[i].key] = true
		}
	}
}
