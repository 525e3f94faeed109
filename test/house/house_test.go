// Package house checks the house rules: who may import whom, that every package
// says what it guarantees, and that no file outgrows its reader.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vauban-cloud/vauban/"

// mayImport lists, for each room, the rooms that its code (tests aside) may
// import; a room covers the folders below it, and the longest match counts.
// docs/adr/0001-rooms.md gives the reasons.
var mayImport = map[string][]string{
	"cloud":         {},
	"store":         {"store"},
	"gateway/wire":  {},
	"gateway/sigv4": {"gateway/wire"},
	"policy":        {"cloud"},
	"seal":          {},
	"object":        {"seal", "object"},
	"object/index":  {"object/index", "store/postgres/session"},
	"bucket":        {"cloud", "object"},
	"identity":      {"cloud", "policy", "seal", "store", "identity"},
	"gateway":       {"gateway/wire", "gateway/sigv4", "cloud", "policy"},
	"awsapi":        {"gateway/wire"},
	"service":       {"awsapi", "gateway/wire", "cloud", "policy", "identity", "seal", "store", "object", "bucket", "service/internal"},
	"reconcile":     {},
	"control":       {"cloud", "store", "object", "bucket", "reconcile", "control"},
	"driver":        {"cloud", "seal", "driver"},
	"node":          {"cloud", "seal", "reconcile", "driver/hypervisor", "driver/network", "driver/block", "node"},
	"image":         {"image"},
	"app":           {"*"},
	"cli":           {"app", "image", "cloud"},
	"cmd":           {"cli"},
	"tools":         {"*"},
	"test":          {"*"},
}

// mayNotImport are exceptions to what mayImport allows, with the reason.
var mayNotImport = map[string]map[string]string{
	"node": {
		"driver/hypervisor/qemu": "the agent knows drivers by their interface",
		"driver/network/linux":   "the agent knows drivers by their interface",
		"driver/block/rbd":       "the agent knows drivers by their interface",
		"driver/block/local":     "the agent knows drivers by their interface",
	},
	"service": {"gateway/sigv4": "services never see signatures"},
}

func TestImports(t *testing.T) {
	seen := 0
	eachFile(t, func(t *testing.T, file string, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		from := path.Dir(file)
		room, ok := roomOf(from)
		if !ok {
			t.Errorf("%s is in no room: name it in mayImport", file)
			return
		}
		for _, i := range f.Imports {
			to, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
			if !ours {
				continue
			}
			seen++
			for below, why := range mayNotImport[room] {
				if within(to, below) {
					t.Errorf("%s imports %s: %s", file, to, why)
				}
			}
			if !slices.ContainsFunc(mayImport[room], func(r string) bool { return r == "*" || within(to, r) }) {
				t.Errorf("%s imports %s: %s may import %v only", file, to, room, mayImport[room])
			}
		}
	})
	if seen < 50 {
		t.Errorf("only %d imports were looked at: is the tree where this test thinks it is?", seen)
	}
}

// TestControlAndServiceMeetInTheStore holds the one rule that matters most.
func TestControlAndServiceMeetInTheStore(t *testing.T) {
	eachFile(t, func(t *testing.T, file string, f *ast.File) {
		for _, i := range f.Imports {
			to := strings.TrimPrefix(strings.Trim(i.Path.Value, `"`), module)
			if within(file, "service") && within(to, "control") || within(file, "control") && (within(to, "service") || within(to, "awsapi")) {
				t.Errorf("%s imports %s", file, to)
			}
		}
	})
}

func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	eachFile(t, func(_ *testing.T, file string, f *ast.File) {
		dir := path.Dir(file)
		commented[dir] = commented[dir] || f.Doc != nil && len(f.Doc.Text()) > 40
	})
	for dir, ok := range commented {
		if !ok {
			t.Errorf("package %s does not say what it guarantees", dir)
		}
	}
}

func TestFileLength(t *testing.T) {
	const most = 1000
	eachFile(t, func(t *testing.T, file string, f *ast.File) {
		if ast.IsGenerated(f) {
			return
		}
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > most {
			t.Errorf("%s has %d lines: nobody reads more than %d", file, n, most)
		}
	})
}

func TestPackageNames(t *testing.T) {
	eachFile(t, func(t *testing.T, file string, f *ast.File) {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "models", "misc"}, f.Name.Name) {
			t.Errorf("%s: package %s names nothing", file, f.Name.Name)
		}
	})
}

const root = "../.."

// eachFile parses every Go file of the tree; names are relative to the root.
func eachFile(t *testing.T, look func(t *testing.T, file string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != root || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments|parser.ImportsOnly)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		look(t, filepath.ToSlash(file), f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// roomOf finds the room that a folder belongs to.
func roomOf(dir string) (string, bool) {
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := mayImport[d]; ok {
			return d, true
		}
	}
	return "", false
}

// within reports whether a path is the room or lies in it.
func within(p, room string) bool { return p == room || strings.HasPrefix(p, room+"/") }
