//go:build linux

package rbd

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestParseValues(t *testing.T) {
	got, err := parseValues([]byte("cloud\nvalue (2 bytes) :\n00000000  7b 7d                                             |{}|\n00000002\n\n" +
		"volume/vol-1\nvalue (18 bytes) :\n00000000  61 7c 61 61 61 61 61 61  61 61 61 61 61 61 61 61  |a|aaaaaaaaaaaaaa|\n00000010  62 62   |bb|\n00000012\n\n"))
	want := map[string]string{"cloud": "{}", "volume/vol-1": "a|aaaaaaaaaaaaaabb"}
	text := map[string]string{}
	for key, value := range got {
		text[key] = string(value)
	}
	if err != nil || !maps.Equal(text, want) {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
}

func FuzzParseValues(f *testing.F) {
	f.Add([]byte("volume/vol-1\nvalue (2 bytes) :\n00000000  7b 7d   |{}|\n00000002\n\n"))
	f.Add([]byte("a\nvalue (-1 bytes) :\n\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		values, err := parseValues(out)
		for key, value := range values {
			if key == "" || err == nil && len(value) > len(out) {
				t.Errorf("%q has %d bytes, of %d that were said", key, len(value), len(out))
			}
		}
	})
}

func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring")
	if err := os.WriteFile(path, []byte("[client.a]\n key = AAA==\n caps mon = \"profile rbd\"\n[client.b]\nkey=BBB=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"a": "AAA==", "b": "BBB=", "c": ""} {
		if got, err := readKey(path, user); got != want || (err == nil) != (want != "") {
			t.Errorf("key of %s: %q, %v, want %q", user, got, err, want)
		}
	}
}
