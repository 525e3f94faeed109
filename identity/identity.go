// Package identity knows who may do what: it finds the principals of a cloud in
// the store, proves whom an access key or a session token stands for, gathers the
// policies that apply to a request, and has package policy decide.
//
// It guarantees that every decision is made on one revision of the store, that
// what was deleted or taken away counts from the next request on, and that
// session tokens prove themselves: they are sealed, not looked up. It writes
// nothing but the cloud's own keys and when credentials were last used.
package identity

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The tables that principals and their policies are in.
var (
	accountTable      store.Table[cloud.Account]
	accessKeyTable    store.Table[cloud.AccessKey]
	lastUseTable      store.Table[cloud.LastUse]
	userTable         store.Table[cloud.User]
	groupTable        store.Table[cloud.Group]
	roleTable         store.Table[cloud.Role]
	endpointTable     store.Table[cloud.Endpoint]
	policyTable       store.Table[cloud.ManagedPolicy]
	mfaTable          store.Table[cloud.MFADevice]
	sealedKeyTable    store.Table[cloud.SealedKey]
	organizationTable store.Table[cloud.Organization]
	unitTable         store.Table[cloud.OrganizationalUnit]
	controlTable      store.Table[cloud.ControlPolicy]
)

// The prefixes of unique IDs:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
const (
	UserPrefix            = "AIDA"
	GroupPrefix           = "AGPA"
	RolePrefix            = "AROA"
	PolicyPrefix          = "ANPA"
	InstanceProfilePrefix = "AIPA"
	KeyPrefix             = "AKIA" // of access keys that last
	SessionPrefix         = "ASIA" // of temporary ones
)

// NewID returns a fresh unique ID: the prefix and 17 letters and digits.
func NewID(prefix string) string { return prefix + letters(17) }

// NewAccessKeyID returns a fresh access key ID: the prefix and 16 letters and digits.
func NewAccessKeyID(prefix string) string { return prefix + letters(16) }

// NewSecret returns a fresh secret access key: 40 characters, 240 random bits.
func NewSecret() string { return base64.StdEncoding.EncodeToString(random(30)) }

func letters(n int) string { return base32.StdEncoding.EncodeToString(random(n))[:n] }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// named finds the document that holds a name in a space.
func named[T store.Document](r store.Reader, table store.Table[T], space, name string) (T, bool) {
	id, ok := store.Owner(r, space, cloud.IAMName(name))
	if !ok {
		var none T
		return none, false
	}
	return table.Get(r, id)
}

// User finds a user of an account by name, as the other functions find their kind.
func User(r store.Reader, account, name string) (cloud.User, bool) {
	return named(r, userTable, cloud.UserNames(account), name)
}

// Group finds a group.
func Group(r store.Reader, account, name string) (cloud.Group, bool) {
	return named(r, groupTable, cloud.IAMGroupNames(account), name)
}

// Role finds a role.
func Role(r store.Reader, account, name string) (cloud.Role, bool) {
	return named(r, roleTable, cloud.RoleNames(account), name)
}

// Policy finds a customer managed policy by its ARN, path included.
func Policy(r store.Reader, arn string) (cloud.ManagedPolicy, bool) {
	account, resource, ok := splitARN(arn)
	if !ok {
		return cloud.ManagedPolicy{}, false
	}
	p, ok := named(r, policyTable, cloud.ManagedPolicyNames(account), resource[strings.LastIndexByte(resource, '/')+1:])
	return p, ok && p.Resource() == resource
}

// splitARN returns account and resource of "arn:aws:iam::ACCOUNT:RESOURCE".
func splitARN(arn string) (account, resource string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[2] != "iam" && parts[2] != "sts" || parts[3] != "" {
		return "", "", false
	}
	return parts[4], parts[5], true
}
