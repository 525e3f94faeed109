// Package page makes the tokens that lead from one page of a list to the next.
//
// A token carries the key that its page ended with, in the open, and a code that
// proves that the cloud made it, for that scope: an account, an operation, and
// whatever else the list is of. It holds for as long as the cloud's page key.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// proof is how many bytes of its authentication code a token carries.
const proof = 16

// Scope is what a token is good for; its parts are compared one by one.
type Scope []string

// Seal makes the token for the page after mark.
func Seal(key []byte, scope Scope, mark string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(append(slices.Clip(scope), mark), "\x00")))
	return base64.RawURLEncoding.EncodeToString(append(mac.Sum(nil)[:proof], mark...))
}

// Open returns the mark of a token, false if it is not one of the scope.
func Open(key []byte, scope Scope, token string) (mark string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= proof {
		return "", false
	}
	mark = string(raw[proof:])
	return mark, hmac.Equal([]byte(token), []byte(Seal(key, scope, mark)))
}
