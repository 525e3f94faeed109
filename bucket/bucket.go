// Package bucket says what a bucket's settings mean for an object in it, whoever
// writes it or removes it: the owner, a lifecycle, or the cloud itself.
//
// It does no I/O, and decides nothing that a request or the cloud did not bring.
package bucket

import (
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// Modes are those of object lock by their names in the API.
var Modes = map[string]object.Mode{ //nolint:gochecknoglobals // never changed
	"GOVERNANCE": object.Governance, "COMPLIANCE": object.Compliance,
}

// Retention is how long what is made in a bucket at a moment is retained by default.
func Retention(b cloud.Bucket, made time.Time) object.Retention {
	if b.Retention == nil {
		return object.Retention{}
	}
	return object.Retention{Mode: Modes[b.Retention.Mode], Until: b.Retention.Until(made)}
}

// Notes says what a change of an object leaves for those whom the bucket notifies;
// nil if there is nobody. The event, when it was, and who did it are told by what; the
// rest follows from the object.
func Notes(b cloud.Bucket, what func(object.Info) cloud.ObjectEvent) object.Notes {
	if len(b.Notifications) == 0 {
		return nil
	}
	return func(i object.Info) (list []object.Note) {
		e := what(i)
		e.Bucket, e.Owner, e.Key = b.Name, b.Account, i.Key
		if i.Version != object.NullVersion {
			e.Version = i.Version
		}
		if e.Made() {
			e.Size = &i.Size
		}
		if !e.Removed() {
			e.ETag = i.ETag
		}
		for _, m := range b.Messages(e) {
			list = append(list, object.Note(m))
		}
		return list
	}
}
