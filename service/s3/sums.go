package s3

import (
	"reflect"
	"slices"
	"sync"

	"github.com/vauban-cloud/vauban/object/checksum"
)

// sums are the checksums that a request gives, in base64, by algorithm.
type sums map[checksum.Algorithm]string

// sumFields are where the structs of the API keep checksums, []int in the order of
// checksum.Algorithms, by reflect.Type: each algorithm has a member of its own in every
// one of them.
var sumFields sync.Map //nolint:gochecknoglobals // derived from types alone

func fieldsOf(t reflect.Type) []int {
	if known, ok := sumFields.Load(t); ok {
		return known.([]int) //nolint:forcetypeassert // nothing else is stored
	}
	var fields []int
	for _, a := range checksum.Algorithms {
		f, ok := t.FieldByName("Checksum" + string(a))
		if !ok {
			panic(t.String() + " has no checksum of " + string(a))
		}
		fields = append(fields, f.Index[0])
	}
	sumFields.Store(t, fields)
	return fields
}

// sumsOf are the checksums in a struct of the API, in points to it.
func sumsOf(in any) (s sums) {
	v := reflect.ValueOf(in).Elem()
	for n, k := range fieldsOf(v.Type()) {
		if text, _ := reflect.TypeAssert[*string](v.Field(k)); text != nil {
			if s == nil {
				s = sums{}
			}
			s[checksum.Algorithms[n]] = *text
		}
	}
	return s
}

// show tells a checksum in a struct of the API, out points to it; parts is of how many
// parts' checksums it is one. It returns the checksum's type, nil if there is none.
func show(out any, sum checksum.Sum, parts int) (kind *string) {
	if sum.Algorithm == checksum.None {
		return nil
	}
	v := reflect.ValueOf(out).Elem()
	k := slices.Index(checksum.Algorithms, sum.Algorithm)
	v.Field(fieldsOf(v.Type())[k]).Set(reflect.ValueOf(new(sumText(sum, parts))))
	return new(string(sum.Type))
}

// one returns the only checksum there is, None if there is none.
func (s sums) one() (checksum.Algorithm, []byte, error) {
	if len(s) > 1 {
		return "", nil, invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	for a, text := range s {
		value, err := decodeSum(a, text)
		return a, value, err
	}
	return checksum.None, nil, nil
}
