package wire

import (
	"fmt"
	"io"
	"net/textproto"
	"reflect"
	"strings"
	"sync"
	"time"
)

// maxDepth bounds the nesting of a request. The deepest input of any model
// has some ten levels; only recursive shapes could ask for more.
const maxDepth = 32

// kind is what a value is on the wire.
type kind uint8

const (
	structKind kind = iota
	listKind
	mapKind
	stringKind
	boolKind
	intKind
	floatKind
	timeKind
	blobKind
	streamKind // an io.Reader
)

// location is the part of an HTTP message that carries a member.
type location uint8

const (
	inBody location = iota
	inPayload
	inAttribute
	inHeader
	inHeaders // all headers with a prefix
	inURI
	inQuery
	inStatus
)

var locations = map[string]location{
	"payload": inPayload, "attr": inAttribute, "header": inHeader, "headers": inHeaders,
	"uri": inURI, "query": inQuery, "status": inStatus,
}

// field describes a member of a struct, or an element of a list or map.
//
// The tag `wire:"name,option,..."` gives its name on the wire, its Go name
// when empty, and as options: req (required), q=NAME (EC2 parameter),
// at=LOCATION, flat (list or map without an element of its own), i=ITEM
// (elements of the list; ITEM/ITEM for those of a list of lists), k=KEY and
// v=VALUE (elements of the map), t=FORMAT (of the timestamp), ns=URI and
// nsp=PREFIX (XML namespace of the element).
type field struct {
	index    int
	name     string
	param    string // in EC2 requests
	required bool
	at       location
	header   string // in HTTP's spelling, at inHeader and inHeaders
	flat     bool
	item     string // list: element name; empty means "member"
	key      string // map
	value    string // map
	time     timeFormat
	ns       string
	nsPrefix string

	kind    kind
	typ     reflect.Type // without the pointer
	pointer bool
	fields  *structPlan // structKind
	elem    *field      // listKind and mapKind
}

// structPlan describes a struct; it is filled in at its first use, since
// structs may contain themselves.
type structPlan struct {
	typ  reflect.Type
	once sync.Once

	members    []*field
	body       []*field          // members in the body
	attributes []*field          // members in attributes of the struct's element
	byName     map[string]*field // both of these
	byParam    map[string]*field
	list       *field // the only list among the members, if there is just one
	payload    *field
}

// plans holds a *structPlan for each reflect.Type of a struct.
var plans sync.Map

func planOf(t reflect.Type) *structPlan {
	p, ok := plans.Load(t)
	if !ok {
		p, _ = plans.LoadOrStore(t, &structPlan{typ: t})
	}
	return p.(*structPlan)
}

// get returns the plan, filled in.
func (p *structPlan) get() *structPlan {
	p.once.Do(p.build)
	return p
}

func (p *structPlan) build() {
	p.byName = make(map[string]*field, p.typ.NumField())
	p.byParam = make(map[string]*field, p.typ.NumField())
	lists := 0
	for i := range p.typ.NumField() {
		sf := p.typ.Field(i)
		f := newField(sf.Name, sf.Tag.Get("wire"), sf.Type)
		f.index = i
		p.members = append(p.members, f)
		switch f.at {
		case inBody:
			p.body = append(p.body, f)
		case inAttribute:
			p.attributes = append(p.attributes, f)
		case inPayload:
			p.payload = f
		default: // not in the body
		}
		if f.at == inBody || f.at == inAttribute {
			p.byName[f.name] = f
			p.byParam[f.param] = f
		}
		if f.kind == listKind && f.at == inBody {
			p.list = f
			lists++
		}
	}
	if lists != 1 {
		p.list = nil
	}
}

func newField(goName, tag string, t reflect.Type) *field {
	f := &field{key: "key", value: "value"}
	name, options, _ := strings.Cut(tag, ",")
	f.name = name
	if name == "" {
		f.name = goName
	}
	// EC2 parameters are the members' wire names with a capital, unless they have their own.
	f.param = strings.ToUpper(f.name[:1]) + f.name[1:]
	var items []string
	for option := range strings.SplitSeq(options, ",") {
		k, v, _ := strings.Cut(option, "=")
		switch k {
		case "req":
			f.required = true
		case "q":
			f.param = v
		case "at":
			f.at = locations[v]
		case "flat":
			f.flat = true
		case "i":
			items = strings.Split(v, "/")
		case "k":
			f.key = v
		case "v":
			f.value = v
		case "t":
			f.time = timeFormats[v]
		case "ns":
			f.ns = v
		case "nsp":
			f.nsPrefix = v
		}
	}
	if f.at == inHeader || f.at == inHeaders {
		f.header = textproto.CanonicalMIMEHeaderKey(f.name)
	}
	f.setType(t, items)
	return f
}

var (
	timeType   = reflect.TypeFor[time.Time]()
	readerType = reflect.TypeFor[io.Reader]()
	bytesType  = reflect.TypeFor[[]byte]()
)

func (f *field) setType(t reflect.Type, items []string) {
	if f.pointer = t.Kind() == reflect.Pointer; f.pointer {
		t = t.Elem()
	}
	f.typ = t
	switch {
	case t == timeType:
		f.kind = timeKind
	case t == bytesType:
		f.kind = blobKind
	case t == readerType:
		f.kind = streamKind
	case t.Kind() == reflect.Struct:
		f.kind, f.fields = structKind, planOf(t)
	case t.Kind() == reflect.String:
		f.kind = stringKind
	case t.Kind() == reflect.Bool:
		f.kind = boolKind
	case t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		f.kind = intKind
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		f.kind = floatKind
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		f.kind = listKind
		if t.Kind() == reflect.Map {
			f.kind = mapKind
		}
		f.elem = &field{name: "member", key: "key", value: "value", time: f.time}
		if f.kind == listKind && len(items) > 0 {
			f.item, items = items[0], items[1:]
		}
		if f.item != "" {
			f.elem.name = f.item
		}
		f.elem.setType(t.Elem(), items)
	default:
		panic(fmt.Sprintf("wire: no wire form for %v", t)) // a generated type is wrong
	}
}

// empty reports whether v, a value of the field, is absent from the message.
func (f *field) empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// target returns what to set for the field: the value that v, if it is a
// pointer, is made to point to.
func (f *field) target(v reflect.Value) reflect.Value {
	if !f.pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(f.typ))
	}
	return v.Elem()
}
