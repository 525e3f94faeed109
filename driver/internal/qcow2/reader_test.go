package qcow2_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

const (
	mib     = 1 << 20
	cluster = 128 << 10 // of the files that QEMU fills
)

// TestReadsWhatQEMUWrote: the reader finds, in every kind of file, the bytes that QEMU put
// there, and says of each sector who holds it.
func TestReadsWhatQEMUWrote(t *testing.T) {
	for name, secret := range map[string][]byte{"plain": nil, "encrypted": []byte("a passphrase")} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			const size = 1<<30 + 5*512
			create(t, path, qcow2.Image{Bytes: size, Secret: secret})
			args, node := options(path, secret)
			want := map[int64]byte{0: 1, 512: 0, 64 << 10: 2, 700 * mib: 3, size - 512: 4} // a sector at each
			for at, value := range want {
				if value != 0 {
					args = append(args, "-c", fmt.Sprintf("write -P %d %d 512", value, at))
				}
			}
			run(t, "qemu-io", append(args, "-c", "write -z 128k 64k", node)...)
			r := open(t, path, secret)
			if r.Bytes() != size {
				t.Errorf("%d bytes", r.Bytes())
			}
			for at, value := range want {
				got, held := make([]byte, 512), make([]bool, 1)
				if err := r.Fill(got, at, held); err != nil || !held[0] || !bytes.Equal(got, bytes.Repeat([]byte{value}, 512)) {
					t.Errorf("at %d: %v, held %v, %v; want %d", at, got[:4], held, err, value)
				}
			}
			var clusters []int64
			for at := int64(0); ; at += cluster {
				next, err := r.Next(at)
				if err != nil {
					t.Fatal(err)
				}
				if next == size {
					break
				}
				clusters, at = append(clusters, next/cluster), next
			}
			if fmt.Sprint(clusters) != fmt.Sprint([]int64{0, 1, 700 * mib / cluster, 1 << 30 / cluster}) {
				t.Errorf("clusters %v", clusters)
			}
			kept := []byte{9}
			sector, held := append(kept, make([]byte, 1023)...), []bool{true, false}
			if err := r.Fill(sector, 0, held); err != nil || sector[0] != 9 || !held[1] {
				t.Errorf("what a layer above holds was not left alone: %v, %v", sector[0], err)
			}
			// Of the first cluster the file holds the subclusters that were written, and no more.
			start := make([]bool, cluster/512)
			if err := r.Fill(make([]byte, cluster), 0, start); err != nil || !start[0] || !start[7] || start[8] || !start[128] || start[136] {
				t.Errorf("subclusters held: %v, %v", start, err)
			}
			zeroes, mark := bytes.Repeat([]byte{9}, 64<<10), make([]bool, 128)
			if err := r.Fill(zeroes, 128<<10, mark); err != nil || slices.Contains(mark, false) || !bytes.Equal(zeroes, make([]byte, 64<<10)) {
				t.Errorf("zeroes are not held: %v, %v", mark, err)
			}
			held = make([]bool, 128)
			if err := r.Fill(make([]byte, 64<<10), 10*mib, held); err != nil || held[0] {
				t.Errorf("a hole is held: %v", err)
			}
		})
	}
}

// TestReadsPlainClusters: volumes from before subclusters are read as ever.
func TestReadsPlainClusters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", path, "1G")
	run(t, "qemu-io", "-c", "write -P 5 64k 512", "-c", "write -z 128k 64k", path)
	r := open(t, path, nil)
	got, held := make([]byte, 256<<10), make([]bool, 512)
	if err := r.Fill(got, 0, held); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]bool{0: false, 127: false, 128: true, 255: true, 256: true, 383: true, 384: false} {
		if held[at] != want {
			t.Errorf("sector %d is held: %v", at, held[at])
		}
	}
	if got[64<<10] != 5 || got[64<<10+512] != 0 || got[128<<10] != 0 {
		t.Error("other bytes than were written")
	}
}

// TestLinear: QEMU finds a file whole that is written cluster by cluster in any order, and
// reads the bytes, and so does the reader.
func TestLinear(t *testing.T) {
	for _, c := range []struct {
		name  string
		image qcow2.Image
	}{
		{"plain", qcow2.Image{Bytes: 3 << 30}},
		{"encrypted", qcow2.Image{Bytes: 3 << 30, Secret: []byte("x")}},
		{"large", qcow2.Image{Bytes: 1 << 40, Secret: []byte("x")}},
		{"on another", qcow2.Image{Bytes: 1 << 30, Backing: "base.qcow2", Secret: []byte("x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			create(t, filepath.Join(dir, "base.qcow2"), qcow2.Image{Bytes: 64 * mib})
			run(t, "qemu-io", "-c", "write -P 7 4M 64k", filepath.Join(dir, "base.qcow2"))
			path := filepath.Join(dir, "disk.qcow2")
			f := file(t, path)
			if err := qcow2.CreateLinear(f, c.image); err != nil {
				t.Fatal(err)
			}
			l, err := qcow2.OpenLinear(f, c.image.Secret)
			if err != nil {
				t.Fatal(err)
			}
			args, node := options(path, c.image.Secret)
			last := c.image.Bytes/qcow2.Cluster - 1
			for i, n := range []int64{last, 3, 0, last - 9000, 3} {
				if _, err := l.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, qcow2.Cluster), n*qcow2.Cluster); err != nil {
					t.Fatal(err)
				}
				value := i + 1
				if i == 1 {
					value = 5 // it is written again
				}
				args = append(args, "-c", fmt.Sprintf("read -P %d %d 64k", value, n*qcow2.Cluster))
			}
			below := 0
			if c.image.Backing != "" {
				below = 7
			}
			run(t, "qemu-io", append(args, "-c", fmt.Sprintf("read -P %d 4M 64k", below), node)...)
			args, _ = options(path, c.image.Secret)
			if out := run(t, "qemu-img", append(append([]string{"check"}, args...), node)...); !bytes.Contains([]byte(out), []byte("No errors were found")) {
				t.Error(out)
			}
			for _, off := range []int64{-qcow2.Cluster, 512, c.image.Bytes} {
				if _, err := l.WriteAt(make([]byte, qcow2.Cluster), off); err == nil {
					t.Errorf("a cluster was written at %d", off)
				}
			}
			r := open(t, path, c.image.Secret)
			got, held := make([]byte, 512), make([]bool, 1)
			if err := r.Fill(got, last*qcow2.Cluster, held); err != nil || got[0] != 1 {
				t.Errorf("read %d, %v", got[0], err)
			}
			if err := f.Truncate(0); err != nil {
				t.Fatal(err)
			}
			if err := qcow2.Create(f, c.image); err != nil {
				t.Fatal(err)
			}
			if _, err := qcow2.OpenLinear(f, c.image.Secret); err == nil {
				t.Error("an image as QEMU writes it was opened for clusters in places of their own")
			}
		})
	}
}

// TestReaderWrongSecret: another passphrase reads nothing.
func TestReaderWrongSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	create(t, path, qcow2.Image{Bytes: mib, Secret: []byte("right")})
	args, node := options(path, []byte("right"))
	run(t, "qemu-io", append(args, "-c", "write -P 1 0 512", node)...)
	r := open(t, path, []byte("wrong"))
	if err := r.Fill(make([]byte, 512), 0, make([]bool, 1)); !errors.Is(err, qcow2.ErrSecret) {
		t.Errorf("%v, want ErrSecret", err)
	}
}

// FuzzReader: whatever a file says, reading it ends, without a panic.
func FuzzReader(f *testing.F) {
	path := filepath.Join(f.TempDir(), "disk.qcow2")
	disk, err := os.Create(path)
	if err != nil {
		f.Fatal(err)
	}
	defer disk.Close() //nolint:errcheck // in a folder of the test's
	if err := qcow2.CreateLinear(disk, qcow2.Image{Bytes: 8 * mib}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for range 64 {
		damaged := bytes.Clone(whole[:7*qcow2.Cluster])
		for range 1 + dice.IntN(8) {
			at := dice.IntN(128)
			if dice.IntN(2) == 0 {
				at = dice.IntN(len(damaged))
			}
			damaged[at] = byte(dice.Uint32())
		}
		f.Add(damaged)
	}
	sub := filepath.Join(f.TempDir(), "sub.qcow2")
	made, err := os.Create(sub)
	if err == nil {
		err = errors.Join(qcow2.Create(made, qcow2.Image{Bytes: 8 * mib}), made.Close())
	}
	if err != nil {
		f.Fatal(err)
	}
	if out, err := exec.Command("qemu-io", "-c", "write -P 1 4k 8k", sub).CombinedOutput(); err != nil { //nolint:noctx // at once
		f.Fatalf("%v: %s", err, out)
	}
	if whole, err = os.ReadFile(sub); err != nil {
		f.Fatal(err)
	}
	for range 64 {
		damaged := bytes.Clone(whole[:min(len(whole), 5*cluster)])
		for range 1 + dice.IntN(8) {
			damaged[[]int{dice.IntN(128), 3*cluster + dice.IntN(64), dice.IntN(len(damaged))}[dice.IntN(3)]] = byte(dice.Uint32())
		}
		f.Add(damaged)
	}
	f.Fuzz(func(_ *testing.T, content []byte) {
		r, err := qcow2.Open(bytes.NewReader(content), []byte("x"))
		if err != nil {
			return
		}
		if r.Bytes() <= 1<<34 {
			_, _ = r.Next(0) // an error is an answer
		}
		_ = r.Fill(make([]byte, 1<<16), 0, make([]bool, 128))
		_ = r.Fill(make([]byte, 1024), r.Bytes()-512, make([]bool, 2))
	})
}

// options are those that open a file in QEMU's tools.
func options(path string, secret []byte) (args []string, node string) {
	args, node = []string{"--image-opts"}, "driver=qcow2,file.filename="+path
	if secret != nil {
		args, node = append(args, "--object", "secret,id=key,data="+string(secret)), node+",encrypt.key-secret=key"
	}
	return args, node
}

func file(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func open(t *testing.T, path string, secret []byte) *qcow2.Reader {
	t.Helper()
	r, err := qcow2.Open(file(t, path), secret)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
