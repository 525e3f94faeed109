package policy

import "strings"

// family is how the values of a condition are compared.
type family int

const (
	equalFamily  family = iota // strings
	foldFamily                 // strings in any case
	likeFamily                 // strings with wildcards
	numberFamily               // decimal numbers
	dateFamily                 // moments
	boolFamily                 // true or false
	binaryFamily               // bytes
	ipFamily                   // addresses in ranges
	arnFamily                  // ARNs, part by part, with wildcards
	nullFamily                 // whether there is a value
)

// relation is what a number or date of the request must be to that of the
// policy: compare() of the two lies between least and most.
type relation struct{ least, most int }

// operator is a condition operator without its prefix and suffix:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
type operator struct {
	name     string
	family   family
	negated  bool // true if no value matches
	relation relation
}

// operators are all of them. Equals and Like are the same for ARNs.
var operators = func() map[string]*operator {
	all := map[string]*operator{}
	add := func(name string, f family, negated bool, r relation) {
		all[name] = &operator{name: name, family: f, negated: negated, relation: r}
	}
	both := func(name, not string, f family) {
		add(name, f, false, relation{})
		add(not, f, true, relation{})
	}
	both("StringEquals", "StringNotEquals", equalFamily)
	both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", foldFamily)
	both("StringLike", "StringNotLike", likeFamily)
	both("IpAddress", "NotIpAddress", ipFamily)
	both("ArnEquals", "ArnNotEquals", arnFamily)
	both("ArnLike", "ArnNotLike", arnFamily)
	for kind, f := range map[string]family{"Numeric": numberFamily, "Date": dateFamily} {
		both(kind+"Equals", kind+"NotEquals", f)
		add(kind+"LessThan", f, false, relation{-1, -1})
		add(kind+"LessThanEquals", f, false, relation{-1, 0})
		add(kind+"GreaterThan", f, false, relation{1, 1})
		add(kind+"GreaterThanEquals", f, false, relation{0, 1})
	}
	add("Bool", boolFamily, false, relation{})
	add("BinaryEquals", binaryFamily, false, relation{})
	add("Null", nullFamily, false, relation{})
	return all
}()

// quantifier says how a set of values in the request is compared:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
type quantifier int

const (
	noQuantifier quantifier = iota
	forAllValues
	forAnyValue
)

// parseOperator takes "ForAllValues:StringLikeIfExists" apart. The reason is
// not empty if there is no such operator.
func parseOperator(s string) (q quantifier, op *operator, ifExists bool, reason string) {
	name := s
	if set, rest, ok := strings.Cut(s, ":"); ok {
		switch name = rest; set {
		case "ForAllValues":
			q = forAllValues
		case "ForAnyValue":
			q = forAnyValue
		default:
			return 0, nil, false, "only ForAllValues: and ForAnyValue: may stand before an operator"
		}
	}
	name, ifExists = strings.CutSuffix(name, "IfExists")
	op = operators[name]
	switch {
	case op == nil:
		reason = "there is no such condition operator"
		for known := range operators {
			if strings.EqualFold(known, name) {
				reason += ": write " + known
				break
			}
		}
		return 0, nil, false, reason
	case op.family == nullFamily && ifExists:
		return 0, nil, false, "Null has no IfExists: it asks just that"
	}
	return q, op, ifExists, ""
}
