package policy_test

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vauban-cloud/vauban/policy"
)

// The reference is a second evaluator, written from the documentation alone and
// for nothing but being plain: it works on the JSON itself, makes a regular
// expression of every pattern, and shares no code with the package. It knows
// documents that Parse takes only.

type object = map[string]any

// refer answers "allow", "deny" or "no".
func (q question) refer() string {
	r := reference{question: q}
	identity := r.evaluate(q.identity)
	session := r.evaluate(q.session)
	resource := verdict{}
	if q.resource != "" {
		resource = r.evaluate([]string{q.resource})
	}
	boundary := verdict{allowed: true}
	if q.boundary != "" {
		boundary = r.evaluate([]string{q.boundary})
	}
	organization := true
	denied := identity.denied || session.denied || resource.denied || boundary.denied
	for _, level := range q.scp {
		v := r.evaluate(level)
		organization = organization && v.allowed
		denied = denied || v.denied
	}
	if denied {
		return "deny"
	}
	who := q.query.Principal
	if who.Account == "" {
		return yes(organization && (resource.self || resource.entity || resource.account))
	}
	sameAccount := q.query.Owner == "" || q.query.Owner == who.Account
	sessionOK := session.allowed
	if !q.hasSession && len(q.session) == 0 && who.Kind != policy.FederatedUser {
		sessionOK = true
	}
	byIdentity := identity.allowed && boundary.allowed && sessionOK
	anyGrant := resource.self || resource.entity || resource.account
	var ok bool
	switch {
	case !sameAccount:
		ok = byIdentity && anyGrant
	case resource.self:
		ok = true
	case resource.entity && boundary.allowed && sessionOK:
		ok = true
	case q.required && !anyGrant:
		ok = false
	default:
		ok = byIdentity
	}
	return yes(ok && organization)
}

func yes(ok bool) string {
	if ok {
		return "allow"
	}
	return "no"
}

// verdict is what documents say: self, entity and account say whom Allow
// statements with a Principal reach.
type verdict struct {
	allowed, denied       bool
	self, entity, account bool
}

type reference struct{ question }

func (r reference) evaluate(docs []string) (v verdict) {
	for _, text := range docs {
		var doc object
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&doc); err != nil {
			panic(err)
		}
		variables := doc["Version"] == "2012-10-17"
		for _, s := range list(doc["Statement"]) {
			r.statement(s.(object), variables, &v)
		}
	}
	return v
}

func (r reference) statement(s object, variables bool, v *verdict) {
	if !r.action(s) || !r.resource(s, variables) || !r.conditions(s, variables) {
		return
	}
	deny := s["Effect"] == "Deny"
	_, plain := s["Principal"]
	_, negated := s["NotPrincipal"]
	switch {
	case !plain && !negated:
		v.denied = v.denied || deny
		v.allowed = v.allowed || !deny
	case deny:
		v.denied = v.denied || r.deniesPrincipal(s)
	case negated:
		self, entity, account := r.named(s["NotPrincipal"])
		v.self = v.self || !self && !entity && !account
	default:
		self, entity, account := r.named(s["Principal"])
		v.self, v.entity, v.account = v.self || self, v.entity || entity, v.account || account
	}
}

func (r reference) deniesPrincipal(s object) bool {
	if p, ok := s["Principal"]; ok {
		if m, ok := p.(object); ok && slices.Contains(list(m["AWS"]), any("*")) {
			return true
		}
		self, entity, account := r.named(p)
		return self || entity || account
	}
	self, _, _ := r.named(s["NotPrincipal"])
	return r.boundary != "" || !self
}

// named says which of the principal's names are listed.
func (r reference) named(p any) (self, entity, account bool) {
	if p == "*" {
		return true, false, false
	}
	m := p.(object)
	who := r.query.Principal
	switch who.Kind {
	case policy.Service:
		return slices.Contains(list(m["Service"]), any(who.Service)), false, false
	case policy.WebIdentity, policy.SAML:
		return slices.Contains(list(m["Federated"]), any(who.Provider)), false, false
	default: // below
	}
	for _, name := range list(m["AWS"]) {
		name := name.(string)
		isAccount := who.Account != "" && (name == who.Account || regexp.MustCompile(`^arn:[^:]+:iam::`+who.Account+`:root$`).MatchString(name))
		switch {
		case name == "*":
			self = true
		case who.Kind == policy.Anonymous:
		case isAccount && who.Kind == policy.Root:
			self = true
		case isAccount:
			account = true
		case who.Kind == policy.Root:
		case name == who.ARN, name == who.EntityID && who.Kind == policy.User:
			self = true
		case name == who.Entity, name == who.EntityID:
			entity = true
		}
	}
	return self, entity, account
}

// list makes a list of one or many.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func (r reference) action(s object) bool {
	element, negated := s["Action"], false
	if element == nil {
		element, negated = s["NotAction"], true
	}
	for _, a := range list(element) {
		if regexp.MustCompile("(?is)^" + expression(a.(string), ".") + "$").MatchString(r.query.Action) {
			return !negated
		}
	}
	return negated
}

// expression makes a regular expression of a pattern; one character is any.
func expression(pattern, anyChar string) string {
	p := regexp.QuoteMeta(pattern)
	p = strings.ReplaceAll(p, `\*`, anyChar+"*")
	return strings.ReplaceAll(p, `\?`, anyChar)
}

func (r reference) resource(s object, variables bool) bool {
	element, negated := s["Resource"], false
	if _, ok := s["NotResource"]; ok {
		element, negated = s["NotResource"], true
	} else if _, ok := s["Resource"]; !ok {
		return true // a trust policy
	}
	for _, pattern := range list(element) {
		pattern := pattern.(string)
		if pattern == "*" || r.arnLike(pattern, r.query.Resource, variables) {
			return !negated
		}
	}
	return negated
}

// arnLike compares the six parts of two ARNs.
func (r reference) arnLike(pattern, arn string, variables bool) bool {
	e, ok := r.substitute(pattern, variables, true)
	if !ok {
		return false
	}
	// Each wildcard stands in its own part: spell the parts out.
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return false
	}
	want := splitExpression(e)
	if len(want) != 6 {
		return false
	}
	for i := range parts {
		if !regexp.MustCompile("(?s)^(?:" + want[i] + ")$").MatchString(parts[i]) {
			return false
		}
	}
	return true
}

// splitExpression splits at the first five colons. QuoteMeta leaves colons as
// they are, and nothing else makes one.
func splitExpression(e string) []string { return strings.SplitN(e, ":", 6) }

var variable = regexp.MustCompile(`\$\{([^},]*)(?:, *'([^']*)')?\}`)

// substitute makes a regular expression of a value: with wild, wildcards are
// such; variables are replaced by what they stand for.
func (r reference) substitute(pattern string, variables, wild bool) (string, bool) {
	literal := regexp.QuoteMeta
	if wild {
		literal = func(s string) string { return expression(s, ".") }
	}
	if !variables {
		return literal(pattern), true
	}
	var b strings.Builder
	at := 0
	for _, m := range variable.FindAllStringSubmatchIndex(pattern, -1) {
		b.WriteString(literal(pattern[at:m[0]]))
		at = m[1]
		name := pattern[m[2]:m[3]]
		if name == "*" || name == "?" || name == "$" {
			b.WriteString(regexp.QuoteMeta(name))
			continue
		}
		values := r.keys[strings.ToLower(name)]
		switch {
		case len(values) == 1 && !utf8.ValidString(values[0]):
			return "", false
		case len(values) == 1 && values[0] != "":
			b.WriteString(regexp.QuoteMeta(values[0]))
		case len(values) < 2 && m[4] >= 0:
			b.WriteString(regexp.QuoteMeta(pattern[m[4]:m[5]]))
		default:
			return "", false
		}
	}
	b.WriteString(literal(pattern[at:]))
	return b.String(), true
}

func (r reference) conditions(s object, variables bool) bool {
	block, _ := s["Condition"].(object)
	for operator, keys := range block {
		for key, wanted := range keys.(object) {
			if !r.condition(operator, key, list(wanted), variables) {
				return false
			}
		}
	}
	return true
}

func (r reference) condition(operator, key string, wanted []any, variables bool) bool {
	all, any := strings.HasPrefix(operator, "ForAllValues:"), strings.HasPrefix(operator, "ForAnyValue:")
	operator = operator[strings.Index(operator, ":")+1:]
	operator, ifExists := strings.CutSuffix(operator, "IfExists")
	values, present := r.keys[strings.ToLower(key)]
	empty := strings.Join(values, "") == ""
	if operator == "Null" {
		if all || any {
			return all
		}
		for _, w := range wanted {
			if strings.EqualFold(scalar(w), "true") == empty {
				return true
			}
		}
		return false
	}
	negated := strings.Contains(operator, "Not")
	operator = strings.Replace(operator, "Not", "", 1)
	switch {
	case !present && ifExists:
		return true
	case (!present || empty) && all:
		return true
	case (!present || empty) && any:
		return false
	case !present:
		return negated
	}
	matches := 0
	for _, v := range values {
		one := false
		for _, w := range wanted {
			one = one || r.compare(operator, scalar(w), v, variables)
		}
		if one {
			matches++
		}
	}
	switch {
	case all && negated:
		return matches == 0
	case all:
		return matches == len(values)
	case any && negated:
		return matches < len(values)
	case any:
		return matches > 0
	}
	return (matches > 0) != negated
}

// scalar is the text of a JSON value.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	}
	panic(v)
}

func (r reference) compare(operator, want, have string, variables bool) bool {
	text := func(wild bool, flags string) bool {
		e, ok := r.substitute(want, variables, wild)
		return ok && regexp.MustCompile("(?s"+flags+")^(?:"+e+")$").MatchString(have)
	}
	switch operator {
	case "StringEquals":
		return text(false, "")
	case "StringEqualsIgnoreCase":
		return text(false, "i")
	case "StringLike":
		return text(true, "")
	case "ArnLike", "ArnEquals":
		return r.arnLike(want, have, variables)
	case "Bool":
		return (strings.EqualFold(have, "true") || strings.EqualFold(have, "false")) && text(false, "i")
	case "BinaryEquals":
		return base64.StdEncoding.EncodeToString([]byte(have)) == want
	case "IpAddress":
		return inNetwork(want, have)
	}
	var c int
	if name, ok := strings.CutPrefix(operator, "Numeric"); ok {
		operator = name
		x, okX := decimal(have)
		y, okY := decimal(want)
		if !okX || !okY {
			return false
		}
		c = x.Cmp(y)
	} else {
		operator = strings.TrimPrefix(operator, "Date")
		x, okX := moment(have)
		y, okY := moment(want)
		if !okX || !okY {
			return false
		}
		c = x.Cmp(y)
	}
	switch operator {
	case "Equals":
		return c == 0
	case "LessThan":
		return c < 0
	case "LessThanEquals":
		return c <= 0
	case "GreaterThan":
		return c > 0
	case "GreaterThanEquals":
		return c >= 0
	}
	panic(operator)
}

func inNetwork(want, have string) bool {
	ip := net.ParseIP(have)
	if ip == nil {
		return false
	}
	if _, network, err := net.ParseCIDR(want); err == nil {
		return network.Contains(ip)
	}
	return net.ParseIP(want).Equal(ip)
}

var decimalForm = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)$`)

func decimal(s string) (*big.Rat, bool) {
	if !decimalForm.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// moment is a date as seconds since 1970.
func moment(s string) (*big.Rat, bool) {
	if n, ok := decimal(s); ok && !regexp.MustCompile(`^[0-9]{4}$`).MatchString(s) {
		return n, true
	}
	for _, layout := range []string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return new(big.Rat).Add(big.NewRat(t.Unix(), 1), big.NewRat(int64(t.Nanosecond()), 1e9)), true
		}
	}
	return nil, false
}
