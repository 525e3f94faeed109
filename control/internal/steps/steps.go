// Package steps carries out what a reconciler finds to be done, step by step, in one
// transaction, which is not begun if there is nothing.
package steps

import (
	"context"
	"time"

	"github.com/vauban-cloud/vauban/store"
)

// Next looks at the store, and returns what to do next; or nil, and how long until
// there will be something: 0 is never.
type Next func(r store.Reader) (step func(*store.Tx) error, wait time.Duration)

// Take takes all steps that there are, and returns the wait after the last.
func Take(ctx context.Context, db *store.Store, next Next) (time.Duration, error) {
	step, wait := next(db.View())
	if step == nil {
		return wait, nil
	}
	err := db.Update(ctx, func(tx *store.Tx) error {
		for step, wait = next(tx); step != nil; step, wait = next(tx) {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return wait, err
}
