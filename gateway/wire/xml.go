package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// xmlEncoder writes values as XML elements.
type xmlEncoder struct {
	millis bool // timestamps always have them
	lists  bool // the only list of an output is there even when empty
}

// output appends the members of an output. Clients index the list of a
// Describe or List answer without looking whether it is there.
func (e xmlEncoder) output(b []byte, p *structPlan, v reflect.Value) []byte {
	b = e.members(b, p, v)
	if f := p.list; e.lists && f != nil && !f.flat && v.Field(f.index).IsNil() {
		b = append(append(append(b, '<'), f.name...), "/>"...)
	}
	return b
}

func (e xmlEncoder) members(b []byte, p *structPlan, v reflect.Value) []byte {
	for _, f := range p.get().body {
		if fv := v.Field(f.index); !f.empty(fv) {
			b = e.value(b, f, f.name, fv)
		}
	}
	return b
}

// value appends v as an element of that name, or as several if it is flat.
func (e xmlEncoder) value(b []byte, f *field, name string, v reflect.Value) []byte {
	if f.pointer {
		v = v.Elem()
	}
	if f.flat && f.kind == listKind {
		if f.item != "" {
			name = f.item
		}
		for i := range v.Len() {
			b = e.value(b, f.elem, name, v.Index(i))
		}
		return b
	}
	if f.flat && f.kind == mapKind {
		return e.entries(b, f, name, v)
	}
	b = e.open(b, f, name, v)
	start := len(b)
	switch f.kind {
	case structKind:
		b = e.members(b, f.fields, v)
	case listKind:
		for i := range v.Len() {
			b = e.value(b, f.elem, f.elem.name, v.Index(i))
		}
	case mapKind:
		b = e.entries(b, f, "entry", v)
	case stringKind:
		b = appendXMLText(b, v.String())
	default:
		b = appendScalar(b, f, v, isoTime, e.millis)
	}
	if len(b) == start {
		b[start-1] = '/' // <name/>
		return append(b, '>')
	}
	return appendClose(b, name)
}

// open appends the start tag, with the namespace and attributes it needs.
func (e xmlEncoder) open(b []byte, f *field, name string, v reflect.Value) []byte {
	b = append(append(b, '<'), name...)
	if f.ns != "" {
		b = append(b, " xmlns"...)
		if f.nsPrefix != "" {
			b = append(append(b, ':'), f.nsPrefix...)
		}
		b = append(appendXMLText(append(b, `="`...), f.ns), '"')
	}
	if f.kind == structKind {
		for _, a := range f.fields.get().attributes {
			if av := v.Field(a.index); !a.empty(av) {
				b = append(append(append(b, ' '), a.name...), `="`...)
				b = append(appendXMLText(b, av.Elem().String()), '"')
			}
		}
	}
	return append(b, '>')
}

func (e xmlEncoder) entries(b []byte, f *field, name string, m reflect.Value) []byte {
	for _, key := range sortedKeys(m) {
		b = append(append(append(b, '<'), name...), '>')
		b = append(append(append(b, '<'), f.key...), '>')
		b = appendClose(appendXMLText(b, key.String()), f.key)
		b = e.value(b, f.elem, f.value, m.MapIndex(key))
		b = appendClose(b, name)
	}
	return b
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func appendClose(b []byte, name string) []byte {
	return append(append(append(b, "</"...), name...), '>')
}

// plainXML marks the bytes that XML text carries as they are.
var plainXML = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = !strings.ContainsRune(`&<>"`, c)
	}
	plain['\t'], plain['\n'] = true, true
	return plain
}()

// appendXMLText appends s as character data or an attribute's value. What XML
// cannot carry becomes U+FFFD, as in encoding/xml.
func appendXMLText(b []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		if plainXML[s[i]] {
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(s[i:])
		escape := ""
		switch {
		case c == '&':
			escape = "&amp;"
		case c == '<':
			escape = "&lt;"
		case c == '>':
			escape = "&gt;"
		case c == '"':
			escape = "&quot;"
		case c == '\r':
			escape = "&#xD;"
		case c < ' ', c == utf8.RuneError && size == 1, c == 0xFFFE, c == 0xFFFF:
			escape = "\uFFFD"
		}
		if escape != "" {
			b = append(append(b, s[last:i]...), escape...)
			last = i + size
		}
		i += size
	}
	return append(b, s[last:]...)
}

// decodeXML fills v, a struct, from a document whose root is root, if given.
func decodeXML(body []byte, root string, p *structPlan, v reflect.Value) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return malformedf("%v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if root != "" && start.Name.Local != root {
			return malformedf("the root element is %s, not %s", start.Name.Local, root)
		}
		if err := (xmlDecoder{d}).structure(p, v, start, "", 0); err != nil {
			return err
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) && err != nil {
			return malformedf("%v", err)
		}
		return nil
	}
}

// xmlDecoder reads values from the elements of a request.
type xmlDecoder struct{ *xml.Decoder }

// structure decodes the attributes and content of the element start into v.
func (d xmlDecoder) structure(p *structPlan, v reflect.Value, start xml.StartElement, path string, depth int) error {
	if depth > maxDepth {
		return malformedf("%s is nested too deeply", path)
	}
	for _, a := range start.Attr {
		for _, f := range p.get().attributes {
			if f.name[strings.IndexByte(f.name, ':')+1:] == a.Name.Local && a.Name.Space != "xmlns" {
				f.target(v.Field(f.index)).SetString(a.Value)
			}
		}
	}
	err := d.children(func(child xml.StartElement) error {
		name := join(path, child.Name.Local)
		f := p.get().byName[child.Name.Local]
		if f == nil {
			for _, m := range p.members {
				if m.flat && m.item == child.Name.Local {
					f = m
				}
			}
		}
		if f == nil {
			return &fault{kind: unknown, path: name}
		}
		return d.value(f, v.Field(f.index), child, name, depth+1)
	})
	if err != nil {
		return err
	}
	err = checkRequired(p, v, path, func(f *field) string { return f.name })
	if lack, ok := errors.AsType[*fault](err); ok {
		return malformedf("%s is missing", lack.path)
	}
	return err
}

// children calls each for every child element up to the end of the current one.
func (d xmlDecoder) children(each func(xml.StartElement) error) error {
	for {
		token, err := d.Token()
		if err != nil {
			return malformedf("%v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := each(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return malformedf("text where elements are expected")
			}
		}
	}
}

func (d xmlDecoder) value(f *field, v reflect.Value, start xml.StartElement, path string, depth int) error {
	v = f.target(v)
	switch {
	case f.kind == structKind:
		return d.structure(f.fields, v, start, path, depth)
	case f.kind == listKind && f.flat:
		return d.item(f, v, start, path, depth)
	case f.kind == listKind:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		return d.children(func(child xml.StartElement) error {
			if child.Name.Local != f.elem.name {
				return &fault{kind: unknown, path: join(path, child.Name.Local)}
			}
			return d.item(f, v, child, path, depth)
		})
	case f.kind == mapKind && f.flat:
		return d.entry(f, v, path, depth)
	case f.kind == mapKind:
		return d.children(func(child xml.StartElement) error {
			if child.Name.Local != "entry" {
				return &fault{kind: unknown, path: join(path, child.Name.Local)}
			}
			return d.entry(f, v, path, depth)
		})
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	if f.kind != stringKind {
		text = strings.TrimSpace(text)
	}
	if expected := parseScalar(f, v, text); expected != "" {
		return invalidValue(path, text, expected)
	}
	return nil
}

// item appends the element to the list.
func (d xmlDecoder) item(f *field, list reflect.Value, start xml.StartElement, path string, depth int) error {
	v := reflect.New(f.elem.typ).Elem()
	if err := d.value(f.elem, v, start, path, depth+1); err != nil {
		return err
	}
	list.Set(reflect.Append(list, v))
	return nil
}

// entry decodes the content of a map's entry.
func (d xmlDecoder) entry(f *field, m reflect.Value, path string, depth int) error {
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	var key string
	value := reflect.New(f.elem.typ).Elem()
	err := d.children(func(child xml.StartElement) (err error) {
		switch child.Name.Local {
		case f.key:
			key, err = d.text()
		case f.value:
			err = d.value(f.elem, value, child, path, depth+1)
		default:
			err = &fault{kind: unknown, path: join(path, child.Name.Local)}
		}
		return err
	})
	if err != nil {
		return err
	}
	m.SetMapIndex(reflect.ValueOf(key), value)
	return nil
}

// text reads character data up to the end of the current element.
func (d xmlDecoder) text() (string, error) {
	var b strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return "", malformedf("%v", err)
		}
		switch t := token.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", &fault{kind: unknown, path: t.Name.Local}
		}
	}
}
