package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
)

const (
	transferWorkers = 2              // imports and exports at the same time
	transferTime    = 12 * time.Hour // that one disk may take
	tellProgress    = time.Second
)

// transfers are the imports and exports that are under way.
type transfers struct {
	mu   sync.Mutex
	ends map[string]context.CancelFunc // guarded by mu; by task
}

// begin returns a context of the task, which end ends.
func (t *transfers) begin(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ends == nil {
		t.ends = map[string]context.CancelFunc{}
	}
	t.ends[id] = cancel
	return ctx, func() {
		cancel()
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.ends, id)
	}
}

// end ends what is being done for a task, if anything is.
func (t *transfers) end(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cancel := t.ends[id]; cancel != nil {
		cancel()
	}
}

// queueTransfers queues the imports and exports that need a step, and ends those that are
// cancelled.
func (a *Agent) queueTransfers(w *World) {
	for _, t := range w.Imports {
		if t.Undone() {
			a.underWay.end(t.ID)
		}
		if busyImport(&t) {
			a.transfers.Add(t.ID)
		}
	}
	for _, t := range w.Exports {
		if t.Undone() {
			a.underWay.end(t.ID)
		}
		if busyExport(&t) {
			a.transfers.Add(t.ID)
		}
	}
}

// busyImport reports whether an import needs a step.
func busyImport(t *cloud.ImportTask) bool {
	if t.Undone() {
		return !t.Seen.Gone
	}
	return !t.Made && len(t.Seen.Disks) < len(t.Disks)
}

func busyExport(t *cloud.ExportTask) bool {
	if t.Undone() {
		return !t.Seen.Gone
	}
	return !t.Seen.Done
}

// transfer takes the next step for an import or export: the reconciler of the transfer loop.
// They take long, touch neither guests nor networks, and so do not keep the host from being
// made empty.
func (a *Agent) transfer(ctx context.Context, id string) (time.Duration, error) {
	w := a.world.Load()
	if w == nil {
		return 0, nil
	}
	defer a.again()
	for i := range w.Imports {
		if t := &w.Imports[i]; t.ID == id && busyImport(t) {
			return 0, a.importStep(ctx, t)
		}
	}
	for i := range w.Exports {
		if t := &w.Exports[i]; t.ID == id && busyExport(t) {
			return 0, a.exportStep(ctx, w, t)
		}
	}
	return 0, nil
}

// importStep imports the next disk of a task, or removes what there is of one that is
// undone.
func (a *Agent) importStep(ctx context.Context, t *cloud.ImportTask) error {
	engine, ok := a.cfg.Blocks.(block.Transfers)
	keeper, both := a.cfg.Blocks.(block.Snapshots)
	if !ok || !both {
		return a.cfg.View.ReportImport(ctx, t.ID, cloud.ImportSeen{Error: "The engine that keeps volumes here cannot import disks.", Gone: true})
	}
	seen := t.Seen
	if t.Undone() {
		for _, d := range t.Disks {
			if err := keeper.DeleteSnapshot(ctx, d.Snapshot); err != nil {
				return fmt.Errorf("undo %s: %w", t.ID, err)
			}
		}
		seen.Gone = true
		return a.cfg.View.ReportImport(ctx, t.ID, seen)
	}
	working, done := a.underWay.begin(ctx, t.ID)
	defer done()
	disk := t.Disks[len(seen.Disks)]
	got, err := a.importDisk(working, engine, t, disk, seen)
	if bad, refused := errors.AsType[*block.BadImageError](err); refused {
		seen.Error = "ClientError: Disk validation failed [" + disk.From.Key + ": " + bad.Reason + "]"
	} else if errors.Is(err, block.ErrNoSpace) {
		seen.Error = "ServerError: There is no room for the disk on the host."
	} else if gone, lost := errors.AsType[*cloud.Error](err); lost {
		seen.Error = "ClientError: " + gone.Message
	} else if working.Err() != nil && ctx.Err() == nil {
		return nil // it is cancelled: the next look at the host sees that
	} else if err != nil {
		return err
	} else {
		seen.Disks = append(slices.Clip(seen.Disks), cloud.ImportedDisk{Bytes: got.Bytes, Source: got.Source, Format: got.Format, Warning: got.Warning})
		seen.Progress = 100 * len(seen.Disks) / len(t.Disks)
	}
	seen.Stage = ""
	return a.cfg.View.ReportImport(ctx, t.ID, seen)
}

func (a *Agent) importDisk(ctx context.Context, engine block.Transfers, t *cloud.ImportTask, disk cloud.ImportDisk, seen cloud.ImportSeen) (block.Imported, error) {
	key, err := a.cfg.View.DiskKey(disk.Snapshot, disk.Sealed)
	if err != nil {
		return block.Imported{}, err
	}
	in := block.Incoming{
		Format: disk.Format, Boots: t.Image != nil && len(seen.Disks) == 0,
		Open: func(ctx context.Context) (io.ReadCloser, int64, error) {
			r, err := a.cfg.View.ReadObject(ctx, disk.From)
			return r, disk.From.Size, err
		},
	}
	tell := a.teller(func(stage string, percent int) error {
		seen.Stage, seen.Progress = stage, (100*len(seen.Disks)+percent)/len(t.Disks)
		return a.cfg.View.ReportImport(ctx, t.ID, seen)
	})
	parts := map[string][2]float64{"downloading": {0, 30}, "validating": {30, 5}, "converting": {35, 60}}
	in.Progress = func(stage string, percent float64) {
		p := parts[stage]
		tell(stage, int(p[0]+p[1]*percent/100))
	}
	got, err := engine.Import(ctx, disk.Snapshot, in, key)
	if err != nil {
		return got, fmt.Errorf("%s: %w", t.ID, err)
	}
	return got, nil
}

// teller reports progress, which never goes back, now and then.
func (a *Agent) teller(report func(stage string, percent int) error) func(stage string, percent int) {
	var mu sync.Mutex
	var last time.Time
	was, stage := -1, ""
	return func(now string, percent int) {
		mu.Lock()
		defer mu.Unlock()
		percent = max(was, percent)
		if now == stage && (percent == was || a.cfg.Now().Sub(last) < tellProgress) {
			return
		}
		if err := report(now, percent); err != nil {
			a.cfg.Log.Debug("report progress", "err", err) // the next one may arrive
		}
		was, stage, last = percent, now, a.cfg.Now()
	}
}

// exportStep writes an image into its bucket.
func (a *Agent) exportStep(ctx context.Context, w *World, t *cloud.ExportTask) error {
	seen := t.Seen
	engine, ok := a.cfg.Blocks.(block.Transfers)
	s := w.snapshots[t.Snapshot]
	switch {
	case t.Undone():
		seen.Gone = true
	case !ok:
		seen.Error, seen.Gone = "The engine that keeps volumes here cannot export them.", true
	case s == nil:
		seen.Error, seen.Gone = "ClientError: The snapshot of the image does not exist any more.", true
	default:
		return a.export(ctx, engine, t, s)
	}
	return a.cfg.View.ReportExport(ctx, t.ID, seen)
}

func (a *Agent) export(ctx context.Context, engine block.Transfers, t *cloud.ExportTask, s *cloud.Snapshot) error {
	key, err := a.cfg.View.DiskKey(s.ID, s.Sealed)
	if err != nil {
		return err
	}
	working, done := a.underWay.begin(ctx, t.ID)
	defer done()
	seen := t.Seen
	tell := a.teller(func(stage string, percent int) error {
		seen.Stage, seen.Progress = stage, percent
		return a.cfg.View.ReportExport(working, t.ID, seen)
	})
	err = engine.Export(working, s.ID, t.Format, key, func(percent float64) { tell("converting", int(percent/2)) }, func(disk *os.File, bytes int64) error {
		tell("uploading", 50)
		return a.cfg.View.WriteObject(working, *t, bytes, disk)
	})
	if bad, refused := errors.AsType[*block.BadImageError](err); refused {
		seen.Error = "ClientError: " + bad.Reason
	} else if errors.Is(err, block.ErrNoSpace) {
		seen.Error = "ServerError: There is no room for the image on the host."
	} else if refused, told := errors.AsType[*cloud.Error](err); told {
		seen.Error = "ClientError: " + refused.Message
	} else if working.Err() != nil && ctx.Err() == nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", t.ID, err)
	} else {
		seen.Done, seen.Progress = true, 100
	}
	seen.Stage = ""
	return a.cfg.View.ReportExport(ctx, t.ID, seen)
}

// adoptSnapshot reports a snapshot that an import has made.
func (a *Agent) adoptSnapshot(ctx context.Context, s *cloud.Snapshot) error {
	engine, ok := a.cfg.Blocks.(block.Transfers)
	if !ok {
		return fmt.Errorf("adopt %s: the engine of volumes imports no disks", s.ID)
	}
	none := block.Incoming{Open: func(context.Context) (io.ReadCloser, int64, error) {
		return nil, 0, &block.BadImageError{Reason: "what was imported is gone"}
	}}
	got, err := engine.Import(ctx, s.ID, none, nil)
	seen := s.Seen
	if _, lost := errors.AsType[*block.BadImageError](err); lost {
		seen.Error = "Server.InternalError: what was imported is gone"
	} else if err != nil {
		return err
	} else {
		seen.Ready, seen.Bytes, seen.Progress, seen.Cut = true, got.Stored, 100, s.Created
	}
	return a.cfg.View.ReportSnapshot(ctx, s.ID, seen)
}
