package object

import (
	"context"
	"errors"
	"strings"
)

// ListInput says what to list. Keys are in the order of their bytes. With a
// delimiter, keys that have it behind the prefix are listed once for all that are the
// same up to it, as a prefix.
type ListInput struct {
	Prefix, Delimiter string
	// After is behind which key, or which listed prefix, to begin.
	After string
	Max   int // how many keys and prefixes to list
}

// Listing is a page.
type Listing struct {
	Objects  []Info // without Attributes
	Prefixes []string
	More     bool
	Next     string // what to begin after, if there is more
}

// listAhead is for how many objects a page makes room at once.
const listAhead = 256

// List lists objects: the current versions that are no delete markers.
func (s *Store) List(ctx context.Context, bucket string, in ListInput) (Listing, error) {
	if _, err := s.bucket(bucket); err != nil {
		return Listing{}, err
	}
	w, err := s.walk(tableCurrent, bucket, in)
	if err != nil {
		return Listing{}, err
	}
	var l Listing
	r := &record{Info: Info{Latest: true}}
	for n := 0; w.valid() && in.Max > 0 && err == nil; n++ {
		if _, err = r.decodeInfo(w.it.Value()); err != nil {
			break
		}
		if n%1024 == 1023 {
			if err = ctx.Err(); err != nil {
				break
			}
		}
		if r.Marker {
			w.it.Next()
			continue
		}
		key, group := w.key()
		if len(l.Objects)+len(l.Prefixes) == in.Max {
			l.More = true
			break
		}
		if group != "" {
			l.Prefixes, l.Next = append(l.Prefixes, group), group
			w.skip(group)
			continue
		}
		r.Key = key
		if l.Objects == nil {
			l.Objects = make([]Info, 0, min(in.Max, listAhead))
		}
		l.Objects, l.Next = append(l.Objects, r.Info), key
		w.it.Next()
	}
	if !l.More {
		l.Next = ""
	}
	return l, errors.Join(err, w.close())
}

// group is what a key is listed as if it is not listed by itself, else "".
func (in *ListInput) group(key string) string {
	if in.Delimiter == "" {
		return ""
	}
	k := strings.Index(key[len(in.Prefix):], in.Delimiter)
	if k < 0 {
		return ""
	}
	return key[:len(in.Prefix)+k+len(in.Delimiter)]
}
