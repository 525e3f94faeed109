package s3

import (
	"encoding/base64"
	"strings"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object/checksum"
)

// TestEveryChecksum puts with each checksum, as a whole and in parts, and has wrong ones
// refused.
func TestEveryChecksum(t *testing.T) {
	r := newRig(t)
	r.bucket("box")
	box := new("box")
	for _, a := range checksum.Algorithms {
		key := new(string(a))
		sum := checksum.Sum{Algorithm: a, Type: checksum.FullObject, Value: hashed(a, "hello")}
		wrong := sum
		wrong.Value = hashed(a, "another")

		in := &api.PutObjectRequest{Bucket: box, Key: key, Body: strings.NewReader("hello")}
		show(in, wrong, 0)
		want(t, string(a)+" of another", second(r.PutObject(r.ctx, in)), "BadDigest")
		in = &api.PutObjectRequest{Bucket: box, Key: key, Body: strings.NewReader("hello")}
		show(in, sum, 0)
		put := must(r.PutObject(r.ctx, in))(t)
		head := must(r.HeadObject(r.ctx, &api.HeadObjectRequest{Bucket: box, Key: key, ChecksumMode: new("ENABLED")}))(t)
		text := base64.StdEncoding.EncodeToString(sum.Value)
		if got := sumsOf(head); got[a] != text || sumsOf(put)[a] != text || len(got) != 1 || *head.ChecksumType != "FULL_OBJECT" {
			t.Errorf("%s is told as %v, not %s", a, got, text)
		}
		r.inParts(t, a, sum)
	}
}

// inParts puts an object of one part with a checksum.
func (r *rig) inParts(t *testing.T, a checksum.Algorithm, sum checksum.Sum) {
	t.Helper()
	box, key := new("box"), new("parts "+string(a))
	up := must(r.CreateMultipartUpload(r.ctx, &api.CreateMultipartUploadRequest{Bucket: box, Key: key, ChecksumAlgorithm: new(string(a))}))(t)
	if *up.ChecksumType != string(a.Default()) {
		t.Errorf("an upload with %s is of type %s", a, *up.ChecksumType)
	}
	in := &api.UploadPartRequest{Bucket: box, Key: key, UploadId: up.UploadId, PartNumber: new(int32(1)), Body: strings.NewReader("hello")}
	show(in, sum, 0)
	part := must(r.UploadPart(r.ctx, in))(t)
	done := api.CompletedPart{PartNumber: in.PartNumber, ETag: part.ETag}
	show(&done, sum, 0)
	whole := must(r.CompleteMultipartUpload(r.ctx, &api.CompleteMultipartUploadRequest{
		Bucket: box, Key: key, UploadId: up.UploadId, MultipartUpload: &api.CompletedMultipartUpload{Parts: []api.CompletedPart{done}},
	}))(t)
	wanted := base64.StdEncoding.EncodeToString(sum.Value)
	if a.Default() == checksum.Composite {
		wanted = base64.StdEncoding.EncodeToString(hashed(a, string(sum.Value))) + "-1"
	}
	if got := sumsOf(whole)[a]; got != wanted {
		t.Errorf("%s of an object in parts is %q, not %q", a, got, wanted)
	}
}

func hashed(a checksum.Algorithm, text string) []byte {
	h := a.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}
