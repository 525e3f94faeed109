package object

import (
	"time"

	"github.com/vauban-cloud/vauban/object/checksum"
)

// NullVersion is the version of what was put while versioning was not enabled.
const NullVersion = "null"

// Info is what is known of a version of an object, or of a delete marker.
type Info struct {
	Key      string
	Version  string // 32 characters, or NullVersion
	Latest   bool   // it is the current version
	Marker   bool   // it is a delete marker, which has no bytes
	Size     int64  // in bytes, as the caller put it
	ETag     string // MD5 in hex; of objects in parts MD5 of the parts' MD5s, "-", number of parts
	Modified time.Time
	// Superseded is when a newer version came; zero for the latest.
	Superseded time.Time
	Checksum   checksum.Sum // zero if none was asked for
	Class      string       // the storage class, as the caller named it
	Owner      string       // as the caller named it
	Parts      int          // of an object in parts; else 0
	Customer   bool         // encrypted with a key that the caller gives (SSE-C)
	// Generation tells apart what was ever put under the same key and version.
	Generation uint64
	// Attributes are not filled in by listings.
	Attributes
}

// Attributes are what may change of a version after it was put.
type Attributes struct {
	User      map[string]string // the caller's metadata
	System    map[string]string // what the service keeps: content type, ACL, and so on
	Tags      map[string]string
	Retention Retention
	Hold      bool // legal hold
}

// Mode is how strictly a version is retained.
type Mode uint8

// The modes of retention, each stricter than the one before.
const (
	NotRetained Mode = iota
	Governance       // who may bypass it can shorten it, and remove the version
	Compliance       // nobody can, until it ends
)

// Retention keeps a version from being removed until a time.
type Retention struct {
	Mode  Mode
	Until time.Time // to the millisecond
}

// holds reports whether the version must stay.
func (a *Attributes) holds(now time.Time, bypass bool) bool {
	r := a.Retention
	return a.Hold || now.Before(r.Until) && (r.Mode == Compliance || r.Mode == Governance && !bypass)
}

// loosened reports whether r keeps a version less than before, or in another mode:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
func (r Retention) loosened(before Retention) bool {
	return before.Mode != NotRetained && r.Mode != before.Mode || r.Until.Before(before.Until)
}
