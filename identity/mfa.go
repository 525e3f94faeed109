package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// RootUser stands for the root of the account where a device names its user.
const RootUser = "root"

// What VerifyMFA and SyncMFA say of a code.
var (
	// ErrUnknownDevice: no such device is enabled for the user.
	ErrUnknownDevice = errors.New("no such MFA device")
	// ErrWrongCode: it is not a code of the device for now, or was used before.
	ErrWrongCode = errors.New("wrong MFA code")
	// ErrManyWrongCodes is an ErrWrongCode: after a row of wrong codes the device
	// accepts none for a while, not even the right one.
	ErrManyWrongCodes = fmt.Errorf("%w: too many in a row, wait and try again", ErrWrongCode)
)

// How far the clocks of devices may be off, in periods.
const (
	mfaWindow    = 1   // of one in use: RFC 6238, 5.2
	resyncWindow = 120 // of one that is enabled or synchronised with two codes: an hour
)

// freeGuesses is how many wrong codes in a row cost no wait. From then on each
// doubles the wait, from half a minute to an hour: a million codes cannot be tried.
const (
	freeGuesses = 5
	longestWait = time.Hour
)

// VerifyMFA proves that somebody has the MFA device of a user, or with an empty
// user ID that of the account's root. No code is accepted twice. It returns
// ErrUnknownDevice, ErrWrongCode, ErrManyWrongCodes, or an error of the store.
func (d *Directory) VerifyMFA(ctx context.Context, account, userID, serial, code string) error {
	if userID == "" {
		userID = RootUser
	}
	return d.try(ctx, serial,
		func(_ *store.Tx, m *cloud.MFADevice) error {
			if m.Account != account || m.User != userID {
				return ErrUnknownDevice
			}
			return nil
		},
		func(m *cloud.MFADevice, seed []byte) bool {
			c, ok := findCode(seed, code, TOTPCounter(d.Now())+m.Drift, mfaWindow, m.Last)
			if ok {
				m.Last = c
			}
			return ok
		})
}

// SyncMFA takes two codes that a device made one after the other, and notes how
// far its clock is off. In the same transaction, before the codes are looked at,
// accept says whose device it must be and may change it; its error is returned as
// it is. What it changed is kept only if the codes are right. Errors are those of
// VerifyMFA.
func (d *Directory) SyncMFA(ctx context.Context, serial, first, second string, accept func(*store.Tx, *cloud.MFADevice) error) error {
	return d.try(ctx, serial, accept, func(m *cloud.MFADevice, seed []byte) bool {
		now := TOTPCounter(d.Now())
		c, ok := findCode(seed, first, now, resyncWindow, m.Last)
		if ok {
			c, ok = findCode(seed, second, c+1, 0, c)
		}
		if !ok {
			return false
		}
		m.Last, m.Drift = c, c-now
		if -mfaWindow <= m.Drift && m.Drift <= mfaWindow {
			m.Drift = 0 // the time to type, not the clock
		}
		return true
	})
}

// try lets right judge codes of a device that accept takes, and counts the wrong
// ones.
func (d *Directory) try(ctx context.Context, serial string, accept func(*store.Tx, *cloud.MFADevice) error, right func(m *cloud.MFADevice, seed []byte) bool) error {
	var verdict error
	err := d.DB.Update(ctx, func(tx *store.Tx) error {
		m, ok := mfaTable.Get(tx, serial)
		if !ok {
			return ErrUnknownDevice
		}
		before := m
		if err := accept(tx, &m); err != nil {
			return err
		}
		if d.Now().Before(m.Locked) {
			return ErrManyWrongCodes
		}
		seed, err := d.Keys.Secrets.Open(m.Serial, m.Sealed)
		if err != nil {
			return fmt.Errorf("open seed of MFA device %s: %w", m.Serial, err)
		}
		if verdict = nil; right(&m, seed) {
			m.Wrong, m.Locked = 0, time.Time{}
			return mfaTable.Put(tx, m)
		}
		verdict = ErrWrongCode
		if before.Wrong++; before.Wrong > freeGuesses {
			before.Locked = d.Now().UTC().Add(wait(before.Wrong - freeGuesses))
		}
		return mfaTable.Put(tx, before)
	})
	if err != nil {
		return err
	}
	return verdict
}

// wait is how long after the n-th wrong code too many.
func wait(n int) time.Duration {
	return min(longestWait, period<<min(n-1, 10))
}
