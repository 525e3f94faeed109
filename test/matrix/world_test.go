package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/app"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway/wire"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/identity/oidc"
	"github.com/vauban-cloud/vauban/service/dlm"
	"github.com/vauban-cloud/vauban/service/ebs"
	"github.com/vauban-cloud/vauban/service/ec2"
	"github.com/vauban-cloud/vauban/service/iam"
	"github.com/vauban-cloud/vauban/service/organizations"
	"github.com/vauban-cloud/vauban/service/rbin"
	"github.com/vauban-cloud/vauban/service/sts"
	"github.com/vauban-cloud/vauban/store"
)

// The accounts of a world.
const (
	Management = identitytest.Management
	Alice      = identitytest.Alice
	Bob        = identitytest.Bob
)

// world is a cloud with all services, on which nothing runs by itself.
type world struct {
	*identitytest.Cloud
	impls map[string]any       // services, by the names of their APIs
	net   cloud.Network        // Alice's
	tess  map[string]principal // a user of every account, without policies at first
}

func newWorld(t testing.TB) *world {
	t.Helper()
	c := identitytest.New(t)
	key := []byte("a key of the world")
	w := &world{Cloud: c, impls: map[string]any{
		"ec2": &ec2.Service{
			DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, NewID: cloud.NewID,
			PublicPool: netip.MustParsePrefix("100.64.0.0/24"), IPv6Pool: netip.MustParsePrefix("fd5a:c10d::/32"), Consoles: silence{}, PageKey: key, Depot: shelves{},
		},
		"sts":           &sts.Service{Judge: c.Judge, Authz: c.Judge, Web: oidc.NewVerifier(nil, c.Now)},
		"iam":           &iam.Service{Judge: c.Judge, Authz: c.Judge, PageKey: key},
		"ebs":           &ebs.Service{DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, NewID: cloud.NewID, Blocks: zeroes{}, Key: key},
		"rbin":          &rbin.Service{DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, PageKey: key},
		"dlm":           &dlm.Service{DB: c.DB, Authz: c.Judge, Place: c.Place, Now: c.Now, NewID: cloud.NewID},
		"organizations": &organizations.Service{Directory: c.Directory, Authz: c.Judge, PageKey: key},
	}}
	w.furnish()
	w.tess = map[string]principal{}
	for _, account := range []string{Management, Alice, Bob} {
		w.tess[account] = w.addUser(account, "tess")
	}
	return w
}

// silence is the consoles of guests that print nothing.
type silence struct{}

func (silence) Console(context.Context, string, string) ([]byte, time.Time, error) {
	return nil, time.Time{}, nil
}

// call calls an operation, e.g. "ec2:StopInstances".
func (w *world) call(ctx context.Context, name string, in any) (any, error) {
	service, operation, _ := strings.Cut(name, ":")
	for _, e := range app.Endpoints() {
		if e.API.Name != service {
			continue
		}
		if op := e.API.Operation(operation); op != nil {
			if service == "s3" || service == "s3-control" {
				w.storage()
			}
			if handle := op.Bind(w.impls[service]); handle != nil {
				return handle(ctx, in)
			}
		}
	}
	return nil, errors.New(name + " is not implemented")
}

// made calls the operation of that input as the root of an account, which must
// succeed, and returns what it says.
func made[Out any](w *world, account string, in any) Out {
	w.Helper()
	for name, op := range operations() {
		if reflect.TypeOf(op.In) == reflect.TypeOf(in) {
			out, err := w.call(w.AsRoot(account), name, in)
			if err != nil {
				w.Fatalf("%s, for a row of another operation: %v", name, err)
			}
			return out.(Out)
		}
	}
	w.Fatalf("no operation takes a %T", in)
	panic("unreachable")
}

// principal is a user whose only policy says what its test wants.
type principal struct {
	w       *world
	account string
	id      string
	arn     string
}

var users store.Table[cloud.User]

// addUser makes a user without policies.
func (w *world) addUser(account, name string) principal {
	w.Helper()
	u := cloud.User{Meta: cloud.Meta{ID: identity.NewID(identity.UserPrefix), Account: account, Created: w.Now()}, Name: name, Path: "/"}
	w.Update(func(tx *store.Tx) error {
		return errors.Join(users.Create(tx, u), tx.Claim(cloud.UserNames(account), cloud.IAMName(name), u.ID))
	})
	return principal{w, account, u.ID, w.Place.GlobalARN("iam", account, u.Resource())}
}

// context is one for the user's calls.
func (p principal) context() context.Context { return p.w.As(p.arn) }

// allow replaces what the user may do.
func (p principal) allow(needs ...need) {
	type statement struct {
		Effect, Action, Resource string
		Condition                map[string]map[string]string `json:",omitempty"`
	}
	var statements []statement
	for _, n := range needs {
		s := statement{Effect: "Allow", Action: n.action, Resource: n.resource}
		if len(n.keys) > 0 {
			s.Condition = map[string]map[string]string{"StringEquals": n.keys}
		}
		statements = append(statements, s)
	}
	inline := map[string]string{}
	if len(statements) > 0 {
		inline["needs"] = asJSON(p.w, map[string]any{"Version": "2012-10-17", "Statement": statements})
	}
	p.w.Update(func(tx *store.Tx) error {
		return users.Modify(tx, p.id, func(u *cloud.User) error { u.Inline = inline; return nil })
	})
}

// belongings are the keys of an account's documents, and the revision that they
// were listed at.
func (w *world) belongings(account string) (map[string]bool, int64) {
	w.Helper()
	list, revision, err := w.DB.Changes(w.Context(), 0)
	if err != nil {
		w.Fatal(err)
	}
	mine := map[string]bool{}
	for _, c := range list {
		if c.Key == account || slices.Contains(c.Labels, cloud.AccountLabel(account)) {
			mine[c.Key] = true
		}
	}
	return mine, revision
}

// untouched fails if one of those documents has changed since the revision.
func (a *attempts) untouched(mine map[string]bool, since int64) {
	a.Helper()
	if a.DB.View().Revision() == since {
		return
	}
	list, _, err := a.DB.Changes(a.Context(), since)
	if err != nil {
		a.Fatal(err)
	}
	for _, c := range list {
		if mine[c.Key] || slices.Contains(c.Labels, cloud.AccountLabel(a.account)) {
			a.Errorf("an administrator of another account changed %s %s", c.Table, c.Key)
		}
	}
}

// codeOf is the code and message of a refusal, both empty for none.
func codeOf(err error) (code, message string) {
	if err == nil {
		return "", ""
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		words, _, _ := strings.Cut(e.Message, " Encoded authorization failure message: ")
		return e.Code, words
	}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Code, e.Message
	}
	return "InternalError", err.Error()
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
