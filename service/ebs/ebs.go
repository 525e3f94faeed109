// Package ebs implements the EBS direct APIs: snapshots are read and made block by block.
// https://docs.aws.amazon.com/ebs/latest/APIReference/
//
// A method authorises, validates, changes the snapshot's document, and answers, as in the other
// services; but that blocks go straight to and from the host that keeps the snapshot. A block
// that was put is on the disk when the answer says so. What was put is a snapshot once its host
// has compared it with what CompleteSnapshot says.
package ebs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the API. Its exported methods are exactly the operations that it supports.
// Fields are set once, before the first call.
type Service struct {
	DB       *store.Store
	Authz    policy.Authorizer
	Place    cloud.Place
	Now      func() time.Time
	NewID    func(prefix string) string
	Blocks   Blocks
	DiskKeys *seal.Key // seals the data keys of new snapshots, each for its ID; nil: they have none
	Key      []byte    // proves the tokens of blocks and pages
}

// Blocks reaches the bytes of snapshots, on the hosts that keep them. Blocks have
// cloud.BlockBytes.
type Blocks interface {
	// ChangedBlocks returns which blocks may differ between two snapshots, in order from the
	// given one on, limit of them at most; those that the second holds if first is nil.
	ChangedBlocks(ctx context.Context, first, second *cloud.Snapshot, from int64, limit int) ([]cloud.BlockChange, error)
	// ReadBlock returns a block.
	ReadBlock(ctx context.Context, s *cloud.Snapshot, index int64) ([]byte, error)
	// WriteBlock makes a block of a snapshot that is being filled durable. parent is the one
	// that it begins with, nil if there is none.
	WriteBlock(ctx context.Context, s, parent *cloud.Snapshot, index int64, data []byte) error
}

var (
	snapshots store.Table[cloud.Snapshot]
	volumes   store.Table[cloud.Volume]
	accounts  store.Table[cloud.Account]
	hosts     store.Table[cloud.Host]
)

// keys are condition keys.
type keys = map[string][]string

// allow is the one authorisation of an operation, on the snapshots that it names: it comes
// before anything is told of them. Those that the caller cannot see are asked about like its own.
func (s *Service) allow(ctx context.Context, action string, ids ...*string) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	var about []policy.Resource
	for _, id := range ids {
		r := policy.Resource{ARN: s.arn(val(id)), Owner: caller.Account}
		if n, ok := s.visible(caller, val(id)); ok {
			r.Tags, r.Keys = n.Tags, s.facts(n.Description, n.Fill, n.SizeGiB)
			if n.Account != caller.Account {
				r.Owner, r.Tags = "", nil
				r.Keys["aws:ResourceAccount"] = []string{n.Account}
			}
		}
		about = append(about, r)
	}
	return s.authorize(ctx, action, about...)
}

func (s *Service) authorize(ctx context.Context, action string, about ...policy.Resource) (cloud.Caller, error) {
	caller := cloud.CallerFrom(ctx)
	return caller, s.Authz.Authorize(ctx, policy.Request{Caller: caller, Action: "ebs:" + action, Resources: about})
}

// facts are the condition keys of a snapshot.
func (s *Service) facts(description string, fill *cloud.SnapshotFill, size int) keys {
	k := keys{"ebs:VolumeSize": {fmt.Sprint(size)}}
	if description != "" {
		k["ebs:Description"] = []string{description}
	}
	if fill != nil && fill.Parent != "" {
		k["ebs:ParentSnapshot"] = []string{s.arn(fill.Parent)}
	}
	return k
}

// arn names a snapshot; those ARNs have no account.
func (s *Service) arn(id string) string { return s.Place.ARN("ec2", "", "snapshot/"+id) }

// visible returns a snapshot that is the caller's, or was shared with it by name. The public
// ones are not for these operations.
func (s *Service) visible(c cloud.Caller, id string) (cloud.Snapshot, bool) {
	n, ok := snapshots.Get(s.DB.View(), id)
	return n, ok && n.Kept() && (n.Account == c.Account || slices.Contains(n.Shared, c.Account))
}

// readable is a snapshot whose blocks the caller may read.
func (s *Service) readable(c cloud.Caller, id *string) (cloud.Snapshot, error) {
	n, ok := s.visible(c, val(id))
	switch {
	case !ok:
		return n, noSnapshot(val(id))
	case n.State() != cloud.SnapshotCompleted:
		return n, invalid(api.ValidationExceptionReasonINVALIDSNAPSHOTID, "The snapshot %s is %s. Wait until it is completed.", n.ID, n.State())
	}
	return n, nil
}

// own is the caller's snapshot of that ID, which it fills.
func own(r store.Reader, c cloud.Caller, id *string) (cloud.Snapshot, error) {
	n, ok := snapshots.Get(r, val(id))
	switch {
	case !ok || n.Account != c.Account || !n.Kept():
		return n, noSnapshot(val(id))
	case n.Fill == nil:
		return n, invalid(api.ValidationExceptionReasonINVALIDSNAPSHOTID, "The snapshot %s was not started by StartSnapshot.", n.ID)
	}
	return n, nil
}

// The errors: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-direct-api-errors.html

func noSnapshot(id string) error {
	return &cloud.Error{
		Code: "ResourceNotFoundException", Status: http.StatusNotFound, Reason: api.ResourceNotFoundExceptionReasonSNAPSHOTNOTFOUND,
		Message: fmt.Sprintf("The snapshot '%s' does not exist.", id),
	}
}

func invalid(reason, format string, args ...any) error {
	return &cloud.Error{Code: "ValidationException", Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func wrongValue(format string, args ...any) error {
	return invalid(api.ValidationExceptionReasonINVALIDPARAMETERVALUE, format, args...)
}

func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
