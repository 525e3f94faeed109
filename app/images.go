package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
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
	SizeGiB     int       `json:"size_gib"`
	User        string    `json:"user,omitempty"`
	SHA256      string    `json:"sha256"`
	Created     time.Time `json:"created"`
}

// listImages returns the operator's catalogue.
func (r *running) listImages(context.Context, struct{}) ([]ImageInfo, error) {
	out := []ImageInfo{}
	for i := range images.Select(r.db.View(), cloud.AccountLabel(cloud.OperatorAccount)) {
		if i.Available() {
			out = append(out, imageInfo(i))
		}
	}
	slices.SortFunc(out, func(a, b ImageInfo) int { return a.Created.Compare(b.Created) })
	return out, nil
}

func imageInfo(i cloud.Image) ImageInfo {
	return ImageInfo{ID: i.ID, Name: i.Name, Description: i.Description, SizeGiB: i.SizeGiB, User: i.User, SHA256: i.SHA256, Created: i.Created}
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
	return r.db.Update(ctx, func(tx *store.Tx) error { return images.Delete(tx, id) })
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
	return r.sweepImages(ctx)
}

// sweepImages removes what interrupted imports left, and the withdrawn images
// that nothing stands on: no instance, volume, snapshot or image of a tenant.
func (r *running) sweepImages(ctx context.Context) error {
	v := r.db.View()
	used := map[string]bool{}
	for i := range instances.All(v) {
		used[i.Image] = true
	}
	for vol := range volumes.All(v) {
		used[vol.Image] = true
	}
	for s := range snapshots.All(v) {
		used[s.Kernel] = true
	}
	for i := range images.All(v) {
		used[i.Kernel] = true
	}
	for i := range images.Select(v, cloud.AccountLabel(cloud.OperatorAccount)) {
		if i.Pending || i.Retired && !used[i.ID] {
			if err := r.dropImage(ctx, i.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
