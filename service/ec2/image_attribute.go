package ec2

import (
	"cmp"
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeImageAttribute tells one property of an image of the caller's.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImageAttribute.html
func (s *Service) DescribeImageAttribute(ctx context.Context, in *ec2.DescribeImageAttributeRequest) (*ec2.ImageAttribute, error) {
	caller, err := s.allow(ctx, "DescribeImageAttribute", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	if val(in.Attribute) == "" {
		return nil, missing("attribute")
	}
	i, err := ownImage(s.DB.View(), caller, in.ImageId)
	if err != nil {
		return nil, err
	}
	out, value := &ec2.ImageAttribute{ImageId: &i.ID}, func(v string) *ec2.AttributeValue { return &ec2.AttributeValue{Value: opt(v)} }
	switch *in.Attribute {
	case ec2.ImageAttributeNameBlockDeviceMapping:
		out.BlockDeviceMappings = each(imageMappings(i), showMapping)
	case ec2.ImageAttributeNameBootMode:
		out.BootMode = value(bootMode(i))
	case ec2.ImageAttributeNameDeregistrationProtection:
		out.DeregistrationProtection = value(s.protection(i))
	case ec2.ImageAttributeNameDescription:
		out.Description = value(i.Description)
	case ec2.ImageAttributeNameImdsSupport:
		out.ImdsSupport = value(i.IMDS)
	case ec2.ImageAttributeNameKernel:
		out.KernelId = value("")
	case ec2.ImageAttributeNameRamdisk:
		out.RamdiskId = value("")
	case ec2.ImageAttributeNameLaunchPermission:
		out.LaunchPermissions = launchPermissions(i)
	case ec2.ImageAttributeNameProductCodes:
		out.ProductCodes = []ec2.ProductCode{}
	case ec2.ImageAttributeNameSriovNetSupport:
		out.SriovNetSupport = value(i.SRIOV)
	case ec2.ImageAttributeNameTpmSupport:
		out.TpmSupport = value("")
	case ec2.ImageAttributeNameUefiData:
		out.UefiData = value("")
	case ec2.ImageAttributeNameLastLaunchedTime:
		return nil, unsupported("When an image was last launched is not recorded.")
	default:
		return nil, invalid("attribute", *in.Attribute, "Valid values are: description, kernel, ramdisk, launchPermission, productCodes, blockDeviceMapping, "+
			"sriovNetSupport, bootMode, tpmSupport, uefiData, lastLaunchedTime, imdsSupport, deregistrationProtection.")
	}
	return out, nil
}

func launchPermissions(i cloud.Image) []ec2.LaunchPermission {
	all := each(i.Shared, func(account string) ec2.LaunchPermission { return ec2.LaunchPermission{UserId: &account} })
	if i.Public {
		all = append(all, ec2.LaunchPermission{Group: new(ec2.PermissionGroupAll)})
	}
	return all
}

// imageChange is what a ModifyImageAttribute request changes: one thing.
type imageChange struct {
	description, imds *string
	add, remove       []ec2.LaunchPermission
}

// ModifyImageAttribute changes the description of an image of the caller's, who may launch
// it, or that its instances want tokens of the metadata service.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyImageAttribute.html
func (s *Service) ModifyImageAttribute(ctx context.Context, in *ec2.ModifyImageAttributeRequest) (*ec2.ModifyImageAttributeOutput, error) {
	change, refused := imageChangeOf(in)
	caller, err := s.allow(ctx, "ModifyImageAttribute", in.DryRun, s.asking(ctx).changedImage(in, change))
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(tx *store.Tx, i *cloud.Image) error {
		if err := usableImage(*i); err != nil {
			return err
		}
		if change.description != nil {
			i.Description = *change.description
		}
		if change.imds != nil {
			i.IMDS = *change.imds
		}
		return change.share(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyImageAttributeOutput{}, nil
}

// share lets others launch an image, or no longer.
func (c imageChange) share(r store.Reader, i *cloud.Image) error {
	for _, m := range i.Mappings {
		if n, ok := snapshotTable.Get(r, m.Snapshot); ok && n.Encrypted && len(c.add) > 0 {
			return cloud.Errorf("InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can’t be shared. Specify another snapshot.")
		}
	}
	i.Shared = slices.Clone(i.Shared)
	for _, p := range c.add {
		i.Public = i.Public || p.Group != nil
		if p.UserId != nil && *p.UserId != i.Account {
			i.Shared = append(i.Shared, *p.UserId)
		}
	}
	for _, p := range c.remove {
		i.Public = i.Public && p.Group == nil
		i.Shared = slices.DeleteFunc(i.Shared, func(account string) bool { return account == val(p.UserId) })
	}
	i.Shared = distinct(i.Shared)
	return nil
}

// imageChangeOf reads the two forms in which a request can say what it changes.
func imageChangeOf(in *ec2.ModifyImageAttributeRequest) (c imageChange, err error) {
	c.description, c.imds = val(in.Description).Value, val(in.ImdsSupport).Value
	c.add, c.remove = val(in.LaunchPermission).Add, val(in.LaunchPermission).Remove
	listed := listedPermissions(in)
	switch attribute := val(in.Attribute); attribute {
	case "":
	case ec2.ImageAttributeNameDescription:
		c.description = cmp.Or(c.description, in.Value)
	case ec2.ImageAttributeNameImdsSupport:
		c.imds = cmp.Or(c.imds, in.Value)
	case ec2.ImageAttributeNameLaunchPermission:
	case ec2.ImageAttributeNameProductCodes:
		return c, unsupported("Product codes are not available.")
	default:
		return c, invalid("attribute", attribute, "Valid values are: description, imdsSupport, launchPermission.")
	}
	switch operation := val(in.OperationType); {
	case len(in.ProductCodes) > 0:
		return c, unsupported("Product codes are not available.")
	case len(listed) > 0 && in.LaunchPermission != nil:
		return c, cloud.Errorf("InvalidParameterCombination", "The parameter LaunchPermission cannot be used with UserIds or UserGroups")
	case len(listed) > 0 && operation == ec2.OperationTypeAdd:
		c.add = listed
	case len(listed) > 0 && operation == ec2.OperationTypeRemove:
		c.remove = listed
	case len(listed) > 0:
		return c, invalid("operationType", operation, "Valid values are: add, remove.")
	}
	return c, c.check()
}

func listedPermissions(in *ec2.ModifyImageAttributeRequest) (listed []ec2.LaunchPermission) {
	for _, user := range in.UserIds {
		listed = append(listed, ec2.LaunchPermission{UserId: &user})
	}
	for _, group := range in.UserGroups {
		listed = append(listed, ec2.LaunchPermission{Group: &group})
	}
	for _, arn := range in.OrganizationArns {
		listed = append(listed, ec2.LaunchPermission{OrganizationArn: &arn})
	}
	for _, arn := range in.OrganizationalUnitArns {
		listed = append(listed, ec2.LaunchPermission{OrganizationalUnitArn: &arn})
	}
	return listed
}

// check refuses a change that is none, more than one, or cannot be.
func (c imageChange) check() error {
	changes := 0
	for _, made := range []bool{c.description != nil, c.imds != nil, len(c.add)+len(c.remove) > 0} {
		if made {
			changes++
		}
	}
	switch {
	case changes == 0:
		return cloud.Errorf("InvalidParameterCombination", "No attributes specified.")
	case changes > 1:
		return cloud.Errorf("InvalidParameterCombination", "Fields for multiple attribute types specified")
	case c.imds != nil && *c.imds != ec2.ImdsSupportValuesV20:
		return invalid("imdsSupport", *c.imds, "Valid values are: v2.0.")
	}
	if err := checkSnapshotDescription(c.description); err != nil {
		return err
	}
	for _, p := range slices.Concat(c.add, c.remove) {
		switch {
		case p.OrganizationArn != nil || p.OrganizationalUnitArn != nil:
			return unsupported("Images are shared with accounts, or with all. Name the accounts of the organization.")
		case (p.UserId == nil) == (p.Group == nil):
			return cloud.Errorf("InvalidParameterCombination", "A permission names one of UserId and Group")
		case p.Group != nil && *p.Group != ec2.PermissionGroupAll:
			return invalid("group", *p.Group, "Valid values are: all.")
		case p.UserId != nil && !accountNumber.MatchString(*p.UserId):
			return cloud.Errorf("InvalidAMIAttributeItemValue", "Invalid attribute item value \"%s\" for userId item type.", *p.UserId)
		}
	}
	return nil
}

// changedImage is an image with the attribute that a request changes: ec2:Attribute,
// ec2:Attribute/NAME, and who is to gain and to lose its use, ec2:Add/userId and so on.
func (a asking) changedImage(in *ec2.ModifyImageAttributeRequest, c imageChange) subject {
	name, value := "LaunchPermission", ""
	switch {
	case c.description != nil:
		name, value = "Description", *c.description
	case c.imds != nil:
		name, value = "ImdsSupport", *c.imds
	}
	x := aboutImage.of(a, val(in.ImageId)).with(attribute(name, value))
	for verb, list := range map[string][]ec2.LaunchPermission{"Add": c.add, "Remove": c.remove} {
		for _, p := range list {
			for key, value := range map[string]*string{
				"userId": p.UserId, "group": p.Group, "organizationArn": p.OrganizationArn, "organizationalUnitArn": p.OrganizationalUnitArn,
			} {
				if value != nil {
					x.Keys["ec2:"+verb+"/"+key] = append(x.Keys["ec2:"+verb+"/"+key], *value)
				}
			}
		}
	}
	return x
}

// ResetImageAttribute leaves an image to its owner alone.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetImageAttribute.html
func (s *Service) ResetImageAttribute(ctx context.Context, in *ec2.ResetImageAttributeRequest) (*ec2.ResetImageAttributeOutput, error) {
	caller, err := s.allow(ctx, "ResetImageAttribute", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	switch val(in.Attribute) {
	case ec2.ResetImageAttributeNameLaunchPermission:
	case "":
		return nil, missing("attribute")
	default:
		return nil, invalid("attribute", *in.Attribute, "Valid values are: launchPermission.")
	}
	err = s.changeImage(ctx, caller, in.ImageId, func(_ *store.Tx, i *cloud.Image) error {
		i.Public, i.Shared = false, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ResetImageAttributeOutput{}, nil
}

// CancelImageLaunchPermission takes the caller's account from those that another's image
// was shared with.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelImageLaunchPermission.html
func (s *Service) CancelImageLaunchPermission(ctx context.Context, in *ec2.CancelImageLaunchPermissionRequest) (*ec2.CancelImageLaunchPermissionResult, error) {
	caller, err := s.allow(ctx, "CancelImageLaunchPermission", in.DryRun, aboutImage.of(s.asking(ctx), val(in.ImageId)))
	if err != nil {
		return nil, err
	}
	if val(in.ImageId) == "" {
		return nil, missing("imageId")
	}
	if err := checkIDs("ami", *in.ImageId); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		i, ok := visibleImage(tx, caller, *in.ImageId)
		switch {
		case !ok:
			return notFound("ami", *in.ImageId)
		case !slices.Contains(i.Shared, caller.Account):
			return invalid("ImageId", i.ID, "It is not shared with your account by name.")
		}
		i.Shared = slices.DeleteFunc(slices.Clone(i.Shared), func(account string) bool { return account == caller.Account })
		return imageTable.Put(tx, i)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CancelImageLaunchPermissionResult{Return: new(true)}, nil
}
