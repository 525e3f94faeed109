package s3

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// postPolicy is what the signer of a form lets it be:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
type postPolicy struct {
	expires     time.Time
	conditions  []postCondition
	least, most int64 // bytes of the file
}

// postCondition is a condition on a field, in lower case.
type postCondition struct {
	field, value string
	prefix       bool
	text         string // as in errors
}

func badPostPolicy(format string, args ...any) error {
	return failure(http.StatusBadRequest, "InvalidPolicyDocument", "Invalid Policy: "+format, args...)
}

func outsidePostPolicy(format string, args ...any) error {
	return failure(http.StatusForbidden, "AccessDenied", "Invalid according to Policy: "+format, args...)
}

// parsePostPolicy reads the field policy.
func parsePostPolicy(field string) (*postPolicy, error) {
	text, err := base64.StdEncoding.DecodeString(field)
	var document map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &document) != nil {
		return nil, badPostPolicy("Invalid JSON.")
	}
	for name := range document {
		if name != "expiration" && name != "conditions" {
			return nil, badPostPolicy("Unexpected: '%s'.", name)
		}
	}
	if document["expiration"] == nil {
		return nil, badPostPolicy("Policy missing expiration.")
	}
	if document["conditions"] == nil {
		return nil, badPostPolicy("Policy missing conditions.")
	}
	p := &postPolicy{most: math.MaxInt64}
	var expiration string
	if err = json.Unmarshal(document["expiration"], &expiration); err == nil {
		p.expires, err = time.Parse(time.RFC3339, expiration)
	}
	if err != nil {
		return nil, badPostPolicy("Invalid 'expiration' value: '%s'", expiration)
	}
	var conditions []json.RawMessage
	if json.Unmarshal(document["conditions"], &conditions) != nil {
		return nil, badPostPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, c := range conditions {
		if err := p.add(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add adds a condition: {"FIELD": "VALUE"}, ["eq", "$FIELD", "VALUE"],
// ["starts-with", "$FIELD", "PREFIX"] or ["content-length-range", LEAST, MOST].
func (p *postPolicy) add(text json.RawMessage) error {
	var exact map[string]string
	if json.Unmarshal(text, &exact) == nil {
		if len(exact) != 1 {
			return badPostPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for name, value := range exact {
			p.conditions = append(p.conditions, newCondition("eq", name, value))
		}
		return nil
	}
	var parts []any
	if json.Unmarshal(text, &parts) != nil {
		return badPostPolicy("Invalid Simple-Condition: value must be a string.")
	}
	if len(parts) != 3 {
		return badPostPolicy("Invalid Condition: wrong number of arguments.")
	}
	operator, _ := parts[0].(string)
	switch operator = strings.ToLower(operator); operator {
	case "content-length-range":
		least, ok := bytesOf(parts[1])
		most, too := bytesOf(parts[2])
		if !ok || !too {
			return badPostPolicy("Invalid content-length-range: arguments must be integers.")
		}
		p.least, p.most = max(p.least, least), min(p.most, most)
		return nil
	case "eq", "starts-with":
		name, ok := parts[1].(string)
		value, too := parts[2].(string)
		name, dollar := strings.CutPrefix(name, "$")
		if !ok || !too || !dollar {
			return badPostPolicy("Invalid Condition: it takes a field as $NAME and a value.")
		}
		p.conditions = append(p.conditions, newCondition(operator, name, value))
		return nil
	}
	return badPostPolicy("Invalid Condition: unknown operation '%s'.", operator)
}

func newCondition(operator, name, value string) postCondition {
	text, _ := json.Marshal([]string{operator, "$" + name, value}) //nolint:errchkjson // texts alone
	return postCondition{field: strings.ToLower(name), value: value, prefix: operator == "starts-with", text: strings.ReplaceAll(string(text), `","`, `", "`)}
}

// bytesOf reads a number, which some clients write as a text.
func bytesOf(v any) (int64, bool) {
	switch v := v.(type) {
	case float64:
		return int64(min(v, 1<<62)), v >= 0 && v == math.Trunc(v)
	case string:
		return number(v)
	}
	return 0, false
}

// check refuses a form that is too late, or that is not as the conditions say: each
// field needs one, and so does the bucket, but not the policy itself, its signature and what
// is to be ignored.
func (p *postPolicy) check(now time.Time, bucket string, fields map[string]string) error {
	if !now.Before(p.expires) {
		return outsidePostPolicy("Policy expired.")
	}
	named := map[string]bool{"policy": true, "x-amz-signature": true, "filename": true}
	for _, c := range p.conditions {
		named[c.field] = true
		value := fields[c.field]
		if c.field == "bucket" {
			value = bucket
		}
		if c.prefix && !strings.HasPrefix(value, c.value) || !c.prefix && value != c.value {
			return outsidePostPolicy("Policy Condition failed: %s", c.text)
		}
	}
	if !named["bucket"] {
		return outsidePostPolicy("Extra input fields: bucket")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !named[name] && !strings.HasPrefix(name, "x-ignore-") {
			return outsidePostPolicy("Extra input fields: %s", name)
		}
	}
	return nil
}
