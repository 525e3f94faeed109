package object_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vauban-cloud/vauban/object"
)

// TestIdentity holds that an index and a folder that do not belong together are refused,
// before any byte is removed.
func TestIdentity(t *testing.T) {
	move := func(r *rig, from, to string) {
		r.must(r.config.FS.Rename(r.config.FS.PathJoin(r.config.Dir, from), to))
	}
	for _, test := range []struct {
		name   string
		change func(r *rig)
	}{
		{"lost index", func(r *rig) { move(r, "index", "/lost") }},
		{"lost folder", func(r *rig) {
			move(r, "identity", "/lost")
			move(r, "blobs", "/lost-blobs")
		}},
		{"index of another", func(r *rig) {
			other := newRig(t, func(c *object.Config) { c.FS, c.Dir, c.Index = r.config.FS, "/other", nil })
			r.must(other.Close())
			move(r, "index", "/lost")
			r.must(r.config.FS.Rename("/other/index", "/objects/index"))
			other.config.FS = vfs.NewMem()
			other.open() // for its end
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(c *object.Config) { c.Index = nil })
			r.put(plain, "large", random(1, 300_000))
			files := len(r.files())
			r.must(r.Close())
			test.change(r)
			for range 2 {
				s, err := object.Open(r.config)
				if err == nil {
					r.must(s.Close())
				}
				r.wants(err, object.ErrForeign)
			}
			if test.name != "lost folder" && len(r.files()) != files {
				t.Errorf("%d files became %d", files, len(r.files()))
			}
			r.config.FS = vfs.NewMem()
			r.open() // for the rig's end
		})
	}
}
