package identity

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// useInterval is how often uses are written, and how exact they are.
const useInterval = time.Minute

// Uses notes when credentials were last used, and writes it once a minute: a
// write for each request would cost more than the request. What was noted since
// the last write is lost in a crash.
type Uses struct {
	db *store.Store

	mu    sync.Mutex
	noted map[string]cloud.LastUse // guarded by mu; by ID, not written yet
}

// NewUses returns Uses that write to the store; Run must run for it.
func NewUses(db *store.Store) *Uses { return &Uses{db: db, noted: map[string]cloud.LastUse{}} }

// Note notes a request of the caller to a service, e.g. "ec2".
func (u *Uses) Note(c cloud.Caller, service string, when time.Time) {
	if c.Account == "" {
		return
	}
	id := c.AccessKey
	if c.Session != nil {
		if id = c.Entity; c.Type != cloud.PrincipalRole {
			return
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.noted[id] = cloud.LastUse{ID: id, Account: c.Account, When: when.UTC().Truncate(time.Second), Service: service, Region: c.Region}
}

// Run writes what was noted, each minute and once more when ctx ends.
func (u *Uses) Run(ctx context.Context) {
	tick := time.NewTicker(useInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.Flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			u.Flush(last)
			return
		}
	}
}

// Flush writes what was noted; what cannot be written now is kept for the next time.
func (u *Uses) Flush(ctx context.Context) {
	u.mu.Lock()
	noted := u.noted
	u.noted = map[string]cloud.LastUse{}
	u.mu.Unlock()
	if len(noted) == 0 {
		return
	}
	err := u.db.Update(ctx, func(tx *store.Tx) error {
		for _, use := range noted {
			if old, ok := lastUseTable.Get(tx, use.ID); ok && !use.When.After(old.When) {
				continue
			}
			if err := lastUseTable.Put(tx, use); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		maps.Copy(noted, u.noted)
		u.noted = noted
	}
}
