package ec2

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// resource is a document that belongs to an account and carries tags.
type resource interface {
	store.Document
	ResourceMeta() cloud.Meta
}

// listing is what the Describe operations on an account's resources have in
// common: explicit IDs, filters, pages.
type listing[T resource] struct {
	operation string
	table     store.Table[T]
	prefix    string // of the IDs
	ids       []string
	filters   []ec2.Filter
	fields    fields[T]
	max       *int32 // MaxResults, within least..most
	least     int32  // 0: 5
	most      int32
	token     *string
	// For kinds of which the caller sees more than what is its own:
	all  func(store.Reader) iter.Seq[T] // those that it sees, by ID; nil: the account's own
	seen func(T) bool                   // whether it sees one; nil: whether it is its own
	tags func(T) map[string]string      // as it sees them; nil: those of the document
}

// of returns the page of the caller's resources that was asked for, in the
// order of their IDs, and the token of the next page.
func (l listing[T]) of(s *Service, r store.Reader, c cloud.Caller) ([]T, *string, error) {
	if l.max != nil && len(l.ids) > 0 {
		return nil, nil, notWithIDs(l.prefix)
	}
	p, err := s.page(c, l.operation, l.max, l.token, cmp.Or(l.least, 5), l.most)
	if err != nil {
		return nil, nil, err
	}
	if l.tags == nil {
		l.tags = func(v T) map[string]string { return v.ResourceMeta().Tags }
	}
	keep, err := match(l.filters, l.fields, l.tags)
	if err != nil {
		return nil, nil, err
	}
	var seq iter.Seq[T]
	if l.all == nil {
		seq = l.table.From(r, cloud.AccountLabel(c.Account), p.after)
	} else {
		seq = l.all(r)
	}
	if len(l.ids) > 0 {
		if l.seen == nil {
			l.seen = owned[T](c)
		}
		named, err := findSeen(r, l.table, l.prefix, l.ids, l.seen)
		if err != nil {
			return nil, nil, err
		}
		seq = slices.Values(named)
	}
	items, next := cut(p, where(seq, keep), T.Key)
	return items, next, nil
}

// find returns the caller's resources of the given IDs, in the order of the
// IDs, each once. Malformed and unknown IDs are errors.
func find[T resource](r store.Reader, c cloud.Caller, table store.Table[T], prefix string, ids []string) ([]T, error) {
	return findSeen(r, table, prefix, ids, owned[T](c))
}

// owned reports whether a resource is the caller's.
func owned[T resource](c cloud.Caller) func(T) bool {
	return func(v T) bool { return v.ResourceMeta().Account == c.Account }
}

// findSeen is find among the resources that the caller sees.
func findSeen[T resource](r store.Reader, table store.Table[T], prefix string, ids []string, seen func(T) bool) ([]T, error) {
	if err := checkIDs(prefix, ids...); err != nil {
		return nil, err
	}
	found := make(map[string]T, len(ids))
	var unknown []string
	for _, id := range ids {
		if v, ok := table.Get(r, id); ok && seen(v) {
			found[id] = v
		} else if !slices.Contains(unknown, id) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return nil, notFound(prefix, unknown...)
	}
	items := make([]T, 0, len(found))
	for _, id := range slices.Sorted(maps.Keys(found)) {
		items = append(items, found[id])
	}
	return items, nil
}

// get returns the caller's resource of that ID. A malformed or unknown ID is an error.
func get[T resource](r store.Reader, c cloud.Caller, table store.Table[T], prefix, id string) (T, error) {
	found, err := find(r, c, table, prefix, []string{id})
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

// each converts a list.
func each[T, U any](list []T, convert func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = convert(v)
	}
	return out
}
