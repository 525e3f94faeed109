package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/seal"
)

// sizes around every boundary: blocks, chunks, and what is packed.
func sizes() []int {
	const block = blob.BlockSize - 20
	all := []int{0, 1, 100, 4096}
	for _, n := range []int{block, 2 * block, 4 * block, 8 * block, 9 * block} {
		all = append(all, n-1, n, n+1)
	}
	return append(all, 3<<20)
}

func TestPutAndGet(t *testing.T) {
	r := newRig(t)
	for _, known := range []bool{true, false} {
		for k, n := range sizes() {
			body := random(uint64(k), n)
			info := r.put(plain, "a", body, func(in *object.PutInput) {
				if !known {
					in.Size = -1
				}
			})
			if info.ETag != etag(body) || info.Version != object.NullVersion || info.Size != int64(n) || !info.Latest {
				t.Fatalf("put of %d bytes returned %+v", n, info)
			}
			if got := r.holds(plain, "a", "", body); got.ETag != info.ETag || !got.Modified.Equal(info.Modified) {
				t.Fatalf("get returned %+v, put %+v", got, info)
			}
		}
	}
	r.reopen()
	r.holds(plain, "a", "", random(uint64(len(sizes())-1), 3<<20))
	r.usage(plain, object.Usage{Objects: 1, Versions: 1, Bytes: 3 << 20})
}

func TestWriteTo(t *testing.T) {
	r := newRig(t)
	body := random(3, 700_000)
	r.put(plain, "a", body)
	rd, _, err := r.Get(r.ctx, object.GetInput{Bucket: plain, Key: "a"})
	r.must(err)
	var b bytes.Buffer
	if n, err := io.Copy(&b, rd); err != nil || n != int64(len(body)) || !bytes.Equal(b.Bytes(), body) {
		t.Errorf("copied %d bytes, %v", n, err)
	}
	r.must(rd.Close())
	if _, err := rd.Read(make([]byte, 1)); err == nil {
		t.Error("a closed reader reads")
	}
}

func TestRanges(t *testing.T) {
	r := newRig(t)
	for _, size := range []int{10, 65_516, 200_000, 700_000} {
		body := random(1, size)
		r.put(plain, "a", body)
		n := int64(size)
		for _, test := range []struct{ first, last, from, to int64 }{
			{0, 0, 0, 1},
			{0, -1, 0, n},
			{3, 5, 3, 6},
			{n - 1, n - 1, n - 1, n},
			{n - 1, n + 100, n - 1, n},
			{-1, -1, n - 1, n},
			{-3, -1, n - 3, n},
			{-n - 5, -1, 0, n},
			{n / 2, n/2 + 3, n / 2, n/2 + 4},
			{1, n - 2, 1, n - 1},
			{min(65_515, n-2), min(65_516, n-1), min(65_515, n-2), min(65_516, n-1) + 1}, // across blocks
		} {
			b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", Range: &object.Range{First: test.first, Last: test.last}})
			if err != nil || !bytes.Equal(b, body[test.from:test.to]) {
				t.Errorf("range %d to %d of %d bytes: %d bytes, %v", test.first, test.last, n, len(b), err)
			}
			_, first, length, err := r.Span(r.ctx, object.GetInput{Bucket: plain, Key: "a", Range: &object.Range{First: test.first, Last: test.last}})
			if err != nil || first != test.from || length != test.to-test.from {
				t.Errorf("span of range %d to %d of %d bytes: %d bytes from %d, %v", test.first, test.last, n, length, first, err)
			}
		}
		_, info, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", Range: &object.Range{First: n, Last: -1}})
		r.wants(err, object.ErrRange)
		if info.Size != n {
			t.Errorf("ErrRange came with size %d, want %d", info.Size, n)
		}
	}
	r.put(plain, "empty", nil)
	_, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "empty", Range: &object.Range{Last: -1}})
	r.wants(err, object.ErrRange)
	b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "empty", Range: &object.Range{First: -1, Last: -1}})
	if err != nil || len(b) != 0 {
		t.Errorf("the last byte of nothing: %d bytes, %v", len(b), err)
	}
	b, _, err = r.tryGet(object.GetInput{Bucket: plain, Key: "a", Part: 1})
	if err != nil || len(b) != 700_000 {
		t.Errorf("part 1 of an object in one piece: %d bytes, %v", len(b), err)
	}
	_, _, err = r.tryGet(object.GetInput{Bucket: plain, Key: "a", Part: 2})
	r.wants(err, object.ErrNoPart)
}

// TestBodies holds that nothing changes when a body is not what was declared.
func TestBodies(t *testing.T) {
	r := newRig(t)
	broken := errors.New("the line broke")
	sum := func(b []byte) func() ([]byte, error) { return func() ([]byte, error) { return b, nil } }
	for _, size := range []int{1000, 300_000, 262_064} {
		body := random(1, size)
		before := r.put(plain, "a", []byte("before"))
		for name, test := range map[string]struct {
			body io.Reader
			in   object.PutInput
			want error
		}{
			"short":             {bytes.NewReader(body[:size-1]), object.PutInput{Size: int64(size)}, object.ErrShort},
			"long":              {bytes.NewReader(append(body, 0)), object.PutInput{Size: int64(size)}, object.ErrLong},
			"none":              {strings.NewReader(""), object.PutInput{Size: int64(size)}, object.ErrShort},
			"cut":               {io.MultiReader(bytes.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)), object.PutInput{Size: -1}, object.ErrShort},
			"broken":            {io.MultiReader(bytes.NewReader(body), iotest.ErrReader(broken)), object.PutInput{Size: -1}, broken},
			"broken at the end": {io.MultiReader(bytes.NewReader(body), iotest.ErrReader(broken)), object.PutInput{Size: int64(size)}, broken},
			"MD5":               {bytes.NewReader(body), object.PutInput{Size: int64(size), Expected: object.Expected{MD5: make([]byte, 16)}}, object.ErrDigest},
			"checksum":          {bytes.NewReader(body), object.PutInput{Size: -1, Expected: object.Expected{Algorithm: checksum.CRC32, Checksum: sum(make([]byte, 4))}}, object.ErrDigest},
			"trailer":           {bytes.NewReader(body), object.PutInput{Size: -1, Expected: object.Expected{Algorithm: checksum.CRC32, Checksum: func() ([]byte, error) { return nil, broken }}}, broken},
			"algorithm":         {bytes.NewReader(body), object.PutInput{Size: -1, Expected: object.Expected{Algorithm: "CRC16"}}, object.ErrInput},
			"key length":        {bytes.NewReader(body), object.PutInput{Size: -1, Key: strings.Repeat("k", 1025)}, object.ErrKeyLength},
			"no bucket":         {bytes.NewReader(body), object.PutInput{Size: -1, Bucket: "none"}, object.ErrNoBucket},
			"customer key":      {bytes.NewReader(body), object.PutInput{Size: -1, CustomerKey: []byte("short")}, object.ErrInput},
			"hold":              {bytes.NewReader(body), object.PutInput{Size: -1, Attributes: object.Attributes{Hold: true}}, object.ErrNoLock},
		} {
			if test.in.Bucket == "" {
				test.in.Bucket = plain
			}
			if test.in.Key == "" {
				test.in.Key = "a"
			}
			if _, err := r.Put(r.ctx, test.in, test.body); !errors.Is(err, test.want) {
				t.Errorf("%s, %d bytes: %v, want %v", name, size, err, test.want)
			}
			if got := r.holds(plain, "a", "", []byte("before")); got.Generation != before.Generation {
				t.Errorf("%s: the object was replaced", name)
			}
		}
	}
	r.usage(plain, object.Usage{Objects: 1, Versions: 1, Bytes: 6})
	r.must(r.Maintain(r.ctx))
	if files := r.files(); len(files) != 0 {
		t.Errorf("files %v are left", files)
	}
}

// files lists the large blobs on the disk.
func (r *rig) files() (names []string) {
	r.t.Helper()
	if r.memory != nil {
		return r.memory.names()
	}
	dir := r.config.FS.PathJoin(r.config.Dir, "blobs", "files")
	dirs, err := r.config.FS.List(dir)
	r.must(err)
	for _, d := range dirs {
		list, err := r.config.FS.List(r.config.FS.PathJoin(dir, d))
		r.must(err)
		for _, name := range list {
			names = append(names, r.config.FS.PathJoin(dir, d, name))
		}
	}
	return names
}

func (r *rig) segments() (names []string) {
	r.t.Helper()
	dir := r.config.FS.PathJoin(r.config.Dir, "blobs", "segments")
	list, err := r.config.FS.List(dir)
	r.must(err)
	for _, name := range list {
		names = append(names, r.config.FS.PathJoin(dir, name))
	}
	slices.Sort(names) // a folder has no order
	return names
}

func TestChecksums(t *testing.T) {
	r := newRig(t)
	body := random(7, 300_000)
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME, checksum.SHA1, checksum.SHA256} {
		h := a.New()
		h.Write(body)
		want := h.Sum(nil)
		asked := 0
		info := r.put(plain, "a", body, func(in *object.PutInput) {
			in.Algorithm, in.Checksum = a, func() ([]byte, error) { asked++; return want, nil }
		})
		got := r.holds(plain, "a", "", body).Checksum
		if !bytes.Equal(got.Value, want) || got.Algorithm != a || got.Type != checksum.FullObject || !bytes.Equal(info.Checksum.Value, want) {
			t.Errorf("%s is kept as %+v", a, got)
		}
		if asked != 1 {
			t.Errorf("the checksum was asked for %d times", asked)
		}
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	match := func(s string) func(*object.PutInput) { return func(in *object.PutInput) { in.IfMatch = s } }
	none := func(in *object.PutInput) { in.IfNoneMatch = true }
	for _, b := range []string{plain, versioned, suspended} {
		_, err := r.tryPut(b, "a", []byte("x"), match("abc"))
		r.wants(err, object.ErrNoKey)
		r.put(b, "a", []byte("one"), none)
		_, err = r.tryPut(b, "a", []byte("two"), none)
		r.wants(err, object.ErrPrecondition)
		_, err = r.tryPut(b, "a", []byte("two"), match(etag([]byte("two"))))
		r.wants(err, object.ErrPrecondition)
		r.put(b, "a", []byte("two"), match(`"`+etag([]byte("one"))+`"`))
		r.put(b, "a", []byte("three"), match("*"))
		r.holds(b, "a", "", []byte("three"))
		_, err = r.Delete(r.ctx, b, object.DeleteInput{Key: "a", IfMatch: etag([]byte("two"))})
		r.wants(err, object.ErrPrecondition)
		_, err = r.Delete(r.ctx, b, object.DeleteInput{Key: "a", IfMatch: etag([]byte("three"))})
		r.wants(err, nil)
		_, err = r.tryPut(b, "a", []byte("x"), match("*"))
		r.wants(err, object.ErrNoKey)
		r.put(b, "a", []byte("four"), none)
	}
}

func TestAttributes(t *testing.T) {
	r := newRig(t)
	want := object.Attributes{
		User: map[string]string{"colour": "blé \x00", "": ""}, System: map[string]string{"Content-Type": "text/plain"}, Tags: map[string]string{"k": "v", "é": ""},
	}
	same := func(info object.Info) {
		t.Helper()
		if !maps.Equal(info.User, want.User) || !maps.Equal(info.System, want.System) || !maps.Equal(info.Tags, want.Tags) || info.Class != "STANDARD" || info.Owner != "me" {
			t.Errorf("attributes %+v, want %+v", info, want)
		}
	}
	one := r.put(versioned, "a", []byte("one"), func(in *object.PutInput) { in.Attributes, in.Class, in.Owner = want, "STANDARD", "me" })
	same(one)
	r.put(versioned, "a", []byte("two"))
	r.reopen()
	same(r.holds(versioned, "a", one.Version, []byte("one")))
	want.Tags = map[string]string{"k": "new"}
	_, err := r.Update(r.ctx, versioned, "a", one.Version, false, func(a *object.Attributes) error { a.Tags = want.Tags; return nil })
	r.must(err)
	same(r.holds(versioned, "a", one.Version, []byte("one")))
	if got := r.holds(versioned, "a", "", []byte("two")); got.Tags != nil {
		t.Errorf("the other version has the tags %v", got.Tags)
	}
	refused := errors.New("no")
	_, err = r.Update(r.ctx, versioned, "a", one.Version, false, func(a *object.Attributes) error { a.Tags["x"] = "y"; return refused })
	r.wants(err, refused)
	same(r.holds(versioned, "a", one.Version, []byte("one")))
	for version, want := range map[string]error{r.delete(versioned, "a", "").Version: object.ErrMarker, "": object.ErrMarker, "null": object.ErrNoVersion, "x": object.ErrInput} {
		_, err = r.Update(r.ctx, versioned, "a", version, false, func(*object.Attributes) error { return nil })
		r.wants(err, want)
	}
	_, err = r.Update(r.ctx, versioned, "none", "", false, func(*object.Attributes) error { return nil })
	r.wants(err, object.ErrNoKey)
}

// TestKeysOfEveryByte holds that keys are bytes, and sort as bytes.
func TestKeysOfEveryByte(t *testing.T) {
	r := newRig(t)
	var keys []string
	for n := range 256 {
		keys = append(keys, string([]byte{byte(n)}), string([]byte{'a', byte(n)}), string([]byte{'a', 0, byte(n)}), string([]byte{byte(n), 0xff, 0}))
	}
	keys = append(keys, "../../etc/passwd", "/", "//", "a//b", ".", "..", strings.Repeat("é", 512), strings.Repeat("\x00", 1024), strings.Repeat("\xff", 1024), strings.Repeat("/", 1024))
	want := map[string]bool{}
	for _, b := range []string{plain, versioned} {
		for _, k := range keys {
			want[k] = true
			r.put(b, k, []byte(k))
			r.put(b, k, []byte("new"+k))
		}
		l := r.list(b, object.ListInput{Max: 10_000})
		if len(l.Objects) != len(want) {
			t.Errorf("%s lists %d keys, want %d", b, len(l.Objects), len(want))
		}
		for k, o := range l.Objects {
			if k > 0 && l.Objects[k-1].Key >= o.Key {
				t.Errorf("%q is listed before %q", l.Objects[k-1].Key, o.Key)
			}
			r.holds(b, o.Key, "", []byte("new"+o.Key))
		}
	}
	for _, k := range []string{"", strings.Repeat("k", 1025)} {
		_, err := r.tryPut(plain, k, nil)
		r.wants(err, object.ErrKeyLength)
		_, err = r.Head(r.ctx, object.GetInput{Bucket: plain, Key: k})
		r.wants(err, object.ErrKeyLength)
		_, err = r.Delete(r.ctx, plain, object.DeleteInput{Key: k})
		r.wants(err, object.ErrKeyLength)
		_, err = r.CreateUpload(r.ctx, object.UploadInput{Bucket: plain, Key: k})
		r.wants(err, object.ErrKeyLength)
	}
}

func TestBuckets(t *testing.T) {
	r := newRig(t)
	r.wants(r.CreateBucket(r.ctx, plain), object.ErrBucketExists)
	r.wants(r.CreateBucket(r.ctx, ""), object.ErrInput)
	r.wants(r.CreateBucket(r.ctx, strings.Repeat("b", 256)), object.ErrInput)
	r.wants(r.SetVersioning(r.ctx, plain, object.Unversioned), object.ErrInput)
	r.wants(r.SetVersioning(r.ctx, locked, object.Suspended), object.ErrBucketState)
	r.wants(r.EnableLock(r.ctx, plain), object.ErrBucketState)
	r.wants(r.EnableLock(r.ctx, suspended), object.ErrBucketState)
	r.wants(r.DeleteBucket(r.ctx, "none"), object.ErrNoBucket)
	r.reopen()
	for id, want := range map[string]object.Bucket{
		plain: {ID: plain}, versioned: {ID: versioned, Versioning: object.Enabled}, suspended: {ID: suspended, Versioning: object.Suspended},
		locked: {ID: locked, Versioning: object.Enabled, Lock: true},
	} {
		if got, err := r.Bucket(r.ctx, id); err != nil || got != want {
			t.Errorf("%s is %+v, %v", id, got, err)
		}
	}
	// One bucket's ID begins as another's.
	r.must(r.CreateBucket(r.ctx, "plain2"))
	r.put("plain2", "a", []byte("a"))
	if l := r.list(plain, object.ListInput{}); len(l.Objects) != 0 {
		t.Errorf("%s lists %v", plain, l.Objects)
	}
	for _, b := range []string{"plain2", versioned, suspended} {
		r.put(b, "a", []byte("a"))
		r.wants(r.DeleteBucket(r.ctx, b), object.ErrNotEmpty)
		if d := r.delete(b, "a", ""); d.Marker {
			r.wants(r.DeleteBucket(r.ctx, b), object.ErrNotEmpty)
			l, err := r.Versions(r.ctx, b, object.VersionsInput{ListInput: object.ListInput{Max: 10}})
			r.must(err)
			for _, v := range l.Versions {
				r.delete(b, "a", v.Version)
			}
		}
		if _, err := r.CreateUpload(r.ctx, object.UploadInput{Bucket: b, Key: "u"}); err != nil {
			t.Fatal(err)
		}
		r.must(r.DeleteBucket(r.ctx, b))
		_, err := r.tryPut(b, "a", nil)
		r.wants(err, object.ErrNoBucket)
	}
	r.reopen()
	_, err := r.Bucket(r.ctx, versioned)
	r.wants(err, object.ErrNoBucket)
	r.must(r.CreateBucket(r.ctx, versioned))
	r.usage(versioned, object.Usage{})
}

func TestCustomerKeys(t *testing.T) {
	r := newRig(t)
	key, other := seal.NewKey(), seal.NewKey()
	for _, n := range []int{100, 300_000} {
		body := random(1, n)
		info := r.put(plain, "a", body, func(in *object.PutInput) { in.CustomerKey = key })
		if !info.Customer {
			t.Error("the object is not told to have a customer's key")
		}
		for _, test := range []struct {
			key  []byte
			want error
		}{{nil, object.ErrCustomerKey}, {other, object.ErrWrongKey}, {key[:16], object.ErrInput}} {
			in := object.GetInput{Bucket: plain, Key: "a", CustomerKey: test.key}
			_, _, err := r.tryGet(in)
			r.wants(err, test.want)
			_, err = r.Head(r.ctx, in)
			r.wants(err, test.want)
		}
		b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", CustomerKey: key})
		if err != nil || !bytes.Equal(b, body) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	r.put(plain, "b", []byte("b"))
	_, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "b", CustomerKey: key})
	r.wants(err, object.ErrNotSealed)
}

// TestDroppedKey holds that bytes are of no use without their bucket's key, and that
// copies in other buckets stay.
func TestDroppedKey(t *testing.T) {
	r := newRig(t)
	for _, n := range []int{100, 300_000} {
		secret := bytes.Repeat([]byte("a secret of some bytes"), n/20)
		name := fmt.Sprint("a", n)
		r.put(versioned, name, secret)
		_, _, err := r.Copy(r.ctx, object.GetInput{Bucket: versioned, Key: name}, func(object.Info) (object.PutInput, error) {
			return object.PutInput{Bucket: plain, Key: name}, nil
		})
		r.must(err)
	}
	for _, name := range append(r.files(), r.segments()...) {
		f, err := r.config.FS.Open(name)
		r.must(err)
		b, err := io.ReadAll(f)
		r.must(err)
		if bytes.Contains(b, []byte("secret")) {
			t.Errorf("%s can be read without a key", name)
		}
		r.must(f.Close())
	}
	r.keys.drop(versioned)
	for _, n := range []int{100, 300_000} {
		name := fmt.Sprint("a", n)
		_, _, err := r.tryGet(object.GetInput{Bucket: versioned, Key: name})
		r.wants(err, object.ErrUnreadable)
		r.holds(plain, name, "", bytes.Repeat([]byte("a secret of some bytes"), n/20))
		r.delete(versioned, name, "")
	}
	_, err := r.tryPut(versioned, "b", nil)
	r.wants(err, object.ErrUnreadable)
}
