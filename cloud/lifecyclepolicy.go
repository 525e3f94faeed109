package cloud

import "time"

// LifecyclePolicy takes and gives up snapshots by a schedule:
// https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lifecycle.html
// Written by the service, but for Runs (control/snapshotpolicy).
type LifecyclePolicy struct {
	Meta                  // ID is "policy-…"
	Modified    time.Time // when it was changed last: times before do not count
	Description string
	Role        string // the ARN that it is to act as
	Enabled     bool
	Resource    string        // what the tags are of: "VOLUME" or "INSTANCE"
	Targets     []ResourceTag // what has one of these
	Schedules   []SnapshotSchedule
	// Of instances:
	ExcludeBoot bool          `json:",omitempty"` // not their root volumes
	ExcludeData []ResourceTag `json:",omitempty"` // nor other volumes that have one of these

	// Runs are when each schedule last ran, by its name: the time that it was due.
	Runs map[string]time.Time `json:",omitempty"`
}

// SnapshotSchedule is when snapshots are taken, what they are tagged with, and how long they stay.
type SnapshotSchedule struct {
	Name      string
	Hours     int               `json:",omitempty"` // between two; 0: Cron says when
	Start     string            `json:",omitempty"` // "hh:mm" of a day, UTC, that Hours count from
	Cron      string            `json:",omitempty"` // "cron(…)" of six fields, UTC
	Count     int               `json:",omitempty"` // how many of a volume stay; 0: Keep says how long
	Keep      RetentionInterval `json:",omitzero"`
	CopyTags  bool              `json:",omitempty"` // of the volume
	Tags      map[string]string `json:",omitempty"`
	Variables map[string]string `json:",omitempty"` // tags with "$(instance-id)" or "$(timestamp)" for values
}

// Due is the last time, after the first and not after the second, that the schedule is for.
func (s SnapshotSchedule) Due(after, until time.Time) (time.Time, bool) {
	if s.Hours == 0 {
		c, err := ParseCron(s.Cron)
		if err != nil {
			return time.Time{}, false // the service takes none such
		}
		return c.Latest(after, until)
	}
	start, err := time.Parse("15:04", s.Start)
	if err != nil {
		return time.Time{}, false
	}
	until = until.UTC()
	t := time.Date(until.Year(), until.Month(), until.Day(), start.Hour(), start.Minute(), 0, 0, time.UTC)
	step := time.Duration(s.Hours) * time.Hour // which a day is a multiple of
	for t.After(until) {
		t = t.Add(-step)
	}
	for !t.Add(step).After(until) {
		t = t.Add(step)
	}
	return t, t.After(after)
}

// RetentionInterval is how long something is kept; Unit is "DAYS", "WEEKS", "MONTHS" or "YEARS".
type RetentionInterval struct {
	Count int
	Unit  string
}

// After is when what was made at t has been kept for long enough.
func (i RetentionInterval) After(t time.Time) time.Time {
	switch i.Unit {
	case "DAYS":
		return t.AddDate(0, 0, i.Count)
	case "WEEKS":
		return t.AddDate(0, 0, 7*i.Count)
	case "MONTHS":
		return t.AddDate(0, i.Count, 0)
	default:
		return t.AddDate(i.Count, 0, 0)
	}
}

// Table is "lifecyclepolicy".
func (LifecyclePolicy) Table() string { return "lifecyclepolicy" }

// Labels finds the policies of an account.
func (p LifecyclePolicy) Labels() []string { return []string{AccountLabel(p.Account)} }

// The tags of snapshots that a policy took.
const (
	LifecyclePolicyTag   = "aws:dlm:lifecycle-policy-id"
	LifecycleScheduleTag = "aws:dlm:lifecycle-schedule-name"
	LifecycleManagedTag  = "dlm:managed"
)
