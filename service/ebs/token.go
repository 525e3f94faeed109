package ebs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/page"
)

const (
	tokenLife = 7 * 24 * time.Hour // of a block
	pageLife  = time.Hour
	minPage   = 100
	maxPage   = 10_000
)

func blockScope(c cloud.Caller, snapshot string, index int64) page.Scope {
	return page.Scope{"ebs", "block", c.Account, snapshot, strconv.FormatInt(index, 10)}
}

// blockToken lets an account read a block until then.
func (s *Service) blockToken(c cloud.Caller, snapshot string, index int64, until time.Time) *string {
	return new(page.Seal(s.Key, blockScope(c, snapshot, index), strconv.FormatInt(until.Unix(), 10)))
}

func (s *Service) checkBlockToken(c cloud.Caller, snapshot string, index int64, token string) error {
	mark, ok := page.Open(s.Key, blockScope(c, snapshot, index), token)
	until, err := strconv.ParseInt(mark, 10, 64)
	switch {
	case !ok || err != nil:
		return invalid(api.ValidationExceptionReasonINVALIDBLOCKTOKEN, "The block token is not one of block %d of the snapshot %s.", index, snapshot)
	case s.Now().Unix() >= until:
		return invalid(api.ValidationExceptionReasonINVALIDBLOCKTOKEN, "The block token has expired: list the blocks again.")
	}
	return nil
}

// listing is what a page is of: account, operation, snapshots.
type listing = page.Scope

// pager is one page of a list of blocks.
type pager struct {
	from  int64
	limit int
	seal  func(from int64) string // makes the token of the page from there on
}

// page reads what a request says of its page. A token counts, a block to start with does not.
func (s *Service) page(l listing, max, start *int32, token *string) (pager, error) {
	scope := append(page.Scope{"ebs", "page"}, l...)
	p := pager{limit: maxPage, seal: func(from int64) string {
		return page.Seal(s.Key, scope, fmt.Sprintf("%d %d", from, s.Now().Add(pageLife).Unix()))
	}}
	if max != nil {
		if *max < minPage || *max > maxPage {
			return p, wrongValue("The value %d of maxResults is not %d to %d.", *max, minPage, maxPage)
		}
		p.limit = int(*max)
	}
	if val(start) < 0 {
		return p, wrongValue("The value %d of startingBlockIndex is negative.", *start)
	}
	p.from = int64(val(start))
	if val(token) == "" {
		return p, nil
	}
	mark, ok := page.Open(s.Key, scope, *token)
	from, until, _ := strings.Cut(mark, " ")
	at, err := strconv.ParseInt(from, 10, 64)
	end, err2 := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || err2 != nil || s.Now().Unix() >= end {
		return p, invalid(api.ValidationExceptionReasonINVALIDPAGETOKEN, "The pageToken is not one of this list, or has expired.")
	}
	p.from = at
	return p, nil
}
