package ec2

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeSnapshotAttribute tells who may make volumes of a snapshot of the caller's.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotAttribute.html
func (s *Service) DescribeSnapshotAttribute(ctx context.Context, in *ec2.DescribeSnapshotAttributeRequest) (*ec2.DescribeSnapshotAttributeResult, error) {
	caller, err := s.allow(ctx, "DescribeSnapshotAttribute", in.DryRun, aboutSnapshot.of(s.asking(ctx), val(in.SnapshotId)))
	if err != nil {
		return nil, err
	}
	n, err := ownSnapshot(s.DB.View(), caller, in.SnapshotId)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSnapshotAttributeResult{SnapshotId: &n.ID}
	switch val(in.Attribute) {
	case "":
		return nil, missing("attribute")
	case ec2.SnapshotAttributeNameProductCodes:
		out.ProductCodes = []ec2.ProductCode{}
	case ec2.SnapshotAttributeNameCreateVolumePermission:
		out.CreateVolumePermissions = each(n.Shared, func(account string) ec2.CreateVolumePermission {
			return ec2.CreateVolumePermission{UserId: &account}
		})
		if n.Public {
			out.CreateVolumePermissions = append(out.CreateVolumePermissions, ec2.CreateVolumePermission{Group: new(ec2.PermissionGroupAll)})
		}
	default:
		return nil, invalid("attribute", *in.Attribute, "Valid values are: createVolumePermission, productCodes.")
	}
	return out, nil
}

// ModifySnapshotAttribute lets others make volumes of a snapshot, or no longer.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html
func (s *Service) ModifySnapshotAttribute(ctx context.Context, in *ec2.ModifySnapshotAttributeRequest) (*ec2.ModifySnapshotAttributeOutput, error) {
	change, refused := shareOf(in)
	caller, err := s.allow(ctx, "ModifySnapshotAttribute", in.DryRun, s.asking(ctx).shared(val(in.SnapshotId), change))
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := ownSnapshot(tx, caller, in.SnapshotId)
		switch {
		case err != nil:
			return err
		case n.Encrypted && len(change.Add) > 0:
			return cloud.Errorf("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
		}
		n.Shared = slices.Clone(n.Shared)
		for _, p := range change.Add {
			n.Public = n.Public || p.Group != nil
			if p.UserId != nil && *p.UserId != n.Account {
				n.Shared = append(n.Shared, *p.UserId)
			}
		}
		for _, p := range change.Remove {
			n.Public = n.Public && p.Group == nil
			n.Shared = slices.DeleteFunc(n.Shared, func(account string) bool { return account == val(p.UserId) })
		}
		n.Shared = distinct(n.Shared)
		return snapshotTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifySnapshotAttributeOutput{}, nil
}

var accountNumber = regexp.MustCompile(`^[0-9]{12}$`)

// shareOf reads the two forms in which a request can say who gains and who loses.
func shareOf(in *ec2.ModifySnapshotAttributeRequest) (ec2.CreateVolumePermissionModifications, error) {
	change := val(in.CreateVolumePermission)
	var listed []ec2.CreateVolumePermission
	for _, user := range in.UserIds {
		listed = append(listed, ec2.CreateVolumePermission{UserId: &user})
	}
	for _, group := range in.GroupNames {
		listed = append(listed, ec2.CreateVolumePermission{Group: &group})
	}
	switch attribute, operation := val(in.Attribute), val(in.OperationType); {
	case attribute == ec2.SnapshotAttributeNameProductCodes:
		return change, unsupported("Product codes are not available.")
	case attribute != "" && attribute != ec2.SnapshotAttributeNameCreateVolumePermission:
		return change, invalid("attribute", attribute, "Valid values are: createVolumePermission.")
	case len(listed) > 0 && in.CreateVolumePermission != nil:
		return change, cloud.Errorf("InvalidParameterCombination", "The parameter CreateVolumePermission cannot be used with UserIds or GroupNames")
	case len(listed) > 0 && operation == ec2.OperationTypeAdd:
		change.Add = listed
	case len(listed) > 0 && operation == ec2.OperationTypeRemove:
		change.Remove = listed
	case len(listed) > 0:
		return change, invalid("operationType", operation, "Valid values are: add, remove.")
	}
	if len(change.Add)+len(change.Remove) == 0 {
		return change, missing("createVolumePermission")
	}
	for _, p := range slices.Concat(change.Add, change.Remove) {
		switch {
		case (p.UserId == nil) == (p.Group == nil):
			return change, cloud.Errorf("InvalidParameterCombination", "A permission names one of UserId and Group")
		case p.Group != nil && *p.Group != ec2.PermissionGroupAll:
			return change, invalid("group", *p.Group, "Valid values are: all.")
		case p.UserId != nil && !accountNumber.MatchString(*p.UserId):
			return change, cloud.Errorf("InvalidUserID.Malformed", `Invalid user id: "%s"`, *p.UserId)
		}
	}
	return change, nil
}

// shared is a snapshot with who is to gain and to lose the use of it: ec2:Add/userId,
// ec2:Remove/group and so on.
func (a asking) shared(id string, change ec2.CreateVolumePermissionModifications) subject {
	x := aboutSnapshot.of(a, id).with(nil)
	for verb, list := range map[string][]ec2.CreateVolumePermission{"Add": change.Add, "Remove": change.Remove} {
		for _, p := range list {
			if p.UserId != nil {
				x.Keys["ec2:"+verb+"/userId"] = append(x.Keys["ec2:"+verb+"/userId"], *p.UserId)
			}
			if p.Group != nil {
				x.Keys["ec2:"+verb+"/group"] = append(x.Keys["ec2:"+verb+"/group"], *p.Group)
			}
		}
	}
	return x
}

// ResetSnapshotAttribute leaves a snapshot to its owner alone.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetSnapshotAttribute.html
func (s *Service) ResetSnapshotAttribute(ctx context.Context, in *ec2.ResetSnapshotAttributeRequest) (*ec2.ResetSnapshotAttributeOutput, error) {
	caller, err := s.allow(ctx, "ResetSnapshotAttribute", in.DryRun, aboutSnapshot.of(s.asking(ctx), val(in.SnapshotId)))
	if err != nil {
		return nil, err
	}
	switch val(in.Attribute) {
	case ec2.SnapshotAttributeNameCreateVolumePermission:
	case "":
		return nil, missing("attribute")
	default:
		return nil, invalid("attribute", *in.Attribute, "Valid values are: createVolumePermission.")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := ownSnapshot(tx, caller, in.SnapshotId)
		if err != nil {
			return err
		}
		n.Public, n.Shared = false, nil
		return snapshotTable.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ResetSnapshotAttributeOutput{}, nil
}
