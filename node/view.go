package node

import (
	"context"
	"io"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network/plan"
	"github.com/vauban-cloud/vauban/seal"
)

// View is the host's window on the store: what it should run, and where it
// reports what it sees. In one process it is the store itself; across machines
// it is a connection. Methods may be called again with the same arguments.
type View interface {
	// Assigned returns all that concerns the host, at one revision.
	Assigned(ctx context.Context) (*Assignment, error)
	// Changed yields when Assigned may return something new.
	Changed() <-chan struct{}
	// ReportHost records the host's capacity and heartbeat.
	ReportHost(ctx context.Context, h cloud.Host) error
	// ReportInstance and ReportVolume record what was seen. A report about a
	// document that is no more is dropped.
	ReportInstance(ctx context.Context, id string, seen cloud.InstanceSeen) error
	ReportVolume(ctx context.Context, id string, seen cloud.VolumeSeen) error
	ReportSnapshot(ctx context.Context, id string, seen cloud.SnapshotSeen) error
	ReportImport(ctx context.Context, id string, seen cloud.ImportSeen) error
	ReportExport(ctx context.Context, id string, seen cloud.ExportSeen) error
	// ReadObject reads a version of an object, for an import. A *cloud.Error says why it
	// cannot be read any more.
	ReadObject(ctx context.Context, o cloud.ObjectVersion) (io.ReadCloser, error)
	// WriteObject writes the object of an export. A *cloud.Error says why it cannot be
	// written.
	WriteObject(ctx context.Context, t cloud.ExportTask, size int64, content io.Reader) error
	// ReportFlows hands over what was counted of flows.
	ReportFlows(ctx context.Context, b cloud.FlowBatch) error
	// DiskKey opens the key of a volume or snapshot that is kept here; nil for one
	// without.
	DiskKey(id string, sealed []byte) (*seal.Key, error)
	// Credentials makes credentials of the role that an instance placed here has,
	// new ones at each call. delivery is the version of the metadata service that
	// hands them out, "1.0" or "2.0". A *cloud.Error says why there are none, with
	// the code that the guest is told.
	Credentials(ctx context.Context, instance, delivery string) (cloud.Credentials, error)
}

// Assignment is all that concerns one host.
type Assignment struct {
	Revision  int64
	Place     cloud.Place
	Instances []cloud.Instance // placed on this host, not yet released
	Volumes   []cloud.Volume   // held by this host
	// Snapshots are those kept by this host, and those on it that volumes start with.
	Snapshots []cloud.Snapshot
	// Imports and Exports are those that this host carries out, which have not ended.
	Imports []cloud.ImportTask
	Exports []cloud.ExportTask
	Here    []string // IDs of the VPCs that an instance placed here is in, sorted
	// Documents are those VPCs, with what must be known of others: of interfaces those
	// attached to an instance placed here, and those that Networks adds.
	plan.Documents
	Images map[string]cloud.Image   // by ID: those of the instances
	Keys   map[string]cloud.KeyPair // by account/name: those of the instances
	// Roles are what the instance profiles of the instances carry, by the
	// profile's ID. A profile that was deleted is not there.
	Roles map[string]Role
}

// Role is the role that an instance profile carries; zero: none.
type Role struct{ ID, Name string }
