package wire_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
)

// shape is a shape of the protocol tests, or the use of one.
type shape struct {
	Shape           string
	Type            string
	Members         map[string]*shape
	Required        []string
	Member          *shape
	Key, Value      *shape
	Payload         string
	Flattened       bool
	LocationName    string
	QueryName       string
	Location        string
	TimestampFormat string
	XMLAttribute    bool
	XMLNamespace    namespace
	Streaming       bool
}

type namespace struct{ Prefix, URI string }

func (n *namespace) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain namespace
	return json.Unmarshal(b, (*plain)(n))
}

// merge returns the shape with the traits of its use, which prevail.
func (s *shape) merge(use *shape) *shape {
	m := *s
	m.Flattened = s.Flattened || use.Flattened
	m.XMLAttribute = s.XMLAttribute || use.XMLAttribute
	m.Streaming = s.Streaming || use.Streaming
	for _, f := range []struct {
		to  *string
		use string
	}{
		{&m.Shape, use.Shape},
		{&m.Payload, use.Payload},
		{&m.LocationName, use.LocationName},
		{&m.QueryName, use.QueryName},
		{&m.Location, use.Location},
		{&m.TimestampFormat, use.TimestampFormat},
	} {
		if f.use != "" {
			*f.to = f.use
		}
	}
	if use.XMLNamespace.URI != "" {
		m.XMLNamespace = use.XMLNamespace
	}
	return &m
}

// types makes Go types of shapes, as awsgen does.
type types struct{ shapes map[string]*shape }

// maxLevels is where a shape that contains itself ends: no test goes deeper.
const maxLevels = 6

func (t types) structOf(s *shape, level int) reflect.Type {
	if level > maxLevels {
		return reflect.TypeFor[struct{}]()
	}
	var fields []reflect.StructField
	names := make([]string, 0, len(s.Members))
	for name := range s.Members {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		m := t.shapes[s.Members[name].Shape].merge(s.Members[name])
		fields = append(fields, reflect.StructField{
			Name: export(name), Type: t.goType(m, level, true),
			Tag: reflect.StructTag(fmt.Sprintf("wire:%q", t.tag(s, name, m))),
		})
	}
	return reflect.StructOf(fields)
}

func (t types) goType(s *shape, level int, member bool) reflect.Type {
	var scalar reflect.Type
	switch s.Type {
	case "list":
		return reflect.SliceOf(t.goType(t.shapes[s.Member.Shape].merge(s.Member), level, false))
	case "map":
		return reflect.MapOf(reflect.TypeFor[string](), t.goType(t.shapes[s.Value.Shape].merge(s.Value), level, false))
	case "blob":
		if s.Streaming {
			return reflect.TypeFor[io.Reader]()
		}
		return reflect.TypeFor[[]byte]()
	case "structure":
		scalar = t.structOf(s, level+1)
	default:
		scalar = map[string]reflect.Type{
			"string": reflect.TypeFor[string](), "character": reflect.TypeFor[string](), "boolean": reflect.TypeFor[bool](),
			"integer": reflect.TypeFor[int32](), "long": reflect.TypeFor[int64](), "float": reflect.TypeFor[float32](),
			"double": reflect.TypeFor[float64](), "timestamp": reflect.TypeFor[time.Time](),
		}[s.Type]
	}
	if member {
		return reflect.PointerTo(scalar)
	}
	return scalar
}

func (t types) tag(parent *shape, member string, s *shape) string {
	name := s.LocationName
	if name == "" {
		name = member
	}
	tag := []string{name}
	if s.QueryName != "" {
		tag = append(tag, "q="+s.QueryName)
	}
	if slices.Contains(parent.Required, member) {
		tag = append(tag, "req")
	}
	if s.Location != "" {
		tag = append(tag, "at="+map[string]string{
			"header": "header", "headers": "headers", "uri": "uri", "querystring": "query", "statusCode": "status",
		}[s.Location])
	}
	if parent.Payload == member {
		tag = append(tag, "at=payload")
	}
	if s.XMLAttribute {
		tag = append(tag, "at=attr")
	}
	if s.Flattened {
		tag = append(tag, "flat")
	}
	if s.TimestampFormat != "" {
		tag = append(tag, "t="+s.TimestampFormat)
	}
	if s.XMLNamespace.URI != "" {
		tag = append(tag, "ns="+s.XMLNamespace.URI, "nsp="+s.XMLNamespace.Prefix)
	}
	var items []string
	for list := s; list.Type == "list"; list = t.shapes[list.Member.Shape] {
		items = append(items, list.Member.LocationName)
	}
	if strings.Join(items, "") != "" {
		tag = append(tag, "i="+strings.Join(items, "/"))
	}
	if s.Type == "map" && s.Key.LocationName != "" {
		tag = append(tag, "k="+s.Key.LocationName)
	}
	if s.Type == "map" && s.Value.LocationName != "" {
		tag = append(tag, "v="+s.Value.LocationName)
	}
	return strings.Join(tag, ",")
}

func export(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// set fills v with a test's parameters: blobs are plain text, timestamps seconds.
func (t types) set(v reflect.Value, x any, use *shape) {
	if x == nil {
		return
	}
	s := t.shapes[use.Shape].merge(use)
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case "structure":
		for name, value := range x.(map[string]any) {
			if s.Members[name] != nil {
				t.set(v.FieldByName(export(name)), value, s.Members[name])
			}
		}
	case "list":
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		for _, item := range x.([]any) {
			element := reflect.New(v.Type().Elem()).Elem()
			t.set(element, item, s.Member)
			v.Set(reflect.Append(v, element))
		}
	case "map":
		v.Set(reflect.MakeMap(v.Type()))
		for key, value := range x.(map[string]any) {
			element := reflect.New(v.Type().Elem()).Elem()
			t.set(element, value, s.Value)
			v.SetMapIndex(reflect.ValueOf(key), element)
		}
	case "blob":
		if s.Streaming {
			v.Set(reflect.ValueOf(strings.NewReader(x.(string))))
		} else {
			v.SetBytes([]byte(x.(string)))
		}
	case "timestamp":
		v.Set(reflect.ValueOf(time.Unix(int64(x.(float64)), 0).UTC()))
	default:
		v.Set(reflect.ValueOf(x).Convert(v.Type()))
	}
}

func jsonTree(text string) any {
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		return err.Error()
	}
	return tree
}

// node is an XML element; the order of different children does not matter.
type node struct {
	name     string
	attrs    []string
	text     string
	children []node
}

// xmlTree returns the members in a response, without what surrounds them.
func xmlTree(text string) []node {
	document := node{}.content(xml.NewDecoder(strings.NewReader(text)))
	if len(document.children) != 1 {
		return document.children
	}
	tree := slices.DeleteFunc(document.children[0].children, func(n node) bool {
		return strings.EqualFold(n.name, "requestId") || n.name == "ResponseMetadata"
	})
	if len(tree) == 1 && strings.HasSuffix(tree[0].name, "Result") {
		tree = tree[0].children
	}
	return tree
}

// content reads the element up to its end.
func (n node) content(d *xml.Decoder) node {
	for {
		token, err := d.Token()
		if err != nil {
			return n
		}
		switch tok := token.(type) {
		case xml.StartElement:
			child := node{name: tok.Name.Local}
			for _, a := range tok.Attr {
				if a.Name.Local != "xmlns" {
					child.attrs = append(child.attrs, fmt.Sprint(a))
				}
			}
			n.children = append(n.children, child.content(d))
		case xml.CharData:
			n.text += string(tok)
		case xml.EndElement:
			n.text = strings.TrimSpace(n.text)
			if t, err := time.Parse(time.RFC3339, n.text); err == nil {
				n.text = t.String()
			}
			sort.SliceStable(n.children, func(i, j int) bool { return n.children[i].order() < n.children[j].order() })
			return n
		}
	}
}

// order sorts members by name; the entries of maps, which have no order of
// their own, by their content.
func (n node) order() string {
	if n.name == "entry" || n.name == "Map" {
		return fmt.Sprint(n)
	}
	return n.name
}
