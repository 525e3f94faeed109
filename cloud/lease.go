package cloud

import "time"

// Lease lets one of several processes act: the control plane's reconcilers run
// where it is held.
type Lease struct {
	Name    string
	Holder  string
	Expires time.Time
}

// Table is "lease".
func (Lease) Table() string { return "lease" }

// Key is the lease's name.
func (l Lease) Key() string { return l.Name }

// Labels is empty.
func (Lease) Labels() []string { return nil }
