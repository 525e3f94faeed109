package object_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vauban-cloud/vauban/object"
)

// TestModel does at random all that can be done to a bucket, and compares what the
// store answers and holds with the model.
func TestModel(t *testing.T) {
	r := newRig(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &machine{rig: r, bucket: "model" + string(rune('A'+run%50)), model: newModel()}
		r.must(m.CreateBucket(m.ctx, m.bucket))
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put again": m.put, "delete": m.remove, "delete version": m.removeVersion, "versioning": m.setVersioning, "begin": m.begin, "part": m.part, "part again": m.part,
			"complete": m.complete, "abort": m.abort, "list": m.list, "list versions": m.listVersions, "list uploads": m.listUploads, "copy": m.copy, "range": m.readRange,
			"tend": func(rt *rapid.T) { m.check(rt, m.Maintain(m.ctx)) }, "reopen": func(*rapid.T) { m.reopen() },
			"": func(rt *rapid.T) { compare(rt, m.rig, m.bucket, m.model) },
		})
		for key, versions := range m.model.keys {
			for _, v := range versions {
				m.delete(m.bucket, key, v.version)
			}
		}
		r.must(m.DeleteBucket(m.ctx, m.bucket))
		r.must(m.Maintain(m.ctx))
		if files := m.files(); len(files) != 0 {
			rt.Fatalf("of an empty store the files %v are left", files)
		}
	})
}

type machine struct {
	*rig
	bucket string
	model  *model
}

func (m *machine) check(rt *rapid.T, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatalf("%v", err)
	}
}

var texts = rapid.StringOfN(rapid.SampledFrom([]rune("aab//\x00\u00ff")), 0, 4, -1)

// keys are few enough to meet again, and many enough to list.
var keys = rapid.OneOf(rapid.SampledFrom([]string{"a", "b/a"}), rapid.SampledFrom([]string{"a", "b/a"}), rapid.StringOfN(rapid.SampledFrom([]rune("aab//\x00\u00ff")), 1, 4, -1))

func drawKey(rt *rapid.T) string { return keys.Draw(rt, "key") }

func drawBody(rt *rapid.T) []byte {
	n := rapid.SampledFrom([]int{0, 1, 100, 101, 5000, 70_000, 300_000}).Draw(rt, "size")
	return random(uint64(rapid.IntRange(0, 1<<20).Draw(rt, "seed")), n)
}

// expect is the version that a put should get: null, or a new one.
func (m *machine) expect(rt *rapid.T, key, version string) {
	if null := m.model.versioning != object.Enabled; null != (version == object.NullVersion) || !null && m.model.find(key, version) != nil {
		rt.Fatalf("%q got the version %q", key, version)
	}
}

func (m *machine) put(rt *rapid.T) {
	key, body := drawKey(rt), drawBody(rt)
	cond := object.Conditions{}
	current := m.model.find(key, "")
	exists := current != nil && !current.marker
	var want error
	switch rapid.IntRange(0, 5).Draw(rt, "condition") {
	case 0:
		if cond.IfNoneMatch = true; exists {
			want = object.ErrPrecondition
		}
	case 1:
		cond.IfMatch = "no such"
		if want = object.ErrNoKey; exists {
			want = object.ErrPrecondition
		}
	case 2:
		if exists && current.parts == nil {
			cond.IfMatch = etag(current.body)
		}
	}
	size := int64(len(body))
	if rapid.Bool().Draw(rt, "unknown size") {
		size = -1
	}
	info, err := m.Put(m.ctx, object.PutInput{Bucket: m.bucket, Key: key, Size: size, Conditions: cond}, bytes.NewReader(body))
	if !errors.Is(err, want) || want == nil && err != nil {
		rt.Fatalf("put: %v, want %v", err, want)
	}
	if err == nil {
		m.expect(rt, key, info.Version)
		m.model.put(key, modelVersion{version: info.Version, body: body})
	}
}

func (m *machine) copy(rt *rapid.T) {
	from, to := drawKey(rt), drawKey(rt)
	v := m.model.find(from, "")
	info, _, err := m.Copy(m.ctx, object.GetInput{Bucket: m.bucket, Key: from}, func(object.Info) (object.PutInput, error) {
		return object.PutInput{Bucket: m.bucket, Key: to}, nil
	})
	switch {
	case v == nil && errors.Is(err, object.ErrNoKey), v != nil && v.marker && errors.Is(err, object.ErrMarker):
	case v == nil || v.marker || err != nil:
		rt.Fatalf("copy of %+v: %v", v, err)
	default:
		m.expect(rt, to, info.Version)
		m.model.put(to, modelVersion{version: info.Version, body: v.body})
	}
}

func (m *machine) readRange(rt *rapid.T) {
	key := drawKey(rt)
	v := m.model.find(key, "")
	if v == nil || v.marker || len(v.body) == 0 {
		return
	}
	first := rapid.IntRange(0, len(v.body)-1).Draw(rt, "first")
	last := rapid.IntRange(first, len(v.body)-1).Draw(rt, "last")
	b, _, err := m.tryGet(object.GetInput{Bucket: m.bucket, Key: key, Range: &object.Range{First: int64(first), Last: int64(last)}})
	if err != nil || !bytes.Equal(b, v.body[first:last+1]) {
		rt.Fatalf("range %d to %d: %d bytes, %v", first, last, len(b), err)
	}
}

func (m *machine) remove(rt *rapid.T) {
	key := drawKey(rt)
	d, err := m.Delete(m.ctx, m.bucket, object.DeleteInput{Key: key})
	m.check(rt, err)
	if m.model.versioning == object.Unversioned {
		m.model.remove(key, object.NullVersion)
		return
	}
	m.expect(rt, key, d.Version)
	m.model.put(key, modelVersion{version: d.Version, marker: true})
}

func (m *machine) removeVersion(rt *rapid.T) {
	keys := slices.Sorted(maps.Keys(m.model.keys))
	if len(keys) == 0 {
		return
	}
	key := rapid.SampledFrom(keys).Draw(rt, "key")
	v := rapid.SampledFrom(m.model.keys[key]).Draw(rt, "version")
	d, err := m.Delete(m.ctx, m.bucket, object.DeleteInput{Key: key, Version: v.version})
	m.check(rt, err)
	if d.Marker != v.marker || d.Version != v.version {
		rt.Fatalf("deleted %+v, not %+v", d, v)
	}
	m.model.remove(key, v.version)
}

func (m *machine) setVersioning(rt *rapid.T) {
	m.model.versioning = rapid.SampledFrom([]object.Versioning{object.Enabled, object.Suspended}).Draw(rt, "versioning")
	m.check(rt, m.SetVersioning(m.ctx, m.bucket, m.model.versioning))
}

func (m *machine) begin(rt *rapid.T) {
	key := drawKey(rt)
	u, err := m.CreateUpload(m.ctx, object.UploadInput{Bucket: m.bucket, Key: key})
	m.check(rt, err)
	m.model.uploads = append(m.model.uploads, &modelUpload{key, u.ID, map[int][]byte{}})
}

func (m *machine) drawUpload(rt *rapid.T) *modelUpload {
	if len(m.model.uploads) == 0 {
		m.begin(rt)
	}
	return rapid.SampledFrom(m.model.uploads).Draw(rt, "upload")
}

func (m *machine) part(rt *rapid.T) {
	u, body, n := m.drawUpload(rt), drawBody(rt), rapid.IntRange(1, 4).Draw(rt, "number")
	_, err := m.PutPart(m.ctx, object.PartInput{Bucket: m.bucket, Key: u.key, Upload: u.id, Number: n, Size: int64(len(body))}, bytes.NewReader(body))
	m.check(rt, err)
	u.parts[n] = body
}

func (m *machine) complete(rt *rapid.T) {
	u := m.drawUpload(rt)
	in := object.CompleteInput{Bucket: m.bucket, Key: u.key, Upload: u.id, Size: -1}
	v := modelVersion{body: []byte{}}
	small := false // a part that is not the last
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		if rapid.IntRange(0, 4).Draw(rt, "leave out") == 0 {
			continue
		}
		small = small || len(v.parts) > 0 && v.parts[len(v.parts)-1] < int(m.config.MinPart)
		in.Parts = append(in.Parts, object.CompletePart{Number: n, ETag: etag(u.parts[n])})
		v.body, v.parts = append(v.body, u.parts[n]...), append(v.parts, len(u.parts[n]))
	}
	info, err := m.CompleteUpload(m.ctx, in)
	switch {
	case len(in.Parts) == 0 && errors.Is(err, object.ErrInput), small && errors.Is(err, object.ErrPartSmall):
		return
	case len(in.Parts) == 0 || small || err != nil:
		rt.Fatalf("complete: %v", err)
	}
	m.expect(rt, u.key, info.Version)
	v.version = info.Version
	m.model.put(u.key, v)
	m.forget(u)
}

func (m *machine) forget(u *modelUpload) {
	m.model.uploads = slices.DeleteFunc(m.model.uploads, func(o *modelUpload) bool { return o == u })
}

func (m *machine) abort(rt *rapid.T) {
	u := m.drawUpload(rt)
	m.check(rt, m.AbortUpload(m.ctx, m.bucket, u.key, u.id))
	m.forget(u)
}

func drawList(rt *rapid.T) object.ListInput {
	return object.ListInput{
		Prefix: texts.Draw(rt, "prefix"), Delimiter: rapid.SampledFrom([]string{"", "/", "/", "a", "//", "\x00"}).Draw(rt, "delimiter"),
		After: texts.Draw(rt, "after"), Max: rapid.IntRange(0, 6).Draw(rt, "max"),
	}
}

func (m *machine) list(rt *rapid.T) {
	in := drawList(rt)
	l, err := m.List(m.ctx, m.bucket, in)
	m.check(rt, err)
	var got []listed
	for _, o := range l.Objects {
		got = append(got, listed{o.Key, o.Version})
	}
	got = merged(got, l.Prefixes)
	want, more := page(m.model.objects(), in)
	if !slices.Equal(got, want) || l.More != more || more && l.Next != want[len(want)-1].key {
		rt.Fatalf("%+v lists\n%q more %t next %q, want\n%q more %t", in, got, l.More, l.Next, want, more)
	}
}

// listVersions goes from page to page: together they are everything.
func (m *machine) listVersions(rt *rapid.T) {
	in := object.VersionsInput{ListInput: drawList(rt)}
	in.Max++
	want, _ := page(m.model.versions(), object.ListInput{Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.After, Max: 1 << 20})
	var got []listed
	for {
		l, err := m.Versions(m.ctx, m.bucket, in)
		m.check(rt, err)
		var things []listed
		for _, v := range l.Versions {
			things = append(things, listed{v.Key, told(v)})
		}
		things = merged(things, l.Prefixes)
		if len(things) > in.Max || l.More && len(things) < in.Max {
			rt.Fatalf("a page of %d has %d", in.Max, len(things))
		}
		got = append(got, things...)
		if !l.More {
			break
		}
		in.After, in.AfterVersion = l.Next, l.NextVersion
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("%+v lists\n%q, want\n%q", in, got, want)
	}
}

func (m *machine) listUploads(rt *rapid.T) {
	in := object.UploadsInput{ListInput: drawList(rt)}
	in.Max++
	want, _ := page(m.model.uploadsListed(), object.ListInput{Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.After, Max: 1 << 20})
	var got []listed
	for {
		l, err := m.Uploads(m.ctx, m.bucket, in)
		m.check(rt, err)
		var things []listed
		for _, u := range l.Uploads {
			things = append(things, listed{u.Key, u.ID})
		}
		got = append(got, merged(things, l.Prefixes)...)
		if !l.More {
			break
		}
		in.After, in.AfterUpload = l.Next, l.NextUpload
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("%+v lists\n%q, want\n%q", in, got, want)
	}
}
