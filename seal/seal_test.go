package seal_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/seal"
)

func TestKey(t *testing.T) {
	k, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("wJalrXUtnFEMI/K7MDENG")
	sealed := k.Seal("AKIA1", secret)
	if len(sealed) != len(secret)+28 {
		t.Errorf("%d bytes became %d", len(secret), len(sealed))
	}
	if bytes.Contains(sealed, secret) {
		t.Error("the secret can be read in what was sealed")
	}
	if bytes.Equal(sealed, k.Seal("AKIA1", secret)) {
		t.Error("the same secret sealed twice looks the same")
	}
	if got, err := k.Open("AKIA1", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, err := k.Open("AKIA2", sealed); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("opened for another owner: %v", err)
	}
	other, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open("AKIA1", sealed); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("opened with another key: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := k.Open("AKIA1", changed); !errors.Is(err, seal.ErrSealed) {
			t.Fatalf("byte %d was changed: %v", i, err)
		}
		if _, err := k.Open("AKIA1", sealed[:i]); !errors.Is(err, seal.ErrSealed) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestNewRefusesShortKeys(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := seal.New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root.key")
	if _, err := seal.OpenFile(path); !seal.Missing(err) {
		t.Fatalf("no file: %v", err)
	}
	made, err := seal.CreateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := seal.CreateFile(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a root key was made where one is: %v", err)
	}
	key := seal.NewKey()
	wrapped, err := made.Wrap(context.Background(), "tokens", key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != made.ID() {
		t.Errorf("the key is called %s, then %s", made.ID(), again.ID())
	}
	if got, err := again.Unwrap(context.Background(), "tokens", wrapped); err != nil || !bytes.Equal(got, key) {
		t.Errorf("unwrapped %x, %v", got, err)
	}
	if _, err := again.Unwrap(context.Background(), "secrets", wrapped); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("unwrapped under another name: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if root, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err != nil || len(root) != seal.KeySize {
		t.Errorf("the file holds %d bytes, %v", len(root), err)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, seal.KeySize))
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		says string
	}{
		"others may read": {good, 0o604, "chmod 600"},
		"group may read":  {good, 0o640, "chmod 600"},
		"empty":           {"", 0o600, "32 bytes"},
		"short":           {good[:40], 0o600, "32 bytes"},
		"no base64":       {strings.Repeat("!", 44), 0o600, "32 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root.key")
			if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := seal.OpenFile(path); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want an error that says %q", err, test.says)
			}
		})
	}
}
