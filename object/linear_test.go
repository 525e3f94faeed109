package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/vauban-cloud/vauban/object"
)

// linearInput is an operation on a key, linearOutput what it returned.
type linearInput struct {
	key   string
	op    string // "put", "create" (if there is none), "swap" (if it has the ETag of old), "get", "delete"
	value string
	old   string
}

type linearOutput struct {
	value string // of a get; "" if there is none
	done  bool   // of a conditional put
}

// oneRegister is what a key is: it holds a value, or "".
var oneRegister = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(linearInput).key
			keys[k] = append(keys[k], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range keys {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out, now := input.(linearInput), output.(linearOutput), state.(string)
		switch in.op {
		case "put":
			return true, in.value
		case "delete":
			return true, ""
		case "get":
			return out.value == now, now
		case "create":
			if out.done {
				return now == "", in.value
			}
			return now != "", now
		default:
			if out.done {
				return now == in.old, in.value
			}
			return now != in.old, now
		}
	},
}

// TestLinearizable records what many do to a few keys at once, and has a checker find an
// order in which one could have done it, for every key.
func TestLinearizable(t *testing.T) {
	for _, bucket := range []string{plain, versioned} {
		r := newRig(t, func(c *object.Config) {
			now := c.Now
			c.Now = func() time.Time { // a change asks for the time in its midst: let others come between
				for range 20 {
					runtime.Gosched()
				}
				return now()
			}
		})
		begin := time.Now()
		var mu sync.Mutex
		var history []porcupine.Operation
		var all sync.WaitGroup
		for w := range 6 {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			all.Go(func() {
				seen := map[string]string{}
				for n := range 250 {
					in := linearInput{
						key: fmt.Sprint("k", rng.IntN(4)), op: []string{"put", "create", "swap", "get", "get", "delete"}[rng.IntN(6)],
						value: fmt.Sprintf("%d-%d", w, n),
					}
					if in.old = seen[in.key]; in.op == "swap" && in.old == "" {
						in.op = "get"
					}
					call := time.Since(begin)
					out, err := linearStep(r, bucket, in)
					back := time.Since(begin)
					if err != nil {
						t.Error(err)
						return
					}
					if in.op == "get" {
						seen[in.key] = out.value
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: w, Input: in, Call: int64(call), Output: out, Return: int64(back)})
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if result := porcupine.CheckOperationsTimeout(oneRegister, history, 20*time.Second); result != porcupine.Ok {
			t.Errorf("%s: the history of %d operations is %s", bucket, len(history), result)
		}
	}
}

func linearStep(r *rig, bucket string, in linearInput) (linearOutput, error) {
	put := object.PutInput{Bucket: bucket, Key: in.key, Size: -1}
	switch in.op {
	case "get":
		b, _, err := r.tryGet(object.GetInput{Bucket: bucket, Key: in.key})
		if errors.Is(err, object.ErrNoKey) || errors.Is(err, object.ErrMarker) {
			return linearOutput{}, nil
		}
		return linearOutput{value: string(b)}, err
	case "delete":
		_, err := r.Delete(r.ctx, bucket, object.DeleteInput{Key: in.key})
		return linearOutput{}, err
	case "create":
		put.IfNoneMatch = true
	case "swap":
		put.IfMatch = etag([]byte(in.old))
	}
	_, err := r.Put(r.ctx, put, bytes.NewReader([]byte(in.value)))
	if errors.Is(err, object.ErrPrecondition) || in.op == "swap" && errors.Is(err, object.ErrNoKey) {
		return linearOutput{}, nil
	}
	return linearOutput{done: true}, err
}
