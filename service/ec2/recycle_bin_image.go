package ec2

import (
	"context"
	"iter"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// binnedImage reports whether an image can be restored.
func (s *Service) binnedImage(i cloud.Image) bool {
	return i.Retired && s.Now().Before(i.Expires)
}

// ListImagesInRecycleBin lists the images that can be restored.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ListImagesInRecycleBin.html
func (s *Service) ListImagesInRecycleBin(ctx context.Context, in *ec2.ListImagesInRecycleBinRequest) (*ec2.ListImagesInRecycleBinResult, error) {
	caller, err := s.allow(ctx, "ListImagesInRecycleBin", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.Image]{
		operation: "ListImagesInRecycleBin", table: imageTable, prefix: "ami", ids: in.ImageIds, max: in.MaxResults, most: 1000, token: in.NextToken,
		seen: func(i cloud.Image) bool { return s.binnedImage(i) && i.Account == caller.Account },
		all: func(r store.Reader) iter.Seq[cloud.Image] {
			return where(imageTable.Select(r, cloud.AccountLabel(caller.Account)), s.binnedImage)
		},
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.ListImagesInRecycleBinResult{NextToken: next, Images: each(found, func(i cloud.Image) ec2.ImageRecycleBinInfo {
		return ec2.ImageRecycleBinInfo{ImageId: &i.ID, Name: &i.Name, Description: &i.Description, RecycleBinEnterTime: &i.Binned, RecycleBinExitTime: &i.Expires}
	})}, nil
}

// RestoreImageFromRecycleBin undoes the withdrawal of an image. Its snapshots must be there:
// what of them is in the recycle bin is to be restored first.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RestoreImageFromRecycleBin.html
func (s *Service) RestoreImageFromRecycleBin(ctx context.Context, in *ec2.RestoreImageFromRecycleBinRequest) (*ec2.RestoreImageFromRecycleBinResult, error) {
	a, id := s.asking(ctx), val(in.ImageId)
	about := a.absent("ami", id)
	if i, ok := s.restorable(a.r, a.c, id); ok {
		about = aboutImage.doc(a, i)
	}
	caller, err := s.allow(ctx, "RestoreImageFromRecycleBin", in.DryRun, about)
	if err != nil {
		return nil, err
	}
	if err := checkIDs("ami", id); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, ok := s.restorable(tx, caller, id)
		if !ok {
			return notFound("ami", id)
		}
		for _, m := range i.Mappings {
			if n, ok := snapshotTable.Get(tx, m.Snapshot); m.Snapshot != "" && (!ok || !n.Kept()) {
				return notFound("snap", m.Snapshot)
			}
		}
		if err := claimImageName(tx, i); err != nil {
			return err
		}
		i.Retired, i.Binned, i.Expires = false, time.Time{}, time.Time{}
		return imageTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.RestoreImageFromRecycleBinResult{Return: new(true)}, nil
}

// restorable returns the caller's image of that ID that is in the recycle bin.
func (s *Service) restorable(r store.Reader, c cloud.Caller, id string) (cloud.Image, bool) {
	i, ok := imageTable.Get(r, id)
	return i, ok && s.binnedImage(i) && i.Account == c.Account
}
