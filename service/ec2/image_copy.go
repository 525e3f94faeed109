package ec2

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CopyImage makes an image of the caller's own of one that it may use and whose snapshots
// it may use, with copies of those. The image is pending until they are kept.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html
func (s *Service) CopyImage(ctx context.Context, in *ec2.CopyImageRequest) (*ec2.CopyImageResult, error) {
	a := s.asking(ctx)
	about := []subject{a.newImage(in.TagSpecifications), aboutImage.of(a, val(in.SourceImageId))}
	if tags := requestTags(in.TagSpecifications, "snapshot"); len(tags) > 0 {
		about = append(about, a.newSnapshot(cloud.Volume{}, "", tags))
	}
	caller, err := s.allow(ctx, "CopyImage", in.DryRun, about...)
	wish, refused := s.checkCopyImage(in, val(in.Encrypted) || a.encrypts())
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	var id string
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "CopyImage", in.ClientToken, in, func() ([]string, error) {
			from, ok := visibleImage(tx, caller, *in.SourceImageId)
			if !ok {
				return nil, notFound("ami", *in.SourceImageId)
			}
			made, err := s.copyImage(tx, caller, from, wish, val(in.CopyImageTags), val(in.Encrypted))
			return []string{made.ID}, err
		})
		if err == nil {
			id = ids[0]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CopyImageResult{ImageId: &id}, nil
}

func (s *Service) copyImage(tx *store.Tx, c cloud.Caller, from cloud.Image, w imageWish, withTags, encrypted bool) (cloud.Image, error) {
	switch err := usableImage(from); {
	case err != nil:
		return from, err
	case len(from.Mappings) == 0:
		return from, unsupported("An image of the catalogue has no snapshots that could be copied. Launch an instance of it, and create an image of that.")
	}
	w.description = cmp.Or(w.description, fmt.Sprintf("[Copied %s from %s] %s", from.ID, s.Place.Region, from.Name))
	if withTags && from.Account == c.Account {
		tags := maps.Clone(from.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, w.tags["image"])
		w.tags = map[string]map[string]string{"image": tags, "snapshot": w.tags["snapshot"]}
		if len(tags) > maxTags {
			return from, cloud.Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
		}
	}
	made, err := s.newImage(tx, c, w)
	if err != nil {
		return made, err
	}
	made = like(made, from)
	made.From, made.SizeGiB = from.ID, from.SizeGiB
	made.Mappings = append(made.Mappings, from.Mappings...)
	encrypted = encrypted || asking{s, tx, c}.encrypts()
	for k, m := range made.Mappings {
		if m.Snapshot == "" {
			continue
		}
		n, ok := visibleSnapshot(tx, c, m.Snapshot)
		if !ok {
			return made, cloud.Errorf("InvalidRequest", "You do not have permission to access the storage of this ami")
		}
		copied := s.copyOf(n, s.NewID("snap"), c, encrypted)
		copied.Image, copied.Tags = made.ID, w.tags["snapshot"]
		copied.Description = fmt.Sprintf("Copied for DestinationAmi %s from SourceAmi %s for SourceSnapshot %s.", made.ID, from.ID, n.ID)
		if err := snapshotTable.Create(tx, copied); err != nil {
			return made, err
		}
		made.Mappings[k].Snapshot, made.Mappings[k].Encrypted = copied.ID, copied.Encrypted
	}
	return made, imageTable.Create(tx, made)
}

func (s *Service) checkCopyImage(in *ec2.CopyImageRequest, encrypted bool) (imageWish, error) {
	w, err := checkImage(in.Name, in.Description, in.TagSpecifications, "image", "snapshot")
	if err != nil {
		return w, err
	}
	switch {
	case val(in.SourceImageId) == "":
		return w, missing("SourceImageId")
	case val(in.SourceRegion) == "":
		return w, missing("SourceRegion")
	case *in.SourceRegion != s.Place.Region:
		return w, invalid("SourceRegion", *in.SourceRegion, "This cloud has one region, "+s.Place.Region+".")
	case val(in.DestinationOutpostArn) != "":
		return w, unsupported("Outposts are not available.")
	case val(in.DestinationAvailabilityZone) != "" || val(in.DestinationAvailabilityZoneId) != "":
		return w, unsupported("Images lie in the region. Leave out the destination's availability zone.")
	case in.SnapshotCopyCompletionDurationMinutes != nil:
		return w, unsupported("A copy takes as long as it needs. Leave out SnapshotCopyCompletionDurationMinutes.")
	}
	if err := checkIDs("ami", *in.SourceImageId); err != nil {
		return w, err
	}
	return w, checkDiskKey(val(in.KmsKeyId), encrypted)
}
