package app

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ImageFilter says which images of the catalogue to list.
type ImageFilter struct {
	All bool `json:"all,omitempty"` // withdrawn and unfinished ones too
}

func (f ImageFilter) args() map[string]string {
	return map[string]string{"all": strconv.FormatBool(f.All)}
}

// ImageName names an image of the catalogue: its ID, or the name of one that was not
// withdrawn.
type ImageName struct {
	Image string `json:"image"`
}

func (n ImageName) args() map[string]string { return map[string]string{"image": n.Image} }

// ImageDetails is all that there is to know of an image of the catalogue.
type ImageDetails struct {
	ImageInfo
	RootDevice string `json:"root_device"`
	Boot       string `json:"boot"` // "its own boot loader", or "the kernel beside it"
	KernelArgs string `json:"kernel_args,omitempty"`
	// What stands on it: instances, volumes, and images of tenants that boot with its kernel.
	Instances int `json:"instances"`
	Volumes   int `json:"volumes"`
	Images    int `json:"images"`
}

// catalogued returns the image of the catalogue of that ID or name.
func catalogued(r store.Reader, ref string) (cloud.Image, error) {
	if i, ok := images.Get(r, ref); ok && i.Account == cloud.OperatorAccount {
		return i, nil
	}
	if i, ok := findImage(r, ref); ok {
		return i, nil
	}
	return cloud.Image{}, fmt.Errorf("there is no image %q in the catalogue: vauban image list --all shows all", ref)
}

// describeImage tells all of an image, and what stands on it.
func (r *running) describeImage(_ context.Context, in ImageName) (ImageDetails, error) {
	v := r.db.View()
	i, err := catalogued(v, in.Image)
	if err != nil {
		return ImageDetails{}, err
	}
	out := ImageDetails{ImageInfo: imageInfo(i), RootDevice: i.RootDevice, Boot: "its own boot loader", KernelArgs: i.KernelArgs}
	if i.Direct {
		out.Boot = "the kernel beside it"
	}
	out.Instances, out.Volumes = instances.Count(v, "image/"+i.ID), volumes.Count(v, "image/"+i.ID)
	for other := range images.All(v) {
		if other.Kernel == i.ID && !other.Retired {
			out.Images++
		}
	}
	return out, nil
}

// publicImage lets every tenant launch an image.
func (r *running) publicImage(ctx context.Context, in ImageName) (ImageInfo, error) {
	return r.showImage(ctx, in, true)
}

// privateImage keeps an image from tenants, who find and launch it no more. What runs goes on.
func (r *running) privateImage(ctx context.Context, in ImageName) (ImageInfo, error) {
	return r.showImage(ctx, in, false)
}

func (r *running) showImage(ctx context.Context, in ImageName, public bool) (out ImageInfo, err error) {
	err = r.db.Update(ctx, func(tx *store.Tx) error {
		i, err := catalogued(tx, in.Image)
		if err == nil && !i.Available() {
			err = fmt.Errorf("image %s is %s", cmp.Or(i.Name, i.ID), stateOf(i))
		}
		if err != nil {
			return err
		}
		i.Public = public
		out = imageInfo(i)
		return images.Put(tx, i)
	})
	return out, err
}

// retireImage withdraws an image; its bytes go with the last that needs them.
func (r *running) retireImage(ctx context.Context, in ImageName) (ImageInfo, error) {
	i, err := catalogued(r.db.View(), in.Image)
	switch {
	case err != nil:
		return ImageInfo{}, err
	case i.Pending:
		return ImageInfo{}, fmt.Errorf("image %s is not stored yet", i.Name)
	}
	i.Retired = true
	return imageInfo(i), r.retire(ctx, i.ID)
}

// stateOf says in a word how an image of the catalogue is.
func stateOf(i cloud.Image) string {
	switch {
	case i.Retired:
		return "retired"
	case i.Pending:
		return "pending"
	case i.Public:
		return "public"
	default:
		return "private"
	}
}
