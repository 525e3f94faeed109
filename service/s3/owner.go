package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

// ownerOf is an account as the API names owners: by a canonical user ID, which does
// not tell the account's number.
func (s *Service) ownerOf(account string) *api.Owner {
	mac := hmac.New(sha256.New, s.PageKey)
	mac.Write([]byte("canonical user/" + account))
	return &api.Owner{ID: new(hex.EncodeToString(mac.Sum(nil)))}
}
