package oidc

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// The claims that carry what AWS wants of a session:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
const (
	tagsClaim       = "https://aws.amazon.com/tags"
	tagClaim        = tagsClaim + "/principal_tags/"
	transitiveClaim = tagsClaim + "/transitive_tag_keys"
	sourceClaim     = "https://aws.amazon.com/source_identity"
)

// The limits of what a session keeps of a token.
const (
	maxText = 255 // characters of a subject or an audience
	maxList = 16  // audiences, methods
)

// claims are a token's content, as read.
type claims struct {
	issuer, subject            string
	audience                   []string
	authorized                 string // azp
	expires, issued, notBefore time.Time
	methods                    []string
	tags                       map[string]string
	transitive                 []string
	source                     string
}

// readClaims reads the content, and demands what every token must have.
func readClaims(payload []byte) (c claims, err error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(payload, &in); err != nil {
		return c, invalid("The content of the token is no JSON object")
	}
	r := reader{in: in}
	c.issuer, c.subject, c.authorized, c.source = r.text("iss"), r.text("sub"), r.text("azp"), r.text(sourceClaim)
	c.audience, c.methods = r.list("aud"), r.list("amr")
	c.expires, c.issued, c.notBefore = r.time("exp"), r.time("iat"), r.time("nbf")
	c.tags, c.transitive = r.tags()
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat"} {
		if _, ok := in[name]; !ok && r.wrong == "" {
			return c, invalid("Missing a required claim: " + name)
		}
	}
	if c.subject == "" {
		r.fail("sub")
	}
	if r.wrong != "" {
		return c, invalid("The claim " + shorten(r.wrong) + " of the token cannot be read")
	}
	u, err := url.Parse(c.issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return c, invalid("The issuer of the token is no https URL of a host and a path")
	}
	return c, nil
}

// reader reads claims, and notes the first that is not of its type.
type reader struct {
	in    map[string]json.RawMessage
	wrong string
}

func (r *reader) fail(name string) {
	if r.wrong == "" {
		r.wrong = name
	}
}

func (r *reader) text(name string) (s string) {
	raw, ok := r.in[name]
	if ok && (json.Unmarshal(raw, &s) != nil || len(s) > maxText) {
		r.fail(name)
	}
	return s
}

// list reads a list of texts, or one text.
func (r *reader) list(name string) []string {
	raw, ok := r.in[name]
	if !ok {
		return nil
	}
	l, ok := texts(raw)
	if !ok || len(l) > maxList {
		r.fail(name)
		return nil
	}
	for _, s := range l {
		if len(s) > maxText {
			r.fail(name)
		}
	}
	return l
}

func texts(raw json.RawMessage) (l []string, ok bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return []string{s}, true
	}
	return l, json.Unmarshal(raw, &l) == nil
}

// time reads seconds since 1970; zero if the claim is absent.
func (r *reader) time(name string) time.Time {
	raw, ok := r.in[name]
	if !ok {
		return time.Time{}
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds < 0 || seconds > 1<<40 {
		r.fail(name)
	}
	return time.Unix(int64(seconds), 0)
}

// tags reads the two ways of writing session tags: nested, and one claim each.
func (r *reader) tags() (tags map[string]string, transitive []string) {
	nested := struct {
		Principal  map[string]json.RawMessage `json:"principal_tags"`
		Transitive []string                   `json:"transitive_tag_keys"`
	}{}
	if raw, ok := r.in[tagsClaim]; ok && json.Unmarshal(raw, &nested) != nil {
		r.fail(tagsClaim)
	}
	for name, raw := range r.in {
		if key, ok := strings.CutPrefix(name, tagClaim); ok {
			if nested.Principal == nil {
				nested.Principal = map[string]json.RawMessage{}
			}
			nested.Principal[key] = raw
		}
	}
	if raw, ok := r.in[transitiveClaim]; ok {
		l, ok := texts(raw)
		if !ok {
			r.fail(transitiveClaim)
		}
		nested.Transitive = append(nested.Transitive, l...)
	}
	for key, raw := range nested.Principal {
		l, ok := texts(raw)
		if !ok || len(l) != 1 {
			r.fail(tagClaim + key)
			continue
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = l[0]
	}
	return tags, nested.Transitive
}
