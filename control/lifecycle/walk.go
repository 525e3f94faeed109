package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/vauban-cloud/vauban/bucket"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/object"
)

// walk is a stretch of the way through a bucket.
type walk struct {
	*Reconciler
	b   cloud.Bucket
	run cloud.LifecycleRun // how far it has come; written as it goes
	now time.Time

	unversioned bool
	key         string // of the version that was looked at last
	// marker is the current delete marker of key, as long as no older version of it
	// was found.
	marker *object.Info
	due    []object.DeleteInput
}

// on walks until the slice or the bucket ends.
func (w *walk) on(ctx context.Context) error {
	kept, err := w.Objects.Bucket(ctx, w.b.ID)
	if err != nil {
		return err
	}
	w.unversioned, w.key = kept.Versioning == object.Unversioned, w.run.After
	for seen := 0; seen < w.Slice && !w.run.Uploads; {
		n, err := w.versions(ctx)
		if seen += n; err != nil {
			return err
		}
	}
	for seen := 0; seen < w.Slice && w.run.Uploads && !w.run.Done; {
		n, err := w.uploads(ctx)
		if seen += n; err != nil {
			return err
		}
	}
	return nil
}

// versions looks at a page of versions, and removes what is due of it.
func (w *walk) versions(ctx context.Context) (int, error) {
	in := object.VersionsInput{ListInput: object.ListInput{After: w.run.After, Max: w.page}, AfterVersion: w.run.AfterVersion}
	l, err := w.Objects.Versions(ctx, w.b.ID, in)
	if err != nil {
		return 0, err
	}
	old := w.run.Old
	for k := range l.Versions {
		v := &l.Versions[k]
		if v.Key != w.key || v.Latest {
			w.hidden()
			w.key, old = v.Key, 0
		}
		if v.Latest {
			err = w.current(ctx, v)
		} else {
			w.marker = nil
			err = w.old(ctx, v, old)
			old++
		}
		if err != nil {
			return 0, err
		}
	}
	if w.marker != nil && l.More {
		// Whether it hides something is on the next page, which begins with it again.
		again, err := w.again(l.Versions)
		if err != nil || again {
			return len(l.Versions), errors.Join(err, w.remove(ctx))
		}
	}
	w.hidden()
	if err := w.remove(ctx); err != nil {
		return 0, err
	}
	w.run.After, w.run.AfterVersion, w.run.Old = l.Next, l.NextVersion, old
	if !l.More {
		w.run.Uploads, w.run.After, w.run.AfterVersion, w.run.Old = true, "", "", 0
	}
	return len(l.Versions), nil
}

// again lets the next page begin with the last version of this one.
func (w *walk) again(page []object.Info) (bool, error) {
	if len(page) < 2 {
		return false, errors.New("a page of one version has no room for a marker and what it hides")
	}
	before := page[len(page)-2]
	w.run.After, w.run.AfterVersion, w.run.Old = before.Key, before.Version, 0
	w.key, w.marker = before.Key, nil
	return true, nil
}

// hidden removes a marker behind which no version was found.
func (w *walk) hidden() {
	if m := w.marker; m != nil && w.b.Lifecycle.Clears(m.Key, m.Modified, w.now, w.Day) {
		w.end(m, m.Version, "s3:LifecycleExpiration:Delete")
	}
	w.marker = nil
}

// current looks at a current version.
func (w *walk) current(ctx context.Context, v *object.Info) error {
	if v.Marker {
		w.marker = v
		return nil
	}
	when, _, err := w.b.Lifecycle.Expires(w.lived(ctx, v), w.Day)
	if err != nil || when.IsZero() || w.now.Before(when) {
		return err
	}
	event := "s3:LifecycleExpiration:DeleteMarkerCreated"
	if w.unversioned {
		event = "s3:LifecycleExpiration:Delete"
	}
	w.end(v, "", event)
	return nil
}

// old looks at a version that is not current, before which there are so many that are
// not either.
func (w *walk) old(ctx context.Context, v *object.Info, newer int) error {
	ended, err := w.b.Lifecycle.Ended(w.lived(ctx, v), v.Superseded, newer, w.now, w.Day)
	if ended {
		w.end(v, v.Version, "s3:LifecycleExpiration:Delete")
	}
	return err
}

// lived is what the rules look at. Listings have no tags: they are read where a rule
// asks for them.
func (w *walk) lived(ctx context.Context, v *object.Info) cloud.Lived {
	return cloud.Lived{Key: v.Key, Size: v.Size, Modified: v.Modified, Tags: func() (map[string]string, error) {
		i, err := w.Objects.Head(ctx, object.GetInput{Bucket: w.b.ID, Key: v.Key, Version: v.Version})
		switch {
		case errors.Is(err, object.ErrCustomerKey): // the tags come all the same
		case errors.Is(err, object.ErrNoKey), errors.Is(err, object.ErrNoVersion), errors.Is(err, object.ErrMarker):
			return nil, nil // it is gone, or has no tags
		case err != nil:
			return nil, err
		}
		return i.Tags, nil
	}}
}

// end notes that a version is to be removed; "" puts a marker before it, where there
// is versioning.
func (w *walk) end(v *object.Info, version, event string) {
	notes := bucket.Notes(w.b, func(object.Info) cloud.ObjectEvent {
		return cloud.ObjectEvent{Event: event, Time: w.Now().UTC(), Principal: "s3.amazonaws.com", RequestID: w.run.Rules}
	})
	w.due = append(w.due, object.DeleteInput{Key: v.Key, Version: version, Generation: v.Generation, Notes: notes})
}

// remove removes what is due. What is locked stays; what changed meanwhile is looked
// at another day.
func (w *walk) remove(ctx context.Context) error {
	for len(w.due) > 0 {
		n := min(len(w.due), removalsAtOnce)
		if err := w.limit.WaitN(ctx, n); err != nil {
			return err
		}
		for _, gone := range w.Objects.DeleteMany(ctx, w.b.ID, w.due[:n]) {
			if err := gone.Err; err != nil && !errors.Is(err, object.ErrLocked) && !errors.Is(err, object.ErrPrecondition) {
				return err
			}
		}
		w.due = w.due[n:]
	}
	return nil
}

// uploads looks at a page of uploads, and aborts what is due of it.
func (w *walk) uploads(ctx context.Context) (int, error) {
	in := object.UploadsInput{ListInput: object.ListInput{After: w.run.After, Max: w.page}, AfterUpload: w.run.AfterVersion}
	l, err := w.Objects.Uploads(ctx, w.b.ID, in)
	if err != nil {
		return 0, err
	}
	for _, u := range l.Uploads {
		if when, _ := w.b.Lifecycle.Aborts(u.Key, u.Initiated, w.Day); when.IsZero() || w.now.Before(when) {
			continue
		}
		if err := w.limit.Wait(ctx); err != nil {
			return 0, err
		}
		if err := w.Objects.AbortUpload(ctx, w.b.ID, u.Key, u.ID); err != nil && !errors.Is(err, object.ErrNoUpload) {
			return 0, err
		}
	}
	if w.run.After, w.run.AfterVersion = l.Next, l.NextUpload; !l.More {
		w.run.Done = true
	}
	return len(l.Uploads), nil
}
