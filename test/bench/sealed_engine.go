package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/seal"
)

// sealedByEngine measures QEMU's own reads and writes of encrypted volumes against plain ones, in
// turns, without a guest. They have no goal: nothing but the cipher tells there, of which QEMU does
// one block at a time.
func sealedByEngine(b *bench) {
	d, err := local.New(local.Config{Dir: filepath.Join(b.TempDir(), "disks")})
	b.must(err)
	defer d.Close() //nolint:errcheck // all is thrown away
	key, err := seal.New(seal.NewKey())
	b.must(err)
	volumes := map[string]*seal.Key{"vol-plain": nil, "vol-sealed": key}
	for id, key := range volumes {
		b.must(d.Create(b.ctx, block.Volume{ID: id, Bytes: diskMiB << 20, Key: key}))
		b.image(d, id, key, "aio_write", 1024)
	}
	for _, c := range []struct {
		name, command string
		kib           int
	}{{"reads of 1 MiB", "aio_read", 1024}, {"writes of 1 MiB", "aio_write", 1024}, {"reads of 4 KiB", "aio_read", 4}, {"writes of 4 KiB", "aio_write", 4}} {
		var ratios []float64
		for range b.samples(5, 2) {
			plain, sealed := b.image(d, "vol-plain", nil, c.command, c.kib), b.image(d, "vol-sealed", key, c.command, c.kib)
			ratios = append(ratios, plain.Seconds()/sealed.Seconds())
		}
		b.add(result{Measure: "encrypted / plain, engine's " + c.name, Value: median(ratios), Unit: "x", Note: "qemu-io past the cache, depth 8, no guest"})
	}
}

// image is how long QEMU takes to read or write a volume once, or 64 MiB of it in small pieces.
func (b *bench) image(d *local.Driver, id string, key *seal.Key, command string, kib int) time.Duration {
	layers, err := d.Open(b.ctx, id, 0, key)
	b.must(err)
	mib := diskMiB
	if kib < 64 {
		mib = 64
	}
	var script strings.Builder
	for n := range mib << 10 / kib {
		fmt.Fprintf(&script, "%s -q %d %d\n", command, n*kib<<10, kib<<10)
		if n%8 == 7 {
			script.WriteString("aio_flush\n")
		}
	}
	args, node := []string{"-t", "none", "--image-opts"}, "driver=qcow2,file.filename="+layers[0].Path
	if key != nil {
		args = append(args, "--object", "secret,id=key,data="+string(layers[0].Secret))
		node += ",encrypt.format=luks,encrypt.key-secret=key"
	}
	cmd := exec.CommandContext(b.ctx, "qemu-io", append(args, node)...) //nolint:gosec // of this program's making
	cmd.Stdin = strings.NewReader(script.String())
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	if err != nil || strings.Contains(string(out), "failed") {
		b.Fatalf("qemu-io: %v: %s", err, out)
	}
	return took
}
