package s3

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// isPublic reports whether a policy is one that AWS calls public: a statement
// allows something to more than fixed principals, and no condition holds it to fixed
// values of a key that nobody can choose for himself.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
func isPublic(document string) bool {
	var d struct{ Statement some[statement] }
	if document == "" {
		return false
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return true // what is not understood is not trusted
	}
	return slices.ContainsFunc(d.Statement, func(s statement) bool { return s.Effect == "Allow" && !s.fixed() && !s.held() })
}

// statement is what of a statement says whom it is for.
type statement struct {
	Effect    string
	Principal principals
	Condition map[string]map[string]some[any] // values by operator and key
}

// fixed reports whether a statement names principals, and no pattern.
func (s statement) fixed() bool {
	names := 0
	for _, list := range s.Principal {
		names += len(list)
		if slices.ContainsFunc(list, loose) {
			return false
		}
	}
	return names > 0 // none with NotPrincipal
}

// held reports whether a condition holds a statement to fixed values.
func (s statement) held() bool {
	for operator, byKey := range s.Condition {
		operator = strings.TrimPrefix(strings.ToLower(operator), "foranyvalue:")
		for key, values := range byKey {
			fixed := false
			switch operator {
			case "ipaddress":
				fixed = strings.EqualFold(key, "aws:SourceIp") && !slices.ContainsFunc(values, wide)
			case "stringequals", "stringlike", "arnequals", "arnlike":
				fixed = slices.Contains(holding, strings.ToLower(key)) && !slices.ContainsFunc(values, looseValue)
			}
			if fixed && len(values) > 0 {
				return true
			}
		}
	}
	return false
}

// holding are the keys that hold a statement, in lower case.
var holding = []string{ //nolint:gochecknoglobals // never changed
	"aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount", "aws:sourcearn", "aws:sourceowner",
	"aws:sourcevpc", "aws:sourcevpce", "aws:userid", "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
	"s3:x-amz-server-side-encryption-aws-kms-key-id",
}

// loose reports whether a text is a pattern, or depends on the caller.
func loose(text string) bool { return strings.ContainsAny(text, "*?") || strings.Contains(text, "${") }

func looseValue(v any) bool {
	text, ok := v.(string)
	return !ok || loose(text)
}

// wide reports whether a range of addresses is too wide to mean somebody.
func wide(v any) bool {
	text, ok := v.(string)
	if !ok {
		return true
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return !a.IsValid()
	}
	p, err := netip.ParsePrefix(text)
	return err != nil || p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 32
}

// some is one value or a list of them.
type some[T any] []T

// UnmarshalJSON reads either.
func (l *some[T]) UnmarshalJSON(text []byte) error {
	if text[0] == '[' {
		return json.Unmarshal(text, (*[]T)(l))
	}
	var one T
	err := json.Unmarshal(text, &one)
	*l = some[T]{one}
	return err
}

// principals are lists of principals by their kind; "*" stands for all of them.
type principals map[string]some[string]

// UnmarshalJSON reads an object or "*".
func (p *principals) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		*p = principals{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(text, (*map[string]some[string])(p))
}
