// Package clienttoken makes requests idempotent: one that comes again with the client token
// of an earlier one makes nothing, and is told what the first made.
//
// It guarantees so for a day, within the transaction that makes the resources. It does not say
// which tokens a service takes.
package clienttoken

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// life is how long a token counts; control/clienttoken then removes it.
const life = 24 * time.Hour

// ErrMismatch says that the token was used for another request.
var ErrMismatch = errors.New("the client token was used for a request with other parameters")

var tokens store.Table[cloud.ClientToken]

// Use is a token as an account used it for an operation.
type Use struct{ Account, Operation, Token string }

// Once returns the IDs that the first request with the token made, and repeated; or calls
// create, which makes the resources in tx and returns their IDs. request is any value that
// encoding/json carries. With an empty token every request is new.
func (u Use) Once(tx *store.Tx, now time.Time, request any, create func() ([]string, error)) (ids []string, repeated bool, err error) {
	if u.Token == "" {
		ids, err = create()
		return ids, false, err
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, false, fmt.Errorf("hash request: %w", err)
	}
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:])
	key := u.Account + "/" + u.Operation + "/" + u.Token
	if t, ok := tokens.Get(tx, key); ok && now.Sub(t.Created) < life {
		if t.Hash != hash {
			return nil, false, ErrMismatch
		}
		return t.Resources, true, nil
	}
	if ids, err = create(); err != nil {
		return nil, false, err
	}
	return ids, false, tokens.Put(tx, cloud.ClientToken{Token: key, Account: u.Account, Hash: hash, Resources: ids, Created: now})
}
