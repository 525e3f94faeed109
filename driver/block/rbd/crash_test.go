//go:build linux

package rbd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/rbd"
)

const crashVariable = "VAUBAN_TEST_VICTIM"

// victim is the life of a process that makes and removes things until it is killed.
func victim(config string) {
	var cfg rbd.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	ctx := context.Background()
	d, err := rbd.New(ctx, cfg)
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	for n := rand.IntN(60); ; n++ {
		image, volume := fmt.Sprintf("ami-%d", n%2), fmt.Sprintf("vol-%d", n%3)
		snapshot := fmt.Sprintf("snap-%d", n%4)
		_, err := d.Put(ctx, image, block.Source{Disk: os.Getenv("VAUBAN_TEST_DISK"), Kernel: strings.NewReader("kernel")})
		err = errors.Join(err, d.Create(ctx, block.Volume{ID: volume, Bytes: 4 << 20, Image: image}), d.Cut(ctx, volume, snapshot, nil))
		_, kept := d.Keep(ctx, volume, snapshot, nil, nil)
		err = errors.Join(err, kept, d.DeleteSnapshot(ctx, fmt.Sprintf("snap-%d", (n+2)%4)),
			d.Delete(ctx, fmt.Sprintf("vol-%d", (n+1)%3)), d.DeleteImage(ctx, fmt.Sprintf("ami-%d", (n+1)%2)))
		if err != nil {
			fmt.Println("failed:", err)
		}
	}
}

// TestKilledProcessLeavesNothingHalf kills a driver at any point, and finds everything whole
// that is there, and nothing in the pool that is not named.
func TestKilledProcessLeavesNothingHalf(t *testing.T) {
	cfg := newConfig(t)
	disk := rawDisk(t, "whole")
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	volumes, snapshots, images := 0, 0, 0
	for range 8 {
		var output strings.Builder
		cmd := exec.Command(self) //nolint:noctx // killed below
		cmd.Env = append(os.Environ(), crashVariable+"="+string(config), "VAUBAN_TEST_DISK="+disk)
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(1000+rand.IntN(9000)) * time.Millisecond)
		cmd.Process.Kill() //nolint:errcheck // a child
		cmd.Wait()         //nolint:errcheck // it was killed
		if output.Len() > 0 {
			t.Errorf("victim: %s", &output)
		}
		d := open(t, cfg)
		v, s, i := wantWhole(t, d)
		volumes, snapshots, images = volumes+v, snapshots+s, images+i
		wantNoOrphans(t, cfg)
		endAnyhow(t, d)
	}
	t.Logf("found %d volumes, %d snapshots and %d images whole", volumes, snapshots, images)
}

// wantWhole checks everything that is there, and counts it.
func wantWhole(t *testing.T, d *rbd.Driver) (volumes, snapshots, images int) {
	t.Helper()
	ctx := t.Context()
	ids, err := d.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		checkVolume(t, openFor(t, d, id, guestUID), 4<<20, []byte("whole"))
	}
	made := func(v block.Volume) {
		t.Helper()
		v.ID, v.Bytes = "vol-check", 4<<20
		checkVolume(t, create(t, d, v), 4<<20, []byte("whole"))
		if err := d.Delete(ctx, v.ID); err != nil {
			t.Error(err)
		}
	}
	kept, err := d.ListSnapshots(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range kept {
		made(block.Volume{Snapshot: id})
	}
	for n := range 2 {
		image := fmt.Sprintf("ami-%d", n)
		kernel, _, err := d.Boot(ctx, image)
		if errors.Is(err, block.ErrNoImage) {
			continue
		}
		images++
		if text, readErr := os.ReadFile(kernel); err != nil || readErr != nil || string(text) != "kernel" {
			t.Errorf("kernel of %s: %q, %v, %v", image, text, err, readErr)
		}
		made(block.Volume{Image: image})
	}
	return len(ids), len(kept), images
}

// wantNoOrphans checks that each RBD image of the driver is named in its catalogue.
func wantNoOrphans(t *testing.T, cfg rbd.Config) {
	t.Helper()
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Run("rbd", "ls", cfg.Pool)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := c.Run("rados", "--pool", cfg.Pool, "listomapkeys", cfg.Name+".catalogue")
	if err != nil {
		t.Fatal(err)
	}
	var records strings.Builder
	for _, key := range strings.Fields(string(keys)) {
		value, err := c.Run("rados", "--pool", cfg.Pool, "getomapval", cfg.Name+".catalogue", key, "/dev/stdout")
		if err != nil {
			t.Fatal(err)
		}
		records.Write(value)
	}
	for _, name := range strings.Fields(string(list)) {
		if strings.HasPrefix(name, cfg.Name+".") && !strings.Contains(records.String(), `"`+name+`"`) {
			t.Errorf("no record names %s", name)
		}
	}
}

// rawDisk makes a raw disk of 2 MiB that starts with the text.
func rawDisk(t *testing.T, text string) string {
	t.Helper()
	path := t.TempDir() + "/disk"
	if err := os.WriteFile(path, append([]byte(text), make([]byte, 2<<20-len(text))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
