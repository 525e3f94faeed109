package ebs

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/service/internal/clienttoken"
	"github.com/vauban-cloud/vauban/service/internal/tagging"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of a request; minutes, GiB, characters.
const (
	minTimeout, maxTimeout, defaultTimeout = 10, 4320, 60
	maxSize                                = 16 << 10
	maxDescription                         = 255
	maxClientToken                         = 255
	hostSilence                            = time.Minute // after its last heartbeat a host gets no work
	diskAlias                              = "alias/aws/ebs"
)

// StartSnapshot makes a snapshot that is to be filled by PutSnapshotBlock.
// https://docs.aws.amazon.com/ebs/latest/APIReference/API_StartSnapshot.html
func (s *Service) StartSnapshot(ctx context.Context, in *api.StartSnapshotRequest) (*api.StartSnapshotResponse, error) {
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[val(t.Key)] = val(t.Value)
	}
	fill := &cloud.SnapshotFill{Parent: val(in.ParentSnapshotId)}
	caller, err := s.allowStart(ctx, in, fill, tags)
	if err != nil {
		return nil, err
	}
	if err := checkStart(in, tags); err != nil {
		return nil, err
	}
	now := s.Now().UTC()
	fill.Written, fill.Timeout = now, defaultTimeout*time.Minute
	if in.Timeout != nil {
		fill.Timeout = time.Duration(*in.Timeout) * time.Minute
	}
	var made cloud.Snapshot
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := clienttoken.Use{Account: caller.Account, Operation: "ebs:StartSnapshot", Token: val(in.ClientToken)}.Once(tx, now, in, func() ([]string, error) {
			account, _ := accounts.Get(tx, caller.Account)
			n := cloud.Snapshot{
				Meta:    cloud.Meta{ID: s.NewID("snap"), Account: caller.Account, Created: now, Tags: tags},
				SizeGiB: int(*in.VolumeSize), Description: val(in.Description), Fill: fill, Encrypted: val(in.Encrypted) || account.EncryptDisks,
			}
			if err := s.place(tx, caller, &n, now); err != nil {
				return nil, err
			}
			if s.DiskKeys != nil {
				n.Sealed = s.DiskKeys.Seal(n.ID, seal.NewKey())
			}
			return []string{n.ID}, snapshots.Create(tx, n)
		})
		if errors.Is(err, clienttoken.ErrMismatch) {
			return &cloud.Error{Code: "ConflictException", Status: 409, Message: "The client token was already used for a request with other parameters."}
		}
		if err != nil {
			return err
		}
		var ok bool
		if made, ok = snapshots.Get(tx, ids[0]); !ok {
			return noSnapshot(ids[0]) // deleted since
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.showStarted(made), nil
}

// allowStart asks for the start, and for the tags.
func (s *Service) allowStart(ctx context.Context, in *api.StartSnapshotRequest, fill *cloud.SnapshotFill, tags map[string]string) (cloud.Caller, error) {
	r := policy.Resource{ARN: s.arn("*"), Owner: cloud.CallerFrom(ctx).Account, Keys: tagging.Keys(tags)}
	maps.Copy(r.Keys, s.facts(val(in.Description), fill, int(val(in.VolumeSize))))
	caller, err := s.authorize(ctx, "StartSnapshot", r)
	if err != nil || len(tags) == 0 {
		return caller, err
	}
	return caller, s.Authz.Authorize(ctx, policy.Request{
		Caller: caller, Action: "ec2:CreateTags", Resources: []policy.Resource{r}, Service: "ebs",
		Keys: keys{"ec2:Region": {s.Place.Region}, "ec2:CreateAction": {"StartSnapshot"}},
	})
}

func checkStart(in *api.StartSnapshotRequest, tags map[string]string) error {
	size, timeout := val(in.VolumeSize), val(in.Timeout)
	switch {
	case size < 1 || size > maxSize:
		return invalid(api.ValidationExceptionReasonINVALIDVOLUMESIZE, "The volume size of %d GiB is not 1 to %d.", size, maxSize)
	case in.Timeout != nil && (timeout < minTimeout || timeout > maxTimeout):
		return wrongValue("The timeout of %d minutes is not %d to %d.", timeout, minTimeout, maxTimeout)
	case utf8.RuneCountInString(val(in.Description)) > maxDescription:
		return wrongValue("The description has more than %d characters.", maxDescription)
	case len(val(in.ClientToken)) > maxClientToken || strings.ContainsAny(val(in.ClientToken), " \t\r\n"):
		return wrongValue("The client token has more than %d characters, or spaces.", maxClientToken)
	case in.ParentSnapshotId != nil && in.Encrypted != nil:
		return invalid(api.ValidationExceptionReasonINVALIDDEPENDENCYREQUEST, "ParentSnapshotId and Encrypted cannot be given together: a snapshot is encrypted if its parent is.")
	case in.KmsKeyArn != nil && !val(in.Encrypted):
		return invalid(api.ValidationExceptionReasonINVALIDDEPENDENCYREQUEST, "KmsKeyArn needs Encrypted to be true.")
	case in.KmsKeyArn != nil && *in.KmsKeyArn != diskAlias && !strings.HasSuffix(*in.KmsKeyArn, ":"+diskAlias):
		return invalid(api.ValidationExceptionReasonINVALIDCUSTOMERKEY, "Snapshots are encrypted under keys that the cloud makes for each: leave out KmsKeyArn, or give that of %s.", diskAlias)
	}
	if wrong := tagging.Check(tags); wrong != "" || len(tags) != len(in.Tags) {
		return invalid(api.ValidationExceptionReasonINVALIDTAG, "%s", cmp.Or(wrong, "A tag key is given more than once."))
	}
	return nil
}

// place chooses the host: that of the parent, or the one with the most disk free.
func (s *Service) place(tx *store.Tx, c cloud.Caller, n *cloud.Snapshot, now time.Time) error {
	if n.Fill.Parent == "" {
		free := -1
		for h := range hosts.All(tx) {
			if now.Sub(h.Seen) <= hostSilence && h.DiskFree > free {
				n.Host, free = h.ID, h.DiskFree
			}
		}
		if free < 1 {
			return &cloud.Error{Code: "ServiceQuotaExceededException", Status: 402, Reason: api.ServiceQuotaExceededExceptionReasonDEPENDENCYSERVICEQUOTAEXCEEDED, Message: "No host has room for another snapshot."}
		}
		return nil
	}
	parent, ok := snapshots.Get(tx, n.Fill.Parent)
	switch {
	case !ok || parent.Account != c.Account || !parent.Kept():
		return noSnapshot(n.Fill.Parent)
	case parent.State() != cloud.SnapshotCompleted:
		return invalid(api.ValidationExceptionReasonINVALIDSNAPSHOTID, "The parent snapshot %s is %s. Wait until it is completed.", parent.ID, parent.State())
	case parent.SizeGiB > n.SizeGiB:
		return invalid(api.ValidationExceptionReasonINVALIDVOLUMESIZE, "The volume size of %d GiB is less than that of the parent snapshot, %d GiB.", n.SizeGiB, parent.SizeGiB)
	}
	n.Host, n.Encrypted = parent.Host, parent.Encrypted
	return nil
}

func (s *Service) showStarted(n cloud.Snapshot) *api.StartSnapshotResponse {
	out := &api.StartSnapshotResponse{
		SnapshotId: &n.ID, OwnerId: &n.Account, Status: new(string(n.State())), StartTime: &n.Created, VolumeSize: new(int64(n.SizeGiB)),
		BlockSize: new(int32(cloud.BlockBytes)), Description: opt(n.Description), ParentSnapshotId: opt(n.Fill.Parent), SseType: new(api.SSETypeNone),
	}
	if n.Encrypted {
		out.KmsKeyArn, out.SseType = new(s.Place.ARN("kms", n.Account, diskAlias)), new(api.SSETypeSseKms)
	}
	for _, key := range sorted(n.Tags) {
		out.Tags = append(out.Tags, api.Tag{Key: new(key), Value: new(n.Tags[key])})
	}
	return out
}
