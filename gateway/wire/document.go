package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"time"
)

// assign sets v from x, a decoded JSON or CBOR value: nil, bool, string,
// json.Number, int64, uint64, float64, []byte, time.Time, []any,
// map[string]any or map[any]any. A null leaves v as it is.
func assign(f *field, v reflect.Value, x any, path string, depth int) error {
	if x == nil {
		return nil
	}
	if depth > maxDepth {
		return malformedf("%s is nested too deeply", path)
	}
	v = f.target(v)
	switch f.kind {
	case structKind:
		return assignStruct(f.fields, v, x, path, depth)
	case listKind:
		list, ok := x.([]any)
		if !ok {
			return invalidValue(path, "", "a list")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, item := range list {
			if item == nil {
				return invalidValue(path+"."+strconv.Itoa(i+1)+".member", "null", "a value")
			}
			if err := assign(f.elem, v.Index(i), item, path+"."+strconv.Itoa(i+1)+".member", depth+1); err != nil {
				return err
			}
		}
		return nil
	case mapKind:
		v.Set(reflect.MakeMap(v.Type()))
		return eachEntry(x, path, func(key string, item any) error {
			value := reflect.New(f.elem.typ).Elem()
			if err := assign(f.elem, value, item, join(path, key), depth+1); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key), value)
			return nil
		})
	default:
		return assignScalar(f, v, x, path)
	}
}

// assignStruct sets the members that x names, and checks the required ones.
func assignStruct(p *structPlan, v reflect.Value, x any, path string, depth int) error {
	err := eachEntry(x, path, func(key string, item any) error {
		f := p.get().byName[key]
		if f == nil {
			if key == "__type" { // the type name that some clients add
				return nil
			}
			return &fault{kind: unknown, path: join(path, key)}
		}
		return assign(f, v.Field(f.index), item, join(path, lowerFirst(f.name)), depth+1)
	})
	if err != nil {
		return err
	}
	return checkRequired(p, v, path, func(f *field) string { return lowerFirst(f.name) })
}

// eachEntry calls each for the entries of x, which must be a map.
func eachEntry(x any, path string, each func(key string, item any) error) error {
	switch m := x.(type) {
	case map[string]any:
		for key, item := range m {
			if err := each(key, item); err != nil {
				return err
			}
		}
		return nil
	case map[any]any:
		for key, item := range m {
			s, ok := key.(string)
			if !ok {
				return malformedf("A key of %s is not a string", path)
			}
			if err := each(s, item); err != nil {
				return err
			}
		}
		return nil
	}
	return invalidValue(path, "", "a structure")
}

// assignScalar sets v from a value of the type that the protocol gives to it.
func assignScalar(f *field, v reflect.Value, x any, path string) error {
	switch value := x.(type) {
	case string:
		if f.kind == blobKind || f.kind == stringKind || f.kind == timeKind || f.kind == floatKind {
			if expected := parseScalar(f, v, value); expected != "" {
				return invalidValue(path, value, expected)
			}
			return nil
		}
	case bool:
		if f.kind == boolKind {
			v.SetBool(value)
			return nil
		}
	case []byte:
		if f.kind == blobKind {
			v.SetBytes(value)
			return nil
		}
	case time.Time:
		if f.kind == timeKind {
			v.Set(reflect.ValueOf(value.UTC()))
			return nil
		}
	case json.Number:
		return assignNumber(f, v, value.String(), path)
	case int64:
		return assignNumber(f, v, strconv.FormatInt(value, 10), path)
	case uint64:
		return assignNumber(f, v, strconv.FormatUint(value, 10), path)
	case float64:
		if f.kind == floatKind && !v.OverflowFloat(value) {
			v.SetFloat(value)
			return nil
		}
		return assignNumber(f, v, strconv.FormatFloat(value, 'f', -1, 64), path)
	}
	return invalidValue(path, "", expectedKind[f.kind])
}

var expectedKind = map[kind]string{
	stringKind: "a string", boolKind: "a boolean", intKind: "an integer", floatKind: "a number",
	timeKind: "a timestamp", blobKind: "a blob",
}

func assignNumber(f *field, v reflect.Value, text, path string) error {
	switch f.kind {
	case intKind:
		if n, err := strconv.ParseFloat(text, 64); err == nil && n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			text = strconv.FormatInt(int64(n), 10) // 1.0 and 1e3 are integers too
		}
		fallthrough
	case floatKind, timeKind:
		if expected := parseScalar(f, v, text); expected != "" {
			return invalidValue(path, text, expected)
		}
		return nil
	default:
		return invalidValue(path, text, expectedKind[f.kind])
	}
}
