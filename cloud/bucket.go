package cloud

import "time"

// Bucket is a bucket of the object store. Its name is claimed in the whole cloud;
// its objects, its versioning and its object lock are what package object keeps
// under its ID. The API writes it.
type Bucket struct {
	Meta
	Name string
	// Sealed is what package object seals the bucket's objects with, itself sealed for
	// the ID. Without it they cannot be read.
	Sealed []byte

	Policy       string             `json:",omitempty"` // with the IDs of the users and roles that it names
	PublicAccess *PublicAccessBlock `json:",omitempty"`
	// Ownership says whose objects are: "BucketOwnerEnforced", which disables ACLs,
	// "BucketOwnerPreferred", "ObjectWriter"; empty is as the last.
	Ownership string
	ACL       *ACL       `json:",omitempty"` // nil: the owner alone
	CORS      []CORSRule `json:",omitempty"`
	Website   *Website   `json:",omitempty"`

	Lifecycle     Lifecycle         `json:",omitempty"`
	LeastMoved    string            `json:",omitempty"` // what the lifecycle's writer said of the size of transitions, which there are none of
	Retention     *DefaultRetention `json:",omitempty"` // of new objects
	Notifications []Notification    `json:",omitempty"`
	Logging       *BucketLogging    `json:",omitempty"`
}

// DefaultRetention is how long new objects of a bucket are retained.
type DefaultRetention struct {
	Mode  string // "GOVERNANCE" or "COMPLIANCE"
	Days  int    `json:",omitempty"`
	Years int    `json:",omitempty"` // one of the two is not 0
}

// Until is the end of the retention of what is made at a moment.
func (r DefaultRetention) Until(made time.Time) time.Time {
	return made.UTC().AddDate(r.Years, 0, r.Days).Truncate(time.Millisecond)
}

// BucketLogging says where the accesses to a bucket are logged.
type BucketLogging struct {
	Bucket string // ID of the target, of the same account
	Name   string // its name then
	Prefix string
	// Partition is how the keys go on behind the prefix: "" for the time of delivery,
	// "EventTime" or "DeliveryTime" for folders of account, region, bucket and day.
	Partition string `json:",omitempty"`
	Simple    bool   `json:",omitempty"` // the caller named the simple form
}

// Table is "bucket".
func (Bucket) Table() string { return "bucket" }

// Labels finds the buckets of an account.
func (b Bucket) Labels() []string { return []string{AccountLabel(b.Account)} }

// BucketNames is the space in which the names of buckets are claimed.
const BucketNames = "bucketname"
