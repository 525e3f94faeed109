// Package identitytest makes small clouds of principals for tests: a real store,
// real keys and the real judge.
package identitytest

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
	"github.com/vauban-cloud/vauban/store/sqlite"
)

// The accounts of a test cloud: the management account and two members below the
// root of the organization.
const (
	Management = "100000000001"
	Alice      = "000000000001"
	Bob        = "000000000002"
)

// Cloud is a store with accounts, and who decides on it.
type Cloud struct {
	testing.TB
	*identity.Judge
	Seconds atomic.Int64 // the clock, Unix seconds
}

var (
	accounts      store.Table[cloud.Account]
	organizations store.Table[cloud.Organization]
	controls      store.Table[cloud.ControlPolicy]
)

// New returns a cloud that lives as long as the test.
func New(t testing.TB) *Cloud {
	t.Helper()
	c := &Cloud{TB: t}
	c.Seconds.Store(1_700_000_000)
	now := func() time.Time { return time.Unix(c.Seconds.Load(), 0).UTC() }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), cloud.Documents()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	root, err := seal.CreateFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := identity.OpenKeyring(t.Context(), db, root, now)
	if err != nil {
		t.Fatal(err)
	}
	c.Judge = identity.NewJudge(&identity.Directory{DB: db, Place: cloud.DefaultPlace(), Keys: ring, Now: now})
	c.Update(func(tx *store.Tx) error {
		o, full := cloud.NewOrganization(Management, now())
		if err := organizations.Create(tx, o); err != nil {
			return err
		}
		for _, id := range []string{Management, Alice, Bob} {
			full.Targets = append(full.Targets, id)
			if err := accounts.Create(tx, cloud.Account{ID: id, Name: "account " + id, Email: id + "@example.org", Created: now(), Parent: o.Root}); err != nil {
				return err
			}
		}
		return controls.Create(tx, full)
	})
	return c
}

// Update runs a transaction that must succeed.
func (c *Cloud) Update(fn func(*store.Tx) error) {
	c.Helper()
	if err := c.DB.Update(c.Context(), fn); err != nil {
		c.Fatal(err)
	}
}

// As returns a context for calls of the principal with that ARN: the root of an
// account, a user, or a role (as an assumed-role ARN, for a session's name).
func (c *Cloud) As(arn string) context.Context {
	c.Helper()
	caller, ok := c.Find(c.DB.View(), arn)
	if !ok {
		c.Fatalf("no principal %s", arn)
	}
	caller.Region, caller.SourceIP = c.Place.Region, "192.0.2.1"
	return cloud.WithCaller(c.Context(), caller)
}

// AsRoot returns a context for calls of the root of an account.
func (c *Cloud) AsRoot(account string) context.Context {
	c.Helper()
	return c.As("arn:aws:iam::" + account + ":root")
}
