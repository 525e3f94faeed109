package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The reader of JSON (RFC 8259) is our own: errors need places, duplicate keys
// must be found, and nesting and the number of elements be bounded while
// reading.

const (
	// maxDepth is what the deepest document needs: {Statement [{Condition
	// {operator {key [value]}}}]}.
	maxDepth = 6
	// maxElements is more than fits into the largest policy that AWS takes.
	maxElements = 20_000
)

// nodeType is a JSON type.
type nodeType int

const (
	objectNode nodeType = iota
	arrayNode
	stringNode
	numberNode
	boolNode
	nullNode
)

var nodeTypes = [...]string{"an object", "an array", "a string", "a number", "a boolean", "null"}

func (t nodeType) String() string { return nodeTypes[t] }

// node is a JSON value and where it stands; offsets are in bytes.
type node struct {
	is         nodeType
	start, end int
	text       string // of a string: decoded; of a number or boolean: as written
	members    []member
	items      []node
}

// member is one name and value of an object.
type member struct {
	name  string
	start int // of the name
	value node
}

// reader reads one document.
type reader struct {
	text     string
	at       int
	elements int
}

// fault is a reason and the offset that it is about.
type fault struct {
	offset int
	path   string
	reason string
}

// fail ends the reading; readJSON and Parse turn it into a SyntaxError.
func (r *reader) fail(offset int, format string, args ...any) {
	panic(fault{offset: offset, reason: fmt.Sprintf(format, shorten(args)...)})
}

// document reads the whole text as one value.
func (r *reader) document() node {
	if !utf8.ValidString(r.text) {
		r.at = 0
		for i, c := range r.text {
			if c == utf8.RuneError {
				if _, size := utf8.DecodeRuneInString(r.text[i:]); size == 1 {
					r.fail(i, "the text is not valid UTF-8")
				}
			}
		}
	}
	n := r.value(0)
	r.space()
	if r.at < len(r.text) {
		r.fail(r.at, "the document ends before this: it must be one JSON object")
	}
	return n
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek returns the next byte that is no white space, or 0 at the end.
func (r *reader) peek() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// unexpected fails about what stands where something else was expected.
func (r *reader) unexpected(wanted string) {
	if r.at >= len(r.text) {
		r.fail(r.at, "the text ends where %s should stand", wanted)
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.at:])
	r.fail(r.at, "%q stands where %s should stand", c, wanted)
}

func (r *reader) value(depth int) node {
	if r.elements++; r.elements > maxElements {
		r.fail(r.at, "the document has more than %d elements", maxElements)
	}
	switch c := r.peek(); {
	case c == '{' || c == '[':
		if depth == maxDepth {
			r.fail(r.at, "nesting is deeper than a policy needs (%d)", maxDepth)
		}
		if c == '{' {
			return r.object(depth + 1)
		}
		return r.array(depth + 1)
	case c == '"':
		start := r.at
		text := r.string()
		return node{is: stringNode, start: start, end: r.at, text: text}
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	case c == 't':
		return r.word("true", boolNode)
	case c == 'f':
		return r.word("false", boolNode)
	case c == 'n':
		return r.word("null", nullNode)
	}
	r.unexpected("a value")
	return node{}
}

func (r *reader) word(word string, is nodeType) node {
	if !strings.HasPrefix(r.text[r.at:], word) {
		r.unexpected("a value")
	}
	n := node{is: is, start: r.at, text: word}
	r.at += len(word)
	n.end = r.at
	return n
}

func (r *reader) object(depth int) node {
	n := node{is: objectNode, start: r.at}
	r.at++
	var seen map[string]bool // of objects with many members
	for r.peek() != '}' {
		if len(n.members) > 0 {
			if r.peek() != ',' {
				r.unexpected(`"," or "}"`)
			}
			r.at++
		}
		if r.peek() != '"' {
			r.unexpected("a name in quotation marks")
		}
		m := member{start: r.at}
		m.name = r.string()
		if len(n.members) == 16 {
			seen = make(map[string]bool)
			for _, other := range n.members {
				seen[other.name] = true
			}
		}
		if seen[m.name] || seen == nil && n.has(m.name) {
			r.fail(m.start, "%q stands here twice", m.name)
		}
		if seen != nil {
			seen[m.name] = true
		}
		if r.peek() != ':' {
			r.unexpected(`":"`)
		}
		r.at++
		m.value = r.value(depth)
		n.members = append(n.members, m)
	}
	r.at++
	n.end = r.at
	return n
}

func (n node) has(name string) bool {
	for _, m := range n.members {
		if m.name == name {
			return true
		}
	}
	return false
}

func (r *reader) array(depth int) node {
	n := node{is: arrayNode, start: r.at}
	r.at++
	for r.peek() != ']' {
		if len(n.items) > 0 {
			if r.peek() != ',' {
				r.unexpected(`"," or "]"`)
			}
			r.at++
		}
		n.items = append(n.items, r.value(depth))
	}
	r.at++
	n.end = r.at
	return n
}

func (r *reader) number() node {
	n := node{is: numberNode, start: r.at}
	digits := func() {
		from := r.at
		for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
			r.at++
		}
		if r.at == from {
			r.unexpected("a digit")
		}
	}
	is := func(any string) bool { return r.at < len(r.text) && strings.IndexByte(any, r.text[r.at]) >= 0 }
	if is("-") {
		r.at++
	}
	if is("0") {
		r.at++
		if is("0123456789") {
			r.fail(n.start, "a number has a zero before it")
		}
	} else {
		digits()
	}
	if is(".") {
		r.at++
		digits()
	}
	if is("eE") {
		r.at++
		if is("+-") {
			r.at++
		}
		digits()
	}
	n.end = r.at
	n.text = r.text[n.start:n.end]
	return n
}

// string reads a string, and returns what it means.
func (r *reader) string() string {
	start := r.at
	r.at++
	for i := r.at; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			s := r.text[r.at:i]
			r.at = i + 1
			return s
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.fail(i, "a control character stands in a string: write it as \\u%04x", c)
		}
	}
	r.fail(start, "the string has no end")
	return ""
}

// escaped reads on from the first escape.
func (r *reader) escaped(start, i int) string {
	var b strings.Builder
	b.WriteString(r.text[r.at:i])
	for r.at = i; r.at < len(r.text); {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return b.String()
		case c < ' ':
			r.fail(r.at, "a control character stands in a string: write it as \\u%04x", c)
		case c == '\\':
			b.WriteRune(r.escape())
		default:
			b.WriteByte(c)
			r.at++
		}
	}
	r.fail(start, "the string has no end")
	return ""
}

// escape reads \n, \u00e9 or a surrogate pair.
func (r *reader) escape() rune {
	at := r.at
	if r.at+1 < len(r.text) {
		const names, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		c := r.text[r.at+1]
		if i := strings.IndexByte(names, c); i >= 0 {
			r.at += 2
			return rune(means[i])
		}
		if c == 'u' {
			first := r.hex()
			if !utf16.IsSurrogate(first) {
				return first
			}
			if strings.HasPrefix(r.text[r.at:], `\u`) {
				if c := utf16.DecodeRune(first, r.hex()); c != utf8.RuneError {
					return c
				}
			}
			r.fail(at, "half a surrogate pair is no character")
		}
	}
	r.fail(at, "there is no such escape")
	return 0
}

// hex reads \u and four digits.
func (r *reader) hex() rune {
	at := r.at
	if r.at+6 <= len(r.text) {
		if v, err := strconv.ParseUint(r.text[r.at+2:r.at+6], 16, 16); err == nil {
			r.at += 6
			return rune(v)
		}
	}
	r.fail(at, "\\u needs four hexadecimal digits")
	return 0
}

// positions finds lines and columns of offsets in one text; offsets must not
// go back.
type positions struct {
	text         string
	at           int
	line, column int // of at, from 0
}

func (p *positions) of(offset int) Position {
	for ; p.at < offset && p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\n':
			p.line++
			p.column = 0
		case utf8.RuneStart(c):
			p.column++
		}
	}
	return Position{Line: p.line + 1, Column: p.column + 1}
}
