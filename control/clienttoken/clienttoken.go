// Package clienttoken forgets idempotency tokens when their day is over.
package clienttoken

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Remembered is how long the answer to an idempotent request is kept.
const Remembered = 24 * time.Hour

// Reconciler is the client token reconciler.
type Reconciler struct {
	DB  *store.Store
	Now func() time.Time
}

var tokens store.Table[cloud.ClientToken]

// Name is "clienttoken".
func (*Reconciler) Name() string { return "clienttoken" }

// Key is the token's key.
func (*Reconciler) Key(c store.Change) string {
	if c.Table == (cloud.ClientToken{}).Table() && !c.Deleted {
		return c.Key
	}
	return ""
}

// Reconcile deletes the token once it is old.
func (r *Reconciler) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	t, ok := tokens.Get(r.DB.View(), key)
	if !ok {
		return 0, nil
	}
	if wait := t.Created.Add(Remembered).Sub(r.Now()); wait > 0 {
		return wait, nil
	}
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		t, ok := tokens.Get(tx, key)
		if !ok || r.Now().Before(t.Created.Add(Remembered)) {
			return nil
		}
		return tokens.Delete(tx, key)
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return 0, err
}
