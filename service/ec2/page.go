package ec2

import (
	"iter"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

// pager is one page of a listing that is ordered by key.
type pager struct {
	after string // the key that the last page ended with
	limit int    // items at most; 0 is all
	seal  func(key string) string
}

// page reads a request's MaxResults, which must lie in lo..hi (nil: no limit),
// and its NextToken. Tokens are opaque, and bound to the caller's account and the
// operation: any other is InvalidPaginationToken. The listing may begin right
// after the pager's after.
func (s *Service) page(c cloud.Caller, operation string, maxResults *int32, token *string, lo, hi int32) (pager, error) {
	scope := page.Scope{c.Account, operation}
	p := pager{seal: func(key string) string { return page.Seal(s.PageKey, scope, key) }}
	if maxResults != nil {
		switch n := *maxResults; {
		case n < lo:
			return p, cloud.Errorf("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to %d.", n, lo)
		case n > hi:
			return p, cloud.Errorf("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. Expecting a value smaller than or equal to %d.", n, hi)
		default:
			p.limit = int(n)
		}
	}
	if val(token) == "" {
		return p, nil
	}
	var ok bool
	if p.after, ok = page.Open(s.PageKey, scope, *token); ok {
		return p, nil
	}
	return p, cloud.Errorf("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")
}

// cut takes the page from seq, which is ordered by key, and returns it with the
// token of the next one, nil if it was the last.
func cut[T any](p pager, seq iter.Seq[T], key func(T) string) ([]T, *string) {
	var items []T
	for v := range seq {
		if p.after != "" && key(v) <= p.after {
			continue
		}
		if p.limit > 0 && len(items) == p.limit {
			return items, new(p.seal(key(items[len(items)-1])))
		}
		items = append(items, v)
	}
	return items, nil
}
