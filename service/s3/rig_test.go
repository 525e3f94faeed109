package s3

import (
	"context"
	"errors"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity/identitytest"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/store"
)

// The accounts of a rig.
const (
	alice = identitytest.Alice
	bob   = identitytest.Bob
)

// rig is a Service on a test cloud: a real store, the real engine in a folder of
// the test, and the real judge. ctx is the root of alice's account, bob that of bob's.
type rig struct {
	*Service
	testing.TB
	cloud    *identitytest.Cloud
	ctx, bob context.Context
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := identitytest.New(t)
	bucketKeys := &Keys{DB: c.DB, Seal: c.Keys.Objects}
	objects, err := object.Open(object.Config{Dir: t.TempDir(), Keys: bucketKeys, Now: c.Now, MinFree: 1, Hot: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := objects.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{
		Service: &Service{DB: c.DB, Objects: objects, Keys: bucketKeys, Authz: c.Judge, Place: c.Place, Now: c.Now, PageKey: []byte("a key of the rig")},
		TB:      t, cloud: c, ctx: c.AsRoot(alice), bob: c.AsRoot(bob),
	}
}

// bucket makes a bucket of alice's.
func (r *rig) bucket(name string) {
	r.Helper()
	must(r.CreateBucket(r.ctx, &api.CreateBucketRequest{Bucket: &name}))(r)
}

// user makes a user of an account with one inline policy, and returns a context for
// its calls.
func (r *rig) user(account, name, document string) context.Context {
	r.Helper()
	u := cloud.User{Meta: cloud.Meta{ID: "AIDA" + strings.ToUpper(name) + account, Account: account, Created: r.Now()}, Name: name, Path: "/"}
	if document != "" {
		u.Inline = map[string]string{"p": document}
	}
	r.cloud.Update(func(tx *store.Tx) error {
		if err := tx.Claim(cloud.UserNames(account), cloud.IAMName(name), u.ID); err != nil {
			return err
		}
		return store.Table[cloud.User]{}.Create(tx, u)
	})
	return r.cloud.As("arn:aws:iam::" + account + ":user/" + name)
}

// code is the API's code of an error, "" for nil.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return e.Code
	}
	return "InternalError: " + err.Error()
}

// want fails unless err has the code ("" for none).
func want(t testing.TB, what string, err error, wanted string) {
	t.Helper()
	if code(err) != wanted {
		t.Errorf("%s: got error %v, want code %q", what, err, wanted)
	}
}

// must fails the test if an operation does.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// second is the error of an operation.
func second[T any](_ T, err error) error { return err }

// put puts a small object straight into the engine.
func (r *rig) put(bucket, key string) {
	r.Helper()
	b, err := find(r.DB.View(), &bucket)
	if err != nil {
		r.Fatal(err)
	}
	must(r.Objects.Put(r.Context(), object.PutInput{Bucket: b.ID, Key: key, Size: 5}, strings.NewReader("hello")))(r)
}

// remove deletes an object straight from the engine.
func (r *rig) remove(bucket, key string) {
	r.Helper()
	b, err := find(r.DB.View(), &bucket)
	if err != nil {
		r.Fatal(err)
	}
	must(r.Objects.Delete(r.Context(), b.ID, object.DeleteInput{Key: key}))(r)
}
