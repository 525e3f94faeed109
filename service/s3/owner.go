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
	return &api.Owner{ID: new(CanonicalID(s.PageKey, account))}
}

// CanonicalID is the canonical user ID of an account where the services have that key.
func CanonicalID(pageKey []byte, account string) string {
	mac := hmac.New(sha256.New, pageKey)
	mac.Write([]byte("canonical user/" + account))
	return hex.EncodeToString(mac.Sum(nil))
}
