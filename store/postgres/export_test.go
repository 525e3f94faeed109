package postgres

import "time"

// SetPatience makes the engine give up earlier.
func (e *Engine) SetPatience(d time.Duration) { e.patience = d }
