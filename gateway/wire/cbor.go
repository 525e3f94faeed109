package wire

import (
	"encoding/binary"
	"math"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

// cborMode refuses what no request needs: deep nesting, huge collections,
// duplicate keys.
var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxNestedLevels:  maxDepth,
		MaxArrayElements: 1 << 17,
		MaxMapPairs:      1 << 16,
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IntDec:           cbor.IntDecConvertNone,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
	}.DecMode()
	if err != nil {
		panic(err) // the options above are wrong
	}
	return mode
}()

// decodeCBOR fills v, the struct of an input. An empty body is an empty input.
func decodeCBOR(body []byte, p *structPlan, v reflect.Value) error {
	var x any = map[string]any{}
	if len(body) > 0 {
		if err := cborMode.Unmarshal(body, &x); err != nil {
			return malformedf("The request is not CBOR: %v", err)
		}
	}
	return assignStruct(p, v, x, "", 0)
}

// The major types of RFC 8949 section 3.1.
const (
	cborUint  = 0 << 5
	cborNeg   = 1 << 5
	cborBytes = 2 << 5
	cborText  = 3 << 5
	cborArray = 4 << 5
	cborMap   = 5 << 5
	cborTag   = 6 << 5
)

// appendCBORHead appends a major type with its argument.
func appendCBORHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendCBORText(b []byte, s string) []byte {
	return append(appendCBORHead(b, cborText, uint64(len(s))), s...)
}

// appendCBOROutput appends an output as a map.
func appendCBOROutput(b []byte, p *structPlan, v reflect.Value) []byte {
	return appendCBORStruct(b, p, v, p.get().list)
}

// appendCBORStruct appends a struct; its member always is there even when empty.
func appendCBORStruct(b []byte, p *structPlan, v reflect.Value, always *field) []byte {
	n := uint64(0)
	present := func(f *field) bool { return f == always || !f.empty(v.Field(f.index)) }
	for _, f := range p.get().body {
		if present(f) {
			n++
		}
	}
	b = appendCBORHead(b, cborMap, n)
	for _, f := range p.body {
		if present(f) {
			b = appendCBOR(appendCBORText(b, f.name), f, v.Field(f.index))
		}
	}
	return b
}

func appendCBOR(b []byte, f *field, v reflect.Value) []byte {
	if f.pointer {
		v = v.Elem()
	}
	switch f.kind {
	case structKind:
		return appendCBORStruct(b, f.fields, v, nil)
	case listKind:
		b = appendCBORHead(b, cborArray, uint64(v.Len()))
		for i := range v.Len() {
			b = appendCBOR(b, f.elem, v.Index(i))
		}
		return b
	case mapKind:
		b = appendCBORHead(b, cborMap, uint64(v.Len()))
		for _, key := range sortedKeys(v) {
			b = appendCBOR(appendCBORText(b, key.String()), f.elem, v.MapIndex(key))
		}
		return b
	case boolKind:
		if v.Bool() {
			return append(b, 0xf5)
		}
		return append(b, 0xf4)
	case intKind:
		if n := v.Int(); n < 0 {
			return appendCBORHead(b, cborNeg, uint64(-1-n))
		}
		return appendCBORHead(b, cborUint, uint64(v.Int()))
	case floatKind:
		return appendCBORFloat(b, v.Float())
	case timeKind: // tag 1 is an epoch-based time, RFC 8949 section 3.4.2
		return appendCBORFloat(appendCBORHead(b, cborTag, 1), float64(timeOf(v).UnixMilli())/1000)
	case blobKind:
		return append(appendCBORHead(b, cborBytes, uint64(v.Len())), v.Bytes()...)
	default:
		return appendCBORText(b, v.String())
	}
}

func appendCBORFloat(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 7<<5|27), math.Float64bits(v))
}
