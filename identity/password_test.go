package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/identity/identitytest"
)

func TestPasswords(t *testing.T) {
	c := identitytest.New(t)
	hash, err := c.HashPassword(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=32768,t=5,p=1$") {
		t.Errorf("hash is %s", hash)
	}
	if again, _ := c.HashPassword(t.Context(), "correct horse"); again == hash {
		t.Error("the same password has the same hash twice: there is no salt")
	}
	for password, want := range map[string]bool{"correct horse": true, "Correct horse": false, "correct horse ": false, "": false} {
		if got, err := c.CheckPassword(t.Context(), hash, password); got != want || err != nil {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
}

func TestCheckPasswordRefusesOtherHashes(t *testing.T) {
	c := identitytest.New(t)
	const salt, sum = "c29tZXNhbHQxNmJ5dGVzIQ", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, hash := range []string{
		"",
		"password",
		"$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=4194304,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=100000,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$",
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$!",
	} {
		if ok, err := c.CheckPassword(t.Context(), hash, "password"); ok || err == nil {
			t.Errorf("%q: %v, %v", hash, ok, err)
		}
	}
	if ok, err := c.CheckPassword(t.Context(), "$argon2id$v=19$m=64,t=1,p=1$"+salt+"$"+sum, "password"); ok || err != nil {
		t.Errorf("one of other parameters: %v, %v", ok, err)
	}
}

func TestHashPasswordStopsWaiting(t *testing.T) {
	c := identitytest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.HashPassword(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
