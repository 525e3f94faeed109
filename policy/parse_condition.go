package policy

import "strings"

// conditions compiles a Condition element.
func (p *parser) conditions(n node) (all []condition) {
	p.want(n, objectNode)
	for _, m := range n.members {
		p.within(m.name, func() {
			q, op, ifExists, reason := parseOperator(m.name)
			if reason != "" {
				p.fail(m.start, "%s", reason)
			}
			p.want(m.value, objectNode)
			seen := map[string]bool{}
			for _, k := range m.value.members {
				p.within(k.name, func() {
					c := condition{quantifier: q, operator: op, ifExists: ifExists, name: m.name, key: strings.ToLower(k.name), spelled: k.name}
					if vendor, name, ok := strings.Cut(k.name, ":"); !ok || vendor == "" || name == "" {
						p.fail(k.start, `a condition key has a prefix, such as "aws:SourceIp" or "ec2:InstanceType"`)
					}
					if seen[c.key] {
						p.fail(k.start, "the key stands here twice: case makes no difference")
					}
					seen[c.key] = true
					p.keys[c.key] = true
					p.each(k.value, func(n node) { c.values = append(c.values, p.value(op, n)) })
					all = append(all, c)
				})
			}
		})
	}
	return all
}

// value compiles a value of a condition: a string; quotation marks may be left
// out around numbers and booleans.
func (p *parser) value(op *operator, n node) value {
	switch n.is {
	case stringNode, numberNode, boolNode:
	default:
		p.fail(n.start, "must be a string, a number or a boolean, not %s", n.is)
	}
	v, err := compileValue(op, n.text, p.variables)
	if err != nil {
		p.fail(n.start, "%q %v", n.text, err)
	}
	p.mention(v.template)
	return v
}
