package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/store"
)

// ImportRequest asks for an image to be taken into the catalogue. Paths are the
// host's.
type ImportRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Disk        string `json:"disk"`
	Format      string `json:"format,omitempty"` // "qcow2", "raw", "vmdk", "vhd" or "vhdx"; empty to detect
	Kernel      string `json:"kernel,omitempty"`
	Initrd      string `json:"initrd,omitempty"`
	KernelArgs  string `json:"kernel_args,omitempty"`
	User        string `json:"user,omitempty"`
	Replace     bool   `json:"replace,omitempty"` // an image of that name is there: take its place
}

func (in ImportRequest) args() map[string]string {
	return map[string]string{"name": in.Name, "disk": in.Disk, "kernel": in.Kernel, "initrd": in.Initrd, "replace": strconv.FormatBool(in.Replace)}
}

// ImageInfo is an image of the catalogue.
type ImageInfo struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	State       string    `json:"state"` // "public", "private", "retired" or "pending"
	SizeGiB     int       `json:"size_gib"`
	User        string    `json:"user,omitempty"`
	SHA256      string    `json:"sha256"`
	Created     time.Time `json:"created"`
}

// listImages returns the operator's catalogue.
func (r *running) listImages(_ context.Context, f ImageFilter) ([]ImageInfo, error) {
	out := []ImageInfo{}
	for i := range images.Select(r.db.View(), cloud.AccountLabel(cloud.OperatorAccount)) {
		if f.All || i.Available() {
			out = append(out, imageInfo(i))
		}
	}
	slices.SortFunc(out, func(a, b ImageInfo) int { return a.Created.Compare(b.Created) })
	return out, nil
}

func imageInfo(i cloud.Image) ImageInfo {
	return ImageInfo{ID: i.ID, Name: i.Name, Description: i.Description, State: stateOf(i), SizeGiB: i.SizeGiB, User: i.User, SHA256: i.SHA256, Created: i.Created}
}

// findImage returns the operator's image of that name.
func findImage(r store.Reader, name string) (cloud.Image, bool) {
	for i := range images.Select(r, cloud.AccountLabel(cloud.OperatorAccount)) {
		if i.Name == name && i.Available() {
			return i, true
		}
	}
	return cloud.Image{}, false
}

// importImage checks an image and takes it into the catalogue, for every tenant.
// Its document is there, pending, before its bytes are, so that an import that
// was interrupted leaves nothing that the next start does not find.
func (r *running) importImage(ctx context.Context, in ImportRequest, tell func(Progress)) error {
	if in.Name == "" || in.Disk == "" {
		return errors.New("an image needs a name and a disk file")
	}
	old, exists := findImage(r.db.View(), in.Name)
	if exists && !in.Replace {
		return fmt.Errorf("there is an image named %s: choose another name, or replace it with --replace", in.Name)
	}
	img := cloud.Image{
		Meta: cloud.Meta{ID: cloud.NewID("ami"), Account: cloud.OperatorAccount, Created: time.Now().UTC()},
		Name: in.Name, Description: in.Description, Architecture: "x86_64", Public: true,
		RootDevice: "/dev/xvda", User: in.User, Direct: in.Kernel != "", KernelArgs: in.KernelArgs, Pending: true,
	}
	if err := r.db.Update(ctx, func(tx *store.Tx) error { return images.Create(tx, img) }); err != nil {
		return err
	}
	tell(Progress{Message: "checking and storing " + in.Disk})
	meta, err := r.storeImage(ctx, img.ID, in)
	if err != nil {
		return errors.Join(err, r.dropImage(context.WithoutCancel(ctx), img.ID))
	}
	img.Pending, img.SHA256 = false, meta.SHA256
	img.SizeGiB = int((meta.Bytes + 1<<30 - 1) >> 30)
	err = r.db.Update(ctx, func(tx *store.Tx) error { return images.Put(tx, img) })
	if err == nil && exists {
		err = r.retire(ctx, old.ID)
	}
	if err == nil {
		tell(Progress{Image: new(imageInfo(img))})
	}
	return err
}

func (r *running) storeImage(ctx context.Context, id string, in ImportRequest) (block.Meta, error) {
	src := block.Source{Disk: in.Disk, Format: in.Format}
	for _, f := range []struct {
		path string
		to   *io.Reader
	}{{in.Kernel, &src.Kernel}, {in.Initrd, &src.Initrd}} {
		if f.path == "" {
			continue
		}
		file, err := os.Open(f.path)
		if err != nil {
			return block.Meta{}, err
		}
		defer file.Close()
		*f.to = file
	}
	return r.images.Put(ctx, id, src)
}

// dropImage removes an image's bytes, then its document.
func (r *running) dropImage(ctx context.Context, id string) error {
	if err := r.images.DeleteImage(ctx, id); err != nil {
		return err
	}
	err := r.db.Update(ctx, func(tx *store.Tx) error { return images.Delete(tx, id) })
	if errors.Is(err, store.ErrNotFound) { // dropped by another way at the same time
		return nil
	}
	return err
}

// retire withdraws an image; it goes when no volume stands on it any more.
func (r *running) retire(ctx context.Context, id string) error {
	err := r.db.Update(ctx, func(tx *store.Tx) error {
		return images.Modify(tx, id, func(i *cloud.Image) error {
			i.Retired = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	return r.sweepImages(ctx, false)
}

// sweepImages removes the withdrawn images that nothing stands on. While no import can be
// under way it removes what interrupted ones left, too.
func (r *running) sweepImages(ctx context.Context, idle bool) error {
	v := r.db.View()
	for i := range images.Select(v, cloud.AccountLabel(cloud.OperatorAccount)) {
		if i.Pending && idle || withdrawn(v, i) {
			if err := r.dropImage(ctx, i.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// withdrawn reports whether an image of the catalogue is, and nothing stands on it: no
// instance, volume, snapshot or image of a tenant.
func withdrawn(v store.Reader, i cloud.Image) bool {
	if !i.Retired || i.Account != cloud.OperatorAccount {
		return false
	}
	if label := "image/" + i.ID; instances.Count(v, label) > 0 || volumes.Count(v, label) > 0 {
		return false
	}
	for o := range snapshots.All(v) {
		if o.Kernel == i.ID {
			return false
		}
	}
	for o := range images.All(v) {
		if o.Kernel == i.ID {
			return false
		}
	}
	return true
}

// catalogue is the reconciler that removes withdrawn images of the catalogue once the last
// that stood on them is gone. It implements control.Reconciler.
type catalogue struct{ *running }

// Name is "catalogue".
func (catalogue) Name() string { return "catalogue" }

// Key is the ID of an image that changed, or that a changed instance or volume began as. What
// needed but its kernel is noticed at the next look at all.
func (catalogue) Key(c store.Change) string {
	switch c.Table {
	case (cloud.Image{}).Table():
		return c.Key
	case (cloud.Instance{}).Table(), (cloud.Volume{}).Table():
		for _, l := range c.Labels {
			if id, ok := strings.CutPrefix(l, "image/"); ok {
				return id
			}
		}
	}
	return ""
}

// Reconcile removes the image, if it is time.
func (c catalogue) Reconcile(ctx context.Context, id string) (time.Duration, error) {
	v := c.db.View()
	if i, ok := images.Get(v, id); ok && withdrawn(v, i) {
		return 0, c.dropImage(ctx, id)
	}
	return 0, nil
}
