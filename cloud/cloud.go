// Package cloud is the vocabulary of Vauban: plain structs of every resource,
// their identifiers, states, errors and validation.
//
// It does no I/O, imports nothing of the project, and guarantees that a value
// which passed its Validate is one that the rest of the system can act on. Every
// resource is a document: it names its table, its key, and the labels under
// which lists find it. It does not say who may see or change a resource.
package cloud

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// Meta is what every tenant's resource carries.
type Meta struct {
	ID      string            // the resource's key, e.g. "i-0123456789abcdef0"
	Account string            // the owning account, 12 digits
	Created time.Time         // UTC
	Tags    map[string]string `json:",omitempty"`
}

// Key returns the resource's identifier.
func (m Meta) Key() string { return m.ID }

// ResourceMeta returns the shared part, for code that works on any resource.
func (m Meta) ResourceMeta() Meta { return m }

// AccountLabel is the index entry of every resource of an account.
func AccountLabel(account string) string { return "account/" + account }

// NewID returns a fresh identifier of the form that AWS uses for long IDs:
// the prefix, a dash, and 17 hexadecimal digits.
func NewID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + "-0" + hex.EncodeToString(b[:])[:16]
}

// ValidID reports whether id has the given prefix, a dash, and 8 or 17
// hexadecimal digits, the two lengths that AWS has issued.
func ValidID(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix+"-")
	if !ok || len(rest) != 8 && len(rest) != 17 {
		return false
	}
	return strings.Trim(rest, "0123456789abcdef") == ""
}
