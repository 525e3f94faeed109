package object_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/seal"
)

func (r *rig) begin(bucket, key string, change ...func(*object.UploadInput)) object.Upload {
	r.t.Helper()
	in := object.UploadInput{Bucket: bucket, Key: key}
	for _, c := range change {
		c(&in)
	}
	u, err := r.CreateUpload(r.ctx, in)
	r.must(err)
	return u
}

func (r *rig) tryPart(bucket string, u object.Upload, number int, body []byte, change ...func(*object.PartInput)) (object.Part, error) {
	in := object.PartInput{Bucket: bucket, Key: u.Key, Upload: u.ID, Number: number, Size: int64(len(body))}
	for _, c := range change {
		c(&in)
	}
	return r.PutPart(r.ctx, in, bytes.NewReader(body))
}

func (r *rig) part(bucket string, u object.Upload, number int, body []byte) object.CompletePart {
	r.t.Helper()
	p, err := r.tryPart(bucket, u, number, body)
	r.must(err)
	if p.ETag != etag(body) || p.Number != number || p.Size != int64(len(body)) {
		r.t.Fatalf("part of %d bytes is told as %+v", len(body), p)
	}
	return object.CompletePart{Number: number, ETag: p.ETag}
}

func (r *rig) complete(bucket string, u object.Upload, parts ...object.CompletePart) (object.Info, error) {
	return r.CompleteUpload(r.ctx, object.CompleteInput{Bucket: bucket, Key: u.Key, Upload: u.ID, Parts: parts, Size: -1})
}

func TestUpload(t *testing.T) {
	r := newRig(t)
	u := r.begin(plain, "a", func(in *object.UploadInput) {
		in.Class, in.Owner, in.Attributes = "STANDARD", "me", object.Attributes{User: map[string]string{"k": "v"}}
	})
	one, two, three, last := random(1, 300_000), random(2, 300_000), random(3, 100), random(4, 1)
	r.part(plain, u, 7, random(9, 1000))
	p7 := r.part(plain, u, 7, three) // in place of the first
	p2, p1, p9, _ := r.part(plain, u, 2, two), r.part(plain, u, 1, one), r.part(plain, u, 9, last), r.part(plain, u, 8, random(5, 400))
	r.usage(plain, object.Usage{Uploads: 1, Pending: 600_501})
	r.reopen()
	var numbers []int
	for behind := 0; ; {
		parts, more, err := r.Parts(r.ctx, plain, "a", u.ID, behind, 2)
		r.must(err)
		for _, p := range parts {
			numbers, behind = append(numbers, p.Number), p.Number
		}
		if !more {
			break
		}
	}
	if !slices.Equal(numbers, []int{1, 2, 7, 8, 9}) {
		t.Errorf("parts %v", numbers)
	}
	r.getFails(plain, "a", "", object.ErrNoKey)
	info, err := r.complete(plain, u, p1, p2, p7, p9)
	r.must(err)
	sum := md5.New()
	for _, p := range []object.CompletePart{p1, p2, p7, p9} {
		b, _ := hex.DecodeString(p.ETag)
		sum.Write(b)
	}
	if want := hex.EncodeToString(sum.Sum(nil)) + "-4"; info.ETag != want || info.Parts != 4 {
		t.Errorf("completed %+v, want the ETag %s", info, want)
	}
	body := slices.Concat(one, two, three, last)
	got := r.holds(plain, "a", "", body)
	if got.User["k"] != "v" || got.Class != "STANDARD" || got.Owner != "me" {
		t.Errorf("completed %+v", got)
	}
	r.usage(plain, object.Usage{Objects: 1, Versions: 1, Bytes: 600_101})
	for number, want := range map[int][]byte{1: one, 2: two, 7: three, 9: last} {
		b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", Part: number})
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("part %d: %d bytes, %v", number, len(b), err)
		}
	}
	for _, number := range []int{-1, 3, 8, 10} {
		_, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", Part: number})
		r.wants(err, object.ErrNoPart)
	}
	for _, at := range []int64{0, 1, 65_515, 299_999, 300_000, 599_990, 600_099, 600_100} {
		b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", Range: &object.Range{First: at, Last: at + 120}})
		if want := body[at:min(int(at)+121, len(body))]; err != nil || !bytes.Equal(b, want) {
			t.Errorf("range at %d: %d bytes, %v", at, len(b), err)
		}
	}
	parts, more, err := r.ObjectParts(r.ctx, plain, "a", "", 1, 2)
	if err != nil || !more || len(parts) != 2 || parts[0].Number != 2 || parts[1].Number != 7 {
		t.Errorf("parts of the object: %+v, %t, %v", parts, more, err)
	}
	// Again, it answers the same.
	again, err := r.complete(plain, u, p1, p2, p7, p9)
	if err != nil || again.Generation != info.Generation {
		t.Errorf("completed again: %+v, %v", again, err)
	}
	_, err = r.tryPart(plain, u, 1, nil)
	r.wants(err, object.ErrNoUpload)
	// Parts that are in no object any more go, the others stay.
	r.must(r.Maintain(r.ctx))
	if n := len(r.files()); n != 4 {
		t.Errorf("%d files are left, want 4", n)
	}
	r.holds(plain, "a", "", body)
	r.delete(plain, "a", "")
	r.must(r.Maintain(r.ctx))
	if n := len(r.files()); n != 0 {
		t.Errorf("%d files are left", n)
	}
	_, err = r.complete(plain, u, p1)
	r.wants(err, object.ErrNoUpload)
}

func TestCompleteRefuses(t *testing.T) {
	r := newRig(t)
	u := r.begin(plain, "a")
	one, two, small := r.part(plain, u, 1, random(1, 100)), r.part(plain, u, 2, random(2, 100)), r.part(plain, u, 3, random(3, 99))
	four := r.part(plain, u, 4, random(4, 100))
	wrong := object.CompletePart{Number: 2, ETag: one.ETag}
	for name, test := range map[string]struct {
		parts []object.CompletePart
		want  error
	}{
		"none":         {nil, object.ErrInput},
		"order":        {[]object.CompletePart{two, one}, object.ErrPartOrder},
		"twice":        {[]object.CompletePart{one, one}, object.ErrPartOrder},
		"missing":      {[]object.CompletePart{one, {Number: 5, ETag: one.ETag}}, object.ErrPart},
		"wrong ETag":   {[]object.CompletePart{one, wrong}, object.ErrPart},
		"no ETag":      {[]object.CompletePart{{Number: 1}}, object.ErrPart},
		"small":        {[]object.CompletePart{one, two, small, four}, object.ErrPartSmall},
		"wrong sum":    {[]object.CompletePart{{Number: 1, ETag: one.ETag, Checksum: []byte("x")}}, object.ErrPart},
		"out of range": {[]object.CompletePart{{Number: 0, ETag: one.ETag}}, object.ErrPart},
	} {
		if _, err := r.complete(plain, u, test.parts...); err == nil || !strings.Contains(err.Error(), test.want.Error()) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	in := object.CompleteInput{Bucket: plain, Key: "a", Upload: u.ID, Parts: []object.CompletePart{one}, Size: 99}
	_, err := r.CompleteUpload(r.ctx, in)
	r.wants(err, object.ErrSize)
	in.Size, in.IfMatch = 100, "x"
	_, err = r.CompleteUpload(r.ctx, in)
	r.wants(err, object.ErrNoKey)
	in.IfMatch, in.IfNoneMatch = "", true
	r.put(plain, "a", []byte("there"))
	_, err = r.CompleteUpload(r.ctx, in)
	r.wants(err, object.ErrPrecondition)
	r.holds(plain, "a", "", []byte("there"))
	parts, _, err := r.Parts(r.ctx, plain, "a", u.ID, 0, 100)
	if err != nil || len(parts) != 4 {
		t.Errorf("%d parts are left, %v", len(parts), err)
	}
	if _, err := r.complete(plain, u, one, two, small); err != nil { // the last may be small
		t.Error(err)
	}
	for _, n := range []int{0, -1, object.MaxParts + 1} {
		_, err := r.tryPart(plain, u, n, nil)
		r.wants(err, object.ErrInput)
	}
}

func TestAbort(t *testing.T) {
	r := newRig(t)
	u := r.begin(versioned, "a")
	r.part(versioned, u, 1, random(1, 1000))
	r.part(versioned, u, 2, nil)
	other := u
	other.ID = r.begin(versioned, "b").ID
	_, err := r.tryPart(versioned, other, 1, nil) // of another key
	r.wants(err, object.ErrNoUpload)
	r.wants(r.AbortUpload(r.ctx, versioned, "b", u.ID), object.ErrNoUpload)
	r.wants(r.AbortUpload(r.ctx, versioned, "a", "x"), object.ErrNoUpload)
	r.must(r.AbortUpload(r.ctx, versioned, "a", u.ID))
	r.wants(r.AbortUpload(r.ctx, versioned, "a", u.ID), object.ErrNoUpload)
	_, _, err = r.Parts(r.ctx, versioned, "a", u.ID, 0, 1)
	r.wants(err, object.ErrNoUpload)
	r.usage(versioned, object.Usage{Uploads: 1})
	r.must(r.Maintain(r.ctx))
	if files := r.files(); len(files) != 0 {
		t.Errorf("files %v are left", files)
	}
	r.historyIs(versioned, "a")
}

func TestUploadChecksums(t *testing.T) {
	r := newRig(t)
	one, two := random(1, 5000), random(2, 3000)
	hash := func(a checksum.Algorithm, b ...[]byte) []byte {
		h := a.New()
		h.Write(slices.Concat(b...))
		return h.Sum(nil)
	}
	for _, a := range []checksum.Algorithm{checksum.CRC32, checksum.CRC32C, checksum.CRC64NVME, checksum.SHA1, checksum.SHA256} {
		for _, kind := range []checksum.Type{checksum.FullObject, checksum.Composite} {
			if a.Check(kind) != nil {
				_, err := r.CreateUpload(r.ctx, object.UploadInput{Bucket: plain, Key: "a", Algorithm: a, Type: kind})
				r.wants(err, object.ErrInput)
				continue
			}
			u := r.begin(plain, "a", func(in *object.UploadInput) { in.Algorithm, in.Type = a, kind })
			p1, p2 := r.part(plain, u, 1, one), r.part(plain, u, 2, two)
			p1.Checksum, p2.Checksum = hash(a, one), hash(a, two)
			want := hash(a, one, two)
			if kind == checksum.Composite {
				want = hash(a, p1.Checksum, p2.Checksum)
			}
			in := object.CompleteInput{Bucket: plain, Key: "a", Upload: u.ID, Parts: []object.CompletePart{p1, p2}, Size: 8000, Checksum: bytes.Clone(want)}
			in.Checksum[0] ^= 1
			_, err := r.CompleteUpload(r.ctx, in)
			r.wants(err, object.ErrDigest)
			in.Checksum[0] ^= 1
			info, err := r.CompleteUpload(r.ctx, in)
			if err != nil || !bytes.Equal(info.Checksum.Value, want) || info.Checksum.Type != kind || info.Checksum.Algorithm != a {
				t.Errorf("%s %s: %+v, %v", a, kind, info.Checksum, err)
			}
		}
	}
	u := r.begin(plain, "a", func(in *object.UploadInput) { in.Algorithm = checksum.SHA1 })
	_, err := r.tryPart(plain, u, 1, one, func(in *object.PartInput) { in.Algorithm = checksum.CRC32 })
	r.wants(err, object.ErrInput)
	_, err = r.tryPart(plain, u, 1, one, func(in *object.PartInput) {
		in.Algorithm, in.Checksum = checksum.SHA1, func() ([]byte, error) { return make([]byte, 20), nil }
	})
	r.wants(err, object.ErrDigest)
}

func TestUploadWithCustomerKey(t *testing.T) {
	r := newRig(t)
	key := seal.NewKey()
	u := r.begin(plain, "a", func(in *object.UploadInput) { in.CustomerKey = key })
	_, err := r.tryPart(plain, u, 1, []byte("x"))
	r.wants(err, object.ErrCustomerKey)
	_, err = r.tryPart(plain, u, 1, []byte("x"), func(in *object.PartInput) { in.CustomerKey = seal.NewKey() })
	r.wants(err, object.ErrWrongKey)
	p, err := r.tryPart(plain, u, 1, []byte("x"), func(in *object.PartInput) { in.CustomerKey = key })
	r.must(err)
	_, err = r.complete(plain, u, object.CompletePart{Number: 1, ETag: p.ETag})
	r.must(err)
	_, _, err = r.tryGet(object.GetInput{Bucket: plain, Key: "a"})
	r.wants(err, object.ErrCustomerKey)
	b, _, err := r.tryGet(object.GetInput{Bucket: plain, Key: "a", CustomerKey: key})
	if err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestManyParts(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.MinPart = 1 })
	u := r.begin(versioned, "a")
	var parts []object.CompletePart
	var body []byte
	for n := 1; n <= object.MaxParts; n += 7 {
		b := fmt.Appendf(nil, "%0*d", n%3+1, n)
		parts, body = append(parts, r.part(versioned, u, n, b)), append(body, b...)
	}
	_, err := r.complete(versioned, u, parts...)
	r.must(err)
	r.holds(versioned, "a", "", body)
	last := parts[len(parts)-1].Number
	b, _, err := r.tryGet(object.GetInput{Bucket: versioned, Key: "a", Part: last})
	if err != nil || !bytes.HasSuffix(body, b) {
		t.Errorf("part %d is %q, %v", last, b, err)
	}
}

func TestCopy(t *testing.T) {
	r := newRig(t)
	for _, n := range []int{0, 100, 300_000} {
		body := random(1, n)
		source := r.put(versioned, "from", body, func(in *object.PutInput) { in.User = map[string]string{"k": "v"} })
		r.put(versioned, "from", []byte("newer"))
		put, told, err := r.Copy(r.ctx, object.GetInput{Bucket: versioned, Key: "from", Version: source.Version}, func(source object.Info) (object.PutInput, error) {
			return object.PutInput{Bucket: plain, Key: "to", Attributes: source.Attributes}, nil
		})
		r.must(err)
		if told.Version != source.Version || put.ETag != source.ETag {
			t.Errorf("copied %+v to %+v", told, put)
		}
		if got := r.holds(plain, "to", "", body); got.User["k"] != "v" {
			t.Errorf("the copy has the metadata %v", got.User)
		}
		// Onto itself.
		_, _, err = r.Copy(r.ctx, object.GetInput{Bucket: plain, Key: "to"}, func(object.Info) (object.PutInput, error) {
			return object.PutInput{Bucket: plain, Key: "to", Attributes: object.Attributes{User: map[string]string{"k": "w"}}}, nil
		})
		r.must(err)
		if got := r.holds(plain, "to", "", body); got.User["k"] != "w" {
			t.Errorf("the copy has the metadata %v", got.User)
		}
	}
	u := r.begin(plain, "parts")
	p, _, err := r.CopyPart(r.ctx, object.GetInput{Bucket: plain, Key: "to", Range: &object.Range{First: 10, Last: 300}}, func(object.Info) (object.PartInput, error) {
		return object.PartInput{Bucket: plain, Key: "parts", Upload: u.ID, Number: 1}, nil
	})
	r.must(err)
	_, err = r.complete(plain, u, object.CompletePart{Number: 1, ETag: p.ETag})
	r.must(err)
	r.holds(plain, "parts", "", random(1, 300_000)[10:301])
	_, _, err = r.Copy(r.ctx, object.GetInput{Bucket: plain, Key: "to"}, func(object.Info) (object.PutInput, error) { return object.PutInput{}, object.ErrPrecondition })
	r.wants(err, object.ErrPrecondition)
}
