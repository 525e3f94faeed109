package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Position is a place in a document: lines and columns count from 1, columns
// in characters.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// SyntaxError says what is wrong with a document, and where. Services answer it
// as MalformedPolicyDocument.
type SyntaxError struct {
	Line, Column int
	Path         string // "Statement[1].Condition.StringLike"; empty: the document itself
	Reason       string
}

// Error returns one line for callers.
func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("line %d, column %d: %s: %s", e.Line, e.Column, e.Path, e.Reason)
}

// short keeps what a document says from filling the message about it, and from
// breaking its line.
func short(s string) string {
	const most = 100
	n := 0
	for i := range s {
		if n++; n > most {
			s = s[:i] + "..."
			break
		}
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, s)
}

// shorten shortens the texts among the arguments of a message.
func shorten(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = short(s)
		}
	}
	return args
}
