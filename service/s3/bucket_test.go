package s3

import (
	"strings"
	"sync"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
)

func TestCreateBucket(t *testing.T) {
	r := newRig(t)
	must(r.CreateBucket(r.bob, &api.CreateBucketRequest{Bucket: new("bobs")}))(t)
	r.bucket("taken")
	for name, c := range map[string]struct {
		in   api.CreateBucketRequest
		code string
	}{
		"short":             {api.CreateBucketRequest{Bucket: new("ab")}, "InvalidBucketName"},
		"long":              {api.CreateBucketRequest{Bucket: new(strings.Repeat("a", 64))}, "InvalidBucketName"},
		"longest":           {api.CreateBucketRequest{Bucket: new(strings.Repeat("a", 63))}, ""},
		"upper case":        {api.CreateBucketRequest{Bucket: new("Bucket")}, "InvalidBucketName"},
		"underscore":        {api.CreateBucketRequest{Bucket: new("a_b")}, "InvalidBucketName"},
		"dots":              {api.CreateBucketRequest{Bucket: new("a..b")}, "InvalidBucketName"},
		"dot":               {api.CreateBucketRequest{Bucket: new("a.b")}, ""},
		"dot and -":         {api.CreateBucketRequest{Bucket: new("a.-b")}, "InvalidBucketName"},
		"- and dot":         {api.CreateBucketRequest{Bucket: new("a-.b")}, "InvalidBucketName"},
		"begins with .":     {api.CreateBucketRequest{Bucket: new(".ab")}, "InvalidBucketName"},
		"ends with -":       {api.CreateBucketRequest{Bucket: new("ab-")}, "InvalidBucketName"},
		"begins with -":     {api.CreateBucketRequest{Bucket: new("-ab")}, "InvalidBucketName"},
		"ends with .":       {api.CreateBucketRequest{Bucket: new("ab.")}, "InvalidBucketName"},
		"address":           {api.CreateBucketRequest{Bucket: new("192.168.5.4")}, "InvalidBucketName"},
		"reserved":          {api.CreateBucketRequest{Bucket: new("xn--a")}, "InvalidBucketName"},
		"alias":             {api.CreateBucketRequest{Bucket: new("a-s3alias")}, "InvalidBucketName"},
		"one's own":         {api.CreateBucketRequest{Bucket: new("taken")}, "BucketAlreadyOwnedByYou"},
		"another account's": {api.CreateBucketRequest{Bucket: new("bobs")}, "BucketAlreadyExists"},
		"region": {api.CreateBucketRequest{Bucket: new("here"), CreateBucketConfiguration: &api.CreateBucketConfiguration{
			LocationConstraint: &r.Place.Region, Tags: []api.Tag{{Key: new("k"), Value: new("v")}},
		}}, ""},
		"another region": {api.CreateBucketRequest{Bucket: new("there"), CreateBucketConfiguration: &api.CreateBucketConfiguration{
			LocationConstraint: new("eu-west-1"),
		}}, "InvalidLocationConstraint"},
		"system tag": {api.CreateBucketRequest{Bucket: new("tagged"), CreateBucketConfiguration: &api.CreateBucketConfiguration{
			Tags: []api.Tag{{Key: new("aws:k"), Value: new("v")}},
		}}, "InvalidTag"},
		"directory": {api.CreateBucketRequest{Bucket: new("dir"), CreateBucketConfiguration: &api.CreateBucketConfiguration{
			Bucket: &api.BucketInfo{},
		}}, "NotImplemented"},
		"private":      {api.CreateBucketRequest{Bucket: new("private"), ACL: new("private")}, ""},
		"public":       {api.CreateBucketRequest{Bucket: new("public"), ACL: new("public-read")}, "InvalidBucketAclWithObjectOwnership"},
		"granted":      {api.CreateBucketRequest{Bucket: new("granted"), GrantRead: new("id=1")}, "InvalidBucketAclWithObjectOwnership"},
		"enforced":     {api.CreateBucketRequest{Bucket: new("enforced"), ObjectOwnership: new("BucketOwnerEnforced")}, ""},
		"writer":       {api.CreateBucketRequest{Bucket: new("writer"), ObjectOwnership: new("ObjectWriter")}, ""},
		"no ownership": {api.CreateBucketRequest{Bucket: new("nobody"), ObjectOwnership: new("x")}, "InvalidArgument"},
		"lock":         {api.CreateBucketRequest{Bucket: new("locked"), ObjectLockEnabledForBucket: new(true)}, ""},
	} {
		_, err := r.CreateBucket(r.ctx, &c.in)
		want(t, name, err, c.code)
		if _, err := r.HeadBucket(r.ctx, &api.HeadBucketRequest{Bucket: c.in.Bucket}); c.code == "" && err != nil || c.code != "" && name != "one's own" && err == nil {
			t.Errorf("%s: then head: %v", name, err)
		}
	}
	b, _ := find(r.DB.View(), new("locked"))
	if kept := must(r.Objects.Bucket(t.Context(), b.ID))(t); !kept.Lock {
		t.Errorf("locked is %+v", kept)
	}
	if b, _ := find(r.DB.View(), new("here")); b.Tags["k"] != "v" {
		t.Errorf("here has tags %v", b.Tags)
	}
}

func TestHeadAndDeleteBucket(t *testing.T) {
	r := newRig(t)
	r.bucket("one")
	head := func(name, owner *string) error {
		return second(r.HeadBucket(r.ctx, &api.HeadBucketRequest{Bucket: name, ExpectedBucketOwner: owner}))
	}
	want(t, "head", head(new("one"), nil), "")
	want(t, "head of the owner", head(new("one"), new(alice)), "")
	want(t, "head of another owner", head(new("one"), new(bob)), "AccessDenied")
	want(t, "head of none", head(new("none"), nil), "NoSuchBucket")
	want(t, "head by another", second(r.HeadBucket(r.bob, &api.HeadBucketRequest{Bucket: new("one")})), "AccessDenied")
	want(t, "delete by another", second(r.DeleteBucket(r.bob, &api.DeleteBucketRequest{Bucket: new("one")})), "AccessDenied")
	r.put("one", "k")
	want(t, "delete with an object", second(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("one")})), "BucketNotEmpty")
	r.remove("one", "k")
	want(t, "delete", second(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("one")})), "")
	want(t, "delete again", second(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("one")})), "NoSuchBucket")
	must(r.CreateBucket(r.bob, &api.CreateBucketRequest{Bucket: new("one")}))(t) // the name is free
}

// A process that ends in the middle of DeleteBucket leaves a bucket that can only be
// deleted.
func TestDeleteBucketAgain(t *testing.T) {
	r := newRig(t)
	r.bucket("half")
	b, _ := find(r.DB.View(), new("half"))
	if err := r.Objects.DeleteBucket(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	want(t, "delete", second(r.DeleteBucket(r.ctx, &api.DeleteBucketRequest{Bucket: new("half")})), "")
	if _, err := r.Keys.BucketKey(t.Context(), b.ID); err == nil {
		t.Error("the key is still there")
	}
	r.bucket("half")
}

// Of many who want a name at once, one gets it.
func TestCreateBucketAtOnce(t *testing.T) {
	r := newRig(t)
	errs := make([]error, 16)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			ctx := r.ctx
			if i%2 == 1 {
				ctx = r.bob
			}
			_, errs[i] = r.CreateBucket(ctx, &api.CreateBucketRequest{Bucket: new("one"), ObjectLockEnabledForBucket: new(i%3 == 0)})
		})
	}
	all.Wait()
	b, err := find(r.DB.View(), new("one"))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for i, err := range errs {
		wanted := "BucketAlreadyExists"
		if mine := (i%2 == 0) == (b.Account == alice); mine {
			wanted = "BucketAlreadyOwnedByYou"
		}
		if err == nil {
			made++
			continue
		}
		want(t, "create", err, wanted)
	}
	if n := bucketTable.Count(r.DB.View(), ""); made != 1 || n != 1 {
		t.Errorf("%d were made, and %d are there", made, n)
	}
	r.put("one", "k")
}
