package s3

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/vauban-cloud/vauban/object"
)

// asked is a request about a key, told what was answered.
type asked struct {
	key, op, value string
	old            answer // to a get, of a swap
}

type answer struct {
	value string // of a get, "" if there is none
	etag  string
	done  bool // a conditional put was done
	keys  bool // a list has the key
}

// aKey is what a key is to its clients: it has a value, or "" for none.
var aKey = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		keys := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(asked).key
			keys[key] = append(keys[key], o)
		}
		for _, part := range keys {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out, now := input.(asked), output.(answer), state.(string)
		switch in.op {
		case "put", "complete", "copy":
			return true, in.value
		case "delete":
			return true, ""
		case "get":
			return out.value == now, now
		case "list":
			return out.keys == (now != ""), now
		case "create":
			if out.done {
				return now == "", in.value
			}
			return now != "", now
		default: // swap
			if out.done {
				return now == in.old.value, in.value
			}
			return now != in.old.value, now
		}
	},
}

// TestLinearThroughTheSDK has many clients change, read and list a few keys at once, and
// a checker find an order in which one client could have done it, for every key.
func TestLinearThroughTheSDK(t *testing.T) {
	for _, versioning := range []object.Versioning{object.Unversioned, object.Enabled} {
		r := newRig(t)
		r.bucket("box")
		if versioning != object.Unversioned {
			r.versions("box", versioning)
		}
		c := r.client()
		var history []porcupine.Operation
		var mu sync.Mutex // guards history
		var all sync.WaitGroup
		begin := time.Now()
		for worker := range 6 {
			rng := rand.New(rand.NewPCG(uint64(worker), 11))
			all.Go(func() {
				seen := map[string]answer{}
				for n := range 60 {
					in := asked{
						key: fmt.Sprint("k", rng.IntN(3)), value: fmt.Sprintf("%d-%d", worker, n),
						op: []string{"put", "create", "swap", "swap", "get", "get", "list", "delete", "complete", "copy"}[rng.IntN(10)],
					}
					if in.old = seen[in.key]; in.op == "swap" && in.old.value == "" {
						in.op = "get"
					}
					call := time.Since(begin)
					out, err := perform(t, c, in)
					back := time.Since(begin)
					if err != nil {
						t.Errorf("%s: %v", in.op, err)
						return
					}
					if in.op == "get" {
						seen[in.key] = out
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: worker, Input: in, Call: int64(call), Output: out, Return: int64(back)})
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if result := porcupine.CheckOperationsTimeout(aKey, history, 30*time.Second); result != porcupine.Ok {
			t.Errorf("versioning %v: the history of %d requests is %s", versioning, len(history), result)
		}
	}
}

// perform sends what is asked, and returns what was answered.
func perform(t *testing.T, c *sdk.Client, in asked) (answer, error) {
	ctx, box := t.Context(), new("box")
	put := &sdk.PutObjectInput{Bucket: box, Key: &in.key, Body: bytes.NewReader([]byte(in.value))}
	switch in.op {
	case "get":
		out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: box, Key: &in.key})
		if apiCode(err) == "NoSuchKey" {
			return answer{}, nil
		}
		if err != nil {
			return answer{}, err
		}
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		return answer{value: string(b), etag: *out.ETag}, err
	case "list":
		out, err := c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: box, Prefix: &in.key})
		if err != nil {
			return answer{}, err
		}
		return answer{keys: len(out.Contents) > 0}, nil
	case "delete":
		_, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: box, Key: &in.key})
		return answer{}, err
	case "complete":
		return answer{}, inParts(t, c, box, in)
	case "copy":
		from := "from " + in.value
		if _, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: box, Key: &from, Body: strings.NewReader(in.value)}); err != nil {
			return answer{}, err
		}
		_, err := c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: box, Key: &in.key, CopySource: new("box/" + encoded(from))})
		return answer{}, err
	case "create":
		put.IfNoneMatch = new("*")
	case "swap":
		put.IfMatch = &in.old.etag
	}
	_, err := c.PutObject(ctx, put)
	if code := apiCode(err); code == "PreconditionFailed" || in.op == "swap" && code == "NoSuchKey" {
		return answer{}, nil
	}
	return answer{done: true}, err
}

// inParts puts a value as an upload of one part.
func inParts(t *testing.T, c *sdk.Client, box *string, in asked) error {
	ctx := t.Context()
	up, err := c.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: box, Key: &in.key})
	if err != nil {
		return err
	}
	one := new(int32(1))
	part, err := c.UploadPart(ctx, &sdk.UploadPartInput{Bucket: box, Key: &in.key, UploadId: up.UploadId, PartNumber: one, Body: strings.NewReader(in.value)})
	if err != nil {
		return err
	}
	_, err = c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{
		Bucket: box, Key: &in.key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: one, ETag: part.ETag}}},
	})
	return err
}
