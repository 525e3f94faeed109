package store

import "context"

// Changes returns what is newer than the revision since, oldest first, and the
// revision to pass next time; it waits until there is something. A document
// appears once, with its newest state; since 0 yields all living documents.
// Claims do not appear.
//
// Only the last few thousand deletions are remembered. Who comes with a revision
// from before them gets a Change without a Table, and then all living documents:
// see Change.
func (s *Store) Changes(ctx context.Context, since int64) ([]Change, int64, error) {
	for {
		now := s.state.Load()
		if list := now.changes(since); len(list) > 0 {
			return list, now.revision, nil
		}
		select {
		case <-now.next:
		case <-ctx.Done():
			return nil, since, ctx.Err()
		case <-s.closing:
			return nil, since, ErrClosed
		}
	}
}

func (s *state) changes(since int64) []Change {
	var list []Change
	all := since == 0
	if !all && since < s.horizon {
		all, since = true, 0
		list = append(list, Change{Revision: s.horizon})
	}
	s.recent.Ascend(&entry{kind: &kind{}, revision: since + 1}, func(e *entry) bool {
		gone := e.value == nil
		if e.kind.name != (claim{}).Table() && (!gone || !all) {
			list = append(list, Change{e.kind.name, e.key, e.labels(), e.revision, gone})
		}
		return true
	})
	return list
}
