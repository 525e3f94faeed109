package policy

import "slices"

// Document is a compiled policy. It is immutable, and safe for concurrent use.
type Document struct {
	kind       Kind
	version    string
	id         string
	statements []statement
	keys       []string
}

// statement is one statement, compiled. Whether a request matches is tried in
// the order of the cost.
type statement struct {
	sid         string
	deny        bool
	notAction   bool
	notResource bool
	actions     []actionPattern
	resources   []resourcePattern // of a trust policy: none, and anyResource
	anyResource bool
	principals  *principals // nil: of whom it is attached to
	conditions  []condition
	start, end  Position
	source      *statementSource
}

// statementSource is what explanations print.
type statementSource struct {
	actions, resources, principals []string
}

// Kind returns the kind that the document was parsed as.
func (d *Document) Kind() Kind { return d.kind }

// Version returns the version of the language, "2012-10-17" or "2008-10-17".
func (d *Document) Version() string { return d.version }

// ID returns the Id element, empty if there is none.
func (d *Document) ID() string { return d.id }

// Statements returns how many there are.
func (d *Document) Statements() int { return len(d.statements) }

// Statement returns one of them, counted from 0.
func (d *Document) Statement(i int) Statement {
	s := &d.statements[i]
	var keys []string
	for j := range s.conditions {
		keys = append(keys, s.conditions[j].spelled)
	}
	return Statement{Sid: s.sid, Deny: s.deny, Start: s.start, End: s.end, Keys: keys}
}

// Statement is what a caller may want to know of a statement.
type Statement struct {
	Sid        string
	Deny       bool
	Start, End Position // of its braces: End is behind the closing one
	Keys       []string // condition keys of its Condition element, as written
}

// Keys returns the condition keys that the document mentions, in conditions and
// as variables: in lower case, sorted, each once.
func (d *Document) Keys() []string { return slices.Clone(d.keys) }

// actionMatches reports whether the statement is about the action.
func (s *statement) actionMatches(action string) bool {
	for i := range s.actions {
		if s.actions[i].match(action) {
			return !s.notAction
		}
	}
	return s.notAction
}

// resourceMatches reports whether the statement is about the resource.
func (s *statement) resourceMatches(arn string, fence int, keys Keys) bool {
	if s.anyResource {
		return true
	}
	for i := range s.resources {
		if s.resources[i].match(arn, fence, keys) {
			return !s.notResource
		}
	}
	return s.notResource
}

// conditionsHold reports whether all conditions are true.
func (s *statement) conditionsHold(keys Keys) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(keys) {
			return false
		}
	}
	return true
}
