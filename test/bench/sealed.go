package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest/guest"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
	"github.com/vauban-cloud/vauban/seal"
)

// sealedLoads are what an encrypted disk of a guest is compared in with a plain one.
var sealedLoads = []diskLoad{
	{"sequential reads of 1 MiB", "-kib 1024 -depth 2", nil, false},
	{"sequential writes of 1 MiB", "-kib 1024 -depth 2 -write", nil, false},
	{"random reads of 4 KiB, depth 8", "-kib 4 -depth 8 -random", nil, true},
	{"random writes of 4 KiB, depth 8", "-kib 4 -depth 8 -random -write", nil, true},
	{"random writes of 4 KiB to fresh places", "-kib 4 -depth 8 -random -write -mib 50000", nil, true},
}

// encryption measures what it costs guests, and the engine by itself.
func encryption(b *bench) {
	sealedInGuest(b, b.diskload())
	sealedByEngine(b)
}

// sealedInGuest measures the reads and writes of one guest on an encrypted and on a plain
// volume, in turns. The cloud makes no plain volumes any more: this guest is the drivers' own.
func sealedInGuest(b *bench, program string) {
	g := b.bareGuest(program)
	for _, load := range sealedLoads {
		var ratios, plain, sealed []float64
		for range b.samples(5, 1) {
			args := fmt.Sprintf("-mib %d %s -time %v", diskMiB, load.args, time.Duration(b.samples(2, 1))*time.Second)
			one, other := g.load("plain", args).value(load.ops), g.load("sealed", args).value(load.ops)
			plain, sealed, ratios = append(plain, one), append(sealed, other), append(ratios, other/one)
		}
		note := fmt.Sprintf("in a guest: encrypted %.0f %s, plain %.0f, both past its cache", median(sealed), load.unit(), median(plain))
		b.add(result{Measure: "encrypted / plain, guest's " + load.name, Value: median(ratios), Unit: "x", Goal: atLeast(0.85), Note: note})
	}
}

// bareGuest is a guest of the drivers alone, without a cloud, that answers on its console.
type bareGuest struct {
	*bench
	hypervisor *qemu.Driver
	devices    map[string]string // of its volumes, by the ends of their names
	asked      int
}

const bareID = "i-bare"

// bareGuest starts a guest with an empty plain volume and an encrypted one, and fills both.
func (b *bench) bareGuest(program string) *bareGuest {
	cache, err := os.UserCacheDir()
	b.must(err)
	dir := b.TempDir()
	files, err := guest.Build(b.ctx, filepath.Join(cache, "vauban-test-guest"), dir, program)
	b.must(err)
	disks, err := local.New(local.Config{Dir: filepath.Join(dir, "disks")})
	b.must(err)
	b.Cleanup(func() { b.must(disks.Close()) })
	g := &bareGuest{bench: b, devices: map[string]string{}}
	g.hypervisor, err = qemu.New(qemu.Config{Dir: filepath.Join(dir, "guests")})
	b.must(err)
	b.Cleanup(func() { b.must(g.hypervisor.Close()) })
	spec := hypervisor.Spec{
		ID: bareID, Starts: 1, VCPUs: 1, MemoryMiB: 256, UID: 800_000 + rand.IntN(100_000), //nolint:gosec // a user that nobody has
		Kernel: files.Kernel, Initrd: files.Initrd, Append: files.Append,
	}
	key, err := seal.New(seal.NewKey())
	b.must(err)
	names := []string{"plain", "sealed"}
	for n, name := range names {
		v := block.Volume{ID: "vol-" + name, Bytes: 100 << 30}
		if name == "sealed" {
			v.Key = key
		}
		b.must(disks.Create(b.ctx, v))
		layers, err := disks.Open(b.ctx, v.ID, spec.UID, v.Key)
		b.must(err)
		spec.Disks = append(spec.Disks, hypervisor.Disk{ID: v.ID, Path: layers[0].Path, Format: layers[0].Format, Secret: layers[0].Secret})
		g.devices[name] = "/dev/vd" + string(rune('a'+n))
	}
	b.must(g.hypervisor.Start(b.ctx, spec, nil))
	b.Cleanup(func() { b.must(g.hypervisor.Remove(context.WithoutCancel(b.ctx), bareID)) })
	g.await("\nguest: up")
	for _, name := range names {
		g.load(name, fmt.Sprintf("-kib 1024 -write -time 0 -mib %d", diskMiB))
	}
	return g
}

// load runs diskload on a volume.
func (g *bareGuest) load(name, args string) loaded {
	g.asked++
	port, err := g.hypervisor.Serial(g.ctx, bareID)
	g.must(err)
	defer port.Close() //nolint:errcheck // the answer is on the console
	_, err = fmt.Fprintf(port, "%d run /diskload -path %s %s\n", g.asked, g.devices[name], args)
	g.must(err)
	return g.parse(g.await(fmt.Sprintf("\nguest: %d ", g.asked)))
}

// await waits for a line on the console that begins so, and returns the rest of it.
func (g *bareGuest) await(begin string) string {
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text, err := g.hypervisor.Console(g.ctx, bareID)
		g.must(errors.Join(err, g.ctx.Err()))
		_, after, _ := strings.Cut("\n"+strings.ReplaceAll(string(text), "\r", ""), begin)
		if line, _, whole := strings.Cut(after, "\n"); whole {
			return line
		}
		if time.Now().After(deadline) {
			g.Fatalf("the guest does not say %q:\n%s", begin, text)
		}
	}
}
