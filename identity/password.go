package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// The parameters of new hashes: argon2id with more passes over half the memory of
// RFC 9106's second recommendation (3 passes, 64 MiB), and one lane instead of
// four, for machines with two cores that have guests to run.
const (
	hashPasses = 5
	hashMemory = 32 << 10 // KiB
	hashLanes  = 1
	hashSalt   = 16 // bytes
	hashSize   = 32 // bytes
)

// hashesAtOnce bounds the memory that sign-ins can take: 64 MiB.
const hashesAtOnce = 2

// maxHashMemory bounds what a stored hash may ask for, in KiB, and maxHashPasses
// the time: no hash that the cloud ever made asks for more.
const (
	maxHashMemory = 64 << 10
	maxHashPasses = 16
)

// hasher lets few hashes run at a time. The zero value is ready.
type hasher struct {
	once  sync.Once
	turns chan struct{}
}

// turn waits until there is room for one more hash, and returns what ends it.
func (h *hasher) turn(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.once.Do(func() { h.turns = make(chan struct{}, hashesAtOnce) })
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// HashPassword returns what a password is kept as: argon2id (RFC 9106) in the PHC
// string format. It waits while others are hashed, and fails only if ctx ends.
func (d *Directory) HashPassword(ctx context.Context, password string) (string, error) {
	end, err := d.hashing.turn(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	salt := random(hashSalt)
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashLanes, hashSize)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashPasses, hashLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// CheckPassword reports whether the hash, one of HashPassword's, is that of the
// password. It waits while others are hashed.
func (d *Directory) CheckPassword(ctx context.Context, hash, password string) (bool, error) {
	p, err := parseHash(hash)
	if err != nil {
		return false, err
	}
	end, err := d.hashing.turn(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	sum := argon2.IDKey([]byte(password), p.salt, p.passes, p.memory, p.lanes, uint32(len(p.sum))) //nolint:gosec // parseHash bounds it
	return subtle.ConstantTimeCompare(sum, p.sum) == 1, nil
}

// passwordHash is a PHC string, read.
type passwordHash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// parseHash reads the form that HashPassword writes, with any parameters that
// one may have had.
func parseHash(hash string) (p passwordHash, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, fmt.Errorf("password hash is not one of argon2id, version %d", argon2.Version)
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.lanes); err != nil {
		return p, fmt.Errorf("parameters of password hash: %w", err)
	}
	var errs [2]error
	p.salt, errs[0] = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	p.sum, errs[1] = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errs[0] != nil || errs[1] != nil || len(p.salt) < hashSalt || len(p.sum) != hashSize ||
		p.memory < 1 || p.memory > maxHashMemory || p.passes < 1 || p.passes > maxHashPasses || p.lanes < 1 {
		return p, fmt.Errorf("password hash %s$%s… has parameters that the cloud never used", parts[1], parts[3])
	}
	return p, nil
}
