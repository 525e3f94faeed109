package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// kind is what the store knows of a table.
type kind struct {
	name  string
	typ   reflect.Type // of its documents; nil: they are kept as they were read
	index int          // in state.tables; all without a type share 0
}

// unique returns what no other document at the same index has.
func (k *kind) unique(key string) string {
	if k.index == 0 {
		return k.name + "\x00" + key
	}
	return key
}

// schema is the tables that have a Go type, by name.
type schema map[string]*kind

func newSchema(documents []Document) (schema, error) {
	s := schema{}
	for _, d := range append(documents, claim{}) {
		name, typ := d.Table(), reflect.TypeOf(d)
		switch other := s[name]; {
		case typ.Kind() != reflect.Struct:
			return nil, fmt.Errorf("table %q: documents are of type %s, which is not a struct", name, typ)
		case validName(name) != nil:
			return nil, fmt.Errorf("table of type %s: %w", typ, validName(name))
		case other != nil:
			return nil, fmt.Errorf("table %q is both of type %s and of type %s", name, other.typ, typ)
		}
		s[name] = &kind{name, typ, len(s) + 1}
	}
	return s, nil
}

// kind returns the table of that name, which may be one without a type.
func (s schema) kind(name string) *kind {
	if k, ok := s[name]; ok {
		return k
	}
	return &kind{name: name}
}

// decode makes the document of a row. The row's bytes may be kept.
func (s schema) decode(r Row) (*entry, error) {
	k := s.kind(r.Table)
	e := &entry{kind: k, key: r.Key, revision: r.Revision}
	switch {
	case r.Data == nil:
		return e, nil
	case k.typ == nil:
		e.value = raw(r.Data)
		return e, nil
	}
	v := reflect.New(k.typ).Interface()
	if err := json.Unmarshal(r.Data, v); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", r.Table, r.Key, err)
	}
	e.value = v
	key := v.(Document).Key()
	if key != e.key {
		return nil, fmt.Errorf("decode %s %s: it says that its key is %q", r.Table, r.Key, key)
	}
	e.key = key // the same bytes as in the document: the row's can go
	return e, nil
}

// raw is a document of a table without a type: JSON.
type raw []byte

// validName says what is wrong with a table's name, a key, or a part of a claim:
// every engine must be able to keep it.
func validName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("name is empty")
	case len(s) > 1024:
		return fmt.Errorf("name of %d bytes is too long, 1024 are allowed", len(s))
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return fmt.Errorf("name %q is not text", s)
	}
	return nil
}
