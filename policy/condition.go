package policy

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// Keys gives the values of a condition key; the name is in lower case. It
// reports false if the request does not have the key. Values are text; those
// that BinaryEquals compares are the bytes themselves. Nil has no keys.
type Keys func(name string) (values []string, present bool)

// condition is one operator and key, with the values of the policy.
type condition struct {
	quantifier quantifier
	operator   *operator
	ifExists   bool
	name       string // as written: "ForAllValues:StringLikeIfExists"
	key        string // in lower case
	spelled    string // as written
	values     []value
}

// value is one value of the policy, compiled for its operator.
type value struct {
	raw      string
	text     string // of strings and ARNs; a glob for Like; bytes of a binary
	template template
	number   number
	date     time.Time
	prefix   netip.Prefix
	truth    bool
}

// compileValue reads a value for an operator.
func compileValue(op *operator, raw string, variables bool) (v value, err error) {
	v.raw = raw
	ok := true
	switch op.family {
	case equalFamily, foldFamily:
		v.template, v.text, err = parseTemplate(raw, variables, false)
	case likeFamily, arnFamily:
		v.template, v.text, err = parseTemplate(raw, variables, true)
	case numberFamily:
		if v.number, ok = parseNumber(raw); !ok {
			err = errors.New("must be a number, such as 10 or 2.5")
		}
	case dateFamily:
		if v.date, ok = parseDate(raw); !ok {
			err = errors.New("must be a date, such as 2026-01-31 or 2026-01-31T12:00:00Z, or seconds since 1970")
		}
	case boolFamily:
		if v.template, v.text, err = parseTemplate(raw, variables, false); v.template == nil && err == nil {
			v.truth, ok = parseBool(raw)
		}
	case nullFamily:
		v.truth, ok = parseBool(raw)
	case binaryFamily:
		b, decodeErr := base64.StdEncoding.DecodeString(raw)
		if decodeErr != nil {
			err = errors.New("must be in base64")
		}
		v.text = string(b)
	case ipFamily:
		if v.prefix, ok = parsePrefix(raw); !ok {
			err = errors.New("must be an address or a CIDR range, such as 203.0.113.0/24 or 2001:db8::/32")
		}
	}
	if !ok && err == nil {
		err = errors.New("must be true or false")
	}
	return v, err
}

// holds reports whether the condition is true of the request.
func (c *condition) holds(keys Keys) bool {
	var values []string
	present := false
	if keys != nil {
		values, present = keys(c.key)
	}
	if c.operator.family == nullFamily {
		return c.null(values)
	}
	if !present {
		return c.ifExists || c.quantifier == forAllValues || c.quantifier == noQuantifier && c.operator.negated
	}
	switch c.quantifier {
	case forAllValues:
		if null(values) {
			return true
		}
		for _, v := range values {
			if c.matches(v, keys) == c.operator.negated {
				return false
			}
		}
		return true
	case forAnyValue:
		if null(values) {
			return false
		}
		for _, v := range values {
			if c.matches(v, keys) != c.operator.negated {
				return true
			}
		}
		return false
	default:
		for _, v := range values {
			if c.matches(v, keys) {
				return !c.operator.negated
			}
		}
		return c.operator.negated
	}
}

// null reports whether there is no value but the empty string.
func null(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}

// null is the operator Null. It is always true for all values, and never for
// any.
func (c *condition) null(values []string) bool {
	if c.quantifier != noQuantifier {
		return c.quantifier == forAllValues
	}
	for i := range c.values {
		if c.values[i].truth == null(values) {
			return true
		}
	}
	return false
}

// matches reports whether a value of the request matches one of the policy,
// leaving out that the operator may be negated.
func (c *condition) matches(actual string, keys Keys) bool {
	switch c.operator.family {
	case numberFamily:
		n, ok := parseNumber(actual)
		return ok && c.any(func(v *value) bool { return c.operator.relation.holds(n.compare(v.number)) })
	case dateFamily:
		at, ok := parseDate(actual)
		return ok && c.any(func(v *value) bool { return c.operator.relation.holds(at.Compare(v.date)) })
	case ipFamily:
		a, ok := parseAddress(actual)
		return ok && c.any(func(v *value) bool { return v.prefix.Contains(a) })
	case boolFamily:
		b, ok := parseBool(actual)
		return ok && c.any(func(v *value) bool { return v.bool(b, keys) })
	case binaryFamily:
		return c.any(func(v *value) bool { return v.text == actual })
	default: // texts, below
	}
	fence := 0
	if c.operator.family == arnFamily {
		if fence = fenceOf(actual); fence == 0 {
			return false
		}
	}
	for i := range c.values {
		text := c.values[i].text
		if t := c.values[i].template; t != nil {
			var ok bool
			if text, ok = t.expand(keys); !ok {
				continue
			}
		}
		switch c.operator.family {
		case equalFamily:
			if text == actual {
				return true
			}
		case foldFamily:
			if strings.EqualFold(text, actual) {
				return true
			}
		default:
			if glob(text, actual, fence) {
				return true
			}
		}
	}
	return false
}

// any reports whether one of the values does.
func (c *condition) any(does func(v *value) bool) bool {
	for i := range c.values {
		if does(&c.values[i]) {
			return true
		}
	}
	return false
}

func (r relation) holds(compared int) bool { return r.least <= compared && compared <= r.most }

// bool compares with a truth that may come from a variable.
func (v *value) bool(actual bool, keys Keys) bool {
	truth := v.truth
	if v.template != nil {
		text, ok := v.template.expand(keys)
		if !ok {
			return false
		}
		if truth, ok = parseBool(text); !ok {
			return false
		}
	}
	return truth == actual
}
