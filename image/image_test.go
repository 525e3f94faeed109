package image_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/image"
)

func TestRecipes(t *testing.T) {
	if !slices.Contains(image.Names(), "vauban-tiny") || !slices.Contains(image.Names(), "debian-12") {
		t.Errorf("names: %v", image.Names())
	}
	for _, r := range image.Recipes() {
		if r.User != "admin" || r.Description == "" {
			t.Errorf("recipe %+v", r)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := image.Build(context.Background(), "debian-99", image.Options{Out: t.TempDir(), Cache: t.TempDir()})
	if !errors.Is(err, image.ErrUnknown) || !strings.Contains(err.Error(), "debian-12") {
		t.Errorf("build: %v", err)
	}
}

// A missing program is named by its package, together with all others.
func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := image.Build(context.Background(), "vauban-tiny", image.Options{Out: t.TempDir(), Cache: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "apt-get install ") ||
		!strings.Contains(err.Error(), "qemu-utils") || !strings.Contains(err.Error(), "mmdebstrap") {
		t.Errorf("build: %v", err)
	}
	for _, p := range []string{"qemu-utils", "mmdebstrap", "grub-pc-bin", "e2fsprogs"} {
		if !slices.Contains(image.Packages(), p) {
			t.Errorf("packages lack %s", p)
		}
	}
}
