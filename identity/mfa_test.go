package identity_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/store"
)

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestTOTP(t *testing.T) {
	seed := []byte("12345678901234567890")
	for second, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := identity.TOTP(seed, second/30); got != want {
			t.Errorf("at %d: %s, want %s", second, got, want)
		}
	}
}

var devices store.Table[cloud.MFADevice]

const serial = "arn:aws:iam::" + identitytest.Alice + ":mfa/phone"

// device makes a device of alice's root, or of a user.
func device(c *identitytest.Cloud, user string) (seed []byte) {
	c.Helper()
	seed = identity.NewSeed()
	c.Update(func(tx *store.Tx) error {
		return devices.Put(tx, cloud.MFADevice{
			Serial: serial, Account: identitytest.Alice, Name: "phone", Path: "/", User: user,
			Sealed: c.Keys.Secrets.Seal(serial, seed), Created: c.Now(),
		})
	})
	return seed
}

func TestVerifyMFA(t *testing.T) {
	c := identitytest.New(t)
	seed := device(c, identity.RootUser)
	at := func(periods int64) string { return identity.TOTP(seed, identity.TOTPCounter(c.Now())+periods) }
	verify := func(account, user, code string) error {
		return c.VerifyMFA(t.Context(), account, user, serial, code)
	}
	for _, step := range []struct {
		what, account, user, code string
		want                      error
	}{
		{"another account", identitytest.Bob, "", at(0), identity.ErrUnknownDevice},
		{"another user", identitytest.Alice, "AIDAX", at(0), identity.ErrUnknownDevice},
		{"too old", identitytest.Alice, "", at(-2), identity.ErrWrongCode},
		{"too new", identitytest.Alice, "", at(2), identity.ErrWrongCode},
		{"too short", identitytest.Alice, "", at(0)[1:], identity.ErrWrongCode},
		{"empty", identitytest.Alice, "", "", identity.ErrWrongCode},
		{"a period ago", identitytest.Alice, "", at(-1), nil},
		{"used before", identitytest.Alice, "", at(-1), identity.ErrWrongCode},
		{"now", identitytest.Alice, "", at(0), nil},
		{"older than the last", identitytest.Alice, "", at(-1), identity.ErrWrongCode},
		{"in a period", identitytest.Alice, "", at(1), nil},
	} {
		if err := verify(step.account, step.user, step.code); !errors.Is(err, step.want) || err == nil != (step.want == nil) {
			t.Errorf("%s: %v, want %v", step.what, err, step.want)
		}
	}
	if err := c.VerifyMFA(t.Context(), identitytest.Alice, "", serial+"2", at(2)); !errors.Is(err, identity.ErrUnknownDevice) {
		t.Errorf("no device: %v", err)
	}
}

// A code cannot be guessed: after five wrong ones even the right one must wait.
func TestVerifyMFAMakesGuessersWait(t *testing.T) {
	c := identitytest.New(t)
	seed := device(c, "AIDAALICE")
	code := func() string { return identity.TOTP(seed, identity.TOTPCounter(c.Now())) }
	verify := func(code string) error {
		return c.VerifyMFA(t.Context(), identitytest.Alice, "AIDAALICE", serial, code)
	}
	for range 6 {
		if err := verify("nocode"); !errors.Is(err, identity.ErrWrongCode) || errors.Is(err, identity.ErrManyWrongCodes) {
			t.Fatal(err)
		}
	}
	if err := verify(code()); !errors.Is(err, identity.ErrManyWrongCodes) || !errors.Is(err, identity.ErrWrongCode) {
		t.Errorf("right, after six wrong ones: %v", err)
	}
	c.Seconds.Add(30)
	if err := verify("nocode"); errors.Is(err, identity.ErrManyWrongCodes) {
		t.Errorf("after half a minute: %v", err)
	}
	c.Seconds.Add(59)
	if err := verify(code()); !errors.Is(err, identity.ErrManyWrongCodes) {
		t.Errorf("before a minute has passed: %v", err)
	}
	c.Seconds.Add(1)
	if err := verify(code()); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	c.Seconds.Add(30)
	if err := verify(strings.Repeat("0", 7)); errors.Is(err, identity.ErrManyWrongCodes) {
		t.Errorf("the wrong ones were not forgotten: %v", err)
	}
}

// Of two requests with the same code at the same time, one is refused.
func TestVerifyMFATakesACodeOnce(t *testing.T) {
	c := identitytest.New(t)
	seed := device(c, "AIDAALICE")
	code := identity.TOTP(seed, identity.TOTPCounter(c.Now()))
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if c.VerifyMFA(t.Context(), identitytest.Alice, "AIDAALICE", serial, code) == nil {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("the code was taken %d times", n)
	}
}

func TestSyncMFA(t *testing.T) {
	c := identitytest.New(t)
	seed := device(c, "")
	at := func(periods int64) string { return identity.TOTP(seed, identity.TOTPCounter(c.Now())+periods) }
	errMine := errors.New("not mine")
	accept := func(_ *store.Tx, m *cloud.MFADevice) error {
		if m.User != "" {
			return errMine
		}
		m.User = identity.RootUser
		return nil
	}
	sync := func(first, second string) error { return c.SyncMFA(t.Context(), serial, first, second, accept) }
	for what, codes := range map[string][2]string{
		"the same twice": {at(0), at(0)}, "backwards": {at(0), at(-1)}, "one between": {at(0), at(2)}, "hours ago": {at(-300), at(-299)},
	} {
		if err := sync(codes[0], codes[1]); !errors.Is(err, identity.ErrWrongCode) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if m, _ := devices.Get(c.DB.View(), serial); m.User != "" || m.Wrong != 4 {
		t.Errorf("after wrong codes: %+v", m)
	}
	if err := sync(at(50), at(51)); err != nil {
		t.Fatalf("a clock 25 minutes ahead: %v", err)
	}
	if err := sync(at(52), at(53)); !errors.Is(err, errMine) {
		t.Errorf("enabled twice: %v", err)
	}
	c.Seconds.Add(60)
	verify := func(code string) error { return c.VerifyMFA(t.Context(), identitytest.Alice, "", serial, code) }
	if err := verify(at(0)); !errors.Is(err, identity.ErrWrongCode) {
		t.Errorf("the code of a clock that is right: %v", err)
	}
	if err := verify(at(51)); err != nil {
		t.Errorf("the code of the device's clock: %v", err)
	}
}
