package hostview

import (
	"context"
	"io"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// Objects are the objects of the cloud's buckets. Errors that a tenant is to be told are
// *cloud.Error.
type Objects interface {
	// Read reads a version of an object.
	Read(ctx context.Context, o cloud.ObjectVersion) (io.ReadCloser, error)
	// Write writes the object of an export.
	Write(ctx context.Context, t cloud.ExportTask, size int64, content io.Reader) error
}

// ReportImport records what was seen of an import that is carried out here.
func (v *View) ReportImport(ctx context.Context, id string, seen cloud.ImportSeen) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		t, ok := imports.Get(tx, id)
		if !ok || t.Host != v.host || t.Seen.Equal(seen) {
			return nil
		}
		t.Seen = seen
		return imports.Put(tx, t)
	})
}

// ReportExport records what was seen of an export that is carried out here.
func (v *View) ReportExport(ctx context.Context, id string, seen cloud.ExportSeen) error {
	return v.db.Update(ctx, func(tx *store.Tx) error {
		t, ok := exports.Get(tx, id)
		if !ok || t.Host != v.host || t.Seen == seen {
			return nil
		}
		t.Seen = seen
		return exports.Put(tx, t)
	})
}

// ReadObject reads a version of an object.
func (v *View) ReadObject(ctx context.Context, o cloud.ObjectVersion) (io.ReadCloser, error) {
	if v.Objects == nil {
		return nil, noObjects()
	}
	return v.Objects.Read(ctx, o)
}

// WriteObject writes the object of an export.
func (v *View) WriteObject(ctx context.Context, t cloud.ExportTask, size int64, content io.Reader) error {
	if v.Objects == nil {
		return noObjects()
	}
	return v.Objects.Write(ctx, t, size, content)
}

func noObjects() error {
	return cloud.Errorf("ServiceUnavailable", "This host cannot reach the buckets of the cloud.")
}
