package cloud

import (
	"strings"
	"time"
)

// Lifecycle are the rules by which a bucket's objects end:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
//
// Times are counted in days, each from a midnight UTC to the next. The functions
// take the length of a day, which is 24 hours unless the operator's tests want it
// shorter.
type Lifecycle []LifecycleRule

// LifecycleRule is one of them.
type LifecycleRule struct {
	ID       string
	Disabled bool            `json:",omitempty"`
	Legacy   *string         `json:",omitempty"` // the prefix, in the form before filters; then Filter is zero
	Filter   LifecycleFilter `json:",omitzero"`

	Expiration *LifecycleExpiration `json:",omitempty"`
	Noncurrent *NoncurrentExpiry    `json:",omitempty"`
	// Abort is how many days after their beginning uploads are aborted; 0: never.
	Abort int `json:",omitempty"`
}

// LifecycleFilter says which objects a rule is about: those that all of it holds for.
type LifecycleFilter struct {
	And    bool              `json:",omitempty"` // the form in which it was given
	Prefix *string           `json:",omitempty"`
	Tags   map[string]string `json:",omitempty"`
	Above  *int64            `json:",omitempty"` // bytes that the object has more than
	Below  *int64            `json:",omitempty"` // bytes that it has less than
}

// LifecycleExpiration ends current versions; one of its fields is set.
type LifecycleExpiration struct {
	Days    int       `json:",omitempty"`
	Date    time.Time `json:",omitzero"`
	Markers *bool     `json:",omitempty"` // remove delete markers that hide nothing
}

// NoncurrentExpiry ends versions that are not current.
type NoncurrentExpiry struct {
	Days  int
	Newer int `json:",omitempty"` // how many of the newest of them stay
}

// Lived is what a lifecycle looks at of a version.
type Lived struct {
	Key      string
	Size     int64
	Modified time.Time
	// Tags are asked for where a rule needs them.
	Tags func() (map[string]string, error)
}

// DueAfter returns when so many days have passed since a moment, rounded up to the
// next midnight UTC.
func DueAfter(from time.Time, days int, day time.Duration) time.Time {
	due := from.UTC().Add(time.Duration(days) * day)
	if midnight := due.Truncate(day); midnight.Before(due) {
		return midnight.Add(day)
	}
	return due
}

// prefix is what the keys begin with that the rule is about.
func (r *LifecycleRule) prefix() string {
	switch {
	case r.Legacy != nil:
		return *r.Legacy
	case r.Filter.Prefix != nil:
		return *r.Filter.Prefix
	}
	return ""
}

// covers reports whether the rule is about a version.
func (r *LifecycleRule) covers(v Lived) (bool, error) {
	f := r.Filter
	if r.Disabled || !strings.HasPrefix(v.Key, r.prefix()) || f.Above != nil && v.Size <= *f.Above || f.Below != nil && v.Size >= *f.Below {
		return false, nil
	}
	if len(f.Tags) == 0 {
		return true, nil
	}
	tags, err := v.Tags()
	if err != nil {
		return false, err
	}
	for key, want := range f.Tags {
		if got, ok := tags[key]; !ok || got != want {
			return false, nil
		}
	}
	return true, nil
}

// Expires returns when a current version ends, and by which rule: the zero time for
// never.
func (l Lifecycle) Expires(v Lived, day time.Duration) (when time.Time, rule string, err error) {
	for k := range l {
		r := &l[k]
		if r.Expiration == nil || r.Expiration.Days == 0 && r.Expiration.Date.IsZero() {
			continue
		}
		due := r.Expiration.Date
		if due.IsZero() {
			due = DueAfter(v.Modified, r.Expiration.Days, day)
		}
		if !when.IsZero() && !due.Before(when) {
			continue
		}
		ok, err := r.covers(v)
		if err != nil {
			return time.Time{}, "", err
		}
		if ok {
			when, rule = due, r.ID
		}
	}
	return when, rule, nil
}

// Ended reports whether a version that is not current has ended: it was superseded
// at a moment, and newer are the versions of its key between it and the current one.
func (l Lifecycle) Ended(v Lived, superseded time.Time, newer int, now time.Time, day time.Duration) (bool, error) {
	for k := range l {
		r := &l[k]
		if r.Noncurrent == nil || newer < r.Noncurrent.Newer || now.Before(DueAfter(superseded, r.Noncurrent.Days, day)) {
			continue
		}
		if ok, err := r.covers(v); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// Clears reports whether a delete marker that hides nothing is to be removed.
func (l Lifecycle) Clears(key string, made, now time.Time, day time.Duration) bool {
	for k := range l {
		r := &l[k]
		e := r.Expiration
		if e == nil || r.Disabled || !strings.HasPrefix(key, r.prefix()) || len(r.Filter.Tags) > 0 || r.Filter.Above != nil || r.Filter.Below != nil {
			continue
		}
		switch {
		case e.Markers != nil && *e.Markers,
			e.Days > 0 && !now.Before(DueAfter(made, e.Days, day)),
			!e.Date.IsZero() && !now.Before(e.Date):
			return true
		}
	}
	return false
}

// Aborts returns when an upload ends that is not complete by then, and by which rule:
// the zero time for never.
func (l Lifecycle) Aborts(key string, begun time.Time, day time.Duration) (when time.Time, rule string) {
	for k := range l {
		r := &l[k]
		if r.Disabled || r.Abort == 0 || !strings.HasPrefix(key, r.prefix()) {
			continue
		}
		if due := DueAfter(begun, r.Abort, day); when.IsZero() || due.Before(when) {
			when, rule = due, r.ID
		}
	}
	return when, rule
}

// Live reports whether a rule of it is enabled.
func (l Lifecycle) Live() bool {
	for k := range l {
		if !l[k].Disabled {
			return true
		}
	}
	return false
}

// LifecycleRun is how far the lifecycle of a bucket has come. The control plane
// writes it.
type LifecycleRun struct {
	Bucket string // ID
	Rules  string // digest of the rules that it goes by
	Day    int64  // that it began on, counted from 1970
	Done   bool   // everything was looked at
	// Where it goes on: behind a version of a key, of whose old versions it has seen
	// so many; or, once Uploads, behind an upload.
	Uploads             bool   `json:",omitempty"`
	After, AfterVersion string `json:",omitempty"` // or the upload's ID
	Old                 int    `json:",omitempty"`
}

// Table is "lifecyclerun".
func (LifecycleRun) Table() string { return "lifecyclerun" }

// Key is the bucket's ID.
func (r LifecycleRun) Key() string { return r.Bucket }

// Labels are none.
func (r LifecycleRun) Labels() []string { return nil }
