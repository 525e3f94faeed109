package ec2

import (
	"cmp"
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// Depot is the buckets of the cloud, which disks are imported from and images exported
// to. Whether the caller of the context may do so, the S3 API decides; its errors are
// *cloud.Error.
type Depot interface {
	// Source returns the newest version of an object that the caller may read.
	Source(ctx context.Context, bucket, key string) (cloud.ObjectVersion, error)
	// Target returns the bucket that the caller may put an object into.
	Target(ctx context.Context, bucket, key string) (cloud.Bucket, error)
	// Assume returns the service that moves disks as a session of a role that trusts it.
	Assume(role cloud.Role, session string) (cloud.Caller, error)
}

var (
	importTable store.Table[cloud.ImportTask]
	exportTable store.Table[cloud.ExportTask]
)

// Prefixes of the IDs of tasks.
const (
	importSnapshots = "import-snap"
	importImages    = "import-ami"
	exportImages    = "export-ami"
)

// usualRole is the role that disks are imported and images exported in if the request
// names none: https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html
const usualRole = "vmimport"

// maxTransfers is how many tasks of one kind an account may have under way.
const maxTransfers = 20

// inRole returns a context whose caller is who reads or writes the objects of a task: the
// role that the request names, or the usual one; if the account has none of that name,
// the caller of the request. To name a role takes the permission to pass it.
func (a asking) inRole(ctx context.Context, name *string, task string) (context.Context, error) {
	role, ok := identity.Role(a.r, a.c.Account, cmp.Or(val(name), usualRole))
	switch {
	case a.Depot == nil:
		return nil, unsupported("This cloud has no buckets.")
	case !ok && val(name) == "":
		return ctx, nil
	case !ok:
		return nil, noRole(*name)
	}
	if val(name) != "" {
		err := a.Authz.Authorize(ctx, policy.Request{
			Caller: a.c, Action: "iam:PassRole",
			Resources: []policy.Resource{{ARN: a.Place.GlobalARN("iam", role.Account, role.Resource()), Tags: role.Tags}},
			Keys:      map[string][]string{"iam:PassedToService": {identity.VMIE}},
		})
		if err != nil {
			return nil, err
		}
	}
	c, err := a.Depot.Assume(role, task)
	if isRefusal(err) {
		return nil, noRole(role.Name)
	}
	if err != nil {
		return nil, err
	}
	return cloud.WithCaller(ctx, c), nil
}

func noRole(name string) error {
	return cloud.Errorf("InvalidParameter", "The service role %s provided does not exist or does not have sufficient permissions", name)
}

// diskContainer is where a request says that a disk is.
type diskContainer struct {
	description, format, url *string
	bucket                   *ec2.UserBucket
}

// importFormats are the formats that disks are imported in. AWS has no QCOW2.
var importFormats = []string{"raw", "vmdk", "vhd", "vhdx", "ova", "qcow2"}

// disk reads a container, but for what its object is like; bucket and key say where that is.
func (q diskContainer) disk(host string, formats []string) (d cloud.ImportDisk, bucket, key string, err error) {
	d = cloud.ImportDisk{Description: val(q.description), Format: strings.ToLower(val(q.format)), URL: val(q.url)}
	switch {
	case d.Format != "" && !slices.Contains(formats, d.Format):
		return d, "", "", invalid("format", *q.format, "Valid values are: "+strings.ToUpper(strings.Join(formats, ", "))+".")
	case (q.bucket == nil) == (d.URL == ""):
		return d, "", "", cloud.Errorf("InvalidParameter", "A disk container names one of Url and UserBucket")
	case q.bucket != nil:
		bucket, key = val(q.bucket.S3Bucket), val(q.bucket.S3Key)
	default:
		bucket, key = objectOf(d.URL, host)
	}
	if bucket == "" || key == "" {
		err = cloud.Errorf("InvalidParameter", "Invalid S3 source location")
	}
	return d, bucket, key, err
}

// objectOf reads the URL of an object: s3://BUCKET/KEY, or one of HTTP at AWS's names or at
// the host by which the cloud was called. Empty if it is none.
func objectOf(text, host string) (bucket, key string) {
	u, err := url.Parse(text)
	if err != nil {
		return "", ""
	}
	path := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "s3":
		return u.Host, path
	case "http", "https":
	default:
		return "", ""
	}
	name, _ := strings.CutSuffix(u.Host, "."+host)
	if u.Host != host && name == u.Host {
		var aws bool
		if name, aws = strings.CutSuffix(u.Hostname(), ".amazonaws.com"); !aws {
			return "", ""
		}
		if at := max(strings.LastIndex(name, ".s3."), strings.LastIndex(name, ".s3-")); at > 0 {
			return name[:at], path
		}
		if bucket, virtual := strings.CutSuffix(name, ".s3"); virtual {
			return bucket, path
		}
		if name != "s3" && !strings.HasPrefix(name, "s3.") && !strings.HasPrefix(name, "s3-") {
			return "", ""
		}
		name = u.Host
	}
	if name != u.Host {
		return name, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// object finds the object of a disk.
func (a asking) object(ctx context.Context, bucket, key string) (cloud.ObjectVersion, error) {
	o, err := a.Depot.Source(ctx, bucket, key)
	if isRefusal(err) {
		return o, cloud.Errorf("InvalidParameter", "Invalid S3 source location: the object %s/%s does not exist, or %s may not read it",
			bucket, key, cmp.Or(cloud.CallerFrom(ctx).ARN, "nobody"))
	}
	return o, err
}

// keeper chooses the host that is to keep what is imported.
func (s *Service) keeper(tx *store.Tx) (host string, err error) {
	for _, zone := range s.Place.Zones {
		if host, err = newPlacement(tx, zone, "", s.Now()).volume(); err == nil {
			return host, nil
		}
	}
	return "", err
}

// tooMany refuses another task where too many of its kind are under way.
func tooMany[T interface {
	store.Document
	State() cloud.TransferState
}](tasks iter.Seq[T]) error {
	active := 0
	for t := range tasks {
		if s := t.State(); s == cloud.TransferActive || s == cloud.TransferDeleting {
			active++
		}
	}
	return within(maxTransfers, active, "ResourceLimitExceeded", "tasks under way")
}

// importsOf yields the account's imports of snapshots or of images, by ID.
func importsOf(r store.Reader, account, prefix string) iter.Seq[cloud.ImportTask] {
	return where(importTable.Select(r, cloud.AccountLabel(account)), func(t cloud.ImportTask) bool { return cloud.ValidID(prefix, t.ID) })
}

// stage is what a task under way says that it does.
func stage(state cloud.TransferState, seen, failure, reason string) string {
	switch {
	case state == cloud.TransferActive:
		return cmp.Or(seen, "pending")
	case state == cloud.TransferCompleted:
		return ""
	case failure != "":
		return failure
	}
	return cmp.Or(reason, "Task is cancelled")
}

// CancelImportTask has an import undone. What it has made by then stays.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CancelImportTask.html
func (s *Service) CancelImportTask(ctx context.Context, in *ec2.CancelImportTaskRequest) (*ec2.CancelImportTaskResult, error) {
	a, id := s.asking(ctx), val(in.ImportTaskId)
	kind := aboutImportImage
	if cloud.ValidID(importSnapshots, id) {
		kind = aboutImportSnapshot
	}
	caller, err := s.allow(ctx, "CancelImportTask", in.DryRun, kind.of(a, id))
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, missing("importTaskId")
	}
	var was cloud.TransferState
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := get(tx, caller, importTable, kind.prefix, id)
		if err != nil {
			return err
		}
		if was = t.State(); was != cloud.TransferActive || t.Made {
			return notActive(id, was)
		}
		t.Cancel, t.Reason = true, val(in.CancelReason)
		return importTable.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CancelImportTaskResult{ImportTaskId: &id, PreviousState: new(string(was)), State: new(string(cloud.TransferDeleting))}, nil
}

func notActive(id string, state cloud.TransferState) error {
	return cloud.Errorf("IncorrectState", "The task '%s' is '%s'. Only a task that is active can be cancelled.", id, state)
}
