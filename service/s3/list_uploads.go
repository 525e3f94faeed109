package s3

import (
	"context"
	"strconv"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/object"
)

// ListMultipartUploads lists the uploads that are under way:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html.
func (s *Service) ListMultipartUploads(ctx context.Context, in *api.ListMultipartUploadsRequest) (*api.ListMultipartUploadsOutput, error) {
	b, err := s.allowBucket(ctx, "ListBucketMultipartUploads", in.Bucket, in.ExpectedBucketOwner, nil)
	if err != nil {
		return nil, err
	}
	q := listing{in.Prefix, in.Delimiter, in.EncodingType, in.MaxUploads}
	list, write, err := q.input("max-uploads")
	if err != nil {
		return nil, err
	}
	list.After = val(in.KeyMarker)
	if val(in.UploadIdMarker) != "" && list.After != "" && (*in.UploadIdMarker == object.NullVersion || !object.ValidVersion(*in.UploadIdMarker)) {
		return nil, invalid("Invalid uploadId marker")
	}
	l, err := s.Objects.Uploads(ctx, b.ID, object.UploadsInput{ListInput: list, AfterUpload: val(in.UploadIdMarker)})
	if err != nil {
		return nil, expressed(err)
	}
	out := &api.ListMultipartUploadsOutput{
		Bucket: in.Bucket, Prefix: write(list.Prefix), Delimiter: maybe(write, opt(list.Delimiter)), EncodingType: in.EncodingType, KeyMarker: write(list.After),
		UploadIdMarker: new(val(in.UploadIdMarker)), MaxUploads: new(int32(list.Max)), IsTruncated: &l.More, CommonPrefixes: prefixes(l.Prefixes, write),
		NextKeyMarker: maybe(write, opt(l.Next)), NextUploadIdMarker: opt(l.NextUpload),
	}
	owners := s.owners(b)
	for k := range l.Uploads {
		u := &l.Uploads[k]
		owner := owners(u.Owner)
		shown := api.MultipartUpload{
			Key: write(u.Key), UploadId: &u.ID, Initiated: &u.Initiated, StorageClass: opt(u.Class), Owner: owner,
			Initiator: &api.Initiator{ID: owner.ID},
		}
		if u.System[unasked] == "" {
			shown.ChecksumAlgorithm, shown.ChecksumType = opt(string(u.Algorithm)), opt(string(u.Type))
		}
		out.Uploads = append(out.Uploads, shown)
	}
	return out, nil
}

// ListParts lists the parts of an upload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html.
func (s *Service) ListParts(ctx context.Context, in *api.ListPartsRequest) (*api.ListPartsOutput, error) {
	b, err := s.allowUpload(ctx, "ListMultipartUploadParts", in.Bucket, in.ExpectedBucketOwner, *in.Key, *in.UploadId)
	if err != nil {
		return nil, err
	}
	behind, most, err := partPage(in.PartNumberMarker, in.MaxParts, "max-parts")
	if err != nil {
		return nil, err
	}
	u, err := s.upload(ctx, b, *in.Key, *in.UploadId)
	if err != nil {
		return nil, err
	}
	parts, more, err := s.Objects.Parts(ctx, b.ID, *in.Key, *in.UploadId, behind, most)
	if err != nil {
		return nil, expressed(err)
	}
	owner := s.ownerOf(ownerOfObject(b, u.Owner))
	out := &api.ListPartsOutput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, IsTruncated: &more, MaxParts: new(int32(most)), PartNumberMarker: new(itoa(behind)),
		StorageClass: opt(u.Class), Owner: owner, Initiator: &api.Initiator{ID: owner.ID},
	}
	out.AbortDate, out.AbortRuleId = s.abortion(b, u)
	if u.System[unasked] == "" {
		out.ChecksumAlgorithm, out.ChecksumType = opt(string(u.Algorithm)), opt(string(u.Type))
	}
	for _, p := range parts {
		shown := api.Part{
			PartNumber: new(int32(p.Number)), Size: new(p.Size), ETag: quoted(p.ETag), LastModified: new(p.Modified),
		}
		show(&shown, p.Checksum, 0)
		out.Parts = append(out.Parts, shown)
	}
	out.NextPartNumberMarker = new(lastNumber(parts))
	return out, nil
}

// lastNumber is that of the last part of a list, behind which the next one begins.
func lastNumber(parts []object.Part) string {
	if len(parts) == 0 {
		return "0"
	}
	return itoa(parts[len(parts)-1].Number)
}

// partPage is behind which part to begin, and how many to list.
func partPage(marker *string, maximum *int32, name string) (behind, most int, err error) {
	most = pageSize
	if maximum != nil {
		if *maximum < 0 {
			return 0, 0, invalid("Argument %s must be an integer between 0 and %d", name, 1<<31-1)
		}
		most = min(int(*maximum), pageSize)
	}
	if val(marker) != "" {
		if behind, err = strconv.Atoi(*marker); err != nil || behind < 0 {
			return 0, 0, invalid("Argument part-number-marker must be an integer between 0 and %d", 1<<31-1)
		}
	}
	return behind, most, nil
}
