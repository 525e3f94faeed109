package cloud

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
}

// Table is "bucket".
func (Bucket) Table() string { return "bucket" }

// Labels finds the buckets of an account.
func (b Bucket) Labels() []string { return []string{AccountLabel(b.Account)} }

// BucketNames is the space in which the names of buckets are claimed.
const BucketNames = "bucketname"
