package cloud

// PublicAccessBlock says what of a bucket, or of all buckets of an account, may not
// be made public.
type PublicAccessBlock struct {
	BlockACLs, IgnoreACLs, BlockPolicy, RestrictBuckets bool
}

// And is a block that blocks what either does; nil blocks nothing.
func (p *PublicAccessBlock) And(other *PublicAccessBlock) PublicAccessBlock {
	var both PublicAccessBlock
	for _, b := range []*PublicAccessBlock{p, other} {
		if b != nil {
			both.BlockACLs = both.BlockACLs || b.BlockACLs
			both.IgnoreACLs = both.IgnoreACLs || b.IgnoreACLs
			both.BlockPolicy = both.BlockPolicy || b.BlockPolicy
			both.RestrictBuckets = both.RestrictBuckets || b.RestrictBuckets
		}
	}
	return both
}

// ACL is the access control list of a bucket or an object:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
type ACL struct {
	Owner  string     // account
	Grants []ACLGrant `json:",omitempty"`
}

// ACLGrant is a permission for an account or a group; the other is empty.
type ACLGrant struct {
	Account    string `json:",omitempty"`
	Group      string `json:",omitempty"` // "AllUsers", "AuthenticatedUsers", "LogDelivery"
	Permission string // "FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"
}

// The groups of grantees. The first two are everybody, and so public.
const (
	GroupAllUsers      = "AllUsers"
	GroupAuthenticated = "AuthenticatedUsers"
	GroupLogDelivery   = "LogDelivery"
)

// Public reports whether a grant is to everybody.
func (g ACLGrant) Public() bool { return g.Group == GroupAllUsers || g.Group == GroupAuthenticated }
