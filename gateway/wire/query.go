package wire

import (
	"cmp"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxParams bounds the parameters of a query request; the largest legitimate
// ones, a thousand rules or resources with their members, stay well below.
const maxParams = 20000

// param is one parameter of a query request: "Filter.1.Value.2" and its value.
type param struct{ key, value string }

// queryDecoder decodes the parameters of both query protocols, which differ
// in the names of members and in the form of lists.
//
// The parameters are sorted by their path, so that those of one member are
// neighbours: a huge index or an unknown path costs nothing but its bytes.
type queryDecoder struct{ ec2 bool }

// decodeQuery fills v, the struct of an input, from form-encoded parameters.
func decodeQuery(p Protocol, v reflect.Value, forms ...string) error {
	params, err := parseForms(forms...)
	if err != nil {
		return err
	}
	d := queryDecoder{p == EC2Query}
	if err := d.structure(planOf(v.Type()), v, params, 0, 0); err != nil {
		return err
	}
	return d.required(planOf(v.Type()), v, "")
}

// parseForms returns the parameters sorted by path, without those that name
// the operation or belong to the signature.
func parseForms(forms ...string) ([]param, error) {
	var params []param
	for _, form := range forms {
		for pair := range strings.SplitSeq(form, "&") {
			if pair == "" {
				continue
			}
			k, v, _ := strings.Cut(pair, "=")
			key, err1 := url.QueryUnescape(k)
			value, err2 := url.QueryUnescape(v)
			if err1 != nil || err2 != nil || key == "" {
				return nil, malformedf("The query string contains a syntax error")
			}
			if key == "Action" || key == "Version" || strings.HasPrefix(key, "X-Amz-") {
				continue
			}
			if len(params) == maxParams {
				return nil, malformedf("The request has more than %d parameters", maxParams)
			}
			params = append(params, param{key, value})
		}
	}
	slices.SortFunc(params, func(a, b param) int { return comparePaths(a.key, b.key) })
	for i := 1; i < len(params); i++ {
		if params[i].key == params[i-1].key {
			return nil, malformedf("The parameter %s is given more than once", shorten(params[i].key, maxRepeated))
		}
	}
	return params, nil
}

// comparePaths orders paths so that all below a path follow it at once: the
// dot sorts before every other character.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			switch {
			case a[i] == '.':
				return -1
			case b[i] == '.':
				return 1
			}
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// next cuts the parameters that share the path component at off from the
// front of params.
func next(params []param, off int) (component string, group, rest []param) {
	component, _, _ = strings.Cut(params[0].key[off:], ".")
	end := off + len(component)
	n := 1
	for n < len(params) && strings.HasPrefix(params[n].key, params[0].key[:end]) &&
		(len(params[n].key) == end || params[n].key[end] == '.') {
		n++
	}
	return component, params[:n], params[n:]
}

// structure decodes the parameters, whose common path ends before off, into v.
func (d queryDecoder) structure(p *structPlan, v reflect.Value, params []param, off, depth int) error {
	if depth > maxDepth {
		return malformedf("The parameter %s is nested too deeply", shorten(params[0].key, maxRepeated))
	}
	for path := ""; len(params) > 0; {
		var component string
		var group []param
		component, group, params = next(params, off)
		path = group[0].key[:off+len(component)]
		f := d.member(p.get(), component)
		if f == nil {
			return &fault{kind: unknown, path: group[0].key}
		}
		if err := d.value(f, v.Field(f.index), group, len(path), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d queryDecoder) member(p *structPlan, component string) *field {
	if d.ec2 {
		return p.byParam[component]
	}
	if f := p.byName[component]; f != nil && (!f.flat || f.item == "") {
		return f
	}
	for _, f := range p.members { // a flattened list goes by the name of its items
		if f.flat && f.item == component {
			return f
		}
	}
	return nil
}

// value decodes the parameters at and below the path of length end.
func (d queryDecoder) value(f *field, v reflect.Value, params []param, end, depth int) error {
	path := params[0].key[:end]
	scalar := len(params[0].key) == end
	v = f.target(v)
	if f.kind != structKind && f.kind != listKind && f.kind != mapKind {
		if !scalar || len(params) > 1 {
			return &fault{kind: unknown, path: params[len(params)-1].key}
		}
		if expected := parseScalar(f, v, params[0].value); expected != "" {
			return invalidValue(path, params[0].value, expected)
		}
		return nil
	}
	if scalar { // "List=" is how a client writes an empty one
		if params[0].value != "" || len(params) > 1 {
			return invalidValue(path, params[0].value, "a structure")
		}
		if f.kind == listKind {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		return nil
	}
	if f.kind != structKind {
		return d.elements(f, v, params, end+1, depth)
	}
	if err := d.structure(f.fields, v, params, end+1, depth); err != nil {
		return err
	}
	return d.required(f.fields, v, path)
}

// elements decodes a list or map, whose elements are numbered: List.1 or
// List.member.1, Map.1.key or Map.entry.1.key.
func (d queryDecoder) elements(f *field, v reflect.Value, params []param, off, depth int) error {
	if wrapper := d.wrapper(f); wrapper != "" {
		component, group, rest := next(params, off)
		if component != wrapper || len(rest) > 0 {
			return &fault{kind: unknown, path: params[0].key}
		}
		params, off = group, off+len(wrapper)+1
	}
	type element struct {
		index  int
		params []param
		end    int
	}
	var elements []element
	for len(params) > 0 {
		if len(params[0].key) < off {
			return &fault{kind: unknown, path: params[0].key}
		}
		component, group, rest := next(params, off)
		index, err := strconv.ParseUint(component, 10, 31)
		if err != nil || component[0] == '+' {
			return &fault{kind: unknown, path: group[0].key}
		}
		elements = append(elements, element{int(index), group, off + len(component)})
		params = rest
	}
	slices.SortStableFunc(elements, func(a, b element) int { return cmp.Compare(a.index, b.index) })
	if f.kind == mapKind {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(elements)))
		for _, e := range elements {
			if err := d.entry(f, v, e.params, e.end, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
	for i, e := range elements {
		if err := d.value(f.elem, v.Index(i), e.params, e.end, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d queryDecoder) wrapper(f *field) string {
	switch {
	case d.ec2 || f.flat:
		return ""
	case f.kind == mapKind:
		return "entry"
	}
	return f.elem.name
}

// entry decodes one entry of a map.
func (d queryDecoder) entry(f *field, m reflect.Value, params []param, end, depth int) error {
	var key *string
	value := reflect.New(f.elem.typ).Elem()
	for len(params) > 0 {
		if len(params[0].key) == end {
			return &fault{kind: unknown, path: params[0].key}
		}
		component, group, rest := next(params, end+1)
		switch component {
		case f.key:
			key = &group[0].value
			if len(group) > 1 || len(group[0].key) > end+1+len(component) {
				return &fault{kind: unknown, path: group[len(group)-1].key}
			}
		case f.value:
			if err := d.value(f.elem, value, group, end+1+len(component), depth+1); err != nil {
				return err
			}
		default:
			return &fault{kind: unknown, path: group[0].key}
		}
		params = rest
	}
	if key == nil {
		return invalidValue("map entry", "", "a key")
	}
	m.SetMapIndex(reflect.ValueOf(*key), value)
	return nil
}

// required checks the members of v, and says what is missing as the protocol does.
func (d queryDecoder) required(p *structPlan, v reflect.Value, path string) error {
	return checkRequired(p, v, path, func(f *field) string {
		if d.ec2 {
			return f.param
		}
		return lowerFirst(f.name)
	})
}
