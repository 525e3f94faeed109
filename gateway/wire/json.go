package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"unicode/utf8"
)

// decodeJSON fills v, the struct of an input. An empty body is an empty input.
func decodeJSON(body []byte, p *structPlan, v reflect.Value) error {
	var x any = map[string]any{}
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&x); err != nil {
			return malformedf("The request is not JSON: %v", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return malformedf("The request has more than one JSON value")
		}
		if x == nil {
			return malformedf("The request is null")
		}
	}
	return assignStruct(p, v, x, "", 0)
}

// appendJSONOutput appends an output as a JSON object.
func appendJSONOutput(b []byte, p *structPlan, v reflect.Value) []byte {
	b = appendJSONStruct(b, p, v)
	if f := p.list; f != nil && v.Field(f.index).IsNil() {
		b = b[:len(b)-1]
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(appendJSONString(b, f.name), ":[]"...), '}')
	}
	return b
}

func appendJSONStruct(b []byte, p *structPlan, v reflect.Value) []byte {
	b = append(b, '{')
	start := len(b)
	for _, f := range p.get().body {
		fv := v.Field(f.index)
		if f.empty(fv) {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, f.name), ':')
		b = appendJSON(b, f, fv)
	}
	return append(b, '}')
}

func appendJSON(b []byte, f *field, v reflect.Value) []byte {
	if f.pointer {
		v = v.Elem()
	}
	switch f.kind {
	case structKind:
		return appendJSONStruct(b, f.fields, v)
	case listKind:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, f.elem, v.Index(i))
		}
		return append(b, ']')
	case mapKind:
		b = append(b, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONString(b, key.String()), ':')
			b = appendJSON(b, f.elem, v.MapIndex(key))
		}
		return append(b, '}')
	case stringKind:
		return appendJSONString(b, v.String())
	default:
		return appendJSONScalar(b, f, v)
	}
}

// appendJSONScalar appends a number, a boolean, or what JSON writes as a string.
func appendJSONScalar(b []byte, f *field, v reflect.Value) []byte {
	// Blobs, other timestamps, NaN and Infinity are strings; none needs an escape.
	quoted := f.kind == blobKind || f.kind == timeKind && f.time.or(unixTime) != unixTime ||
		f.kind == floatKind && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0))
	if quoted {
		b = append(b, '"')
	}
	b = appendScalar(b, f, v, unixTime, false)
	if quoted {
		b = append(b, '"')
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends s in quotes; invalid UTF-8 becomes U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	last := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				b = append(b, s[last:i]...)
				switch c {
				case '"', '\\':
					b = append(b, '\\', c)
				default:
					b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
				}
				last = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[last:i]...), "\uFFFD"...)
			last = i + 1
		}
		i += size
	}
	return append(append(b, s[last:]...), '"')
}
