package s3

import (
	"context"
	"fmt"
	"sync"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// Keys gives package object the keys of buckets. A bucket's key goes with its
// document: what it had sealed cannot be read from then on.
type Keys struct {
	DB   *store.Store
	Seal *seal.Key // seals the keys of buckets

	opened sync.Map // *seal.Key by ID of the bucket
}

// BucketKey returns the key of a bucket, or object.ErrUnreadable if it is gone.
func (k *Keys) BucketKey(_ context.Context, id string) (*seal.Key, error) {
	b, ok := bucketTable.Get(k.DB.View(), id)
	if !ok {
		k.opened.Delete(id)
		return nil, object.ErrUnreadable
	}
	if key, ok := k.opened.Load(id); ok {
		return key.(*seal.Key), nil
	}
	raw, err := k.Seal.Open(owner(id), b.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the key of bucket %s: %w", id, err)
	}
	key, err := seal.New(raw)
	if err == nil {
		k.opened.Store(id, key)
	}
	return key, err
}

// fresh returns a new key for a bucket, sealed.
func (k *Keys) fresh(b cloud.Bucket) []byte { return k.Seal.Seal(owner(b.ID), seal.NewKey()) }

// owner is whom a bucket's key is sealed for.
func owner(id string) string { return "bucket/" + id }
