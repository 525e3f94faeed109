package seal

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// File is a root key in a file that only its owner may read: one line, the key in
// base64.
type File struct {
	id  string
	key *Key
}

// OpenFile reads the root key, and refuses a file that others can read.
func OpenFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("root key %s may be read by others (mode %04o): if nobody did, run chmod 600 %s", path, mode, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("root key %s is not %d bytes in base64: bring back the file that the cloud was made with", path, KeySize)
	}
	return newFile(key)
}

// CreateFile makes a root key in a new file of mode 0600, and fails if there is
// one. The key is on stable storage when it returns.
func CreateFile(path string) (*File, error) {
	key := NewKey()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return nil, errors.Join(fmt.Errorf("make root key %s: %w", path, err), os.Remove(path))
	}
	return newFile(key)
}

// Missing reports whether an error of OpenFile says that there is no file.
func Missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// newFile derives a wrapping key and a name from the root key (RFC 5869), so that
// the name tells nothing of it.
func newFile(root []byte) (*File, error) {
	wrapping, err := hkdf.Key(sha256.New, root, nil, "vauban wrap", KeySize)
	if err != nil {
		return nil, err
	}
	name, err := hkdf.Key(sha256.New, root, nil, "vauban name", 8)
	if err != nil {
		return nil, err
	}
	key, err := New(wrapping)
	if err != nil {
		return nil, err
	}
	return &File{id: "file-" + hex.EncodeToString(name), key: key}, nil
}

// ID names the key.
func (f *File) ID() string { return f.id }

// Wrap encrypts a data key.
func (f *File) Wrap(_ context.Context, name string, key []byte) ([]byte, error) {
	return f.key.Seal(name, key), nil
}

// Unwrap decrypts a data key.
func (f *File) Unwrap(_ context.Context, name string, wrapped []byte) ([]byte, error) {
	return f.key.Open(name, wrapped)
}
