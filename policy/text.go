package policy

import (
	"fmt"
	"strings"
)

// Text prints the explanation for people: one line a stage, policy and
// statement, indented; "=>" marks the line that decided.
func (e Explanation) Text() string {
	var b strings.Builder
	verdict, because := "ALLOWED", ""
	if !e.Decision.Allowed {
		verdict, because = "DENIED", " "+e.Decision.Because(e.Action)
	}
	fmt.Fprintf(&b, "%s: %s, %s on %s%s\n", verdict, e.Principal, e.Action, e.Resource, because)
	marked := false
	for i := range e.Stages {
		e.Stages[i].print(&b, e.Decision, &marked)
	}
	if len(e.Missing) > 0 {
		fmt.Fprintf(&b, "   not in the request: %s\n", strings.Join(e.Missing, ", "))
	}
	return b.String()
}

// mark begins a line.
func mark(b *strings.Builder, decided bool, indent int) {
	sign := "  "
	if decided {
		sign = "=>"
	}
	b.WriteString(sign + " " + strings.Repeat("  ", indent))
}

// print prints a stage. An implicit deny is marked at the first stage of its
// kind that does not allow.
func (s *Stage) print(b *strings.Builder, d Decision, marked *bool) {
	here := !*marked && !d.Allowed && !d.Explicit && s.Kind == d.By && s.Result == Silent
	*marked = *marked || here
	mark(b, here, 0)
	b.WriteString(s.Kind.String())
	if s.Level > 0 {
		fmt.Fprintf(b, ", level %d", s.Level)
	}
	fmt.Fprintf(b, ": %s", s.Result)
	if s.Note != "" {
		fmt.Fprintf(b, " (%s)", s.Note)
	}
	b.WriteByte('\n')
	for i := range s.Policies {
		p := &s.Policies[i]
		mark(b, false, 1)
		b.WriteString(p.Name + "\n")
		for j := range p.Statements {
			p.Statements[j].print(b)
		}
	}
}

func (s *StatementTrace) print(b *strings.Builder) {
	mark(b, s.Decided, 2)
	fmt.Fprintf(b, "statement %d", s.Index)
	if s.Sid != "" {
		fmt.Fprintf(b, " %q", s.Sid)
	}
	fmt.Fprintf(b, ", line %d, %s: ", s.Line, s.Effect)
	if s.Matched {
		b.WriteString("matches")
		if s.Reach != "" {
			b.WriteString(" " + s.Reach)
		}
		b.WriteByte('\n')
		return
	}
	b.WriteString("does not match: ")
	for i, m := range s.Mismatches {
		if i > 0 {
			b.WriteString("; ")
		}
		m.print(b)
	}
	b.WriteByte('\n')
}

func (m *Mismatch) print(b *strings.Builder) {
	element, wants := m.Element, "wants"
	if m.Operator != "" {
		element = m.Operator + " " + m.Key
	} else if strings.HasPrefix(element, "Not") {
		wants = "leaves out"
	}
	fmt.Fprintf(b, "%s %s %s", element, wants, list(m.Wanted))
	if len(m.Resolved) > 0 {
		fmt.Fprintf(b, ", that is %s", list(m.Resolved))
	}
	if m.Absent {
		b.WriteString(", and the request does not have the key")
		return
	}
	fmt.Fprintf(b, ", and the request has %s", list(m.Actual))
}

// list prints values; of many, the first few.
func list(values []string) string {
	const most = 8
	if len(values) == 0 {
		return "nothing"
	}
	more := ""
	if len(values) > most {
		more = fmt.Sprintf(" and %d more", len(values)-most)
		values = values[:most]
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(quoted, ", ") + more
}
