package ec2

import (
	"errors"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/service/internal/clienttoken"
	"github.com/vauban-cloud/vauban/store"
)

const maxClientToken = 64 // ASCII characters

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
	ids, repeated, err = clienttoken.Use{Account: c.Account, Operation: operation, Token: *token}.Once(tx, s.Now(), request, create)
	if errors.Is(err, clienttoken.ErrMismatch) {
		err = cloud.Errorf("IdempotentParameterMismatch", "The client token '%s' was already used for a request with other parameters", *token)
	}
	return ids, repeated, err
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
