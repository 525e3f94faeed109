package store

import (
	"fmt"
	"net/url"
)

// claim is the document of a claimed value. Changes does not show it.
type claim struct {
	ID    string // see claimID
	Owner string
}

var claims Table[claim]

// Table is "claim".
func (claim) Table() string { return "claim" }

// Key is made of the space and the value.
func (c claim) Key() string { return c.ID }

// Labels finds all that an owner holds.
func (c claim) Labels() []string { return []string{c.Owner} }

// claimID is never the same for two pairs: the first slash ends the space.
func claimID(space, value string) string { return url.PathEscape(space) + "/" + value }

// Claim makes owner, the ID of a resource, the only holder of the value in its
// space. It returns a *ClaimedError if another holds it, and nil if owner does
// already.
func (tx *Tx) Claim(space, value, owner string) error {
	c := claim{ID: claimID(space, value), Owner: owner}
	if err := validName(owner); err != nil {
		return fmt.Errorf("claim %s %s: owner: %w", space, value, err)
	}
	held, ok := claims.Get(tx, c.ID)
	switch {
	case !ok:
		return claims.Create(tx, c)
	case held.Owner != owner:
		return &ClaimedError{Space: space, Value: value, Owner: held.Owner}
	}
	return nil
}

// Release ends the claim on the value, whoever holds it, if anybody does.
func (tx *Tx) Release(space, value string) {
	id := claimID(space, value)
	if _, ok := claims.Get(tx, id); ok {
		claims.drop(tx, id)
	}
}

// ReleaseAll ends all claims of the owner, in every space.
func (tx *Tx) ReleaseAll(owner string) {
	if owner == "" {
		return // nobody's name, and the label of all
	}
	for c := range claims.Select(tx, owner) {
		claims.drop(tx, c.ID)
	}
}

// Owner returns who holds the value.
func Owner(r Reader, space, value string) (string, bool) {
	c, ok := claims.Get(r, claimID(space, value))
	return c.Owner, ok
}
