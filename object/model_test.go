package object_test

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/object"
)

// model is what a bucket should hold, in plain maps.
type model struct {
	versioning object.Versioning
	keys       map[string][]modelVersion // the newest first; none is empty
	uploads    []*modelUpload            // the oldest first
}

type modelVersion struct {
	version string
	marker  bool
	body    []byte
	parts   []int // their sizes
}

type modelUpload struct {
	key, id string
	parts   map[int][]byte
}

func newModel() *model { return &model{keys: map[string][]modelVersion{}} }

// clone is deep as far as anything changes.
func (m *model) clone() *model {
	c := &model{versioning: m.versioning, keys: map[string][]modelVersion{}}
	for k, v := range m.keys {
		c.keys[k] = slices.Clone(v)
	}
	for _, u := range m.uploads {
		c.uploads = append(c.uploads, &modelUpload{u.key, u.id, maps.Clone(u.parts)})
	}
	return c
}

func (m *model) put(key string, v modelVersion) {
	if v.version == object.NullVersion {
		m.remove(key, v.version)
	}
	m.keys[key] = append([]modelVersion{v}, m.keys[key]...)
}

func (m *model) remove(key, version string) {
	left := slices.DeleteFunc(slices.Clone(m.keys[key]), func(v modelVersion) bool { return v.version == version })
	if m.keys[key] = left; len(left) == 0 {
		delete(m.keys, key)
	}
}

// find returns a version, or nil.
func (m *model) find(key, version string) *modelVersion {
	for k, v := range m.keys[key] {
		if v.version == version || version == "" && k == 0 {
			return &v
		}
	}
	return nil
}

func (m *model) usage() (u object.Usage) {
	for _, versions := range m.keys {
		for k, v := range versions {
			if v.marker {
				u.Markers++
				continue
			}
			if k == 0 {
				u.Objects++
			}
			u.Versions++
			u.Bytes += int64(len(v.body))
		}
	}
	for _, p := range m.uploads {
		u.Uploads++
		for _, b := range p.parts {
			u.Pending += int64(len(b))
		}
	}
	return u
}

// listed is one thing in a listing.
type listed struct{ key, what string } // what: "" for a prefix

// page is what a listing of sorted things should tell.
func page(all []listed, in object.ListInput) (want []listed, more bool) {
	for _, l := range all {
		if !strings.HasPrefix(l.key, in.Prefix) || l.key <= in.After {
			continue
		}
		group, behind, found := strings.Cut(l.key[len(in.Prefix):], in.Delimiter)
		if in.Delimiter != "" && found {
			_ = behind
			l = listed{key: in.Prefix + group + in.Delimiter}
			if l.key == in.After || len(want) > 0 && want[len(want)-1] == l {
				continue
			}
		}
		if len(want) == in.Max {
			return want, in.Max > 0
		}
		want = append(want, l)
	}
	return want, false
}

func (m *model) objects() (all []listed) {
	for _, k := range slices.Sorted(maps.Keys(m.keys)) {
		if v := m.keys[k][0]; !v.marker {
			all = append(all, listed{k, v.version})
		}
	}
	return all
}

func (m *model) versions() (all []listed) {
	for _, k := range slices.Sorted(maps.Keys(m.keys)) {
		for n, v := range m.keys[k] {
			all = append(all, listed{k, told(object.Info{Version: v.version, Marker: v.marker, Latest: n == 0})})
		}
	}
	return all
}

func (m *model) uploadsListed() (all []listed) {
	sorted := slices.Clone(m.uploads)
	slices.SortStableFunc(sorted, func(a, b *modelUpload) int { return cmp.Compare(a.key, b.key) })
	for _, u := range sorted {
		all = append(all, listed{u.key, u.id})
	}
	return all
}

// merged puts prefixes and things of a page in the order of a listing.
func merged(things []listed, prefixes []string) []listed {
	for _, p := range prefixes {
		things = append(things, listed{key: p})
	}
	slices.SortStableFunc(things, func(a, b listed) int { return cmp.Compare(a.key, b.key) })
	return things
}

// complain is what rapid.T and testing.T have in common here.
type complain interface {
	Helper()
	Fatalf(format string, args ...any)
}

// compare holds all of a bucket against a model, and reads every byte of it.
func compare(t complain, r *rig, bucket string, m *model) {
	t.Helper()
	if b, err := r.Bucket(r.ctx, bucket); err != nil || b.Versioning != m.versioning {
		t.Fatalf("%s is %+v, want versioning %d, %v", bucket, b, m.versioning, err)
	}
	got := []listed{}
	for v, err := range r.All(r.ctx, bucket, "") {
		if err != nil {
			t.Fatalf("iterate: %v", err)
		}
		got = append(got, listed{v.Key, told(v)})
	}
	if want := m.versions(); !slices.Equal(got, want) {
		t.Fatalf("%s holds\n%q, want\n%q", bucket, got, want)
	}
	for key, versions := range m.keys {
		for _, v := range versions {
			b, info, err := r.tryGet(object.GetInput{Bucket: bucket, Key: key, Version: v.version})
			if v.marker {
				if err == nil || !info.Marker {
					t.Fatalf("%q %s is no marker", key, v.version)
				}
				continue
			}
			if err != nil || !bytes.Equal(b, v.body) || info.Parts != len(v.parts) {
				t.Fatalf("%q %s: %d bytes in %d parts, want %d in %d, %v", key, v.version, len(b), info.Parts, len(v.body), len(v.parts), err)
			}
		}
	}
	usage, err := r.Usage(r.ctx, bucket)
	if err != nil || usage != m.usage() {
		t.Fatalf("usage of %s is %+v, want %+v, %v", bucket, usage, m.usage(), err)
	}
	compareUploads(t, r, bucket, m)
}

func compareUploads(t complain, r *rig, bucket string, m *model) {
	t.Helper()
	l, err := r.Uploads(r.ctx, bucket, object.UploadsInput{ListInput: object.ListInput{Max: 10_000}})
	if err != nil {
		t.Fatalf("list uploads: %v", err)
	}
	var got []listed
	for _, u := range l.Uploads {
		got = append(got, listed{u.Key, u.ID})
	}
	if want := m.uploadsListed(); !slices.Equal(got, want) {
		t.Fatalf("uploads\n%q, want\n%q", got, want)
	}
	for _, u := range m.uploads {
		parts, _, err := r.Parts(r.ctx, bucket, u.key, u.id, 0, 10_000)
		if err != nil || len(parts) != len(u.parts) {
			t.Fatalf("upload of %q has %d parts, want %d, %v", u.key, len(parts), len(u.parts), err)
		}
		for _, p := range parts {
			if b, ok := u.parts[p.Number]; !ok || p.ETag != etag(b) || p.Size != int64(len(b)) {
				t.Fatalf("part %d of %q is %+v", p.Number, u.key, p)
			}
		}
	}
}
