package qcow2

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/crypto/xts"
)

// ErrSecret says that a passphrase does not open a file.
var ErrSecret = errors.New("the passphrase is not the file's")

const (
	digestAt   = 112     // of the master key, in the LUKS header
	saltAt     = 132     // of that digest
	countAt    = 164     // iterations of it
	slotAt     = 208     // the first slot
	maxCount   = 1 << 17 // iterations: a damaged header must not keep us busy
	activeSlot = 0x00ac71f3
)

// openLUKS opens a header as newLUKS makes them: AES-256 in XTS mode, one passphrase.
func openLUKS(f io.ReaderAt, at int64, secret []byte) (*xts.Cipher, error) {
	h := make([]byte, slotAt+48)
	if err := readAt(f, h, at); err != nil {
		return nil, err
	}
	b := binary.BigEndian
	known := append([]byte("LUKS\xba\xbe"), 0, 1)
	for _, name := range []string{"aes", "xts-plain64", "sha256"} {
		known = append(known, padded(name, 32)...)
	}
	slot := h[slotAt:]
	count, slotCount, material := int(b.Uint32(h[countAt:])), int(b.Uint32(slot[4:])), int64(b.Uint32(slot[40:]))*sector
	switch {
	case !bytes.Equal(h[:len(known)], known) || b.Uint32(h[108:]) != keyBytes:
		return nil, errors.New("its LUKS header is of an unknown kind")
	case b.Uint32(slot) != activeSlot || b.Uint32(slot[44:]) != stripes || count > maxCount || slotCount > maxCount || count*slotCount == 0:
		return nil, errors.New("its LUKS header is damaged")
	}
	slotKey, err := derive(secret, slot[8:8+saltBytes], slotCount, keyBytes)
	if err != nil {
		return nil, err
	}
	split := make([]byte, keyBytes*stripes)
	if err := readAt(f, split, at+material); err != nil {
		return nil, err
	}
	c, err := xts.NewCipher(aes.NewCipher, slotKey)
	if err != nil {
		return nil, err
	}
	for n := 0; n*sector < len(split); n++ {
		s := split[n*sector : (n+1)*sector]
		c.Decrypt(s, s, uint64(n)) //nolint:gosec // positive
	}
	master := merge(split)
	digest, err := derive(master, h[saltAt:saltAt+saltBytes], count, 20)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(digest, h[digestAt:digestAt+20]) != 1 {
		return nil, ErrSecret
	}
	return xts.NewCipher(aes.NewCipher, master)
}

// merge puts a key together again that split spread.
func merge(all []byte) []byte {
	key := make([]byte, keyBytes)
	for s := range stripes {
		if s > 0 {
			diffuse(key)
		}
		for i := range key {
			key[i] ^= all[s*keyBytes+i]
		}
	}
	return key
}
