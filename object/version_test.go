package object_test

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/object"
)

// history lists the versions of a key as "version marker latest".
func (r *rig) history(bucket, key string) (all []string) {
	r.t.Helper()
	l, err := r.Versions(r.ctx, bucket, object.VersionsInput{ListInput: object.ListInput{Prefix: key, Max: 1000}})
	r.must(err)
	for _, v := range l.Versions {
		if v.Key == key {
			all = append(all, told(v))
		}
	}
	return all
}

func told(v object.Info) string {
	s := v.Version
	if v.Marker {
		s += " marker"
	}
	if v.Latest {
		s += " latest"
	}
	return s
}

func (r *rig) historyIs(bucket, key string, want ...string) {
	r.t.Helper()
	if got := r.history(bucket, key); !slices.Equal(got, want) {
		r.t.Errorf("history of %s/%s is %q, want %q", bucket, key, got, want)
	}
}

func (r *rig) getFails(bucket, key, version string, want error) object.Info {
	r.t.Helper()
	_, info, err := r.tryGet(object.GetInput{Bucket: bucket, Key: key, Version: version})
	r.wants(err, want)
	_, err = r.Head(r.ctx, object.GetInput{Bucket: bucket, Key: key, Version: version})
	r.wants(err, want)
	return info
}

func TestUnversioned(t *testing.T) {
	r := newRig(t)
	r.getFails(plain, "a", "", object.ErrNoKey)
	r.getFails(plain, "a", "null", object.ErrNoVersion)
	r.put(plain, "a", []byte("one"))
	r.put(plain, "a", []byte("two"))
	r.historyIs(plain, "a", "null latest")
	r.holds(plain, "a", "null", []byte("two"))
	if d := r.delete(plain, "a", ""); d != (object.Deleted{}) {
		t.Errorf("deleted %+v", d)
	}
	r.historyIs(plain, "a")
	r.delete(plain, "a", "")
	r.put(plain, "a", []byte("three"))
	if d := r.delete(plain, "a", "null"); d != (object.Deleted{Version: "null"}) {
		t.Errorf("deleted %+v", d)
	}
	r.getFails(plain, "a", "", object.ErrNoKey)
	r.usage(plain, object.Usage{})
}

func TestEnabled(t *testing.T) {
	r := newRig(t)
	// What was put before versioning was enabled is the null version.
	r.must(r.CreateBucket(r.ctx, "b"))
	r.put("b", "a", []byte("null"))
	r.must(r.SetVersioning(r.ctx, "b", object.Enabled))
	one, two := r.put("b", "a", []byte("one")), r.put("b", "a", []byte("two"))
	if len(one.Version) != 32 || one.Version == two.Version || !object.ValidVersion(one.Version) || object.ValidVersion("x"+one.Version[1:]+"x") {
		t.Errorf("versions %q and %q", one.Version, two.Version)
	}
	r.historyIs("b", "a", two.Version+" latest", one.Version, "null")
	marker := r.delete("b", "a", "")
	if !marker.Marker {
		t.Errorf("deleted %+v", marker)
	}
	r.reopen()
	r.historyIs("b", "a", marker.Version+" marker latest", two.Version, one.Version, "null")
	if info := r.getFails("b", "a", "", object.ErrMarker); info.Version != marker.Version || !info.Marker {
		t.Errorf("ErrMarker came with %+v", info)
	}
	r.getFails("b", "a", marker.Version, object.ErrMarker)
	r.holds("b", "a", one.Version, []byte("one"))
	old := r.holds("b", "a", two.Version, []byte("two"))
	if old.Latest || old.Superseded.IsZero() || old.Superseded.Before(two.Modified) {
		t.Errorf("two is told as %+v", old)
	}
	r.holds("b", "a", "null", []byte("null"))
	r.usage("b", object.Usage{Versions: 3, Markers: 1, Bytes: 10})

	// Removing the marker brings the newest version back.
	if d := r.delete("b", "a", marker.Version); d != marker {
		t.Errorf("deleted %+v, want %+v", d, marker)
	}
	if info := r.holds("b", "a", "", []byte("two")); !info.Latest || !info.Superseded.IsZero() {
		t.Errorf("two is told as %+v", info)
	}
	r.usage("b", object.Usage{Objects: 1, Versions: 3, Bytes: 10})
	r.delete("b", "a", one.Version)
	r.delete("b", "a", one.Version)
	r.getFails("b", "a", one.Version, object.ErrNoVersion)
	r.delete("b", "a", two.Version)
	r.holds("b", "a", "", []byte("null"))
	r.historyIs("b", "a", "null latest")
	r.delete("b", "a", "null")
	r.historyIs("b", "a")
	r.usage("b", object.Usage{})

	// Of a key that never was there is a marker, too.
	if d := r.delete("b", "none", ""); !d.Marker {
		t.Errorf("deleted %+v", d)
	}
	r.usage("b", object.Usage{Markers: 1})
	_, err := r.Delete(r.ctx, "b", object.DeleteInput{Key: "a", Version: "x"})
	r.wants(err, object.ErrInput)
	// A version is of one key only.
	v := r.put("b", "x", []byte("x"))
	r.getFails("b", "y", v.Version, object.ErrNoVersion)
	// The random part of a version counts.
	r.getFails("b", "x", v.Version[:31]+string('0'+('1'-v.Version[31])&1), object.ErrNoVersion)
}

func TestSuspended(t *testing.T) {
	r := newRig(t)
	r.must(r.CreateBucket(r.ctx, "b"))
	r.put("b", "a", []byte("null"))
	r.must(r.SetVersioning(r.ctx, "b", object.Enabled))
	one := r.put("b", "a", []byte("one"))
	r.must(r.SetVersioning(r.ctx, "b", object.Suspended))
	r.historyIs("b", "a", one.Version+" latest", "null")
	r.put("b", "a", []byte("null 2")) // replaces the old null version
	r.historyIs("b", "a", "null latest", one.Version)
	r.put("b", "a", []byte("null 3"))
	r.historyIs("b", "a", "null latest", one.Version)
	r.holds("b", "a", "null", []byte("null 3"))
	r.usage("b", object.Usage{Objects: 1, Versions: 2, Bytes: 9})
	if d := r.delete("b", "a", ""); d != (object.Deleted{Version: "null", Marker: true}) {
		t.Errorf("deleted %+v", d)
	}
	r.historyIs("b", "a", "null marker latest", one.Version)
	r.delete("b", "a", "")
	r.historyIs("b", "a", "null marker latest", one.Version)
	r.usage("b", object.Usage{Versions: 1, Markers: 1, Bytes: 3})
	r.must(r.SetVersioning(r.ctx, "b", object.Enabled))
	two := r.put("b", "a", []byte("two"))
	r.historyIs("b", "a", two.Version+" latest", "null marker", one.Version)
	r.must(r.SetVersioning(r.ctx, "b", object.Suspended))
	r.put("b", "a", []byte("null 4"))
	r.historyIs("b", "a", "null latest", two.Version, one.Version)
	r.delete("b", "a", "null")
	r.historyIs("b", "a", two.Version+" latest", one.Version)
	r.usage("b", object.Usage{Objects: 1, Versions: 2, Bytes: 6})
}

func TestGenerations(t *testing.T) {
	r := newRig(t)
	old := r.put(plain, "a", []byte("old"))
	r.put(plain, "a", []byte("new"))
	_, err := r.Delete(r.ctx, plain, object.DeleteInput{Key: "a", Generation: old.Generation})
	r.wants(err, object.ErrPrecondition)
	now := r.holds(plain, "a", "", []byte("new"))
	_, err = r.Delete(r.ctx, plain, object.DeleteInput{Key: "a", Generation: now.Generation})
	r.wants(err, nil)
	_, err = r.Delete(r.ctx, plain, object.DeleteInput{Key: "a", Generation: now.Generation})
	r.wants(err, object.ErrPrecondition)
}

// TestOvertaking lets a put end before one that began earlier: the last to take effect is
// the latest, listings go on behind either, and a compaction finds the bytes of both.
func TestOvertaking(t *testing.T) {
	r := newRig(t, func(c *object.Config) { c.SegmentSize = 2000 })
	slow := make(chan object.Info)
	read, write := io.Pipe()
	go func() {
		info, err := r.Put(r.ctx, object.PutInput{Bucket: versioned, Key: "a", Size: -1}, read)
		if err != nil {
			t.Error(err)
		}
		slow <- info
	}()
	if _, err := write.Write([]byte("slow")); err != nil { // it is being read
		t.Fatal(err)
	}
	fast := r.put(versioned, "a", []byte("fast"))
	r.must(write.Close())
	last := <-slow
	r.historyIs(versioned, "a", last.Version+" latest", fast.Version)
	l, err := r.Versions(r.ctx, versioned, object.VersionsInput{ListInput: object.ListInput{Max: 1}})
	r.must(err)
	l, err = r.Versions(r.ctx, versioned, object.VersionsInput{ListInput: object.ListInput{Max: 1, After: l.Next}, AfterVersion: l.NextVersion})
	if err != nil || len(l.Versions) != 1 || l.Versions[0].Version != fast.Version {
		t.Errorf("the second page is %+v, %v", l, err)
	}
	r.put(versioned, "a", []byte("newest"))
	for n := range 20 {
		r.put(plain, "filler", random(uint64(n), 500))
	}
	before := r.segments()
	r.must(r.Maintain(r.ctx))
	if after := r.segments(); slices.Contains(after, before[0]) {
		t.Errorf("segments %v became %v", before, after)
	}
	r.holds(versioned, "a", last.Version, []byte("slow"))
	r.holds(versioned, "a", fast.Version, []byte("fast"))
}

func TestDeleteMany(t *testing.T) {
	r := newRig(t)
	var in []object.DeleteInput
	for n := range 300 {
		in = append(in, object.DeleteInput{Key: fmt.Sprint(n)})
		r.put(plain, in[n].Key, []byte("x"))
	}
	in = append(in, object.DeleteInput{Key: ""}, object.DeleteInput{Key: "none"})
	for k, d := range r.DeleteMany(r.ctx, plain, in) {
		if k == 300 {
			r.wants(d.Err, object.ErrKeyLength)
		} else {
			r.wants(d.Err, nil)
		}
	}
	if l := r.list(plain, object.ListInput{}); len(l.Objects) != 0 {
		t.Errorf("%d objects are left", len(l.Objects))
	}
}

func TestRetention(t *testing.T) {
	r := newRig(t)
	until := r.clock.Now().Add(time.Hour)
	retain := func(mode object.Mode, until time.Time) func(*object.Attributes) error {
		return func(a *object.Attributes) error { a.Retention = object.Retention{Mode: mode, Until: until}; return nil }
	}
	hold := func(on bool) func(*object.Attributes) error {
		return func(a *object.Attributes) error { a.Hold = on; return nil }
	}
	put := func(key string, mode object.Mode) object.Info {
		return r.put(locked, key, []byte(key), func(in *object.PutInput) { in.Retention = object.Retention{Mode: mode, Until: until} })
	}
	remove := func(key, version string, bypass bool) error {
		_, err := r.Delete(r.ctx, locked, object.DeleteInput{Key: key, Version: version, Bypass: bypass})
		return err
	}
	update := func(key string, bypass bool, fn func(*object.Attributes) error) error {
		_, err := r.Update(r.ctx, locked, key, "", bypass, fn)
		return err
	}

	c, g := put("compliance", object.Compliance), put("governance", object.Governance)
	for _, bypass := range []bool{false, true} {
		r.wants(remove("compliance", c.Version, bypass), object.ErrLocked)
		r.wants(update("compliance", bypass, retain(object.Governance, until)), object.ErrLocked)
		r.wants(update("compliance", bypass, retain(object.Compliance, until.Add(-time.Second))), object.ErrLocked)
		r.wants(update("compliance", bypass, retain(object.NotRetained, time.Time{})), object.ErrLocked)
	}
	r.wants(update("compliance", false, retain(object.Compliance, until.Add(time.Hour))), nil)
	r.wants(remove("governance", g.Version, false), object.ErrLocked)
	r.wants(update("governance", false, retain(object.NotRetained, time.Time{})), object.ErrLocked)
	r.wants(update("governance", false, retain(object.Governance, until.Add(-time.Second))), object.ErrLocked)
	r.wants(update("governance", false, retain(object.Governance, until.Add(time.Second))), nil)
	r.wants(update("governance", true, retain(object.Governance, until.Add(-time.Second))), nil)
	r.wants(update("governance", false, hold(true)), nil)
	r.wants(remove("governance", g.Version, true), object.ErrLocked)
	r.wants(update("governance", false, hold(false)), nil)

	up := put("upgraded", object.Governance)
	r.wants(update("upgraded", false, retain(object.Compliance, until.Add(-time.Second))), object.ErrLocked)
	r.wants(update("upgraded", false, retain(object.Compliance, until)), object.ErrLocked)
	r.wants(update("upgraded", true, retain(object.Compliance, until)), nil)
	r.wants(remove("upgraded", up.Version, true), object.ErrLocked)

	// A delete marker covers a retained version, and can be removed.
	m := r.delete(locked, "governance", "")
	r.delete(locked, "governance", m.Version)
	r.reopen()
	r.wants(remove("governance", g.Version, false), object.ErrLocked)
	r.wants(remove("governance", g.Version, true), nil)

	// Putting again only adds a version.
	r.put(locked, "compliance", []byte("new"))
	r.holds(locked, "compliance", c.Version, []byte("compliance"))
	r.clock.advance(90 * time.Minute)
	r.wants(remove("compliance", c.Version, true), object.ErrLocked) // it was lengthened
	r.clock.advance(time.Hour)
	r.wants(remove("compliance", c.Version, false), nil)

	for _, b := range []string{plain, versioned, suspended} {
		r.put(b, "a", []byte("a"))
		_, err := r.Update(r.ctx, b, "a", "", true, hold(true))
		r.wants(err, object.ErrNoLock)
		_, err = r.CreateUpload(r.ctx, object.UploadInput{Bucket: b, Key: "a", Attributes: object.Attributes{Retention: object.Retention{Mode: object.Compliance, Until: until}}})
		r.wants(err, object.ErrNoLock)
	}
	r.wants(update("compliance", false, retain(object.Compliance, time.Time{})), object.ErrInput)
	r.wants(update("compliance", false, retain(object.NotRetained, until)), object.ErrInput)
	r.wants(update("compliance", false, retain(9, until)), object.ErrInput)
}
