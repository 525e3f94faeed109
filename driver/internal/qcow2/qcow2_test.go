package qcow2_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

// TestQEMUTakesThem: QEMU's tools find the files whole, and write and read them.
func TestQEMUTakesThem(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int64
		image qcow2.Image
	}{
		{"plain", 1 << 30, qcow2.Image{}},
		{"odd", 3*512 + 1<<29, qcow2.Image{}},
		{"encrypted", 1 << 30, qcow2.Image{Secret: []byte("a passphrase")}},
		{"large", 16 << 40, qcow2.Image{Secret: []byte("x")}},
		{"on another", 1 << 30, qcow2.Image{Backing: "base.qcow2"}},
		{"encrypted on another", 1 << 30, qcow2.Image{Backing: "base.qcow2", Secret: []byte("a passphrase")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.image.Bytes = c.bytes
			create(t, filepath.Join(dir, "base.qcow2"), qcow2.Image{Bytes: 4 << 20})
			run(t, "qemu-io", "-c", "write -P 7 0 512", filepath.Join(dir, "base.qcow2"))
			path := filepath.Join(dir, "disk.qcow2")
			create(t, path, c.image)
			args := []string{"--image-opts"}
			node := "driver=qcow2,file.filename=" + path
			if c.image.Secret != nil {
				args = append(args, "--object", "secret,id=key,data="+string(c.image.Secret))
				node += ",encrypt.key-secret=key"
			}
			check := run(t, "qemu-img", append(append([]string{"check"}, args...), node)...)
			if !strings.Contains(check, "No errors were found") {
				t.Error(check)
			}
			info := run(t, "qemu-img", append(append([]string{"info", "--output=json"}, args...), node)...)
			if !strings.Contains(info, fmt.Sprintf(`"virtual-size": %d`, c.bytes)) || strings.Contains(info, `"encrypted": true`) != (c.image.Secret != nil) {
				t.Error(info)
			}
			last := fmt.Sprint(c.bytes - 512)
			first := "0"
			if c.image.Backing != "" {
				first = "7"
			}
			run(t, "qemu-io", append(args, "-c", "read -P "+first+" 0 512", "-c", "write -P 9 "+last+" 512", "-c", "write -P 8 1M 64k", node)...)
			run(t, "qemu-io", append(args, "-c", "read -P 9 "+last+" 512", "-c", "read -P 8 1M 64k", "-c", "read -P "+first+" 0 512", node)...)
			if raw, err := os.ReadFile(path); err != nil || (strings.Count(string(raw), strings.Repeat("\x08", 4096)) > 0) != (c.image.Secret == nil) {
				t.Errorf("the plain bytes are in an encrypted file, or not in a plain one: %v", err)
			}
		})
	}
}

// TestWrongSecret: another passphrase opens nothing.
func TestWrongSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	create(t, path, qcow2.Image{Bytes: 1 << 20, Secret: []byte("right")})
	out, err := exec.CommandContext(t.Context(), "qemu-io", "--image-opts", "--object", "secret,id=key,data=wrong", "-c", "read 0 512", "driver=qcow2,file.filename="+path+",encrypt.key-secret=key").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Invalid password") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRefusals(t *testing.T) {
	for _, i := range []qcow2.Image{{}, {Bytes: -512}, {Bytes: 1000}, {Bytes: 1 << 60}, {Bytes: 512, Backing: strings.Repeat("x", 2000)}} {
		f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
		if err != nil {
			t.Fatal(err)
		}
		if err := qcow2.Create(f, i); err == nil {
			t.Errorf("%d bytes on %.10q were made", i.Bytes, i.Backing)
		}
		_ = f.Close()
	}
}

func create(t *testing.T, path string, i qcow2.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = qcow2.Create(f, i)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "failed") {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
