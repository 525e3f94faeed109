package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCompatibilityPage holds docs/compatibility.md against the code.
func TestCompatibilityPage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "compatibility.md")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./tools/compatibility", "-o", out)
	cmd.Dir = root
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate the page: %v\n%s", err, b)
	}
	want, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("docs/compatibility.md is out of date: run `make gen`")
	}
}
