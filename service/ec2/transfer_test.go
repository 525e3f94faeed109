package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// shelves is a Depot with one object, "disks/disk.vmdk" of the bucket "disks", and no one
// else's than alice's.
type shelves struct {
	mistrusted bool            // no role trusts the service
	readers    map[string]bool // ARNs of who read or wrote
}

func (d *shelves) open(ctx context.Context, bucket string) error {
	c := cloud.CallerFrom(ctx)
	if bucket != "disks" || c.Account != alice {
		return cloud.Errorf("AccessDenied", "Access Denied")
	}
	d.readers[c.ARN] = true
	return nil
}

func (d *shelves) Source(ctx context.Context, bucket, key string) (cloud.ObjectVersion, error) {
	if err := d.open(ctx, bucket); err != nil || key != "disk.vmdk" {
		return cloud.ObjectVersion{}, cloud.Errorf("NoSuchKey", "no")
	}
	return cloud.ObjectVersion{Bucket: "bucket-1", Name: bucket, Key: key, ETag: "e", Size: 4096}, nil
}

func (d *shelves) Target(ctx context.Context, bucket, _ string) (cloud.Bucket, error) {
	return cloud.Bucket{Meta: cloud.Meta{ID: "bucket-1"}, Name: bucket}, d.open(ctx, bucket)
}

func (d *shelves) Assume(role cloud.Role, session string) (cloud.Caller, error) {
	if d.mistrusted {
		return cloud.Caller{}, cloud.Errorf("AccessDenied", "no")
	}
	return cloud.Caller{Account: role.Account, ARN: role.Name + "/" + session[:strings.LastIndexByte(session, '-')]}, nil
}

func (r *rig) withDepot() *shelves {
	d := &shelves{readers: map[string]bool{}}
	r.Depot = d
	return d
}

func snapshotImport(change ...func(*ec2.ImportSnapshotRequest)) *ec2.ImportSnapshotRequest {
	in := &ec2.ImportSnapshotRequest{DiskContainer: &ec2.SnapshotDiskContainer{
		Format: new("VMDK"), UserBucket: &ec2.UserBucket{S3Bucket: new("disks"), S3Key: new("disk.vmdk")},
	}}
	for _, c := range change {
		c(in)
	}
	return in
}

func imageImport(change ...func(*ec2.ImportImageRequest)) *ec2.ImportImageRequest {
	in := &ec2.ImportImageRequest{DiskContainers: []ec2.ImageDiskContainer{{Url: new("s3://disks/disk.vmdk")}}}
	for _, c := range change {
		c(in)
	}
	return in
}

func imageExport(image string, change ...func(*ec2.ExportImageRequest)) *ec2.ExportImageRequest {
	in := &ec2.ExportImageRequest{ImageId: &image, DiskImageFormat: new("VMDK"), S3ExportLocation: &ec2.ExportTaskS3LocationRequest{S3Bucket: new("disks"), S3Prefix: new("out/")}}
	for _, c := range change {
		c(in)
	}
	return in
}

func (r *rig) seeImport(id string, change func(*cloud.ImportTask)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		return importTable.Modify(tx, id, func(t *cloud.ImportTask) error { change(t); return nil })
	})
}

func (r *rig) snapshotTaskOf(id string) ec2.SnapshotTaskDetail {
	r.Helper()
	return *must(r.DescribeImportSnapshotTasks(r.ctx, &ec2.DescribeImportSnapshotTasksRequest{ImportTaskIds: []string{id}}))(r).ImportSnapshotTasks[0].SnapshotTaskDetail
}

func TestImportSnapshot(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	out := must(r.ImportSnapshot(r.ctx, snapshotImport(func(in *ec2.ImportSnapshotRequest) {
		in.Description, in.Encrypted, in.TagSpecifications = new("mine"), new(true), tagSpec("import-snapshot-task", "k", "v")
	})))(t)
	id, d := *out.ImportTaskId, out.SnapshotTaskDetail
	if !cloud.ValidID("import-snap", id) || *d.Status != "active" || *d.StatusMessage != "pending" || *d.Progress != "0" || *d.Format != "VMDK" || *d.DiskImageSize != 4096 ||
		d.SnapshotId != nil || !*d.Encrypted || *d.UserBucket.S3Key != "disk.vmdk" || len(out.Tags) != 1 || *out.Description != "mine" {
		t.Errorf("got %+v, %+v", out, d)
	}
	doc, _ := importTable.Get(r.DB.View(), id)
	if doc.Host != hostA || doc.Disks[0].From.Bucket != "bucket-1" || doc.Image != nil {
		t.Errorf("got %+v", doc)
	}
	r.seeImport(id, func(t *cloud.ImportTask) { t.Seen.Stage, t.Seen.Progress = "converting", 50 })
	if d := r.snapshotTaskOf(id); *d.Status != "active" || *d.StatusMessage != "converting" || *d.Progress != "50" {
		t.Errorf("got %+v", d)
	}
	r.seeImport(id, func(t *cloud.ImportTask) { t.Made, t.Ended = true, r.Now() })
	if d := r.snapshotTaskOf(id); *d.Status != "completed" || *d.SnapshotId != doc.Disks[0].Snapshot || d.Progress != nil || d.StatusMessage != nil {
		t.Errorf("got %+v", d)
	}
	_, err := r.CancelImportTask(r.ctx, &ec2.CancelImportTaskRequest{ImportTaskId: &id})
	want(t, "cancel what is done", err, "IncorrectState")

	failed := *must(r.ImportSnapshot(r.ctx, snapshotImport()))(t).ImportTaskId
	r.seeImport(failed, func(t *cloud.ImportTask) { t.Seen.Error = "ClientError: no" })
	if d := r.snapshotTaskOf(failed); *d.Status != "deleting" || *d.StatusMessage != "ClientError: no" {
		t.Errorf("got %+v", d)
	}
	r.seeImport(failed, func(t *cloud.ImportTask) { t.Ended = r.Now() })
	if d := r.snapshotTaskOf(failed); *d.Status != "deleted" || d.SnapshotId != nil {
		t.Errorf("got %+v", d)
	}
	list := func(f ...ec2.Filter) []string {
		out := must(r.DescribeImportSnapshotTasks(r.ctx, &ec2.DescribeImportSnapshotTasksRequest{Filters: f}))(t).ImportSnapshotTasks
		return each(out, func(t ec2.ImportSnapshotTask) string { return *t.ImportTaskId })
	}
	if got := list(filters("task-state", "completed")...); !slices.Equal(got, []string{id}) {
		t.Errorf("completed are %v", got)
	}
	if got := list(filters("tag:k", "v")...); !slices.Equal(got, []string{id}) || len(list()) != 2 {
		t.Errorf("with the tag are %v, all are %v", got, list())
	}
	bobs := must(r.DescribeImportSnapshotTasks(r.bob, &ec2.DescribeImportSnapshotTasksRequest{}))(t)
	if len(bobs.ImportSnapshotTasks) != 0 {
		t.Error("bob sees tasks")
	}
	_, err = r.DescribeImportSnapshotTasks(r.bob, &ec2.DescribeImportSnapshotTasksRequest{ImportTaskIds: []string{id}})
	want(t, "bob asks for alice's", err, "InvalidConversionTaskId")
	if images := must(r.DescribeImportImageTasks(r.ctx, &ec2.DescribeImportImageTasksRequest{}))(t); len(images.ImportImageTasks) != 0 {
		t.Errorf("imports of images are %v", images)
	}
}

func TestImportSnapshotRefusals(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	type in = ec2.ImportSnapshotRequest
	for _, c := range []struct {
		what   string
		change func(*in)
		code   string
	}{
		{"no disk", func(q *in) { q.DiskContainer = nil }, "MissingParameter"},
		{"odd format", func(q *in) { q.DiskContainer.Format = new("vdi") }, "InvalidParameterValue"},
		{"two sources", func(q *in) { q.DiskContainer.Url = new("s3://disks/disk.vmdk") }, "InvalidParameter"},
		{"no source", func(q *in) { q.DiskContainer.UserBucket = nil }, "InvalidParameter"},
		{"no key", func(q *in) { q.DiskContainer.UserBucket.S3Key = nil }, "InvalidParameter"},
		{"missing object", func(q *in) { q.DiskContainer.UserBucket.S3Key = new("x") }, "InvalidParameter"},
		{"another's bucket", func(q *in) { q.DiskContainer.UserBucket.S3Bucket = new("x") }, "InvalidParameter"},
		{"file", func(q *in) { q.DiskContainer.UserBucket, q.DiskContainer.Url = nil, new("file:///etc/shadow") }, "InvalidParameter"},
		{"elsewhere", func(q *in) {
			q.DiskContainer.UserBucket, q.DiskContainer.Url = nil, new("https://example.com/disks/disk.vmdk")
		}, "InvalidParameter"},
		{"missing role", func(q *in) { q.RoleName = new("nobody") }, "InvalidParameter"},
		{"key without encryption", func(q *in) { q.KmsKeyId = new("alias/aws/ebs") }, "InvalidParameterDependency"},
		{"another key", func(q *in) { q.KmsKeyId, q.Encrypted = new("alias/x"), new(true) }, "UnsupportedOperation"},
		{"long description", func(q *in) { q.Description = new(fmt.Sprintf("%256d", 1)) }, "InvalidParameterValue"},
		{"tags of another kind", func(q *in) { q.TagSpecifications = tagSpec("snapshot", "k", "v") }, "InvalidParameterValue"},
		{"dry run", func(q *in) { q.DryRun = new(true) }, "DryRunOperation"},
	} {
		_, err := r.ImportSnapshot(r.ctx, snapshotImport(c.change))
		want(t, c.what, err, c.code)
	}
	for range maxTransfers {
		must(r.ImportSnapshot(r.ctx, snapshotImport()))(t)
	}
	_, err := r.ImportSnapshot(r.ctx, snapshotImport())
	want(t, "one too many", err, "ResourceLimitExceeded")
	r.Depot = nil
	_, err = r.ImportSnapshot(r.ctx, snapshotImport())
	want(t, "no buckets", err, "UnsupportedOperation")
}

func TestImportIsIdempotent(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	again := func(q *ec2.ImportSnapshotRequest) { q.ClientToken = new("t") }
	one, two := must(r.ImportSnapshot(r.ctx, snapshotImport(again)))(t), must(r.ImportSnapshot(r.ctx, snapshotImport(again)))(t)
	if *one.ImportTaskId != *two.ImportTaskId {
		t.Errorf("got %s and %s", *one.ImportTaskId, *two.ImportTaskId)
	}
}

// TestRolesOfTransfers: objects are read by the role that the request names, by vmimport
// if there is one, and else by the caller.
func TestRolesOfTransfers(t *testing.T) {
	r := newGuestRig(t)
	d := r.withDepot()
	r.Place = cloud.DefaultPlace()
	addRole := func(name string) {
		r.update(func(tx *store.Tx) error {
			role := cloud.Role{Meta: cloud.Meta{ID: "AROA" + strings.ToUpper(name), Account: alice}, Name: name, Path: "/"}
			if err := tx.Claim(cloud.RoleNames(alice), cloud.IAMName(name), role.ID); err != nil {
				return err
			}
			return roleTable.Create(tx, role)
		})
	}
	named := func(q *ec2.ImportSnapshotRequest) { q.RoleName = new("mover") }
	must(r.ImportSnapshot(r.ctx, snapshotImport()))(t)
	addRole("vmimport")
	must(r.ImportSnapshot(r.ctx, snapshotImport()))(t)
	addRole("mover")
	must(r.ImportSnapshot(r.ctx, snapshotImport(named)))(t)
	for _, arn := range []string{"arn:aws:iam::" + alice + ":root", "vmimport/import-snap", "mover/import-snap"} {
		if !d.readers[arn] {
			t.Errorf("%s did not read: %v", arn, d.readers)
		}
	}
	asked := &recorder{}
	r.Authz = asked
	must(r.ImportSnapshot(r.ctx, snapshotImport(named)))(t)
	last := asked.asked[len(asked.asked)-1]
	if last.Action != "iam:PassRole" || last.Resources[0].ARN != "arn:aws:iam::"+alice+":role/mover" || last.Keys["iam:PassedToService"][0] != "vmie.amazonaws.com" {
		t.Errorf("asked for %+v", last)
	}
	d.mistrusted = true
	_, err := r.ImportSnapshot(r.ctx, snapshotImport())
	want(t, "a role that trusts nobody", err, "InvalidParameter", "The service role vmimport provided does not exist or does not have sufficient permissions")
}

func TestCancelImportTask(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	id := *must(r.ImportImage(r.ctx, imageImport()))(t).ImportTaskId
	_, err := r.CancelImportTask(r.bob, &ec2.CancelImportTaskRequest{ImportTaskId: &id})
	want(t, "bob's", err, "InvalidConversionTaskId")
	out := must(r.CancelImportTask(r.ctx, &ec2.CancelImportTaskRequest{ImportTaskId: &id, CancelReason: new("changed my mind")}))(t)
	if *out.PreviousState != "active" || *out.State != "deleting" || *out.ImportTaskId != id {
		t.Errorf("got %+v", out)
	}
	task := must(r.DescribeImportImageTasks(r.ctx, &ec2.DescribeImportImageTasksRequest{ImportTaskIds: []string{id}}))(t).ImportImageTasks[0]
	if *task.Status != "deleting" || *task.StatusMessage != "changed my mind" {
		t.Errorf("got %+v", task)
	}
	_, err = r.CancelImportTask(r.ctx, &ec2.CancelImportTaskRequest{ImportTaskId: &id})
	want(t, "twice", err, "IncorrectState")
	_, err = r.CancelImportTask(r.ctx, &ec2.CancelImportTaskRequest{})
	want(t, "none", err, "MissingParameter")
	_, err = r.CancelImportTask(r.ctx, &ec2.CancelImportTaskRequest{ImportTaskId: new("x")})
	want(t, "odd", err, "InvalidConversionTaskId.Malformed")
}

func TestImportImage(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	out := must(r.ImportImage(r.ctx, imageImport(func(in *ec2.ImportImageRequest) {
		in.Architecture, in.Platform, in.LicenseType, in.BootMode = new("x86_64"), new("Linux"), new("BYOL"), new("legacy-bios")
		in.DiskContainers = append(in.DiskContainers, ec2.ImageDiskContainer{Format: new("raw"), UserBucket: &ec2.UserBucket{S3Bucket: new("disks"), S3Key: new("disk.vmdk")}})
	})))(t)
	if *out.Status != "active" || *out.StatusMessage != "pending" || *out.Architecture != "x86_64" || out.ImageId != nil || len(out.SnapshotDetails) != 2 ||
		*out.SnapshotDetails[0].DeviceName != "/dev/xvda" || *out.SnapshotDetails[1].DeviceName != "/dev/sdf" || *out.SnapshotDetails[0].Url != "s3://disks/disk.vmdk" {
		t.Errorf("got %+v", out)
	}
	r.seeImport(*out.ImportTaskId, func(t *cloud.ImportTask) {
		t.Seen.Disks, t.Made, t.Ended = []cloud.ImportedDisk{{Format: "vmdk", Warning: "it has XFS"}, {Format: "raw"}}, true, r.Now()
	})
	task := must(r.DescribeImportImageTasks(r.ctx, &ec2.DescribeImportImageTasksRequest{}))(t).ImportImageTasks[0]
	if *task.Status != "completed" || *task.StatusMessage != "it has XFS" || !cloud.ValidID("ami", *task.ImageId) || *task.SnapshotDetails[0].Format != "VMDK" || task.SnapshotDetails[1].SnapshotId == nil {
		t.Errorf("got %+v", task)
	}
	type in = ec2.ImportImageRequest
	for _, c := range []struct {
		what   string
		change func(*in)
		code   string
	}{
		{"no disks", func(q *in) { q.DiskContainers = nil }, "MissingParameter"},
		{"too many", func(q *in) { q.DiskContainers = make([]ec2.ImageDiskContainer, 17) }, "InvalidParameterValue"},
		{"snapshot", func(q *in) { q.DiskContainers[0].SnapshotId = new("snap-1") }, "UnsupportedOperation"},
		{"same device", func(q *in) {
			q.DiskContainers = append(q.DiskContainers, q.DiskContainers[0])
			q.DiskContainers[1].DeviceName = new("/dev/xvda")
		}, "InvalidParameterValue"},
		{"ARM", func(q *in) { q.Architecture = new("arm64") }, "UnsupportedOperation"},
		{"UEFI", func(q *in) { q.BootMode = new("uefi") }, "UnsupportedOperation"},
		{"Windows", func(q *in) { q.Platform = new("Windows") }, "UnsupportedOperation"},
		{"AWS's licence", func(q *in) { q.LicenseType = new("AWS") }, "UnsupportedOperation"},
		{"licences", func(q *in) { q.LicenseSpecifications = make([]ec2.ImportImageLicenseConfigurationRequest, 1) }, "UnsupportedOperation"},
		{"usage", func(q *in) { q.UsageOperation = new("RunInstances:0002") }, "UnsupportedOperation"},
		{"missing object", func(q *in) { q.DiskContainers[0].Url = new("s3://disks/x") }, "InvalidParameter"},
	} {
		_, err := r.ImportImage(r.ctx, imageImport(c.change))
		want(t, c.what, err, c.code)
	}
}

func TestExportImage(t *testing.T) {
	r := newGuestRig(t)
	r.withDepot()
	snapshot := r.takeSnapshot(r.createVolume())
	image := r.registerImage(snapshot)
	out := must(r.ExportImage(r.ctx, imageExport(image)))(t)
	id := *out.ExportImageTaskId
	if !cloud.ValidID("export-ami", id) || *out.Status != "active" || *out.StatusMessage != "pending" || *out.DiskImageFormat != "VMDK" || *out.S3ExportLocation.S3Prefix != "out/" || *out.ImageId != image {
		t.Errorf("got %+v", out)
	}
	doc, _ := exportTable.Get(r.DB.View(), id)
	if doc.Snapshot != snapshot || doc.Host == "" || doc.ObjectKey() != "out/"+id+".vmdk" || doc.Bucket != "bucket-1" {
		t.Errorf("got %+v", doc)
	}
	type in = ec2.ExportImageRequest
	for _, c := range []struct {
		what   string
		change func(*in)
		code   string
	}{
		{"no image", func(q *in) { q.ImageId = nil }, "MissingParameter"},
		{"odd image", func(q *in) { q.ImageId = new("x") }, "InvalidAMIID.Malformed"},
		{"missing image", func(q *in) { q.ImageId = new("ami-00000000000000009") }, "InvalidAMIID.NotFound"},
		{"the operator's", func(q *in) { q.ImageId = new(testImage) }, "InvalidParameter"},
		{"bob's", func(q *in) { q.ImageId = new(privateImage) }, "InvalidAMIID.NotFound"},
		{"no format", func(q *in) { q.DiskImageFormat = nil }, "MissingParameter"},
		{"odd format", func(q *in) { q.DiskImageFormat = new("QCOW2") }, "InvalidParameterValue"},
		{"no place", func(q *in) { q.S3ExportLocation = nil }, "MissingParameter"},
		{"another's bucket", func(q *in) { q.S3ExportLocation.S3Bucket = new("x") }, "InvalidParameter"},
		{"long prefix", func(q *in) { q.S3ExportLocation.S3Prefix = new(strings.Repeat("x", 901)) }, "InvalidParameterValue"},
	} {
		_, err := r.ExportImage(r.ctx, imageExport(image, c.change))
		want(t, c.what, err, c.code)
	}
	must(r.CancelExportTask(r.ctx, &ec2.CancelExportTaskRequest{ExportTaskId: &id}))(t)
	task := must(r.DescribeExportImageTasks(r.ctx, &ec2.DescribeExportImageTasksRequest{Filters: filters("task-state", "deleting")}))(t).ExportImageTasks
	if len(task) != 1 || *task[0].Status != "deleting" {
		t.Errorf("got %+v", task)
	}
	_, err := r.CancelExportTask(r.ctx, &ec2.CancelExportTaskRequest{ExportTaskId: &id})
	want(t, "twice", err, "IncorrectState")
	_, err = r.CancelExportTask(r.bob, &ec2.CancelExportTaskRequest{ExportTaskId: &id})
	want(t, "bob", err, "InvalidExportTaskID.NotFound")
	_, err = r.CancelExportTask(r.ctx, &ec2.CancelExportTaskRequest{})
	want(t, "none", err, "MissingParameter")
}

func TestObjectOf(t *testing.T) {
	for url, want := range map[string]string{
		"s3://b/k/l": "b k/l", "http://127.0.0.1:4566/b/k/l": "b k/l", "http://b.127.0.0.1:4566/k/l": "b k/l", "https://b.s3.amazonaws.com/k": "b k",
		"https://b.s3.eu-paris-1.amazonaws.com/k": "b k", "https://b.s3-eu-west-1.amazonaws.com/k": "b k", "https://s3.amazonaws.com/b/k": "b k",
		"https://s3-eu-west-1.amazonaws.com/b/k": "b k", "https://s3.eu-west-1.amazonaws.com/b/k": "b k", "https://a.b.s3.amazonaws.com/k": "a.b k",
		"s3://b": "b ", "s3:///k": " k", "file:///etc/shadow": " ", "https://example.com/b/k": " ", "https://ec2.amazonaws.com/b/k": " ", "::": " ", "": " ",
		"ftp://127.0.0.1:4566/b/k": " ", "http://127.0.0.1:80/b/k": " ",
	} {
		bucket, key := objectOf(url, "127.0.0.1:4566")
		if bucket+" "+key != want {
			t.Errorf("%s: bucket %q, key %q, want %q", url, bucket, key, want)
		}
	}
}
