package ec2

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// operatorAlias is what the owner of the public images is called; "amazon",
// which many clients ask for, means the same.
const operatorAlias = "vauban"

// visibleImage returns the image of that ID if the caller may see it.
func visibleImage(r store.Reader, c cloud.Caller, id string) (cloud.Image, bool) {
	i, ok := imageTable.Get(r, id)
	return i, ok && seesImage(c, i)
}

// seesImage reports whether the caller may see an image: it is its own, or one that it may
// launch.
func seesImage(c cloud.Caller, i cloud.Image) bool {
	if i.Account == c.Account {
		return !i.Retired
	}
	return i.Available() && (i.Public || slices.Contains(i.Shared, c.Account))
}

// ownImage returns the caller's image of that ID.
func ownImage(r store.Reader, c cloud.Caller, id *string) (cloud.Image, error) {
	if val(id) == "" {
		return cloud.Image{}, missing("imageId")
	}
	if err := checkIDs("ami", *id); err != nil {
		return cloud.Image{}, err
	}
	i, ok := visibleImage(r, c, *id)
	switch {
	case !ok:
		return i, notFound("ami", *id)
	case i.Account != c.Account:
		return i, cloud.Errorf("AuthFailure", "Not authorized for image:%s", i.ID)
	}
	return i, nil
}

// changeImage changes the caller's image of that ID.
func (s *Service) changeImage(ctx context.Context, c cloud.Caller, id *string, change func(*store.Tx, *cloud.Image) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := ownImage(tx, c, id)
		if err != nil {
			return err
		}
		if err := change(tx, &i); err != nil {
			return err
		}
		return imageTable.Put(tx, i)
	})
}

// imageState is the state that the API shows.
func imageState(i cloud.Image) string {
	switch {
	case i.Failure != "":
		return ec2.ImageStateFailed
	case i.Pending:
		return ec2.ImageStatePending
	case i.Disabled:
		return ec2.ImageStateDisabled
	default:
		return ec2.ImageStateAvailable
	}
}

// usableImage refuses an image that nothing can be done with yet, or any more.
func usableImage(i cloud.Image) error {
	if i.Available() {
		return nil
	}
	return cloud.Errorf("InvalidAMIID.Unavailable", "The AMI ID '%s' is currently %s and may not be used for this operation", i.ID, imageState(i))
}

// DescribeImages lists the images that the caller may see: its own, those shared with it,
// and the public ones. Deprecated ones of others, and disabled ones, are there for who asks
// for them.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
func (s *Service) DescribeImages(ctx context.Context, in *ec2.DescribeImagesRequest) (*ec2.DescribeImagesResult, error) {
	caller, err := s.allow(ctx, "DescribeImages", in.DryRun)
	if err != nil {
		return nil, err
	}
	chosen := func(i cloud.Image) bool {
		return ownedBy(i.Account, caller, in.Owners) && executableBy(i, caller, in.ExecutableUsers)
	}
	listed := func(i cloud.Image) bool {
		deprecated := i.Account != caller.Account && s.deprecated(i) && !val(in.IncludeDeprecated)
		return chosen(i) && !deprecated && (!i.Disabled || val(in.IncludeDisabled))
	}
	found, next, err := listing[cloud.Image]{
		operation: "DescribeImages", table: imageTable, prefix: "ami", ids: in.ImageIds,
		filters: in.Filters, fields: s.imageFields(), max: in.MaxResults, least: 1, most: 1000, token: in.NextToken,
		all:  func(r store.Reader) iter.Seq[cloud.Image] { return where(visibleImages(r, caller), listed) },
		seen: func(i cloud.Image) bool { return seesImage(caller, i) },
		tags: func(i cloud.Image) map[string]string { return imageTags(i, caller) },
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(i cloud.Image) bool { return !chosen(i) }) // of those named by their IDs
	return &ec2.DescribeImagesResult{
		Images:    each(found, func(i cloud.Image) ec2.Image { return s.showImage(i, caller) }),
		NextToken: next,
	}, nil
}

// visibleImages yields what the caller may see, by ID.
func visibleImages(r store.Reader, c cloud.Caller) iter.Seq[cloud.Image] {
	var found []cloud.Image
	for _, label := range []string{cloud.AccountLabel(c.Account), "public", "shared/" + c.Account} {
		for i := range imageTable.Select(r, label) {
			if seesImage(c, i) {
				found = append(found, i)
			}
		}
	}
	slices.SortFunc(found, func(a, b cloud.Image) int { return strings.Compare(a.ID, b.ID) })
	return slices.Values(slices.CompactFunc(found, func(a, b cloud.Image) bool { return a.ID == b.ID }))
}

// imageTags are an image's tags as the caller sees them: those of a shared one are its owner's.
func imageTags(i cloud.Image, c cloud.Caller) map[string]string {
	if i.Account == c.Account || i.Public {
		return i.Tags
	}
	return nil
}

// ownedBy applies the owners of a request: account IDs, "self", or the alias of
// the operator. No owners mean all.
func ownedBy(account string, c cloud.Caller, owners []string) bool {
	return len(owners) == 0 || slices.ContainsFunc(owners, func(owner string) bool {
		switch owner {
		case "self":
			return account == c.Account
		case operatorAlias, "amazon":
			return account == cloud.OperatorAccount
		default:
			return account == owner
		}
	})
}

// executableBy applies the users of a request: "all" are the public images; "self" and
// account IDs, those that were shared with them by name. The caller learns of what is
// shared with others of its own images alone.
func executableBy(i cloud.Image, c cloud.Caller, users []string) bool {
	return len(users) == 0 || slices.ContainsFunc(users, func(user string) bool {
		switch user {
		case "all":
			return i.Public
		case "self":
			user = c.Account
		}
		return slices.Contains(i.Shared, user) && (user == c.Account || i.Account == c.Account)
	})
}

// deprecated reports whether the time has come from which an image is out of date.
func (s *Service) deprecated(i cloud.Image) bool {
	return !i.Deprecated.IsZero() && !s.Now().Before(i.Deprecated)
}

func (s *Service) showImage(i cloud.Image, c cloud.Caller) ec2.Image {
	out := ec2.Image{
		ImageId: &i.ID, Name: &i.Name, Description: opt(i.Description), OwnerId: &i.Account,
		ImageLocation: new(i.Account + "/" + i.Name), ImageType: new(ec2.ImageTypeValuesMachine),
		Architecture: &i.Architecture, CreationDate: new(timeWord(i.Created)),
		Public: &i.Public, State: new(imageState(i)), StateReason: failureOf(i),
		PlatformDetails: new(platformDetails), UsageOperation: new(usageOperation), ProductCodes: []ec2.ProductCode{},
		Hypervisor: new(ec2.HypervisorTypeXen), VirtualizationType: new(ec2.VirtualizationTypeHvm),
		EnaSupport: &i.ENA, SriovNetSupport: opt(i.SRIOV), BootMode: new(bootMode(i)), ImdsSupport: opt(i.IMDS),
		RootDeviceName: &i.RootDevice, RootDeviceType: new(ec2.DeviceTypeEbs),
		BlockDeviceMappings: each(imageMappings(i), showMapping), Tags: tagSet(imageTags(i, c)),
	}
	if !i.Deprecated.IsZero() {
		out.DeprecationTime = new(timeWord(i.Deprecated))
	}
	if i.Account == cloud.OperatorAccount {
		out.ImageOwnerAlias = new(operatorAlias)
	}
	if i.Account == c.Account {
		out.SourceInstanceId, out.SourceImageId = opt(fromInstance(i)), opt(fromImage(i))
		if out.SourceImageId != nil {
			out.SourceImageRegion = &s.Place.Region
		}
		out.DeregistrationProtection = new(s.protection(i))
	}
	return out
}

// bootMode is how an image boots, as the API writes it.
func bootMode(i cloud.Image) string {
	if i.Firmware == "" {
		return ec2.BootModeValuesLegacyBios
	}
	return i.Firmware
}

func failureOf(i cloud.Image) *ec2.StateReason {
	code, _, ok := strings.Cut(i.Failure, ": ")
	if !ok {
		return nil
	}
	return &ec2.StateReason{Code: &code, Message: &i.Failure}
}

// fromInstance and fromImage are what an image was made of, "" if it was of nothing such.
func fromInstance(i cloud.Image) string {
	if strings.HasPrefix(i.From, "i-") {
		return i.From
	}
	return ""
}

func fromImage(i cloud.Image) string {
	if strings.HasPrefix(i.From, "ami-") {
		return i.From
	}
	return ""
}
