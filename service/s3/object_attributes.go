package s3

import (
	"context"
	"slices"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// The attributes that GetObjectAttributes tells.
var attributeNames = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

// GetObjectAttributes tells what is asked of an object:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html.
func (s *Service) GetObjectAttributes(ctx context.Context, in *api.GetObjectAttributesRequest) (*api.GetObjectAttributesOutput, error) {
	wrong := checkAttributes(in.ObjectAttributes)
	b, info, err := s.look(ctx, &about{bucket: in.Bucket, owner: in.ExpectedBucketOwner, key: *in.Key, version: in.VersionId}, "GetObjectAttributes", "GetObject")
	if err == nil && wrong != nil {
		err = wrong
	}
	if err != nil {
		return nil, missed(err, wrong)
	}
	key, err := customer{in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5}.open(ctx)
	if err != nil {
		return nil, err
	}
	if info.Customer || key != nil { // whoever asks must have the key
		if _, err := s.Objects.Head(ctx, object.GetInput{Bucket: b.ID, Key: *in.Key, Version: info.Version, CustomerKey: key}); err != nil {
			return nil, expressed(err)
		}
	}
	out := &api.GetObjectAttributesOutput{LastModified: &info.Modified, VersionId: s.version(ctx, b, info.Version)}
	for _, name := range in.ObjectAttributes {
		switch name {
		case "ETag":
			out.ETag = &info.ETag
		case "StorageClass":
			out.StorageClass = opt(info.Class)
		case "ObjectSize":
			out.ObjectSize = &info.Size
		case "Checksum":
			sum := &api.Checksum{}
			if sum.ChecksumType = show(sum, info.Checksum, 0); sum.ChecksumType != nil { // AWS, too, tells no number of parts here
				out.Checksum = sum
			}
		case "ObjectParts":
			if out.ObjectParts, err = s.parts(ctx, b, info, in); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// checkAttributes refuses names that are none.
func checkAttributes(names []string) error {
	for _, name := range names {
		if !slices.Contains(attributeNames, name) {
			return invalid("Invalid attribute name specified.")
		}
	}
	return nil
}

// parts are the parts of an object, nil if it was put as a whole.
func (s *Service) parts(ctx context.Context, b cloud.Bucket, info object.Info, in *api.GetObjectAttributesRequest) (*api.GetObjectAttributesParts, error) {
	if info.Parts == 0 {
		return nil, nil
	}
	behind, most, err := partPage(in.PartNumberMarker, in.MaxParts, "x-amz-max-parts")
	if err != nil {
		return nil, err
	}
	parts, more, err := s.Objects.ObjectParts(ctx, b.ID, info.Key, info.Version, behind, most)
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.GetObjectAttributesParts{
		IsTruncated: &more, MaxParts: new(int32(most)), PartNumberMarker: new(itoa(behind)), TotalPartsCount: new(int32(info.Parts)),
	}
	for _, p := range parts {
		shown := api.ObjectPart{PartNumber: new(int32(p.Number)), Size: new(p.Size)}
		show(&shown, p.Checksum, 0)
		out.Parts = append(out.Parts, shown)
	}
	out.NextPartNumberMarker = new(lastNumber(parts))
	return out, nil
}
