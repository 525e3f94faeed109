// Package checksum computes the checksums that S3 knows: of whole objects, of
// parts, and of objects from those of their parts.
//
// It guarantees what the User Guide's "Checking object integrity" says of them, and
// nothing of the headers that carry them.
package checksum

import (
	"crypto/md5"  //nolint:gosec // S3's; it protects nothing here
	"crypto/sha1" //nolint:gosec // S3's; it protects nothing here
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"
)

// Algorithm names an algorithm as S3 does.
type Algorithm string

// The algorithms. None computes nothing.
const (
	None      Algorithm = ""
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
	SHA512    Algorithm = "SHA512"
	MD5       Algorithm = "MD5"
	XXHASH64  Algorithm = "XXHASH64"
	XXHASH3   Algorithm = "XXHASH3"
	XXHASH128 Algorithm = "XXHASH128"
)

// Algorithms are all of them, None aside.
var Algorithms = []Algorithm{CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64} //nolint:gochecknoglobals // never changed

// Type is what the checksum of an object in parts is of.
type Type string

// The types of checksums.
const (
	FullObject Type = "FULL_OBJECT" // the bytes
	Composite  Type = "COMPOSITE"   // the parts' checksums, one after another
)

// Sum is the checksum of an object or of a part.
type Sum struct {
	Algorithm Algorithm
	Type      Type
	Value     []byte // Size bytes, big-endian
}

// ErrAlgorithm says that there is no such algorithm, or not of that type.
var ErrAlgorithm = errors.New("no such checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// New returns a hash, or nil for None.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoli)
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New() //nolint:gosec // as above
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	case MD5:
		return md5.New() //nolint:gosec // as above
	case XXHASH64:
		return xxhash.New()
	case XXHASH3:
		return xxh3.New()
	case XXHASH128:
		return xxh128{xxh3.New()}
	default:
		return nil
	}
}

// xxh128 is the hash of 128 bits that xxh3 computes besides.
type xxh128 struct{ *xxh3.Hasher }

// Size is 16 bytes.
func (xxh128) Size() int { return 16 }

// Sum appends them, big-endian.
func (x xxh128) Sum(b []byte) []byte {
	sum := x.Sum128().Bytes()
	return append(b, sum[:]...)
}

// Size is the size of the algorithm's values in bytes, 0 for None, -1 if it is unknown.
func (a Algorithm) Size() int {
	if a == None {
		return 0
	}
	if h := a.New(); h != nil {
		return h.Size()
	}
	return -1
}

// Default is the type that objects in parts have if the caller names none.
func (a Algorithm) Default() Type {
	if a == CRC64NVME {
		return FullObject
	}
	return Composite
}

// Check returns ErrAlgorithm unless objects in parts can have such a checksum.
func (a Algorithm) Check(t Type) error {
	crc := a == CRC32 || a == CRC32C || a == CRC64NVME
	switch {
	case a.Size() < 0:
		return fmt.Errorf("%w as %q: use one of %v", ErrAlgorithm, a, Algorithms)
	case t == FullObject && (crc || a == None), t == Composite && a != CRC64NVME:
		return nil
	default:
		return fmt.Errorf("%w as %s of type %q: CRC64NVME is of type FULL_OBJECT only, all but the CRCs of type COMPOSITE only", ErrAlgorithm, a, t)
	}
}
