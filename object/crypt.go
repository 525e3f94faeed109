package object

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/seal"
)

// A blob is blocks of plainBlock bytes, each sealed by AES-256-GCM under the
// object's data key. The nonce is the blob's number, which no other blob has, the
// block's, and whether it is the last (as in STREAM, Hoang et al., CRYPTO 2015):
// blocks can neither be moved, nor dropped, nor exchanged.
const (
	tagSize    = 16
	plainBlock = blob.BlockSize - tagSize - blob.SumSize
	overhead   = blob.BlockSize - plainBlock
	lastBlock  = 1 << 31
	// MaxSize is the largest blob, in bytes.
	MaxSize = lastBlock * plainBlock
)

// blocks is how many a blob of so many bytes has.
func blocks(size int64) int64 { return (size + plainBlock - 1) / plainBlock }

// storedSize is how many bytes the blob takes that holds so many.
func storedSize(size int64) int64 { return size + blocks(size)*overhead }

// cryptor seals and opens the blocks of one blob.
type cryptor struct {
	aead cipher.AEAD
	id   uint64
}

func (s *Store) cryptor(dataKey []byte, id uint64) (cryptor, error) {
	aead, err := s.aead(dataKey)
	return cryptor{aead, id}, err
}

// aesGCM is AES-256-GCM under a key of 32 bytes.
func aesGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (c cryptor) nonce(n int64, last bool) []byte {
	k := uint32(n)
	if last {
		k |= lastBlock
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 12), c.id)
	return binary.BigEndian.AppendUint32(b, k)
}

// seal appends to dst the n-th block.
func (c cryptor) seal(dst, plain []byte, n int64, last bool) []byte {
	begin := len(dst)
	dst = c.aead.Seal(dst, c.nonce(n, last), plain, nil)
	return append(dst[:begin], blob.Finish(dst[begin:])...)
}

// open appends to dst the plain text of the n-th block. dst may be block[:0].
func (c cryptor) open(dst, block []byte, n int64, last bool) ([]byte, error) {
	if len(block) <= overhead {
		return nil, ErrCorrupt
	}
	plain, err := c.aead.Open(dst, c.nonce(n, last), block[:len(block)-blob.SumSize], nil)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", n, ErrCorrupt)
	}
	return plain, nil
}

// owner is what a data key is sealed for.
func owner(bucket, key string, id uint64) string {
	return bucket + "/" + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, id)) + "/" + key
}

// wrapper returns the key that data keys are sealed under: the bucket's, or the
// caller's if one is given.
func (s *Store) wrapper(ctx context.Context, bucket string, customer []byte) (*seal.Key, error) {
	if customer != nil {
		k, err := seal.New(customer)
		if err != nil {
			return nil, refuse(ErrInput, "%v", err)
		}
		return k, nil
	}
	return s.Keys.BucketKey(ctx, bucket)
}

// unwrap returns a data key, given the caller's key if that is what it was sealed under.
func (s *Store) unwrap(ctx context.Context, bucket, key string, id uint64, sealed []byte, isCustomer bool, customer []byte) ([]byte, error) {
	if isCustomer != (customer != nil) {
		if isCustomer {
			return nil, ErrCustomerKey
		}
		return nil, ErrNotSealed
	}
	k, err := s.wrapper(ctx, bucket, customer)
	if err != nil {
		return nil, err
	}
	dataKey, err := k.Open(owner(bucket, key, id), sealed)
	if errors.Is(err, seal.ErrSealed) && isCustomer {
		return nil, ErrWrongKey
	} else if err != nil {
		return nil, fmt.Errorf("data key of %q: %w", key, err)
	}
	return dataKey, nil
}
