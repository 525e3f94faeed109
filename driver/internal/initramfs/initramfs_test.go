package initramfs_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vauban-cloud/vauban/driver/internal/initramfs"
)

const most = 1 << 22 // bytes that an initial RAM disk may unpack to

// cpio is an archive of files that have their names as content.
func cpio(names ...string) []byte {
	var b bytes.Buffer
	for _, name := range append(names, "TRAILER!!!") {
		size := len(name)
		if name == "TRAILER!!!" {
			size = 0
		}
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name)
		b.Write(make([]byte, 1+(4-(111+len(name))%4)%4))
		b.WriteString(name[:size])
		b.Write(make([]byte, (4-size%4)%4))
	}
	return b.Bytes()
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b) //nolint:errcheck // into memory
	z.Close()  //nolint:errcheck // into memory
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return z.EncodeAll(b, nil)
}

func names(b []byte) (all []string, err error) {
	err = initramfs.Names(bytes.NewReader(b), most, func(name string) bool { all = append(all, name); return true })
	return all, err
}

func TestNames(t *testing.T) {
	one, two := cpio("bin/sh", "lib/modules/6/virtio_blk.ko"), cpio("kernel/x86/microcode/a.bin")
	padded := append(slices.Clone(two), make([]byte, 512)...)
	for name, c := range map[string]struct {
		in   []byte
		want int // names; -1: it is none
	}{
		"plain": {one, 2}, "gzip": {gzipped(one), 2}, "zstd": {zstandard(one), 2}, "two": {slices.Concat(padded, one), 3},
		"microcode, then gzip": {slices.Concat(padded, gzipped(one)), 3}, "microcode, then zstd": {slices.Concat(padded, zstandard(one)), 3},
		"empty": {cpio(), 0}, "trailing zeroes": {append(slices.Clone(one), make([]byte, 100)...), 2},
		"nothing": {nil, -1}, "zeroes": {make([]byte, 100), -1}, "text": {[]byte("hello"), -1}, "cut off": {one[:150], -1},
		"gzip cut off": {gzipped(one)[:40], -1}, "zstd cut off": {zstandard(one)[:40], -1}, "gzip within gzip": {gzipped(gzipped(one)), -1},
		"odd number": {bytes.Replace(one, []byte("0000000"), []byte("zzzzzzz"), 20), -1},
		"xz":         {[]byte("\xfd7zXZ\x00 and so on"), -1},
		"long name":  {bytes.Replace(one, []byte("00000007"), []byte("0000ffff"), 1), -1},
	} {
		all, err := names(c.in)
		if c.want < 0 && !errors.Is(err, initramfs.ErrFormat) || c.want >= 0 && (err != nil || len(all) != c.want) {
			t.Errorf("%s: %q, %v, want %d", name, all, err, c.want)
		}
	}
	seen := 0
	if err := initramfs.Names(bytes.NewReader(one), most, func(string) bool { seen++; return false }); err != nil || seen != 1 {
		t.Errorf("stopped after %d names: %v", seen, err)
	}
}

// zeroes are endless.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBombs: what unpacks to more than a kernel could ever take is no initial RAM disk.
func TestBombs(t *testing.T) {
	huge := bytes.Replace(cpio("a"), []byte(fmt.Sprintf("%08x", 1)+"00000000"+"00000000"+"00000000"), []byte("fffffff0"+"00000000"+"00000000"+"00000000"), 1)
	for name, pack := range map[string]func(w io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		var packed bytes.Buffer
		z := pack(&packed)
		if _, err := z.Write(huge); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(z, zeroes{}, 3*most); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if all, err := names(packed.Bytes()); !errors.Is(err, initramfs.ErrFormat) {
			t.Errorf("%s: %d bytes were taken for %q: %v", name, packed.Len(), all, err)
		}
	}
}

func FuzzNames(f *testing.F) {
	one := cpio("bin/sh", "lib")
	f.Add(one)
	f.Add(gzipped(one))
	f.Add(zstandard(one))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := names(b)
		if err != nil && !errors.Is(err, initramfs.ErrFormat) {
			t.Errorf("%v", err)
		}
		if len(all) > 200_000 {
			t.Errorf("%d names of %d bytes", len(all), len(b))
		}
	})
}
