package ec2

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// exportFormats are the formats that images are exported in.
var exportFormats = []string{"vmdk", "raw", "vhd"}

// maxPrefix is the length of the prefix of an export's key, in bytes.
const maxPrefix = 900

// ExportImage has a host write an image of the caller's, of one disk, into a bucket.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ExportImage.html
func (s *Service) ExportImage(ctx context.Context, in *ec2.ExportImageRequest) (*ec2.ExportImageResult, error) {
	a := s.asking(ctx)
	caller, err := s.allow(ctx, "ExportImage", in.DryRun,
		aboutExportImage.made(a, cloud.ExportTask{}, requestTags(in.TagSpecifications, "export-image-task")), aboutImage.of(a, val(in.ImageId)))
	if err := cmp.Or(err, checkExport(in), checkSnapshotDescription(in.Description)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "export-image-task")
	if err != nil {
		return nil, err
	}
	made := cloud.ExportTask{
		Meta:        cloud.Meta{ID: s.NewID(exportImages), Account: caller.Account, Created: s.Now().UTC(), Tags: tags},
		Description: val(in.Description), Role: val(in.RoleName), Image: *in.ImageId, Format: strings.ToLower(*in.DiskImageFormat),
		Name: val(in.S3ExportLocation.S3Bucket), Prefix: val(in.S3ExportLocation.S3Prefix),
	}
	if err := checkIDs("ami", made.Image); err != nil {
		return nil, err
	}
	as, err := a.inRole(ctx, in.RoleName, made.ID)
	if err != nil {
		return nil, err
	}
	target, err := a.Depot.Target(as, made.Name, made.ObjectKey())
	if isRefusal(err) {
		return nil, cloud.Errorf("InvalidParameter", "Invalid S3 location: the bucket %s does not exist, or %s may not put %s into it", made.Name, cmp.Or(cloud.CallerFrom(as).ARN, "nobody"), made.ObjectKey())
	}
	if err != nil {
		return nil, err
	}
	made.Bucket = target.ID
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "ExportImage", in.ClientToken, in, func() ([]string, error) {
			if err := tooMany(exportTable.Select(tx, cloud.AccountLabel(caller.Account))); err != nil {
				return nil, err
			}
			from, err := exported(tx, caller, made.Image)
			if err != nil {
				return nil, err
			}
			made.Snapshot, made.Host = from.ID, from.Host
			return []string{made.ID}, exportTable.Create(tx, made)
		})
		if err == nil {
			made, err = get(tx, caller, exportTable, exportImages, ids[0])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	t := exportOut(made)
	return &ec2.ExportImageResult{
		Description: t.Description, DiskImageFormat: new(strings.ToUpper(made.Format)), ExportImageTaskId: t.ExportImageTaskId, ImageId: t.ImageId,
		Progress: t.Progress, RoleName: opt(made.Role), S3ExportLocation: t.S3ExportLocation, Status: t.Status, StatusMessage: t.StatusMessage, Tags: t.Tags,
	}, nil
}

func checkExport(in *ec2.ExportImageRequest) error {
	switch {
	case val(in.ImageId) == "":
		return missing("ImageId")
	case val(in.DiskImageFormat) == "":
		return missing("DiskImageFormat")
	case !slices.Contains(exportFormats, strings.ToLower(*in.DiskImageFormat)):
		return invalid("diskImageFormat", *in.DiskImageFormat, "Valid values are: VMDK, RAW, VHD.")
	case in.S3ExportLocation == nil || val(in.S3ExportLocation.S3Bucket) == "":
		return missing("S3ExportLocation")
	case len(val(in.S3ExportLocation.S3Prefix)) > maxPrefix:
		return invalid("s3Prefix", *in.S3ExportLocation.S3Prefix, "It is too long.")
	}
	return nil
}

// exported is the snapshot with the one disk of the caller's image.
func exported(r store.Reader, c cloud.Caller, id string) (cloud.Snapshot, error) {
	i, ok := visibleImage(r, c, id)
	switch {
	case !ok:
		return cloud.Snapshot{}, notFound("ami", id)
	case i.Account != c.Account:
		return cloud.Snapshot{}, cloud.Errorf("InvalidParameter", "The image %s is not yours: only your own images can be exported", id)
	case !i.Available():
		return cloud.Snapshot{}, cloud.Errorf("IncorrectState", "The image %s is not available", id)
	case i.BootImage() != "":
		return cloud.Snapshot{}, unsupported("The image " + id + " boots by a kernel that is not on its disk, which nobody else would.")
	}
	disks := slices.DeleteFunc(slices.Clone(i.Mappings), func(m cloud.ImageMapping) bool { return m.Snapshot == "" })
	if len(disks) != 1 {
		return cloud.Snapshot{}, unsupported("The image " + id + " has " + strconv.Itoa(len(disks)) + " disks. Only images of one can be exported.")
	}
	s, ok := snapshotTable.Get(r, disks[0].Snapshot)
	if !ok || !s.Kept() {
		return s, notFound("snap", disks[0].Snapshot)
	}
	return s, nil
}

// DescribeExportImageTasks lists the caller's exports of images, those that ended for a
// week.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeExportImageTasks.html
func (s *Service) DescribeExportImageTasks(ctx context.Context, in *ec2.DescribeExportImageTasksRequest) (*ec2.DescribeExportImageTasksResult, error) {
	caller, err := s.allow(ctx, "DescribeExportImageTasks", in.DryRun)
	if err != nil {
		return nil, err
	}
	tasks, next, err := listing[cloud.ExportTask]{
		operation: "DescribeExportImageTasks", table: exportTable, prefix: exportImages, ids: in.ExportImageTaskIds,
		filters: in.Filters, fields: taskFields[cloud.ExportTask](), max: in.MaxResults, least: 1, most: 500, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeExportImageTasksResult{ExportImageTasks: each(tasks, exportOut), NextToken: next}, nil
}

func exportOut(t cloud.ExportTask) ec2.ExportImageTask {
	state := t.State()
	out := ec2.ExportImageTask{
		ExportImageTaskId: &t.ID, Description: opt(t.Description), ImageId: &t.Image, Status: new(string(state)),
		StatusMessage:    opt(stage(state, t.Seen.Stage, t.Seen.Error, "")),
		S3ExportLocation: &ec2.ExportTaskS3Location{S3Bucket: &t.Name, S3Prefix: opt(t.Prefix)}, Tags: tagSet(t.Tags),
	}
	if state == cloud.TransferActive {
		out.Progress = new(strconv.Itoa(t.Seen.Progress))
	}
	return out
}

// CancelExportTask has an export given up. There are only exports of images.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelExportTask.html
func (s *Service) CancelExportTask(ctx context.Context, in *ec2.CancelExportTaskRequest) (*ec2.CancelExportTaskOutput, error) {
	caller, err := s.allow(ctx, "CancelExportTask", nil, aboutExportImage.of(s.asking(ctx), val(in.ExportTaskId)))
	if err != nil {
		return nil, err
	}
	if val(in.ExportTaskId) == "" {
		return nil, missing("exportTaskId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := get(tx, caller, exportTable, exportImages, *in.ExportTaskId)
		if err != nil {
			return err
		}
		if was := t.State(); was != cloud.TransferActive || t.Seen.Done {
			return notActive(t.ID, was)
		}
		t.Cancel = true
		return exportTable.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CancelExportTaskOutput{}, nil
}
