package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	maxClientToken = 64             // ASCII characters
	tokenLife      = 24 * time.Hour // after which a token is as good as new; control/clienttoken removes it
)

// once makes a request idempotent: with a client token that the caller has used
// for this operation within a day, it returns the IDs that the first request
// made, and repeated; otherwise it calls create, which makes the resources in tx
// and returns their IDs. The same token with another request (any value that
// encoding/json carries) is IdempotentParameterMismatch. Without a token every
// request is new.
func (s *Service) once(tx *store.Tx, c cloud.Caller, operation string, token *string, request any, create func() ([]string, error)) (ids []string, repeated bool, err error) {
	if val(token) == "" {
		ids, err = create()
		return ids, false, err
	}
	if err := checkClientToken(*token); err != nil {
		return nil, false, err
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, false, fmt.Errorf("hash request: %w", err)
	}
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:])
	key := c.Account + "/" + operation + "/" + *token
	now := s.Now()
	if t, ok := tokenTable.Get(tx, key); ok && now.Sub(t.Created) < tokenLife {
		if t.Hash != hash {
			return nil, false, cloud.Errorf("IdempotentParameterMismatch",
				"The client token '%s' was already used for a request with other parameters", *token)
		}
		return t.Resources, true, nil
	}
	if ids, err = create(); err != nil {
		return nil, false, err
	}
	t := cloud.ClientToken{Token: key, Account: c.Account, Hash: hash, Resources: ids, Created: now}
	return ids, false, tokenTable.Put(tx, t)
}

// checkClientToken refuses tokens that are too long or not ASCII.
func checkClientToken(token string) error {
	if len(token) > maxClientToken {
		return cloud.Errorf("InvalidParameterValue", "The client token is longer than %d characters", maxClientToken)
	}
	for _, r := range token {
		if r < ' ' || r > '~' {
			return cloud.Errorf("InvalidParameterValue", "The client token has characters that are not printable ASCII")
		}
	}
	return nil
}
