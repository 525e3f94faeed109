package identity

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/seal"
)

// maxSession bounds a session when it is unpacked, in bytes.
const maxSession = 1 << 20

// tokenOwner is what session tokens are sealed for.
const tokenOwner = "session"

// Mint completes a session with an access key and a secret, and returns it with
// its session token.
func (k *Keyring) Mint(s cloud.Session) (cloud.Session, string, error) {
	s.AccessKey, s.Secret = NewAccessKeyID(SessionPrefix), NewSecret()
	packed, err := pack(s)
	if err != nil {
		return s, "", fmt.Errorf("pack session: %w", err)
	}
	return s, base64.StdEncoding.EncodeToString(k.Tokens.Seal(tokenOwner, packed)), nil
}

// Open returns the session that a token holds, expired or not, or seal.ErrSealed.
func (k *Keyring) Open(token string) (cloud.Session, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") { // which the decoder skips
		return cloud.Session{}, seal.ErrSealed
	}
	packed, err := k.Tokens.Open(tokenOwner, raw)
	if err != nil {
		return cloud.Session{}, err
	}
	return unpack[cloud.Session](packed)
}

// pack encodes small: policies and tags compress well, and tokens travel with
// every request.
func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	err = errors.Join(json.NewEncoder(w).Encode(v), w.Close())
	return b.Bytes(), err
}

func unpack[T any](packed []byte) (v T, err error) {
	r := flate.NewReader(bytes.NewReader(packed))
	defer r.Close()
	err = json.NewDecoder(io.LimitReader(r, maxSession)).Decode(&v)
	return v, err
}
