package ec2

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// operatorAlias is what the owner of the public images is called; "amazon",
// which many clients ask for, means the same.
const operatorAlias = "vauban"

// DescribeImages lists the images that the caller may start: its own and the
// public ones.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
func (s *Service) DescribeImages(ctx context.Context, in *ec2.DescribeImagesRequest) (*ec2.DescribeImagesResult, error) {
	caller, err := s.allow(ctx, "DescribeImages", in.DryRun)
	if err != nil {
		return nil, err
	}
	if in.MaxResults != nil && len(in.ImageIds) > 0 {
		return nil, cloud.Errorf("InvalidParameterCombination", "The parameter imageIdsSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(caller, "DescribeImages", in.MaxResults, in.NextToken, 1, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, imageFields, func(i cloud.Image) map[string]string { return i.Tags })
	if err != nil {
		return nil, err
	}
	images, err := s.visibleImages(caller, in.ImageIds)
	if err != nil {
		return nil, err
	}
	images = where(images, func(i cloud.Image) bool {
		return ownedBy(i.Account, caller, in.Owners) && executableBy(i, caller, in.ExecutableUsers) && keep(i)
	})
	found, next := cut(p, images, cloud.Image.Key)
	return &ec2.DescribeImagesResult{
		Images:    each(found, func(i cloud.Image) ec2.Image { return s.showImage(i, caller) }),
		NextToken: next,
	}, nil
}

// visibleImages returns the images of the given IDs, or all that the caller may
// see, by their IDs.
func (s *Service) visibleImages(c cloud.Caller, ids []string) (iter.Seq[cloud.Image], error) {
	view := s.DB.View()
	var found []cloud.Image
	if len(ids) == 0 {
		found = slices.AppendSeq(found, imageTable.Select(view, cloud.AccountLabel(c.Account)))
		for i := range imageTable.Select(view, "public") {
			if i.Account != c.Account {
				found = append(found, i)
			}
		}
	}
	var unknown []string
	for _, id := range ids {
		if err := checkIDs("ami", id); err != nil {
			return nil, err
		}
		if i, ok := visibleImage(view, c, id); !ok {
			unknown = append(unknown, id)
		} else {
			found = append(found, i)
		}
	}
	if len(unknown) > 0 {
		return nil, notFound("ami", unknown...)
	}
	slices.SortFunc(found, func(a, b cloud.Image) int { return strings.Compare(a.ID, b.ID) })
	found = slices.CompactFunc(found, func(a, b cloud.Image) bool { return a.ID == b.ID })
	return slices.Values(found), nil
}

// visibleImage returns the image of that ID if the caller may start it.
func visibleImage(r store.Reader, c cloud.Caller, id string) (cloud.Image, bool) {
	i, ok := imageTable.Get(r, id)
	return i, ok && i.Available() && (i.Public || i.Account == c.Account)
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

// executableBy applies the users of a request: "all" are the public images;
// "self" and account IDs, those that were shared with them by name, of which
// there are none.
func executableBy(i cloud.Image, c cloud.Caller, users []string) bool {
	return len(users) == 0 || slices.Contains(users, "all") && i.Public
}

// imageRoot is the root device of an image as its mapping describes it.
func imageRoot(i cloud.Image) cloud.Volume {
	return cloud.Volume{SizeGiB: i.SizeGiB, Type: ec2.VolumeTypeGp3, IOPS: gp3IOPS, Throughput: gp3Throughput}
}

func (s *Service) showImage(i cloud.Image, c cloud.Caller) ec2.Image {
	root := imageRoot(i)
	out := ec2.Image{
		ImageId: &i.ID, Name: &i.Name, Description: opt(i.Description), OwnerId: &i.Account,
		ImageLocation: new(i.Account + "/" + i.Name), ImageType: new(ec2.ImageTypeValuesMachine),
		Architecture: &i.Architecture, CreationDate: new(timeWord(i.Created)),
		Public: &i.Public, State: new(ec2.ImageStateAvailable),
		PlatformDetails: new(platformDetails), UsageOperation: new(usageOperation), ProductCodes: []ec2.ProductCode{},
		Hypervisor: new(ec2.HypervisorTypeXen), VirtualizationType: new(ec2.VirtualizationTypeHvm),
		EnaSupport: new(false), BootMode: new(ec2.BootModeValuesLegacyBios),
		RootDeviceName: &i.RootDevice, RootDeviceType: new(ec2.DeviceTypeEbs),
		BlockDeviceMappings: []ec2.BlockDeviceMapping{{
			DeviceName: &i.RootDevice,
			Ebs: &ec2.EbsBlockDevice{
				DeleteOnTermination: new(true), Encrypted: new(false), VolumeSize: new(int32(root.SizeGiB)),
				VolumeType: &root.Type, Iops: new(int32(root.IOPS)), Throughput: new(int32(root.Throughput)),
			},
		}},
		Tags: []ec2.Tag{},
	}
	if i.Account == cloud.OperatorAccount {
		out.ImageOwnerAlias = new(operatorAlias)
	}
	if i.Account == c.Account || i.Public {
		out.Tags = tagSet(i.Tags)
	}
	return out
}

// imageFields are the filters of DescribeImages; those that no image has a
// value for match nothing.
var imageFields = fields[cloud.Image]{
	"architecture":      one(func(i cloud.Image) string { return i.Architecture }),
	"creation-date":     one(func(i cloud.Image) string { return timeWord(i.Created) }),
	"description":       maybe(func(i cloud.Image) string { return i.Description }),
	"ena-support":       one(fixed[cloud.Image]("false")),
	"hypervisor":        one(fixed[cloud.Image](ec2.HypervisorTypeXen)),
	"image-id":          one(cloud.Image.Key),
	"image-type":        one(fixed[cloud.Image](ec2.ImageTypeValuesMachine)),
	"is-public":         flag(func(i cloud.Image) bool { return i.Public }),
	"manifest-location": one(func(i cloud.Image) string { return i.Account + "/" + i.Name }),
	"name":              one(func(i cloud.Image) string { return i.Name }),
	"owner-id":          one(func(i cloud.Image) string { return i.Account }),
	"owner-alias": func(i cloud.Image, is func(string) bool) bool {
		return i.Account == cloud.OperatorAccount && (is(operatorAlias) || is("amazon"))
	},
	"root-device-name":    one(func(i cloud.Image) string { return i.RootDevice }),
	"root-device-type":    one(fixed[cloud.Image](ec2.DeviceTypeEbs)),
	"state":               one(fixed[cloud.Image](ec2.ImageStateAvailable)),
	"virtualization-type": one(fixed[cloud.Image](ec2.VirtualizationTypeHvm)),

	"block-device-mapping.delete-on-termination": one(fixed[cloud.Image]("true")),
	"block-device-mapping.device-name":           one(func(i cloud.Image) string { return i.RootDevice }),
	"block-device-mapping.encrypted":             one(fixed[cloud.Image]("false")),
	"block-device-mapping.volume-size":           one(func(i cloud.Image) string { return strconv.Itoa(i.SizeGiB) }),
	"block-device-mapping.volume-type":           one(func(i cloud.Image) string { return imageRoot(i).Type }),
	"block-device-mapping.snapshot-id":           never[cloud.Image],

	"kernel-id":            never[cloud.Image],
	"platform":             never[cloud.Image],
	"product-code":         never[cloud.Image],
	"product-code.type":    never[cloud.Image],
	"ramdisk-id":           never[cloud.Image],
	"source-image-id":      never[cloud.Image],
	"source-image-region":  never[cloud.Image],
	"source-instance-id":   never[cloud.Image],
	"sriov-net-support":    never[cloud.Image],
	"state-reason-code":    never[cloud.Image],
	"state-reason-message": never[cloud.Image],
}

// fixed is the value of a property that is the same for every resource.
func fixed[T any](value string) func(T) string { return func(T) string { return value } }
