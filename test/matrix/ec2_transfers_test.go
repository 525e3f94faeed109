package matrix

import (
	"context"

	api "github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// ec2Transfers are the operations that import and export disks. They act in a role, which
// the caller passes.
var ec2Transfers = table{
	"ec2:DescribeImportSnapshotTasks": list(&api.DescribeImportSnapshotTasksRequest{}),
	"ec2:DescribeImportImageTasks":    list(&api.DescribeImportImageTasksRequest{}),
	"ec2:DescribeExportImageTasks":    list(&api.DescribeExportImageTasksRequest{}),
	"ec2:ImportSnapshot": func(w *world) row {
		role := w.mover()
		in := snapshotImport()
		in.RoleName, in.TagSpecifications = new("mover"), tagSpec("import-snapshot-task")
		return row{in: in, needs: []need{
			on(w.named("import-snapshot-task/*"), "aws:RequestTag/team", "blue"), on(w.snapshots("*"), "ec2:Owner", Alice),
			also("ec2:CreateTags", w.named("import-snapshot-task/*"), "ec2:CreateAction", "ImportSnapshot"), role,
		}, other: "InvalidParameter"}
	},
	"ec2:ImportImage": func(w *world) row {
		role := w.mover()
		in := imageImport()
		in.RoleName, in.TagSpecifications = new("mover"), tagSpec("import-image-task")
		return row{in: in, needs: []need{
			on(w.images("*"), "ec2:Owner", Alice), on(w.named("import-image-task/*"), "aws:RequestTag/team", "blue"), on(w.snapshots("*"), "ec2:Owner", Alice),
			also("ec2:CreateTags", w.named("import-image-task/*"), "ec2:CreateAction", "ImportImage"), role,
		}, other: "InvalidParameter"}
	},
	"ec2:CancelImportTask": func(w *world) row {
		in := imageImport()
		in.TagSpecifications = tagSpec("import-image-task")
		id := *made[*api.ImportImageResult](w, Alice, in).ImportTaskId
		return row{in: &api.CancelImportTaskRequest{ImportTaskId: &id}, needs: []need{on(w.named("import-image-task/"+id), blue, "blue")}, other: "InvalidConversionTaskId"}
	},
	"ec2:ExportImage": func(w *world) row {
		role, image := w.mover(), w.image()
		in := imageExport(image)
		in.RoleName, in.TagSpecifications = new("mover"), tagSpec("export-image-task")
		return row{in: in, needs: []need{
			on(w.named("export-image-task/*"), "aws:RequestTag/team", "blue"), on(w.images(image), blue, "blue", "ec2:Owner", Alice),
			also("ec2:CreateTags", w.named("export-image-task/*"), "ec2:CreateAction", "ExportImage"), role,
		}, other: "InvalidParameter"}
	},
	"ec2:CancelExportTask": func(w *world) row {
		in := imageExport(w.image())
		in.TagSpecifications = tagSpec("export-image-task")
		id := *made[*api.ExportImageResult](w, Alice, in).ExportImageTaskId
		return row{in: &api.CancelExportTaskRequest{ExportTaskId: &id}, needs: []need{on(w.named("export-image-task/"+id), blue, "blue")}, other: "InvalidExportTaskID.NotFound"}
	},
}

// shelves are buckets of Alice's, for disks; who may read and write objects is checked
// with the operations of S3.
type shelves struct{}

func (shelves) Source(ctx context.Context, bucket, key string) (cloud.ObjectVersion, error) {
	if cloud.CallerFrom(ctx).Account != Alice {
		return cloud.ObjectVersion{}, cloud.Errorf("AccessDenied", "Access Denied")
	}
	return cloud.ObjectVersion{Bucket: "bucket-1", Name: bucket, Key: key, Size: 1}, nil
}

func (shelves) Target(ctx context.Context, bucket, _ string) (cloud.Bucket, error) {
	if cloud.CallerFrom(ctx).Account != Alice {
		return cloud.Bucket{}, cloud.Errorf("AccessDenied", "Access Denied")
	}
	return cloud.Bucket{Meta: cloud.Meta{ID: "bucket-1"}, Name: bucket}, nil
}

func (shelves) Assume(role cloud.Role, _ string) (cloud.Caller, error) {
	return cloud.Caller{Account: role.Account}, nil
}

// mover makes a role of Alice's, and returns the need to pass it.
func (w *world) mover() need {
	w.Helper()
	_, role := w.profile("mover")
	return also("iam:PassRole", role, "iam:PassedToService", "vmie.amazonaws.com")
}

func snapshotImport() *api.ImportSnapshotRequest {
	return &api.ImportSnapshotRequest{DiskContainer: &api.SnapshotDiskContainer{UserBucket: &api.UserBucket{S3Bucket: new("disks"), S3Key: new("disk")}}}
}

func imageImport() *api.ImportImageRequest {
	return &api.ImportImageRequest{DiskContainers: []api.ImageDiskContainer{{Url: new("s3://disks/disk")}}}
}

func imageExport(image string) *api.ExportImageRequest {
	return &api.ExportImageRequest{ImageId: &image, DiskImageFormat: new("RAW"), S3ExportLocation: &api.ExportTaskS3LocationRequest{S3Bucket: new("disks")}}
}
