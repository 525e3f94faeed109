package policy

import (
	"slices"
	"strings"
)

// principals compiles a Principal or NotPrincipal element:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (p *parser) principals(m member, source *[]string) *principals {
	if !p.kind.attached() {
		p.fail(m.start, "has no place in this kind of policy (%s): leave it out", p.kind)
	}
	ps := &principals{negated: m.name == "NotPrincipal"}
	if ps.negated && p.kind == TrustPolicy {
		p.fail(m.start, "has no place in a role trust policy: use Principal")
	}
	if m.value.is == stringNode {
		switch {
		case m.value.text != "*":
			p.fail(m.value.start, `must be "*" or an object, such as {"AWS": "123456789012"}`)
		case p.kind == TrustPolicy:
			p.fail(m.value.start, `a role trust policy cannot trust "*": name who may assume the role, or write {"AWS": "*"}`)
		}
		ps.everybody = true
		*source = []string{"*"}
		return ps
	}
	p.want(m.value, objectNode)
	for _, k := range m.value.members {
		p.within(k.name, func() {
			if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, k.name) {
				p.fail(k.start, "there is no such kind of principal: AWS, Service, Federated and CanonicalUser are all")
			}
			p.each(k.value, func(n node) {
				p.principal(ps, k, n)
				*source = append(*source, k.name+" "+n.text)
			})
		})
	}
	return ps
}

// principal compiles one principal.
func (p *parser) principal(ps *principals, k member, n node) {
	text := p.text(n)
	if text == "*" && k.name == "AWS" {
		ps.everyAWS = true
		return
	}
	if text == "" || strings.ContainsAny(text, "*? \t\r\n") {
		p.fail(n.start, "%q is no principal: wildcards cannot stand for a part of a name", text)
	}
	switch k.name {
	case "AWS":
		p.awsPrincipal(ps, n)
	case "Service":
		if !strings.Contains(text, ".") {
			p.fail(n.start, `%q is no service: it should be such as "ec2.amazonaws.com"`, text)
		}
		put(&ps.services, text)
	case "Federated":
		if p.kind != TrustPolicy {
			p.fail(k.start, "identity providers can be named in role trust policies only")
		}
		if kind, _, ok := arnResource(text, "iam"); ok && kind != "saml-provider" && kind != "oidc-provider" || !ok && !strings.Contains(text, ".") {
			p.fail(n.start, "%q is no identity provider: it should be the ARN of one, or a name such as accounts.google.com", text)
		}
		put(&ps.federated, text)
	case "CanonicalUser":
		// Nobody here has a canonical ID, so it names nobody.
	}
}

// awsPrincipal compiles an account, an ARN or a unique ID.
func (p *parser) awsPrincipal(ps *principals, n node) {
	text := n.text
	if account, ok := accountOf(text); ok {
		put(&ps.accounts, account)
		return
	}
	if uniqueID(text) {
		put(&ps.ids, text)
		return
	}
	kind, rest, ok := arnResource(text, "iam")
	if ok && rest && (kind == "user" || kind == "role") {
		put(&ps.arns, text)
		return
	}
	kind, rest, ok = arnResource(text, "sts")
	if ok && rest && (kind == "assumed-role" && strings.Count(text, "/") == 2 || kind == "federated-user") {
		put(&ps.arns, text)
		return
	}
	p.fail(n.start, "%q is no principal: name an account, a user, a role, a role's session or a federated user", text)
}

// accountOf reads "123456789012" or "arn:aws:iam::123456789012:root".
func accountOf(s string) (string, bool) {
	if strings.HasPrefix(s, "arn:") {
		parts := strings.SplitN(s, ":", 6)
		if len(parts) < 6 || parts[1] == "" || parts[2] != "iam" || parts[3] != "" || parts[5] != "root" {
			return "", false
		}
		s = parts[4]
	}
	return s, len(s) == 12 && digits(s)
}

// arnResource returns the type of a global service's resource that an account
// owns, and whether a name follows it.
func arnResource(arn, service string) (kind string, name, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[1] == "" || parts[2] != service || parts[3] != "" || len(parts[4]) != 12 || !digits(parts[4]) {
		return "", false, false
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	return kind, rest != "" && !strings.HasSuffix(rest, "/"), true
}

// uniqueID reports whether it looks like AIDA... or AROA...:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func uniqueID(s string) bool {
	if len(s) < 16 || len(s) > 128 || s[0] != 'A' {
		return false
	}
	for _, c := range s {
		if !alphanumeric(c) || 'a' <= c && c <= 'z' {
			return false
		}
	}
	return true
}

// put adds to a set that may not be there yet.
func put(set *map[string]bool, s string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[s] = true
}
