package image_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/image"
)

// build makes an image, or skips the test where that is not possible.
func build(t *testing.T, name string) image.Built {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and boots an image")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: building images")
	}
	built, err := image.Build(context.Background(), name, image.Options{
		Out: filepath.Join(t.TempDir(), name), Cache: cache(t), Progress: func(s string) { t.Log(s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// cache keeps downloads between runs of the tests.
func cache(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "vauban-test", "packages")
}

// patience is how long a guest may take for a step that takes a moment: the
// machine may be busy, and the guest's processor simulated.
const patience = 2 * time.Minute

const countRuns = "#!/bin/sh\necho run >>/home/admin/runs\n"

func TestTiny(t *testing.T) {
	m := newMachine(t, build(t, "vauban-tiny"), countRuns)
	start := time.Now()
	m.start()
	c := m.connect("admin", patience)
	t.Logf("SSH after %v", time.Since(start).Round(time.Millisecond))
	m.await("ssh is up", 0, patience)
	m.await("boot is done", 0, patience)

	for command, want := range map[string]string{
		"id -un":                     "admin",
		"sudo -n id -u":              "0",
		"hostname":                   "ip-10-0-1-5",
		"cat runs":                   "run",
		"sudo -n whoami":             "root",
		"pwd":                        "/home/admin",
		"ls -d .ssh -l | cut -c1-10": "drwx------",
		"readlink -f /dev/disk/by-id/virtio-vol0123456789abcdef0":                       "/dev/vda",
		"nslookup ip-10-0-1-9.eu-paris-1.compute.internal | grep 'Address: 10'":         "Address: 10.0.1.9",
		"test $(df -m / | awk 'END{print $2}') -gt 3500 && echo grown":                  "grown",
		"echo hello >f && sync && cat f":                                                "hello",
		"sudo -n sh -c 'cat /proc/sys/kernel/random/boot_id | wc -l'":                   "1",
		"wget -q -O - http://169.254.169.254/ 2>&1 | head -n1":                          "wget: server returned error: HTTP/1.1 401 Unauthorized",
		"ip route show 169.254.169.254":                                                 "169.254.169.254 via 10.0.1.1 dev eth0",
		"cat /sys/class/net/eth0/mtu":                                                   "1500",
		"sudo -n grep -c . /etc/shadow && ! cat /etc/shadow 2>/dev/null && echo closed": "3\nclosed",
	} {
		if got := strings.TrimSpace(m.run(c, command)); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	m.refuse("root")

	// A disk that is plugged in is found by its ID, and can be used.
	m.plug("vol0aaaaaaaaaaaaaaaa", 64<<20)
	id := "/dev/disk/by-id/virtio-vol0aaaaaaaaaaaaaaaa"
	m.run(c, "for i in $(seq 100); do [ -e "+id+" ] && exit; sleep 0.1; done; exit 1")
	m.run(c, "sudo mkfs.ext4 -q "+id+" && sudo mount -t ext4 "+id+" /mnt && echo data | sudo tee /mnt/f && sudo umount /mnt")

	hostKey := m.hostKey
	took := m.shutdown(patience)
	t.Logf("off after %v", took.Round(time.Millisecond))
	if took > 20*time.Second {
		t.Error("shutdown took too long")
	}

	// The second boot finds things as they were.
	since := len(m.console())
	m.start()
	c = m.connect("admin", patience)
	m.await("boot is done", since, patience)
	if got := m.run(c, "cat f runs"); got != "hello\nrun" {
		t.Errorf("after a reboot: %q", got)
	}
	if !bytes.Equal(hostKey, m.hostKey) {
		t.Error("the host key changed with a reboot")
	}
	if m.run(c, "sudo reboot"); !m.halted(patience) { // QEMU is told to end instead
		t.Error("reboot did not reset the machine")
	}

	// The same disk as another instance is a new one: other keys, user data again,
	// this time compressed.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(countRuns)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	m.guest.Instance.ID, m.guest.Instance.UserData = cloud.NewID("i"), packed.Bytes()
	m.mu.Unlock()
	since = len(m.console())
	m.start()
	c = m.connect("admin", patience)
	m.await("boot is done", since, patience)
	if got := m.run(c, "cat runs"); got != "run\nrun" {
		t.Errorf("user data of a new instance: %q", got)
	}
	if bytes.Equal(hostKey, m.hostKey) {
		t.Error("two instances have one host key")
	}
	m.kill()

	// What the image cannot do, it says.
	m.mu.Lock()
	m.guest.Instance.ID, m.guest.Instance.UserData = cloud.NewID("i"), []byte("#cloud-config\nruncmd: [ date ]\n")
	m.mu.Unlock()
	since = len(m.console())
	m.start()
	m.await("user data is not run", since, patience)
	m.await("boot is done", since, patience)
}

func TestTinyBIOS(t *testing.T) {
	built := build(t, "vauban-tiny-bios")
	if built.Direct || built.Kernel != "" {
		t.Fatalf("the image needs a kernel of its own: %+v", built)
	}
	m := newMachine(t, built, countRuns)
	m.start()
	c := m.connect("admin", patience)
	m.await("boot is done", 0, patience)
	if got := m.run(c, "df -m / | awk 'END{print $1, ($2 > 3500)}'"); got != "/dev/vda1 1" {
		t.Errorf("root: %q", got)
	}
	m.shutdown(patience)
}

// The same packages make the same kernel and initial RAM disk.
func TestReproducible(t *testing.T) {
	one, two := build(t, "vauban-tiny"), build(t, "vauban-tiny")
	for _, files := range [][2]string{{one.Initrd, two.Initrd}, {one.Kernel, two.Kernel}} {
		var data [2][]byte
		for i, f := range files {
			var err error
			if data[i], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(data[0], data[1]) {
			t.Errorf("%s differs from build to build", filepath.Base(files[0]))
		}
	}
}

// A build that is given up leaves what was there before, and nothing else.
func TestInterrupted(t *testing.T) {
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("builds an image, which needs root")
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "tiny")
	if err := errors.Join(os.Mkdir(out, 0o755), os.WriteFile(filepath.Join(out, "old"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := image.Build(ctx, "vauban-tiny", image.Options{Out: out, Cache: cache(t), Progress: func(s string) {
		if strings.HasPrefix(s, "unpack") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("build: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(left, []string{out}) || len(hidden) > 0 {
		t.Errorf("left behind: %v %v", left, hidden)
	}
	if _, err := os.Stat(filepath.Join(out, "old")); err != nil {
		t.Errorf("the old image: %v", err)
	}
}
