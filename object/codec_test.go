package object

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/object/blob"
	"github.com/vauban-cloud/vauban/object/checksum"
	"github.com/vauban-cloud/vauban/object/index"
)

func fullRecord() *record {
	r := &record{
		Info: Info{
			Key: "k", Size: 1 << 40, Modified: time.UnixMilli(1).UTC(), Superseded: time.UnixMilli(1 << 41).UTC(), Class: "STANDARD", Owner: "me", Parts: 3, Customer: true, Generation: 1 << 60,
			Checksum: checksum.Sum{Algorithm: checksum.CRC32, Type: checksum.Composite, Value: []byte{1, 2, 3, 4}},
			Attributes: Attributes{
				User: map[string]string{"a": "b", "": "\x00"}, System: map[string]string{"c": "d"}, Tags: map[string]string{"e": ""},
				Retention: Retention{Compliance, time.UnixMilli(5).UTC()}, Hold: true,
			},
		},
		md5: bytes.Repeat([]byte{7}, 16), tail: [12]byte{9}, sealed: []byte("sealed"), id: 5, ref: blob.Ref{Kind: blob.Packed, Unit: 6, Offset: 7, Size: 8},
		manifest: 11, runs: []run{{1, 2, 3}, {4, 5, 6}},
	}
	r.Version, r.ETag = r.version(), etagText(r.md5, r.Parts)
	return r
}

func TestRecord(t *testing.T) {
	for _, want := range []*record{fullRecord(), {Info: Info{Key: "k", Marker: true, Version: NullVersion}, null: true}} {
		row := want.encode()
		got := &record{Info: Info{Key: "k"}}
		if err := got.decode(row); err != nil {
			t.Fatal(err)
		}
		if want.md5 == nil {
			got.md5, got.sealed, got.Checksum.Value = nil, nil, nil // empty is nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("decoded\n%+v, want\n%+v", got, want)
		}
		for n := range row {
			if err := new(record).decode(row[:n]); err == nil {
				t.Fatalf("%d of %d bytes were decoded", n, len(row))
			}
		}
		if err := new(record).decode(append(row, 0)); err == nil {
			t.Error("a row with a byte too many was decoded")
		}
	}
}

// FuzzDecode holds that rows that are damaged are told, and never stop the process.
func FuzzDecode(f *testing.F) {
	r := fullRecord()
	f.Add(r.encode())
	p := part{Part: Part{Size: 5, Checksum: r.Checksum}, md5: r.md5, ref: r.ref}
	f.Add(p.encode())
	u := upload{Upload: Upload{Algorithm: checksum.SHA1, Attributes: r.Attributes}, sealed: r.sealed}
	f.Add(u.encode())
	f.Add(index.Counters{1, -2}.Append(nil))
	f.Fuzz(func(t *testing.T, row []byte) {
		var r record
		if r.decode(row) == nil {
			var again record
			if err := again.decode(r.encode()); err != nil || !reflect.DeepEqual(r, again) {
				t.Errorf("%+v was encoded, and decoded as %+v, %v", r, again, err)
			}
		}
		new(part).decode(row)        //nolint:errcheck // it must return
		new(upload).decode(row)      //nolint:errcheck // as above
		new(index.Counters).Add(row) //nolint:errcheck // as above
	})
}

// FuzzKeys holds that rows sort as keys do, and that keys come back from them.
func FuzzKeys(f *testing.F) {
	f.Add("a", "a\x00")
	f.Add("a\x00\x01", "a\x00\xff")
	f.Add("\xff\xff", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := oldRow("bucket", a, 1), oldRow("bucket", b, 1)
		if got, want := bytes.Compare(x, y) < 0, a < b; got != want {
			t.Errorf("rows of %q and %q sort otherwise than they do", a, b)
		}
		if key, rest := splitRow(x, 2+len("bucket")); key != a || len(rest) != 8 {
			t.Errorf("%q came back as %q and %x", a, key, rest)
		}
		prefix := escape(bucketRow(tableOld, "bucket"), b)
		if got, want := bytes.HasPrefix(x, prefix), len(a) >= len(b) && a[:len(b)] == b; got != want {
			t.Errorf("row of %q begins as those of prefix %q: %t", a, b, got)
		}
		if end := after(prefix); end != nil && bytes.Compare(x, end) >= 0 && bytes.HasPrefix(x, prefix) {
			t.Errorf("row of %q is behind all of prefix %q", a, b)
		}
	})
}

func TestTickets(t *testing.T) {
	s := ticket(1<<63+5, [12]byte{1, 2, 3})
	if g, tail, err := parseTicket(s); err != nil || g != 1<<63+5 || tail != [12]byte{1, 2, 3} || len(s) != 32 {
		t.Errorf("%q came back as %d %v, %v", s, g, tail, err)
	}
	for _, bad := range []string{"", "null", s[:31], s + "0", "W" + s[1:], s[:31] + "é"} {
		if _, _, err := parseTicket(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestGrace holds that a wait is for those who came before it, and for no others.
func TestGrace(t *testing.T) {
	var g grace
	g.wait()
	one := g.enter()
	done := make(chan struct{})
	go func() { g.wait(); close(done) }()
	for { // until the wait has begun
		g.mu.Lock()
		begun := one.retired
		g.mu.Unlock()
		if begun {
			break
		}
	}
	two := g.enter()
	select {
	case <-done:
		t.Fatal("it did not wait")
	default:
	}
	g.leave(one)
	<-done // two is still inside
	g.leave(two)
	g.wait()
}
