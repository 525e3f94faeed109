package cloud

import (
	"slices"
	"time"
)

// TransferState is the state that the API shows, derived by the State of an ImportTask or
// ExportTask.
type TransferState string

// The states of a task.
const (
	TransferActive    TransferState = "active"
	TransferCompleted TransferState = "completed"
	TransferDeleting  TransferState = "deleting"
	TransferDeleted   TransferState = "deleted" // it failed or was cancelled, and nothing is left of it
)

// ObjectVersion is one version of an object, as it was when a task was begun: what has
// another ETag is not it.
type ObjectVersion struct {
	Bucket  string // ID
	Name    string // of the bucket
	Key     string
	Version string `json:",omitempty"`
	ETag    string
	Size    int64 // bytes
}

// ImportTask brings disks in from a bucket. Written by the service, but for Made and Ended
// (control/transfer) and Seen (the node agent).
type ImportTask struct {
	Meta               // ID is "import-snap-…" or "import-ami-…"
	Description string `json:",omitempty"`
	Host        string // that carries it out, and keeps the snapshots
	Disks       []ImportDisk
	Image       *ImportImage `json:",omitempty"` // that is made of the snapshots; nil: none
	Encrypted   bool         `json:",omitempty"` // as the tenant asked
	Cancel      bool         `json:",omitempty"` // wanted undone
	Reason      string       `json:",omitempty"` // of the cancellation

	Made  bool      `json:",omitempty"` // its snapshots have documents: it cannot be undone
	Ended time.Time `json:",omitzero"`

	Seen ImportSeen
}

// ImportDisk is a disk to import.
type ImportDisk struct {
	From        ObjectVersion
	URL         string `json:",omitempty"` // as the request named it, if it did so
	Format      string `json:",omitempty"` // in lower case; empty: to be detected
	Description string `json:",omitempty"`
	Device      string `json:",omitempty"` // of the image
	Snapshot    string // ID of the snapshot that it is to be
	Sealed      []byte `json:",omitempty"` // the data key of that, sealed for its ID
}

// ImportImage is the image that an import is to make.
type ImportImage struct {
	ID           string
	Architecture string
	BootMode     string `json:",omitempty"` // as asked for
}

// ImportSeen is what the host reports of an import.
type ImportSeen struct {
	Stage    string         `json:",omitempty"` // "downloading", "validating", "converting"
	Progress int            `json:",omitempty"` // percent of all
	Disks    []ImportedDisk `json:",omitempty"` // those that are kept, in the task's order
	Error    string         `json:",omitempty"` // why it cannot be done, in words for the tenant
	Gone     bool           `json:",omitempty"` // what there was of it exists no more
}

// Equal reports whether two reports are the same.
func (s ImportSeen) Equal(o ImportSeen) bool {
	return s.Stage == o.Stage && s.Progress == o.Progress && s.Error == o.Error && s.Gone == o.Gone && slices.Equal(s.Disks, o.Disks)
}

// ImportedDisk is what was found of a disk.
type ImportedDisk struct {
	Bytes  int64 // virtual size
	Source int64 // bytes that were read
	Format string
	// Warning is why guests may not boot from it after all, in words for the tenant.
	Warning string `json:",omitempty"`
}

// Undone reports whether the import failed or is cancelled.
func (t ImportTask) Undone() bool { return !t.Made && (t.Cancel || t.Seen.Error != "") }

// State derives what the API shows.
func (t ImportTask) State() TransferState { return transferState(t.Undone(), t.Ended) }

func transferState(undone bool, ended time.Time) TransferState {
	switch {
	case undone && ended.IsZero():
		return TransferDeleting
	case undone:
		return TransferDeleted
	case ended.IsZero():
		return TransferActive
	}
	return TransferCompleted
}

// Table is "importtask".
func (ImportTask) Table() string { return "importtask" }

// Labels finds the imports of an account, and those that a host has to do with.
func (t ImportTask) Labels() []string { return transferLabels(t.Account, t.Host, t.Ended) }

func transferLabels(account, host string, ended time.Time) []string {
	l := []string{AccountLabel(account)}
	if ended.IsZero() {
		l = append(l, "host/"+host)
	}
	return l
}

// ExportTask writes an image into a bucket. Written by the service, but for Ended
// (control/transfer) and Seen (the node agent).
type ExportTask struct {
	Meta                // ID is "export-ami-…"
	Description  string `json:",omitempty"`
	Role         string `json:",omitempty"` // its name, if one was named
	Image        string
	Snapshot     string // that has the image's bytes
	Host         string // that keeps it
	Format       string // "raw", "vmdk", "vhd"
	Bucket, Name string // ID and name
	Prefix       string `json:",omitempty"`
	Cancel       bool   `json:",omitempty"`

	Ended time.Time `json:",omitzero"`

	Seen ExportSeen
}

// ExportSeen is what the host reports of an export.
type ExportSeen struct {
	Stage    string `json:",omitempty"` // "converting", "uploading"
	Progress int    `json:",omitempty"` // percent of all
	Done     bool   `json:",omitempty"` // the object is there
	Gone     bool   `json:",omitempty"` // nothing is being done any more
	Error    string `json:",omitempty"`
}

// ObjectKey is the key of the object that the image is written to.
func (t ExportTask) ObjectKey() string { return t.Prefix + t.ID + "." + t.Format }

// Undone reports whether the export failed or is cancelled.
func (t ExportTask) Undone() bool { return !t.Seen.Done && (t.Cancel || t.Seen.Error != "") }

// State derives what the API shows.
func (t ExportTask) State() TransferState { return transferState(t.Undone(), t.Ended) }

// Table is "exporttask".
func (ExportTask) Table() string { return "exporttask" }

// Labels finds the exports of an account, and those that a host has to do with.
func (t ExportTask) Labels() []string { return transferLabels(t.Account, t.Host, t.Ended) }
