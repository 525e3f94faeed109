package identity

import (
	"bytes"
	"compress/flate"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/seal"
)

// MaxToken is how long a session token may be, in characters: clients send it in
// a header of every request.
const MaxToken = 4096

// maxSession bounds a session when it is unpacked, in bytes.
const maxSession = 1 << 20

const (
	tokenOwner   = "session" // what session tokens are sealed for
	tokenVersion = 1         // their first byte
)

// Mint completes a session with an access key and a secret, and returns it with
// its session token. The token may be longer than MaxToken: who lets callers put
// much into a session looks.
func (k *Keyring) Mint(s cloud.Session) (cloud.Session, string, error) { return k.MintLong(s, 0) }

// MintLong is Mint, except that the token has at least so many characters, for
// clients that want to know whether they can carry long ones.
func (k *Keyring) MintLong(s cloud.Session, least int) (cloud.Session, string, error) {
	s.AccessKey, s.Secret = newSessionKeyID(s.Account), NewSecret()
	packed, err := pack(s)
	if err != nil {
		return s, "", fmt.Errorf("pack session: %w", err)
	}
	// What follows the end of the packed session is not looked at.
	const around = 1 + seal.Overhead
	if bytes := (least + 3) / 4 * 3; len(packed)+around < bytes-2 {
		packed = append(packed, make([]byte, bytes-2-around-len(packed))...)
	}
	raw := append([]byte{tokenVersion}, k.Tokens.Seal(tokenOwner, packed)...)
	return s, base64.StdEncoding.EncodeToString(raw), nil
}

// Open returns the session that a token holds, expired or not, or seal.ErrSealed.
func (k *Keyring) Open(token string) (cloud.Session, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	// The decoder skips line breaks: a token has none.
	if err != nil || len(raw) == 0 || raw[0] != tokenVersion || strings.ContainsAny(token, "\r\n") {
		return cloud.Session{}, seal.ErrSealed
	}
	packed, err := k.Tokens.Open(tokenOwner, raw[1:])
	if err != nil {
		return cloud.Session{}, err
	}
	return unpack[cloud.Session](packed)
}

// The ID of a session's access key carries the account, since nobody keeps a list
// of sessions: 8 characters of base 32 are 40 bits, and 12 digits fit into them.
const (
	accountBytes   = 5
	accountLetters = 8
)

// newSessionKeyID returns a fresh access key ID for a session of an account.
func newSessionKeyID(account string) string {
	n, _ := strconv.ParseUint(account, 10, 8*accountBytes) // accounts are numbers of 12 digits
	var raw [accountBytes]byte
	for i := range raw {
		raw[i] = byte(n >> (8 * (accountBytes - 1 - i)))
	}
	return SessionPrefix + base32.StdEncoding.EncodeToString(raw[:]) + letters(16-accountLetters)
}

// SessionAccount returns the account that the ID of a session's access key
// carries. It does not say that there ever was such a session.
func SessionAccount(key string) (account string, ok bool) {
	rest, ok := strings.CutPrefix(key, SessionPrefix)
	if !ok || len(rest) != 16 {
		return "", false
	}
	raw, err := base32.StdEncoding.DecodeString(rest[:accountLetters])
	if err != nil {
		return "", false
	}
	var n uint64
	for _, b := range raw {
		n = n<<8 | uint64(b)
	}
	account = fmt.Sprintf("%012d", n)
	return account, len(account) == 12
}

// PackedSize is how many bytes session policies and tags take in a token.
func PackedSize(policies, arns []string, tags map[string]string) (int, error) {
	packed, err := pack(struct {
		Policies []string          `json:",omitempty"`
		ARNs     []string          `json:",omitempty"`
		Tags     map[string]string `json:",omitempty"`
	}{policies, arns, tags})
	return len(packed), err
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

// inflaters are readers to use again: one has 40 KiB, and every request with a
// session token needs one.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

func unpack[T any](packed []byte) (v T, err error) {
	r := inflaters.Get().(io.ReadCloser) //nolint:errcheck // New makes nothing else
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(packed), nil); err != nil { //nolint:errcheck // of package flate
		return v, err
	}
	err = json.NewDecoder(io.LimitReader(r, maxSession)).Decode(&v)
	return v, err
}
