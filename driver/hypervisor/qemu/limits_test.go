//go:build linux

package qemu_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// TestLimits has a guest write as fast as it can, and counts what QEMU let through: never
// above the limit by more than a third, however the limit is told.
func TestLimits(t *testing.T) {
	t.Parallel()
	d := open(t, qemu.Config{Dir: filepath.Join(dir(t), "guests")})
	spec, taps := newSpec(t, "i-011417")
	disk := &spec.Disks[0]
	disk.Limits = hypervisor.Limits{IOPS: 60}
	if err := d.Start(t.Context(), spec, taps); err != nil {
		t.Fatal(err)
	}
	guest := inside{t, d, spec.ID}
	guest.Up(1)
	serial := strings.ReplaceAll(disk.ID, "-", "")
	for _, c := range []struct {
		name   string
		limits hypervisor.Limits
		kib    string  // of an operation
		unit   float64 // what counts as one of the rate: operations, or bytes
		rate   float64 // a second
		credit float64
	}{
		{"operations, from the start", hypervisor.Limits{IOPS: 60}, "4", 0, 60, 0},
		{"operations, changed", hypervisor.Limits{IOPS: 30}, "4", 0, 30, 0},
		{"large operations", hypervisor.Limits{IOPS: 30, IOSize: 256 << 10}, "384", 0, 20, 0}, // each is one and a half
		{"bytes", hypervisor.Limits{MiBps: 2}, "64", 1, 2 << 20, 0},
		{"burst", hypervisor.Limits{IOPS: 20, BurstIOPS: 100, Burst: 2 * time.Second}, "4", 0, 20, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			guest := inside{t, d, spec.ID}
			disk.Limits = c.limits
			if err := d.Plug(t.Context(), spec.ID, *disk); err != nil {
				t.Fatal(err)
			}
			wantLimits(t, d, spec.ID, *disk)
			if got := guest.ask("load " + serial + " " + c.kib); got != "done" {
				t.Fatal(got)
			}
			count := func() float64 {
				operations, bytes := written(t, d, spec.ID, disk.ID)
				if c.unit > 0 {
					return float64(bytes)
				}
				return float64(operations)
			}
			// Whatever holds this program up makes the guest seem slower, not faster.
			began, first := time.Now(), count()
			done, want := 0.0, c.credit+4*c.rate
			for deadline := began.Add(patience); done < want; time.Sleep(20 * time.Millisecond) {
				if done = count() - first; time.Now().After(deadline) {
					t.Fatalf("only %.0f in %v", done, time.Since(began))
				}
			}
			took := time.Since(began).Seconds()
			if allowed := 1.3 * (c.credit + c.rate*took); done > allowed {
				t.Errorf("%.0f in %.1f s, more than the %.0f that %+v allow", done, took, allowed, c.limits)
			}
			t.Logf("%.0f in %.1f s", done, took)
			if got := guest.ask("calm"); got != "done" {
				t.Error(got)
			}
		})
	}
}

// written is how often the guest wrote to a disk, and how much, as QEMU counts.
func written(t *testing.T, d *qemu.Driver, id, disk string) (operations, bytes int64) {
	t.Helper()
	var all []struct {
		Device string `json:"qdev"`
		Stats  struct {
			Operations int64 `json:"wr_operations"`
			Bytes      int64 `json:"wr_bytes"`
		} `json:"stats"`
	}
	if err := d.Do(t.Context(), id, "query-blockstats", nil, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if strings.Contains(s.Device, "/"+disk+"/") {
			return s.Stats.Operations, s.Stats.Bytes
		}
	}
	t.Fatalf("no statistics of %s", disk)
	return 0, 0
}
