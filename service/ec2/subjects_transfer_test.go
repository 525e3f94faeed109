package ec2

import "github.com/vauban-cloud/vauban/awsapi/ec2"

// transferFurniture is one task of each kind that is under way.
type transferFurniture struct{ snapshot, image, export string }

func (a *authRig) addTransfers() transferFurniture {
	a.Helper()
	a.withDepot()
	return transferFurniture{
		snapshot: *must(a.ImportSnapshot(a.ctx, snapshotImport()))(a).ImportTaskId,
		image:    *must(a.ImportImage(a.ctx, imageImport()))(a).ImportTaskId,
		export:   *must(a.ExportImage(a.ctx, imageExport(a.image)))(a).ExportImageTaskId,
	}
}

// transferCalls are the operations that import and export disks.
func transferCalls() map[string]call {
	type S = Service
	const snapshot = "snapshot*-ParentVolume-VolumeSize"
	return map[string]call{
		"DescribeImportSnapshotTasks": list((*S).DescribeImportSnapshotTasks),
		"DescribeImportImageTasks":    list((*S).DescribeImportImageTasks),
		"DescribeExportImageTasks":    list((*S).DescribeExportImageTasks),
		"ImportSnapshot": op((*S).ImportSnapshot, func(*authRig) ec2.ImportSnapshotRequest {
			in := *snapshotImport()
			in.TagSpecifications = tagSpec("import-snapshot-task", "k", "v")
			return in
		}, "import-snapshot-task*+aws:RequestTag/k+aws:TagKeys "+snapshot+"\nec2:CreateTags import-snapshot-task*+aws:RequestTag/k+aws:TagKeys"),
		"ImportImage": op((*S).ImportImage, func(*authRig) ec2.ImportImageRequest {
			in := *imageImport()
			in.TagSpecifications = tagSpec("import-image-task", "k", "v")
			return in
		}, "image* import-image-task*+aws:RequestTag/k+aws:TagKeys "+snapshot+"\nec2:CreateTags import-image-task*+aws:RequestTag/k+aws:TagKeys"),
		"CancelImportTask": op((*S).CancelImportTask, func(a *authRig) ec2.CancelImportTaskRequest {
			return ec2.CancelImportTaskRequest{ImportTaskId: &a.tasks.snapshot}
		}, "import-snapshot-task"),
		"CancelImportTask of an image": op((*S).CancelImportTask, func(a *authRig) ec2.CancelImportTaskRequest {
			return ec2.CancelImportTaskRequest{ImportTaskId: &a.tasks.image}
		}, "import-image-task"),
		"ExportImage": op((*S).ExportImage, func(a *authRig) ec2.ExportImageRequest {
			in := *imageExport(a.image)
			in.TagSpecifications = tagSpec("export-image-task", "k", "v")
			return in
		}, "export-image-task*+aws:RequestTag/k+aws:TagKeys image\nec2:CreateTags export-image-task*+aws:RequestTag/k+aws:TagKeys"),
		"CancelExportTask": op((*S).CancelExportTask, func(a *authRig) ec2.CancelExportTaskRequest {
			return ec2.CancelExportTaskRequest{ExportTaskId: &a.tasks.export}
		}, "export-image-task"),
	}
}
