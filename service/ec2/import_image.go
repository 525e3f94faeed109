package ec2

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxImported is how many disks one image may be imported of.
const maxImported = 16

// ImportImage has a host make an image of disks in a bucket. Guests boot from the first,
// which is looked into.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportImage.html
func (s *Service) ImportImage(ctx context.Context, in *ec2.ImportImageRequest) (*ec2.ImportImageResult, error) {
	a := s.asking(ctx)
	encrypted := val(in.Encrypted) || a.encrypts()
	like := cloud.Snapshot{Meta: cloud.Meta{Account: a.c.Account}, Encrypted: encrypted}
	caller, err := s.allow(ctx, "ImportImage", in.DryRun,
		aboutImage.made(a, cloud.Image{Meta: cloud.Meta{Account: a.c.Account}}, nil).with(facts{"Owner": a.c.Account}),
		aboutImportImage.made(a, cloud.ImportTask{}, requestTags(in.TagSpecifications, "import-image-task")), aboutSnapshot.made(a, like, nil))
	if err := cmp.Or(err, checkImport(in), checkDiskKey(val(in.KmsKeyId), val(in.Encrypted)), checkSnapshotDescription(in.Description)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "import-image-task")
	if err != nil {
		return nil, err
	}
	made := cloud.ImportTask{
		Meta:        cloud.Meta{ID: s.NewID(importImages), Account: caller.Account, Created: s.Now().UTC(), Tags: tags},
		Description: val(in.Description), Encrypted: encrypted,
		Image: &cloud.ImportImage{ID: s.NewID("ami"), Architecture: ec2.ArchitectureValuesX8664, BootMode: val(in.BootMode)},
	}
	as, err := a.inRole(ctx, in.RoleName, made.ID)
	if err != nil {
		return nil, err
	}
	if made.Disks, err = a.imageDisks(as, in.DiskContainers); err != nil {
		return nil, err
	}
	if made, err = s.begin(ctx, caller, "ImportImage", in.ClientToken, in, made); err != nil {
		return nil, err
	}
	t := s.imageTask(made)
	return &ec2.ImportImageResult{
		Architecture: t.Architecture, Description: t.Description, Encrypted: t.Encrypted, ImageId: t.ImageId, ImportTaskId: t.ImportTaskId, KmsKeyId: t.KmsKeyId,
		LicenseType: t.LicenseType, Platform: t.Platform, Progress: t.Progress, SnapshotDetails: t.SnapshotDetails, Status: t.Status, StatusMessage: t.StatusMessage,
		Tags: t.Tags, UsageOperation: t.UsageOperation,
	}, nil
}

// checkImport refuses what no image here can be.
func checkImport(in *ec2.ImportImageRequest) error {
	oneOf := func(name string, value *string, known ...string) error {
		if v := val(value); v != "" && !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, v) }) {
			return unsupported(fmt.Sprintf("Value (%s) for parameter %s is not supported. Leave it out, or give one of: %s.", v, name, strings.Join(known, ", ")))
		}
		return nil
	}
	err := cmp.Or(
		oneOf("architecture", in.Architecture, ec2.ArchitectureValuesX8664),
		oneOf("bootMode", in.BootMode, ec2.BootModeValuesLegacyBios, ec2.BootModeValuesUefiPreferred),
		oneOf("platform", in.Platform, "Linux"),
		oneOf("licenseType", in.LicenseType, "BYOL", "Auto"),
		oneOf("usageOperation", in.UsageOperation, usageOperation),
		oneOf("hypervisor", in.Hypervisor, ec2.HypervisorTypeXen),
	)
	switch n := len(in.DiskContainers); {
	case err != nil:
		return err
	case len(in.LicenseSpecifications) > 0:
		return unsupported("License configurations are not available.")
	case n == 0:
		return missing("DiskContainer")
	case n > maxImported:
		return cloud.Errorf("InvalidParameterValue", "An image is imported of at most %d disks", maxImported)
	}
	return nil
}

// imageDisks reads the containers of an image's disks, and finds their objects.
func (a asking) imageDisks(ctx context.Context, containers []ec2.ImageDiskContainer) (disks []cloud.ImportDisk, err error) {
	devices := map[string]bool{}
	for n, c := range containers {
		if val(c.SnapshotId) != "" {
			return nil, unsupported("An image is made of snapshots by RegisterImage. Leave out SnapshotId.")
		}
		d, bucket, key, err := diskContainer{c.Description, c.Format, c.Url, c.UserBucket}.disk(a.c.Host, importFormats)
		if err != nil {
			return nil, err
		}
		if d.From, err = a.object(ctx, bucket, key); err != nil {
			return nil, err
		}
		if d.Device = val(c.DeviceName); d.Device == "" {
			d.Device = importDevice(n)
		}
		if devices[d.Device] {
			return nil, invalid("deviceName", d.Device, "Two disks cannot have the same.")
		}
		devices[d.Device] = true
		disks = append(disks, d)
	}
	return disks, nil
}

// importDevice names the n-th disk of an image.
func importDevice(n int) string {
	if n == 0 {
		return "/dev/xvda"
	}
	return "/dev/sd" + string(rune('e'+n))
}

// DescribeImportImageTasks lists the caller's imports of images, those that ended for a
// week.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImportImageTasks.html
func (s *Service) DescribeImportImageTasks(ctx context.Context, in *ec2.DescribeImportImageTasksRequest) (*ec2.DescribeImportImageTasksResult, error) {
	caller, err := s.allow(ctx, "DescribeImportImageTasks", in.DryRun)
	if err != nil {
		return nil, err
	}
	tasks, next, err := listing[cloud.ImportTask]{
		operation: "DescribeImportImageTasks", table: importTable, prefix: importImages, ids: in.ImportTaskIds,
		filters: in.Filters, fields: taskFields[cloud.ImportTask](), max: in.MaxResults, least: 1, most: 1000, token: in.NextToken,
		all: func(r store.Reader) iter.Seq[cloud.ImportTask] { return importsOf(r, caller.Account, importImages) },
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeImportImageTasksResult{ImportImageTasks: each(tasks, s.imageTask), NextToken: next}, nil
}

func (s *Service) imageTask(t cloud.ImportTask) ec2.ImportImageTask {
	state := t.State()
	out := ec2.ImportImageTask{
		ImportTaskId: &t.ID, Architecture: &t.Image.Architecture, BootMode: opt(t.Image.BootMode), Description: opt(t.Description), Encrypted: &t.Encrypted,
		KmsKeyId: s.shownDiskKey(t.Account, t.Encrypted), LicenseType: new("BYOL"), Platform: new("Linux"), UsageOperation: new(usageOperation),
		Status: new(string(state)), StatusMessage: opt(stage(state, t.Seen.Stage, t.Seen.Error, t.Reason)), Tags: tagSet(t.Tags),
		SnapshotDetails: make([]ec2.SnapshotDetail, len(t.Disks)),
	}
	switch state {
	case cloud.TransferActive:
		out.Progress = new(strconv.Itoa(t.Seen.Progress))
	case cloud.TransferCompleted:
		out.ImageId, out.StatusMessage = &t.Image.ID, opt(t.Seen.Disks[0].Warning)
	case cloud.TransferDeleting, cloud.TransferDeleted: // the reason says it
	}
	for n, d := range t.Disks {
		detail := ec2.SnapshotDetail{
			Description: opt(d.Description), DeviceName: &d.Device, DiskImageSize: new(float64(d.From.Size)), Format: opt(diskFormat(t, n)),
			Url: opt(d.URL), UserBucket: &ec2.UserBucketDetails{S3Bucket: &d.From.Name, S3Key: &d.From.Key}, Status: new(string(state)),
		}
		if n < len(t.Seen.Disks) && state == cloud.TransferActive {
			detail.Status = new(string(cloud.TransferCompleted))
		}
		if state == cloud.TransferCompleted {
			detail.SnapshotId = &d.Snapshot
		}
		out.SnapshotDetails[n] = detail
	}
	return out
}
