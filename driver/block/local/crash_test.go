//go:build linux

package local_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
)

// victim is the life of a process that makes and removes things until it is killed.
func victim(dir string) {
	d, err := local.New(local.Config{Dir: dir})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	ctx := context.Background()
	for n := 0; ; n++ {
		image, volume := fmt.Sprintf("ami-%d", n%5), fmt.Sprintf("vol-%d", n%7)
		_, err := d.Put(ctx, image, block.Source{Disk: os.Getenv("VAUBAN_TEST_DISK"), Kernel: strings.NewReader("kernel")})
		err = errors.Join(err,
			d.Create(ctx, block.Volume{ID: volume, Bytes: 4 << 20, Image: image}),
			d.Delete(ctx, fmt.Sprintf("vol-%d", (n+3)%7)),
			d.DeleteImage(ctx, fmt.Sprintf("ami-%d", (n+2)%5)))
		if err != nil {
			fmt.Println("failed:", err)
		}
	}
}

func TestKilledProcessLeavesNothingHalf(t *testing.T) {
	cfg := local.Config{Dir: folder(t)}
	disk := rawDisk(t, "whole")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	volumes, images := 0, 0
	for range 12 {
		var output strings.Builder
		cmd := exec.Command(self) //nolint:noctx // killed below
		cmd.Env = append(os.Environ(), "VAUBAN_TEST_VICTIM="+cfg.Dir, "VAUBAN_TEST_DISK="+disk)
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+rand.IntN(600)) * time.Millisecond)
		cmd.Process.Kill() //nolint:errcheck // a child
		cmd.Wait()         //nolint:errcheck // it was killed
		if output.Len() > 0 {
			t.Errorf("victim: %s", &output)
		}

		wantNoTools(t, cfg.Dir)
		d := open(t, cfg)
		if left, err := os.ReadDir(filepath.Join(cfg.Dir, "work")); err != nil || len(left) != 0 {
			t.Errorf("left in work: %v, %v", left, err)
		}
		ids, err := d.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			volumes++
			layers, err := d.Open(t.Context(), id, guestUID, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkVolume(t, layers, 4<<20, []byte("whole"))
		}
		for n := range 5 {
			image := fmt.Sprintf("ami-%d", n)
			kernel, _, err := d.Boot(t.Context(), image)
			if errors.Is(err, block.ErrNoImage) {
				continue
			}
			images++
			if text, readErr := os.ReadFile(kernel); err != nil || readErr != nil || string(text) != "kernel" {
				t.Errorf("kernel of %s: %q, %v, %v", image, text, err, readErr)
			}
			if err := d.Create(t.Context(), block.Volume{ID: "vol-check", Bytes: 4 << 20, Image: image}); err != nil {
				t.Error(err)
			}
			layers, err := d.Open(t.Context(), "vol-check", guestUID, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkVolume(t, layers, 4<<20, []byte("whole"))
			if err := d.Delete(t.Context(), "vol-check"); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("found %d volumes and %d images whole", volumes, images)
}

// wantNoTools checks that no tool works on in the folder.
func wantNoTools(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		found := ""
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
				found = strings.ReplaceAll(string(line), "\x00", " ")
			}
		}
		if found == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still runs: %s", found)
		}
	}
}

// TestBombs converts, in a small file system, an image that grows a hundredfold.
func TestBombs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	raw, bomb := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "bomb")
	if err := os.WriteFile(raw, []byte(strings.Repeat("boom", 15<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "-c", "-O", "qcow2", raw, bomb)

	dir := folder(t)
	if err := os.Mkdir(dir, 0o711); err != nil { //nolint:gosec // as the driver does
		t.Fatal(err)
	}
	if err := syscall.Mount("vauban-test", dir, "tmpfs", 0, "size=32m,mode=0711"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH) //nolint:errcheck // a temporary one
	d, err := local.New(local.Config{Dir: dir, Reserve: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // test
	if _, err := d.Put(t.Context(), "ami-1", block.Source{Disk: bomb}); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("put: %v, want ErrNoSpace", err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if used := int64(st.Blocks-st.Bfree) * st.Bsize; used > 1<<20 { //nolint:gosec // a small file system
		t.Errorf("%d bytes are left in use", used)
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 1 << 30}); err != nil {
		t.Errorf("create after that: %v", err)
	}
}
