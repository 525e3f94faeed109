package sqlite

import (
	"context"
	"time"
)

// Pragma returns a setting of the connection that writes.
func (e *Engine) Pragma(ctx context.Context, name string) (value string, err error) {
	return value, e.db.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value)
}

// SetNow sets the engine's clock.
func (e *Engine) SetNow(now func() time.Time) { e.now = now }
