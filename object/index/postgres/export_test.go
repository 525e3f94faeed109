package postgres

import (
	"context"
	"time"
)

// OpenWithin is Open, and waits for who has the index for another time.
func OpenWithin(ctx context.Context, c Config, held time.Duration) (*Engine, error) {
	return open(ctx, c, held)
}
