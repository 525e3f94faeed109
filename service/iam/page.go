package iam

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

// The sizes of pages: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html
const (
	defaultItems = 100
	maxItems     = 1000
)

// pager is one page of a list that is ordered by a key.
type pager struct {
	after string // the key that the last page ended with; empty: the first page
	limit int
	seal  func(key string) string
}

// page reads a request's MaxItems and Marker. Markers are opaque, and bound to
// the caller's account, the operation and what the list is of (the name of a
// user, say): any other is a ValidationError.
func (s *Service) page(c cloud.Caller, operation, of string, items *int32, marker *string) (pager, error) {
	scope := page.Scope{c.Account, operation, of}
	p := pager{limit: defaultItems, seal: func(key string) string { return page.Seal(s.PageKey, scope, key) }}
	if items != nil {
		switch n := *items; {
		case n < 1:
			return p, constraint("maxItems", strconv.Itoa(int(n)), "Member must have value greater than or equal to 1")
		case n > maxItems:
			return p, constraint("maxItems", strconv.Itoa(int(n)), "Member must have value less than or equal to %d", maxItems)
		default:
			p.limit = int(n)
		}
	}
	if marker == nil {
		return p, nil
	}
	var ok bool
	if p.after, ok = page.Open(s.PageKey, scope, *marker); ok {
		return p, nil
	}
	return p, cloud.Errorf("ValidationError", "Invalid Marker.")
}

// cut orders items by a key that is unique among them, and returns the page, and
// what IsTruncated and Marker are.
func cut[T any](p pager, items []T, key func(T) string) ([]T, *bool, *string) {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	first := 0
	if p.after != "" {
		first, _ = slices.BinarySearchFunc(items, p.after, func(v T, after string) int {
			if key(v) <= after {
				return -1
			}
			return 1
		})
	}
	items = items[first:]
	if len(items) <= p.limit {
		return items, new(false), nil
	}
	items = items[:p.limit]
	return items, new(true), new(p.seal(key(items[p.limit-1])))
}
