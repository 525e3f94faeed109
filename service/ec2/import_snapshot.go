package ec2

import (
	"cmp"
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ImportSnapshot has a host make a snapshot of a disk in a bucket.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportSnapshot.html
func (s *Service) ImportSnapshot(ctx context.Context, in *ec2.ImportSnapshotRequest) (*ec2.ImportSnapshotResult, error) {
	a := s.asking(ctx)
	encrypted := val(in.Encrypted) || a.encrypts()
	like := cloud.Snapshot{Meta: cloud.Meta{Account: a.c.Account}, Encrypted: encrypted}
	caller, err := s.allow(ctx, "ImportSnapshot", in.DryRun,
		aboutImportSnapshot.made(a, cloud.ImportTask{}, requestTags(in.TagSpecifications, "import-snapshot-task")), aboutSnapshot.made(a, like, nil))
	if err := cmp.Or(err, checkDiskKey(val(in.KmsKeyId), val(in.Encrypted)), checkSnapshotDescription(in.Description)); err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "import-snapshot-task")
	if err != nil {
		return nil, err
	}
	if in.DiskContainer == nil {
		return nil, missing("DiskContainer")
	}
	c := in.DiskContainer
	disk, bucket, key, err := diskContainer{c.Description, c.Format, c.Url, c.UserBucket}.disk(caller.Host, importFormats)
	if err != nil {
		return nil, err
	}
	made := cloud.ImportTask{
		Meta:        cloud.Meta{ID: s.NewID(importSnapshots), Account: caller.Account, Created: s.Now().UTC(), Tags: tags},
		Description: val(in.Description), Encrypted: encrypted, Disks: []cloud.ImportDisk{disk},
	}
	as, err := a.inRole(ctx, in.RoleName, made.ID)
	if err != nil {
		return nil, err
	}
	if made.Disks[0].From, err = a.object(as, bucket, key); err != nil {
		return nil, err
	}
	made.Disks[0].Description = cmp.Or(disk.Description, made.Description)
	if made, err = s.begin(ctx, caller, "ImportSnapshot", in.ClientToken, in, made); err != nil {
		return nil, err
	}
	return &ec2.ImportSnapshotResult{ImportTaskId: &made.ID, Description: opt(made.Description), SnapshotTaskDetail: s.snapshotTask(made), Tags: tagSet(made.Tags)}, nil
}

// begin writes a new import, for a host that is chosen, or finds that of the client token.
func (s *Service) begin(ctx context.Context, c cloud.Caller, operation string, token *string, request any, t cloud.ImportTask) (cloud.ImportTask, error) {
	prefix := t.ID[:strings.LastIndexByte(t.ID, '-')]
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, c, operation, token, request, func() ([]string, error) {
			if err := tooMany(importsOf(tx, c.Account, prefix)); err != nil {
				return nil, err
			}
			var err error
			if t.Host, err = s.keeper(tx); err != nil {
				return nil, err
			}
			for i := range t.Disks {
				t.Disks[i].Snapshot = s.NewID("snap")
				t.Disks[i].Sealed = s.newDiskKey(t.Disks[i].Snapshot)
			}
			return []string{t.ID}, importTable.Create(tx, t)
		})
		if err == nil {
			t, err = get(tx, c, importTable, prefix, ids[0])
		}
		return err
	})
	return t, err
}

// DescribeImportSnapshotTasks lists the caller's imports of snapshots, those that ended
// for a week.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImportSnapshotTasks.html
func (s *Service) DescribeImportSnapshotTasks(ctx context.Context, in *ec2.DescribeImportSnapshotTasksRequest) (*ec2.DescribeImportSnapshotTasksResult, error) {
	caller, err := s.allow(ctx, "DescribeImportSnapshotTasks", in.DryRun)
	if err != nil {
		return nil, err
	}
	tasks, next, err := listing[cloud.ImportTask]{
		operation: "DescribeImportSnapshotTasks", table: importTable, prefix: importSnapshots, ids: in.ImportTaskIds,
		filters: in.Filters, fields: taskFields[cloud.ImportTask](), max: in.MaxResults, least: 1, most: 1000, token: in.NextToken,
		all: func(r store.Reader) iter.Seq[cloud.ImportTask] { return importsOf(r, caller.Account, importSnapshots) },
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeImportSnapshotTasksResult{NextToken: next, ImportSnapshotTasks: each(tasks, func(t cloud.ImportTask) ec2.ImportSnapshotTask {
		return ec2.ImportSnapshotTask{ImportTaskId: &t.ID, Description: opt(t.Description), SnapshotTaskDetail: s.snapshotTask(t), Tags: tagSet(t.Tags)}
	})}, nil
}

// taskFields are the filters of the operations that list tasks.
func taskFields[T interface{ State() cloud.TransferState }]() fields[T] {
	return fields[T]{"task-state": one(func(t T) string { return string(t.State()) })}
}

func (s *Service) snapshotTask(t cloud.ImportTask) *ec2.SnapshotTaskDetail {
	d, state := t.Disks[0], t.State()
	out := &ec2.SnapshotTaskDetail{
		Description: opt(d.Description), DiskImageSize: new(float64(d.From.Size)), Encrypted: &t.Encrypted, KmsKeyId: s.shownDiskKey(t.Account, t.Encrypted),
		Format: opt(diskFormat(t, 0)), Status: new(string(state)), StatusMessage: opt(stage(state, t.Seen.Stage, t.Seen.Error, t.Reason)), Url: opt(d.URL),
		UserBucket: &ec2.UserBucketDetails{S3Bucket: &d.From.Name, S3Key: &d.From.Key},
	}
	switch state {
	case cloud.TransferActive:
		out.Progress = new(strconv.Itoa(t.Seen.Progress))
	case cloud.TransferCompleted:
		out.SnapshotId = &d.Snapshot
	case cloud.TransferDeleting, cloud.TransferDeleted: // the reason says it
	}
	return out
}

// diskFormat is the format of a disk as the API writes it; empty while it is unknown.
func diskFormat(t cloud.ImportTask, n int) string {
	if n < len(t.Seen.Disks) {
		return strings.ToUpper(t.Seen.Disks[n].Format)
	}
	return strings.ToUpper(t.Disks[n].Format)
}
