package ec2

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// request stands for any operation's input.
type request struct {
	Size *int32
	Tags []string
}

// once runs a request with a token as the account, and returns what it made.
func (r *rig) once(account, operation, token string, in request) (ids []string, repeated bool, err error) {
	err = r.DB.Update(r.ctx, func(tx *store.Tx) (err error) {
		ids, repeated, err = r.Service.once(tx, cloud.Caller{Account: account}, operation, &token, in, func() ([]string, error) {
			return []string{cloud.NewID("i"), cloud.NewID("i")}, nil
		})
		return err
	})
	return ids, repeated, err
}

func TestOnce(t *testing.T) {
	r := newRig(t)
	in := request{Size: new(int32(1)), Tags: []string{"a"}}
	first, repeated, err := r.once(alice, "RunInstances", "token", in)
	if err != nil || repeated || len(first) != 2 {
		t.Fatalf("got %v, %t, %v", first, repeated, err)
	}
	for _, c := range []struct {
		what, account, operation, token string
		in                              request
		same                            bool
		code                            string
	}{
		{"the same", alice, "RunInstances", "token", request{Size: new(int32(1)), Tags: []string{"a"}}, true, ""},
		{"other parameters", alice, "RunInstances", "token", request{Size: new(int32(2)), Tags: []string{"a"}}, false, "IdempotentParameterMismatch"},
		{"parameter left out", alice, "RunInstances", "token", request{Tags: []string{"a"}}, false, "IdempotentParameterMismatch"},
		{"other token", alice, "RunInstances", "Token", in, false, ""},
		{"other operation", alice, "CreateVolume", "token", in, false, ""},
		{"other account", bob, "RunInstances", "token", in, false, ""},
		{"64 characters", alice, "RunInstances", strings.Repeat("x", 64), in, false, ""},
		{"65 characters", alice, "RunInstances", strings.Repeat("x", 65), in, false, "InvalidParameterValue"},
		{"beyond ASCII", alice, "RunInstances", "é", in, false, "InvalidParameterValue"},
		{"control character", alice, "RunInstances", "a\nb", in, false, "InvalidParameterValue"},
		{"slashes", alice, "RunInstances", "../x", in, false, ""},
	} {
		got, repeated, err := r.once(c.account, c.operation, c.token, c.in)
		want(t, c.what, err, c.code)
		if repeated != c.same || c.same != slices.Equal(got, first) {
			t.Errorf("%s: got %v, repeated %t", c.what, got, repeated)
		}
	}
	for range 2 {
		if got, repeated, err := r.once(alice, "RunInstances", "", in); err != nil || repeated || slices.Equal(got, first) {
			t.Errorf("without a token: got %v, %t, %v", got, repeated, err)
		}
	}

	r.clock.Add(24*3600 - 1)
	if got, repeated, _ := r.once(alice, "RunInstances", "token", in); !repeated || !slices.Equal(got, first) {
		t.Error("a token was forgotten within a day")
	}
	r.clock.Add(1)
	if got, repeated, err := r.once(alice, "RunInstances", "token", request{}); err != nil || repeated || slices.Equal(got, first) {
		t.Errorf("after a day: got %v, %t, %v", got, repeated, err)
	}
}

func TestOnceForgetsFailures(t *testing.T) {
	r := newRig(t)
	full := errors.New("full")
	err := r.DB.Update(r.ctx, func(tx *store.Tx) error {
		_, _, err := r.Service.once(tx, cloud.Caller{Account: alice}, "RunInstances", new("token"), request{}, func() ([]string, error) { return nil, full })
		return err
	})
	if !errors.Is(err, full) {
		t.Fatal(err)
	}
	_, repeated, err := r.once(alice, "RunInstances", "token", request{Tags: []string{"other"}})
	if err != nil || repeated {
		t.Errorf("after a failure: repeated %t, %v", repeated, err)
	}
}
