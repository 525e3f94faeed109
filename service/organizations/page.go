package organizations

import (
	"iter"

	"github.com/vauban-cloud/vauban/service/internal/page"
)

// maxPage is how many items a page has at most.
const maxPage = 20

// pager is one page of a listing that is ordered by key.
type pager struct {
	after string // the key that the last page ended with
	limit int
	seal  func(key string) string
}

// page reads a request's MaxResults and NextToken. Tokens are opaque, and bound to
// the operation: any other is refused. The management account alone gets pages.
func (s *Service) page(operation string, maxResults *int32, token *string) (pager, error) {
	scope := page.Scope{"organizations", operation}
	p := pager{limit: maxPage, seal: func(key string) string { return page.Seal(s.PageKey, scope, key) }}
	if maxResults != nil {
		switch n := *maxResults; {
		case n < 1:
			return p, invalid("MIN_VALUE_EXCEEDED", "You provided %d for MaxResults: use 1 to %d.", n, maxPage)
		case n > maxPage:
			return p, invalid("MAX_VALUE_EXCEEDED", "You provided %d for MaxResults: use 1 to %d.", n, maxPage)
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
	return p, invalid("INVALID_NEXT_TOKEN", "The NextToken is not one of this operation: begin again without it.")
}

// cut takes the page from seq, which is ordered by key, shows its items, and
// returns them with the token of the next page, nil if it was the last.
func cut[T, U any](p pager, seq iter.Seq[T], key func(T) string, show func(T) U) ([]U, *string) {
	items, last := []U{}, ""
	for v := range seq {
		if p.after != "" && key(v) <= p.after {
			continue
		}
		if len(items) == p.limit {
			return items, new(p.seal(last))
		}
		items, last = append(items, show(v)), key(v)
	}
	return items, nil
}

// where yields the items that keep lets through.
func where[T any](seq iter.Seq[T], keep func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}
