package cloud

import (
	"iter"
	"time"
)

// RecycleRule says what the recycle bin keeps of an account, and how long:
// https://docs.aws.amazon.com/ebs/latest/userguide/recycle-bin.html
type RecycleRule struct {
	Meta                      // ID has 11 letters and digits
	Description string        `json:",omitempty"`
	Resource    string        // "EBS_SNAPSHOT" or "EC2_IMAGE"
	Days        int           // that it keeps them
	Match       []ResourceTag `json:",omitempty"` // it is for what has one of these; none: for all
	Exclude     []ResourceTag `json:",omitempty"` // but for what has one of these
	UnlockDays  int           `json:",omitempty"` // that it stays locked after it was unlocked; 0: it never was locked
	Locked      bool          `json:",omitempty"`
	Unlocks     time.Time     `json:",omitzero"` // once unlocked: when the lock ends
}

// ResourceTag is a tag to look for; nil: any value.
type ResourceTag struct {
	Key   string
	Value *string `json:",omitempty"`
}

// In reports whether one of the tags is it.
func (t ResourceTag) In(tags map[string]string) bool {
	value, ok := tags[t.Key]
	return ok && (t.Value == nil || *t.Value == value)
}

// Keeps reports whether the rule is for a resource of that kind with these tags.
func (r RecycleRule) Keeps(resource string, tags map[string]string) bool {
	for _, t := range r.Exclude {
		if t.In(tags) {
			return false
		}
	}
	for _, t := range r.Match {
		if t.In(tags) {
			return r.Resource == resource
		}
	}
	return r.Resource == resource && len(r.Match) == 0
}

// GiveUp is a snapshot that is to go, at once or, as long as the rule says that keeps it
// longest, by way of the recycle bin. rules are those of its account.
func (s Snapshot) GiveUp(now time.Time, rules iter.Seq[RecycleRule]) Snapshot {
	days := keptFor("EBS_SNAPSHOT", s.Tags, rules)
	if days == 0 || s.State() != SnapshotCompleted {
		s.Delete = true
		return s
	}
	s.Binned, s.Expires = now.UTC(), now.UTC().AddDate(0, 0, days)
	return s
}

// Withdraw is an image that nothing is to be launched from any more, for good or, as long as
// the rule says that keeps it longest, until it is restored from the recycle bin.
func (i Image) Withdraw(now time.Time, rules iter.Seq[RecycleRule]) Image {
	i.Retired = true
	if days := keptFor("EC2_IMAGE", i.Tags, rules); days > 0 && !i.Pending && i.Failure == "" {
		i.Binned, i.Expires = now.UTC(), now.UTC().AddDate(0, 0, days)
	}
	return i
}

// keptFor is for how many days such a resource is kept in the recycle bin.
func keptFor(resource string, tags map[string]string, rules iter.Seq[RecycleRule]) (days int) {
	for r := range rules {
		if r.Keeps(resource, tags) {
			days = max(days, r.Days)
		}
	}
	return days
}

// Changeable reports whether it may be changed or deleted.
func (r RecycleRule) Changeable(now time.Time) bool { return !r.Locked && !now.Before(r.Unlocks) }

// Table is "recyclerule".
func (RecycleRule) Table() string { return "recyclerule" }

// Labels finds the rules of an account.
func (r RecycleRule) Labels() []string { return []string{AccountLabel(r.Account)} }
