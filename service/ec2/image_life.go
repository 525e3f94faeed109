package ec2

import (
	"context"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	maxDeprecation = 10 // years from now
	coolDown       = 24 * time.Hour
)

// DeregisterImage withdraws an image: nothing more can be launched from it. Instances that
// were go on. Its snapshots stay, or, with DeleteAssociatedSnapshots, go with it, but for
// those that another image stands on and those that the caller may not delete. A rule of the
// recycle bin keeps it for a while.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html
func (s *Service) DeregisterImage(ctx context.Context, in *ec2.DeregisterImageRequest) (*ec2.DeregisterImageResult, error) {
	caller, err := s.allow(ctx, "DeregisterImage", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	out := &ec2.DeregisterImageResult{Return: new(true)}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := ownImage(tx, caller, in.ImageId)
		switch {
		case err != nil:
			return err
		case s.protection(i) != unprotected:
			return cloud.Errorf("OperationNotPermitted", "The image '%s' is protected from deregistration. Disable the protection, and wait for its cooldown, if it has one.", i.ID)
		}
		tx.ReleaseAll(i.ID) // its name can be given again
		if err := imageTable.Put(tx, i.Withdraw(s.Now(), recycleTable.Select(tx, cloud.AccountLabel(i.Account)))); err != nil || !val(in.DeleteAssociatedSnapshots) {
			return err
		}
		out.DeleteSnapshotResults, err = s.deleteImageSnapshots(ctx, tx, caller, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// deleteImageSnapshots deletes the snapshots of a withdrawn image, as far as possible.
func (s *Service) deleteImageSnapshots(ctx context.Context, tx *store.Tx, c cloud.Caller, i cloud.Image) ([]ec2.DeleteSnapshotReturnCode, error) {
	var ids []string
	for _, m := range i.Mappings {
		if m.Snapshot != "" {
			ids = append(ids, m.Snapshot)
		}
	}
	var results []ec2.DeleteSnapshotReturnCode
	for _, id := range distinct(ids) {
		n, ok := snapshotTable.Get(tx, id)
		if !ok || !n.Kept() || n.Account != c.Account {
			continue
		}
		code := ec2.SnapshotReturnCodesSuccess
		if _, err := s.ask(ctx, "DeleteSnapshot", aboutSnapshot.doc(asking{s, tx, c}, n)); err != nil {
			code = ec2.SnapshotReturnCodesMissingPermissions
		} else if err := s.deleteSnapshot(tx, n); isRefusal(err) {
			code = ec2.SnapshotReturnCodesSkipped
		} else if err != nil {
			return nil, err
		}
		results = append(results, ec2.DeleteSnapshotReturnCode{SnapshotId: &id, ReturnCode: &code})
	}
	return results, nil
}

// DisableImage has nothing launched from an image until it is enabled again. Whom it was
// shared with loses it for good.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImage.html
func (s *Service) DisableImage(ctx context.Context, in *ec2.DisableImageRequest) (*ec2.DisableImageResult, error) {
	caller, err := s.allow(ctx, "DisableImage", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		if i.Disabled {
			return nil
		}
		if err := usableImage(*i); err != nil {
			return err
		}
		i.Disabled, i.Public, i.Shared = true, false, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisableImageResult{Return: new(true)}, nil
}

// EnableImage undoes DisableImage.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImage.html
func (s *Service) EnableImage(ctx context.Context, in *ec2.EnableImageRequest) (*ec2.EnableImageResult, error) {
	caller, err := s.allow(ctx, "EnableImage", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		i.Disabled = false
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.EnableImageResult{Return: new(true)}, nil
}

// EnableImageDeprecation says from when on an image is out of date: others then find it
// only if they ask for deprecated ones, or know its ID. The time is of whole minutes.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html
func (s *Service) EnableImageDeprecation(ctx context.Context, in *ec2.EnableImageDeprecationRequest) (*ec2.EnableImageDeprecationResult, error) {
	caller, err := s.allow(ctx, "EnableImageDeprecation", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	if in.DeprecateAt == nil {
		return nil, missing("DeprecateAt")
	}
	at := in.DeprecateAt.UTC().Truncate(time.Minute)
	switch now := s.Now(); {
	case in.DeprecateAt.Before(now):
		return nil, invalid("DeprecateAt", timeWord(*in.DeprecateAt), "The time must not be in the past.")
	case at.After(now.AddDate(maxDeprecation, 0, 0)):
		return nil, invalid("DeprecateAt", timeWord(*in.DeprecateAt), "The time must be within 10 years from now.")
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		i.Deprecated = at
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.EnableImageDeprecationResult{Return: new(true)}, nil
}

// DisableImageDeprecation undoes EnableImageDeprecation.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImageDeprecation.html
func (s *Service) DisableImageDeprecation(ctx context.Context, in *ec2.DisableImageDeprecationRequest) (*ec2.DisableImageDeprecationResult, error) {
	caller, err := s.allow(ctx, "DisableImageDeprecation", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		i.Deprecated = time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisableImageDeprecationResult{Return: new(true)}, nil
}

// How an image is protected from deregistration, as the API writes it.
const (
	unprotected       = "disabled"
	protectedForGood  = "enabled-without-cooldown"
	protectedWithCool = "enabled-with-cooldown"
)

// protection is how an image is protected now: a cooldown goes on for a day after the
// protection is disabled.
func (s *Service) protection(i cloud.Image) string {
	switch {
	case i.Protected && i.CoolDown, s.Now().Before(i.Unprotected):
		return protectedWithCool
	case i.Protected:
		return protectedForGood
	default:
		return unprotected
	}
}

// EnableImageDeregistrationProtection keeps an image from being deregistered.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeregistrationProtection.html
func (s *Service) EnableImageDeregistrationProtection(ctx context.Context, in *ec2.EnableImageDeregistrationProtectionRequest) (*ec2.EnableImageDeregistrationProtectionResult, error) {
	caller, err := s.allow(ctx, "EnableImageDeregistrationProtection", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		i.Protected, i.CoolDown, i.Unprotected = true, i.Protected && i.CoolDown || val(in.WithCooldown), time.Time{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.EnableImageDeregistrationProtectionResult{Return: new("true")}, nil
}

// DisableImageDeregistrationProtection lets an image be deregistered: at once, or, if it was
// protected with a cooldown, after a day.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImageDeregistrationProtection.html
func (s *Service) DisableImageDeregistrationProtection(ctx context.Context, in *ec2.DisableImageDeregistrationProtectionRequest) (*ec2.DisableImageDeregistrationProtectionResult, error) {
	caller, err := s.allow(ctx, "DisableImageDeregistrationProtection", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		if i.Protected && i.CoolDown {
			i.Unprotected = s.Now().UTC().Add(coolDown)
		}
		i.Protected, i.CoolDown = false, false
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DisableImageDeregistrationProtectionResult{Return: new("true")}, nil
}
