package qcow2

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"golang.org/x/crypto/xts"
)

const (
	keyBytes   = 64   // AES-256 in XTS mode takes two keys
	iterations = 1000 // of PBKDF2: the passphrase is as random as a key
	stripes    = 4000
	slots      = 8
	saltBytes  = 32
	sector     = 512
	slotBytes  = (keyBytes*stripes + 4095) / 4096 * 4096
	firstSlot  = 4096
	luksBytes  = firstSlot + slots*slotBytes // header and all slots
)

// luks is a LUKS 1 header with one passphrase.
type luks struct {
	head     []byte
	material []byte // of the first slot
}

// newLUKS makes a header with a new master key that the passphrase opens.
func newLUKS(secret []byte) (*luks, error) {
	master, salt, slotSalt := random(keyBytes), random(saltBytes), random(saltBytes)
	digest, err := derive(master, salt, iterations, 20)
	if err != nil {
		return nil, err
	}
	slotKey, err := derive(secret, slotSalt, iterations, keyBytes)
	if err != nil {
		return nil, err
	}
	material := split(master)
	cipher, err := xts.NewCipher(aes.NewCipher, slotKey)
	if err != nil {
		return nil, fmt.Errorf("encrypt a key: %w", err)
	}
	material = append(material, make([]byte, (sector-len(material)%sector)%sector)...)
	for n := 0; n*sector < len(material); n++ {
		s := material[n*sector : (n+1)*sector]
		cipher.Encrypt(s, s, uint64(n)) //nolint:gosec // positive
	}
	b := binary.BigEndian
	h := append([]byte("LUKS\xba\xbe"), 0, 1) // version 1
	for _, name := range []string{"aes", "xts-plain64", "sha256"} {
		h = append(h, padded(name, 32)...)
	}
	h = b.AppendUint32(h, luksBytes/sector) // where data would begin
	h = b.AppendUint32(h, keyBytes)
	h = append(append(h, digest...), salt...)
	h = b.AppendUint32(h, iterations)
	h = append(h, padded(uuid(), 40)...)
	for n := range slots {
		state, count, s := uint32(0x0000dead), uint32(0), make([]byte, saltBytes)
		if n == 0 {
			state, count, s = 0x00ac71f3, iterations, slotSalt
		}
		h = b.AppendUint32(h, state)
		h = b.AppendUint32(h, count)
		h = append(h, s...)
		h = b.AppendUint32(h, uint32(firstSlot+n*slotBytes)/sector) //nolint:gosec // a few megabytes
		h = b.AppendUint32(h, stripes)
	}
	return &luks{h, material}, nil
}

func (l *luks) write(w io.WriterAt, at int64) error {
	_, err := w.WriteAt(l.head, at)
	_, err2 := w.WriteAt(l.material, at+firstSlot)
	return errors.Join(err, err2)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // it never fails
	return b
}

// derive makes n bytes of a secret.
func derive(secret, salt []byte, count, n int) ([]byte, error) {
	key, err := pbkdf2.Key(func() hash.Hash { return sha256.New() }, string(secret), salt, count, n)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}

func padded(s string, n int) []byte { return append([]byte(s), make([]byte, n-len(s))...) }

func uuid() string {
	b := random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// split spreads a key over stripes, all of which are needed to put it together again
// (the standard's section 2.4).
func split(key []byte) []byte {
	out := random(len(key) * stripes)
	last := make([]byte, len(key))
	for s := range stripes - 1 {
		for i := range last {
			last[i] ^= out[s*len(key)+i]
		}
		diffuse(last)
	}
	for i := range last {
		out[(stripes-1)*len(key)+i] = last[i] ^ key[i]
	}
	return out
}

// diffuse hashes a block, piece by piece.
func diffuse(block []byte) {
	for n := 0; n*sha256.Size < len(block); n++ {
		piece := block[n*sha256.Size : min(len(block), (n+1)*sha256.Size)]
		sum := sha256.Sum256(append(binary.BigEndian.AppendUint32(nil, uint32(n)), piece...)) //nolint:gosec // small
		copy(piece, sum[:])
	}
}
