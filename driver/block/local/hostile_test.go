//go:build linux

package local_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
)

// image makes an image of 2 MiB and spoils it.
func image(t *testing.T, format, options string, spoil func(b []byte) []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	args := []string{"convert", "-O", format, rawDisk(t, strings.Repeat("data", 100_000)), path}
	if options != "" {
		args = slices.Insert(args, 3, "-o", options)
	}
	qemuImg(t, args...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, spoil(b))
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// created runs qemu-img create in a folder of its own.
func created(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "SELF", path)
	}
	qemuImg(t, append([]string{"create", "-q"}, args...)...)
	return path
}

// selfBacked is a qcow2 image that is its own backing file.
func selfBacked(t *testing.T) string {
	path := created(t, "-f", "qcow2", "-u", "-b", "SELF.", "-F", "qcow2", "SELF", "1M")
	if err := os.Rename(path, path+"."); err != nil {
		t.Fatal(err)
	}
	return path + "."
}

func be32(b []byte, at int, v uint32) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
func be64(b []byte, at int, v uint64) []byte { binary.BigEndian.PutUint64(b[at:], v); return b }
func le64(b []byte, at int, v uint64) []byte { binary.LittleEndian.PutUint64(b[at:], v); return b }

// replace replaces text in a VMDK's descriptor, which keeps its length.
func replace(b []byte, old, text string) []byte {
	i := bytes.Index(b, []byte(old))
	copy(b[i:], text)
	return b
}

// hostileDisk is a disk that must be refused.
type hostileDisk struct{ disk, format string }

func hostileDisks(t *testing.T) map[string]hostileDisk {
	t.Helper()
	secret := file(t, bytes.Repeat([]byte("secret"), 1000))
	return map[string]hostileDisk{
		"qcow2 with a backing file":     {created(t, "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", "SELF", "1M"), ""},
		"qcow2 that backs itself":       {selfBacked(t), "qcow2"},
		"qcow2 with a URL to back it":   {created(t, "-f", "qcow2", "-u", "-b", "nbd://127.0.0.1/x", "-F", "raw", "SELF", "1M"), ""},
		"qcow2 with JSON to back it":    {created(t, "-f", "qcow2", "-u", "-b", `json:{"driver":"file","filename":"/etc/shadow"}`, "-F", "raw", "SELF", "1M"), ""},
		"qcow2 with a data file":        {created(t, "-f", "qcow2", "-o", "data_file="+filepath.Join(t.TempDir(), "data"), "SELF", "1M"), ""},
		"qcow2 of a petabyte":           {created(t, "-f", "qcow2", "SELF", "1P"), ""},
		"qcow2 beyond all sizes":        {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 24, 1<<63) }), ""},
		"qcow2 without a size":          {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 24, 0) }), ""},
		"qcow2 that is encrypted":       {image(t, "qcow2", "", func(b []byte) []byte { return be32(b, 32, 2) }), ""},
		"qcow2 of a future version":     {image(t, "qcow2", "", func(b []byte) []byte { return be32(b, 4, 4) }), "qcow2"},
		"qcow2 with unknown features":   {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 72, 1<<40) }), ""},
		"qcow2 marked as damaged":       {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 72, 2) }), ""},
		"qcow2 not closed in order":     {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 72, 1) }), ""},
		"qcow2 with odd clusters":       {image(t, "qcow2", "", func(b []byte) []byte { return be32(b, 20, 40) }), ""},
		"qcow2 that is cut off":         {image(t, "qcow2", "", func(b []byte) []byte { return b[:len(b)/2] }), ""},
		"qcow2 of a header alone":       {image(t, "qcow2", "", func(b []byte) []byte { return b[:104] }), ""},
		"qcow2 of a magic alone":        {file(t, []byte("QFI\xfb")), ""},
		"qcow2 whose table is itself":   {image(t, "qcow2", "", loop), ""},
		"qcow2 with too large a table":  {image(t, "qcow2", "", func(b []byte) []byte { return be32(b, 36, 1<<31) }), ""},
		"qcow2 with a table elsewhere":  {image(t, "qcow2", "", func(b []byte) []byte { return be64(b, 40, 1<<60) }), ""},
		"raw called qcow2":              {rawDisk(t, "x"), "qcow2"},
		"raw called vmdk":               {rawDisk(t, "x"), "vmdk"},
		"odd format":                    {rawDisk(t, "x"), "vdi"},
		"VMDK descriptor":               {created(t, "-f", "vmdk", "-o", "subformat=monolithicFlat", "SELF", "1M"), ""},
		"VMDK descriptor of pieces":     {created(t, "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "SELF", "1M"), ""},
		"VMDK descriptor, named":        {created(t, "-f", "vmdk", "-o", "subformat=monolithicFlat", "SELF", "1M"), "vmdk"},
		"VMDK descriptor of a secret":   {file(t, flatDescriptor(secret)), "vmdk"},
		"VMDK with a hidden descriptor": {image(t, "vmdk", "", func(b []byte) []byte { return hidden(b, secret) }), ""},
		"VMDK with a parent":            {created(t, "-f", "vmdk", "-b", created(t, "-f", "vmdk", "SELF", "1M"), "-F", "vmdk", "SELF", "1M"), ""},
		"VMDK with a parent's number":   {image(t, "vmdk", "", func(b []byte) []byte { return replace(b, "parentCID=ffffffff", "parentCID=12345678") }), ""},
		"VMDK with a flat extent":       {image(t, "vmdk", "", func(b []byte) []byte { return replace(b, "SPARSE", "FLAT  ") }), ""},
		"VMDK of another type":          {image(t, "vmdk", "", func(b []byte) []byte { return replace(b, "monolithicSparse", "monolithicFlat\"\n") }), ""},
		"VMDK without a descriptor":     {image(t, "vmdk", "", func(b []byte) []byte { return le64(b, 28, 0) }), ""},
		"VMDK of endless size":          {image(t, "vmdk", "", func(b []byte) []byte { return le64(b, 12, 1<<60) }), ""},
		"VMDK that is cut off":          {image(t, "vmdk", "", func(b []byte) []byte { return b[:len(b)/2] }), ""},
		"VMDK of a magic alone":         {file(t, []byte("KDMV")), ""},
		"stream that is cut off":        {image(t, "vmdk", stream, func(b []byte) []byte { return b[:67_000] }), ""},
		"stream without its footer":     {image(t, "vmdk", stream, func(b []byte) []byte { return footed(b, whole)[:len(b)] }), ""},
		"stream with another footer":    {image(t, "vmdk", stream, func(b []byte) []byte { return footed(b, func(f []byte) []byte { return le64(f, 12, 0) }) }), ""},
		"raw called VHD":                {rawDisk(t, "x"), "vhd"},
		"raw called VHDX":               {rawDisk(t, "x"), "vhdx"},
		"VHD without its footer":        {image(t, "vpc", "", func(b []byte) []byte { return b[:len(b)-512] }), ""},
		"VHD with a wrong checksum":     {image(t, "vpc", "", func(b []byte) []byte { b[len(b)-400] ^= 1; return b }), ""},
		"VHD of a petabyte":             {image(t, "vpc", "", func(b []byte) []byte { return footers(b, func(f []byte) []byte { return be64(f, 48, 1<<50) }) }), ""},
		"VHD without a size":            {image(t, "vpc", "", func(b []byte) []byte { return footers(b, func(f []byte) []byte { return be64(f, 48, 0) }) }), ""},
		"VHD with a parent":             {image(t, "vpc", "", func(b []byte) []byte { return footers(b, func(f []byte) []byte { return be32(f, 60, 4) }) }), ""},
		"VHD with a parent's ID":        {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be32(h, 40, 7) }) }), ""},
		"VHD with a parent's place":     {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be32(h, 576, 7) }) }), ""},
		"VHD of an unknown type":        {image(t, "vpc", "", func(b []byte) []byte { return footers(b, func(f []byte) []byte { return be32(f, 60, 9) }) }), ""},
		"VHD with a huge table":         {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be32(h, 28, 1<<31) }) }), ""},
		"VHD with a small table":        {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be32(h, 28, 0) }) }), ""},
		"VHD with a table elsewhere":    {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be64(h, 16, 1<<60) }) }), ""},
		"VHD with odd blocks":           {image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(b, func(h []byte) []byte { return be32(h, 32, 3<<20) }) }), ""},
		"VHD with a header elsewhere":   {image(t, "vpc", "", func(b []byte) []byte { return footers(b, func(f []byte) []byte { return be64(f, 16, 1<<62) }) }), ""},
		"VHD with a block elsewhere":    {image(t, "vpc", "", func(b []byte) []byte { return be32(b, 1536, 1<<30) }), ""},
		"VHD that is cut off":           {image(t, "vpc", "", func(b []byte) []byte { return b[:len(b)/2] }), ""},
		"fixed VHD that is cut off":     {image(t, "vpc", "subformat=fixed", func(b []byte) []byte { return b[4096:] }), ""},
		"VHD of a magic alone":          {file(t, []byte("conectix")), ""},
		"VHDX that is cut off":          {image(t, "vhdx", "", func(b []byte) []byte { return b[:1<<20] }), ""},
		"VHDX of a magic alone":         {file(t, []byte("vhdxfile")), ""},
		"VHDX without its headers":      {image(t, "vhdx", "", func(b []byte) []byte { clear(b[64<<10 : 192<<10]); return b }), ""},
		"VHDX with a parent":            {image(t, "vhdx", "", func(b []byte) []byte { return vhdxItem(b, 0, func(i []byte) { i[4] |= 2 }) }), ""},
		"VHDX of a petabyte":            {image(t, "vhdx", "", func(b []byte) []byte { return vhdxItem(b, 1, func(i []byte) { i[6] = 4 }) }), ""},
		"VDI":                           {created(t, "-f", "vdi", "SELF", "4M"), ""},
		"gzip":                          {file(t, []byte("\x1f\x8b\x08 and so on")), ""},
	}
}

func TestHostileImages(t *testing.T) {
	disks := hostileDisks(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	maps.Copy(disks, map[string]hostileDisk{"pipe": {pipe, ""}, "folder": {t.TempDir(), ""}, "device": {"/dev/zero", ""}})
	for name, c := range disks {
		t.Run(name, func(t *testing.T) {
			cfg := local.Config{Dir: folder(t)}
			d := open(t, cfg)
			meta, err := d.Put(t.Context(), "ami-1", block.Source{Disk: c.disk, Format: c.format})
			if bad, ok := errors.AsType[*block.BadImageError](err); !ok {
				t.Errorf("put: %+v, %v, want a BadImageError", meta, err)
			} else {
				t.Log(bad)
			}
			if _, _, err := d.Boot(t.Context(), "ami-1"); !errors.Is(err, block.ErrNoImage) {
				t.Errorf("the image is there: %v", err)
			}
			for _, dir := range []string{"work", "images"} {
				if left, err := os.ReadDir(filepath.Join(cfg.Dir, dir)); err != nil || len(left) != 0 {
					t.Errorf("left in %s: %v, %v", dir, left, err)
				}
			}
		})
	}
	d := open(t, local.Config{})
	for id, disk := range map[string]string{
		"ami-1": image(t, "qcow2", "", whole), "ami-2": image(t, "vmdk", "", whole), "ami-3": image(t, "vmdk", stream, whole),
		"ami-5": image(t, "vpc", "", func(b []byte) []byte { return vhdHeader(footers(b, whole), whole) }), "ami-6": image(t, "vpc", "subformat=fixed", whole),
		"ami-7": image(t, "vhdx", "", func(b []byte) []byte { return vhdxItem(b, 0, func([]byte) {}) }),
		"ami-4": image(t, "vmdk", stream, func(b []byte) []byte { return footed(b, whole) }),
	} {
		if _, err := d.Put(t.Context(), id, block.Source{Disk: disk}); err != nil {
			t.Errorf("what was spoilt above is refused unspoilt: %s: %v", id, err)
		}
	}
}

const stream = "subformat=streamOptimized"

func whole(b []byte) []byte { return b }

// footed makes a stream as it is written to a pipe: its header does not know
// where the directory is, and its footer, a copy of the header, does.
func footed(b []byte, spoil func(footer []byte) []byte) []byte {
	footer := spoil(bytes.Clone(b[:512]))
	marker := make([]byte, 512)
	marker[0], marker[12] = 1, 3 // one sector, of the footer
	b = le64(b, 56, ^uint64(0))
	return slices.Concat(b, marker, footer, make([]byte, 512))
}

// footers spoils the footer of a VHD, and the copy that a dynamic one begins with.
func footers(b []byte, spoil func(footer []byte) []byte) []byte {
	for _, f := range [][]byte{b[:512], b[len(b)-512:]} {
		be32(spoil(f), 64, 0)
		be32(f, 64, ^sum(f))
	}
	return b
}

// vhdHeader spoils the header of a dynamic VHD.
func vhdHeader(b []byte, spoil func(header []byte) []byte) []byte {
	h := b[512:1536]
	be32(spoil(h), 36, 0)
	be32(h, 36, ^sum(h))
	return b
}

func sum(b []byte) (total uint32) {
	for _, c := range b {
		total += uint32(c)
	}
	return total
}

// vhdxItem spoils an item of a VHDX's metadata: its parameters or its size.
func vhdxItem(b []byte, n int, spoil func(item []byte)) []byte {
	table := bytes.Index(b, []byte("metadata"))
	item := [][]byte{[]byte("\x37\x67\xa1\xca\x36\xfa\x43\x4d"), []byte("\x24\x42\xa5\x2f\x1b\xcd\x76\x48")}[n]
	entry := table + bytes.Index(b[table:], item)
	spoil(b[table+int(binary.LittleEndian.Uint32(b[entry+16:])):])
	return b
}

// loop lets the first entry of a qcow2's first table lead to that table.
func loop(b []byte) []byte {
	table := binary.BigEndian.Uint64(b[40:])
	return be64(b, int(table), table|1<<63)
}

// flatDescriptor is a VMDK whose bytes are another file's.
func flatDescriptor(path string) []byte {
	return []byte("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 11 FLAT \"" + path + "\" 0\n")
}

// hidden makes readers take the descriptor for the disk.
func hidden(b []byte, path string) []byte {
	b = le64(b, 12, 0) // no capacity
	at := int(binary.LittleEndian.Uint64(b[28:])) * 512
	copy(b[at:], append(flatDescriptor(path), make([]byte, 512)...))
	return b
}

// TestRawIsRaw stores a raw disk that a guest made look like a qcow2 image.
func TestRawIsRaw(t *testing.T) {
	d := open(t, local.Config{})
	trap := created(t, "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", "SELF", "1M")
	if _, err := d.Put(t.Context(), "ami-1", block.Source{Disk: trap, Format: "raw"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 4 << 20, Image: "ami-1"}); err != nil {
		t.Fatal(err)
	}
	layers, err := d.Open(t.Context(), "vol-1", guestUID, nil)
	if err != nil {
		t.Fatal(err)
	}
	head, err := os.ReadFile(trap)
	if err != nil {
		t.Fatal(err)
	}
	checkVolume(t, layers, 4<<20, head[:512])
}
