//go:build linux

package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

func TestTrimKeepsTheTail(t *testing.T) {
	f := folder(t.TempDir())
	log, err := f.openLog("console.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // test
	line := strings.Repeat("x", 54) + "\n"
	for i := range 100_000 { // 6.4 MB
		if _, err := fmt.Fprintf(log, "%08d %s", i, line); err != nil {
			t.Fatal(err)
		}
		if i%5000 == 0 {
			if err := f.trim("console.log"); err != nil {
				t.Fatal(err)
			}
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(f.path("console.log"), &st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks*512 > logLimit+5000*64 {
		t.Errorf("%d bytes are on disk", st.Blocks*512)
	}
	want := fmt.Sprintf("%08d %s", 99_999, line)
	tail, err := f.tail("console.log", logShown)
	if err != nil || len(tail) != logShown || !bytes.HasSuffix(tail, []byte(want)) || bytes.IndexByte(tail, 0) >= 0 {
		t.Errorf("tail of %d bytes, %v", len(tail), err)
	}
	if err := f.compact("console.log"); err != nil {
		t.Fatal(err)
	}
	again, err := f.tail("console.log", logKept)
	if err != nil || !bytes.Equal(again, tail) {
		t.Errorf("after compacting: %d bytes, %v", len(again), err)
	}
}

func TestLongFolderNames(t *testing.T) {
	f := folder(t.TempDir() + "/" + strings.Repeat("x", 200))
	if err := os.Mkdir(string(f), 0o700); err != nil {
		t.Fatal(err)
	}
	socket, err := f.listen("monitor.sock")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := f.dial("monitor.sock")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()   //nolint:errcheck // test
	socket.Close() //nolint:errcheck // test
	if _, err := f.dial("monitor.sock"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial a socket that nobody holds: %v", err)
	}
	socket, err = f.listen("monitor.sock") // over the old one
	if err != nil {
		t.Fatal(err)
	}
	socket.Close() //nolint:errcheck // test
}

func TestMounts(t *testing.T) {
	controllers := func(content string) func(string) ([]byte, error) {
		return func(string) ([]byte, error) { return []byte(content), nil }
	}
	const (
		v1 = "30 25 0:26 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
			"31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"32 25 0:28 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
		v2 = "33 25 0:29 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw,nsdelegate\n"
	)
	for name, c := range map[string]struct {
		table, controllers, want string
	}{
		"version 1": {v1, "", "[{/sys/fs/cgroup/cpu 1 [cpu]} {/sys/fs/cgroup/memory 1 [memory]}]"},
		"version 2": {v2, "cpuset cpu io memory pids\n", "[{/sys/fs/cgroup/unified 2 [cpu memory pids]}]"},
		"hybrid":    {v1 + v2, "\n", "[{/sys/fs/cgroup/cpu 1 [cpu]} {/sys/fs/cgroup/memory 1 [memory]}]"},
		"none":      {"22 1 8:1 / / rw - ext4 /dev/vda rw\nodd\n", "", "[]"},
	} {
		if got := fmt.Sprint(parseMounts(c.table, controllers(c.controllers))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	spec := hypervisor.Spec{VCPUs: 2, MemoryMiB: 1024}
	all := []string{"cpu", "memory", "pids"}
	for version, want := range map[int]string{
		1: "[[cpu.shares 2048] [cpu.cfs_period_us 100000] [cpu.cfs_quota_us 250000] [memory.limit_in_bytes 1744830464] [pids.max 258]]",
		2: "[[cpu.weight 200] [cpu.max 250000 100000] [memory.max 1744830464] [pids.max 258]]",
	} {
		if got := fmt.Sprint(hierarchy{version: version, controllers: all}.settings(spec)); got != want {
			t.Errorf("version %d: %s, want %s", version, got, want)
		}
	}
}

func TestUUID(t *testing.T) {
	a, b := uuidOf("i-0123456789abcdef0"), uuidOf("i-0123456789abcdef1")
	if a == b || len(a) != 36 || !strings.HasPrefix(a, "ec2") || a != uuidOf("i-0123456789abcdef0") {
		t.Errorf("UUIDs %s and %s", a, b)
	}
}

func TestDeviceGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode  os.FileMode
		group int
		want  string
	}{
		{0o600, 108, "[]"}, // root's alone: no guest may use it
		{0o660, 108, "[108]"},
		{0o660, 0, "[]"}, // never root's group
		{0o666, 108, "[]"},
		{0o640, 108, "[]"},
	} {
		if err := errors.Join(os.Chown(device, 0, c.group), os.Chmod(device, c.mode)); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(deviceGroups(device)); got != c.want {
			t.Errorf("mode %o of group %d: %s, want %s", c.mode, c.group, got, c.want)
		}
	}
	if got := deviceGroups(device + ".not"); got != nil {
		t.Errorf("no device: %v", got)
	}
}
