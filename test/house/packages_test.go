package house

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/image"
)

// TestImagePackages holds the list that the Makefile installs against what the
// image builder says that it needs.
func TestImagePackages(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "image", "packages.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(string(b)), image.Packages(); !slices.Equal(got, want) {
		t.Errorf("image/packages.txt lists %v, the builder needs %v", got, want)
	}
}
