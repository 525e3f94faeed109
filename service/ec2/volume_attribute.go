package ec2

import (
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeVolumeAttribute tells one attribute of a volume.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumeAttribute.html
func (s *Service) DescribeVolumeAttribute(ctx context.Context, in *ec2.DescribeVolumeAttributeRequest) (*ec2.DescribeVolumeAttributeResult, error) {
	caller, err := s.allow(ctx, "DescribeVolumeAttribute", in.DryRun, aboutVolume.of(s.asking(ctx), val(in.VolumeId)))
	if err != nil {
		return nil, err
	}
	v, err := get(s.DB.View(), caller, volumeTable, "vol", val(in.VolumeId))
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeVolumeAttributeResult{VolumeId: &v.ID}
	switch val(in.Attribute) {
	case "":
		return nil, missing("attribute")
	case ec2.VolumeAttributeNameAutoEnableIO:
		out.AutoEnableIO = &ec2.AttributeBooleanValue{Value: &v.AutoEnableIO}
	case ec2.VolumeAttributeNameProductCodes:
		out.ProductCodes = []ec2.ProductCode{}
	default:
		return nil, invalid("attribute", *in.Attribute, "Valid values are: autoEnableIO, productCodes.")
	}
	return out, nil
}

// ModifyVolumeAttribute says whether a volume goes on by itself where its host found it
// inconsistent. Hosts disable none, so that it is only kept.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolumeAttribute.html
func (s *Service) ModifyVolumeAttribute(ctx context.Context, in *ec2.ModifyVolumeAttributeRequest) (*ec2.ModifyVolumeAttributeOutput, error) {
	caller, err := s.allow(ctx, "ModifyVolumeAttribute", in.DryRun, aboutVolume.of(s.asking(ctx), val(in.VolumeId)))
	switch {
	case err != nil:
		return nil, err
	case in.AutoEnableIO == nil || in.AutoEnableIO.Value == nil:
		return nil, missing("autoEnableIO")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := get(tx, caller, volumeTable, "vol", val(in.VolumeId)); err != nil {
			return err
		}
		return volumeTable.Modify(tx, *in.VolumeId, func(v *cloud.Volume) error {
			v.AutoEnableIO = *in.AutoEnableIO.Value
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyVolumeAttributeOutput{}, nil
}
