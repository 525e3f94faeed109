package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestDeletedVolumesAreGone looks for the bytes of a volume in every file of the cloud: in
// the clear they are never there, and once the volume is deleted neither is what they were on
// the disk, nor any form of the keys. Its next owner reads zeros.
func TestDeletedVolumesAreGone(t *testing.T) {
	t.Parallel()
	l := newDiskLab(t, e2e.Start(t))
	volume := l.volume(&ec2.CreateVolumeInput{Size: new(int32(1))})
	dev := l.attach(volume, "/dev/sdf")
	const pattern = "the tenant's own words, again and again; "
	l.guest.SSH(`yes "` + pattern + `" | tr -d '\n' | head -c 8388608 | sudo -n dd of=/dev/` + dev + ` bs=64k conv=fsync 2>/dev/null`)

	traces := l.traces(volume)
	traces["the words"] = []byte(pattern)
	found := find(t, l.cloud.Data, traces)
	for name := range traces {
		if there := found[name]; (there == "") != (name == "the words") {
			t.Errorf("while the volume is there, %s is in %q", name, there)
		}
	}
	l.detach(volume)
	l.must(l.client.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: &volume}))
	l.await(volume, "")
	l.cloud.Eventually("nothing of the volume is left", 2*time.Minute, func() error {
		if found := find(t, l.cloud.Data, traces); len(found) > 0 {
			return fmt.Errorf("found %v", found)
		}
		return nil
	})
	next := l.volume(&ec2.CreateVolumeInput{Size: new(int32(1))})
	dev = l.attach(next, "/dev/sdf")
	if got := l.guest.SSH(`sudo -n head -c 16777216 /dev/` + dev + ` | tr -d '\0' | wc -c`); got != "0" {
		t.Errorf("of a new volume, %s bytes are not zero", got)
	}
}

// traces are what a volume is on the host: pieces of its file, the secrets of its layers,
// and its key in the store, as they are sealed.
func (l *diskLab) traces(volume string) map[string][]byte {
	l.Helper()
	home := filepath.Join(l.cloud.Data, "disks", "volumes", volume)
	disk, err := os.ReadFile(filepath.Join(home, "disk.qcow2"))
	if err != nil {
		l.Fatal(err)
	}
	if len(disk) < 9<<20 {
		l.Fatalf("the volume's file has %d bytes", len(disk))
	}
	traces := map[string][]byte{}
	for n := range 16 {
		at := len(disk) - (8<<20)*(n+1)/17
		traces[fmt.Sprint("piece ", n)] = disk[at : at+64]
	}
	text, err := os.ReadFile(filepath.Join(home, "keys.json"))
	var secrets map[string]string
	if err == nil {
		err = json.Unmarshal(text, &secrets)
	}
	if err != nil || len(secrets) == 0 {
		l.Fatalf("keys of %s: %v, %v", volume, secrets, err)
	}
	for name, secret := range secrets {
		traces["secret of "+name] = []byte(secret)
	}
	files, err := filepath.Glob(filepath.Join(l.cloud.Data, "*.db*"))
	if err != nil || len(files) == 0 {
		l.Fatalf("store: %v, %v", files, err)
	}
	sealed := regexp.MustCompile(`"ID":"` + volume + `"[^\x00]{0,999}?"Sealed":"([A-Za-z0-9+/=]{40,})"`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			l.Fatal(err)
		}
		if m := sealed.FindSubmatch(b); m != nil {
			traces["sealed key"] = bytes.Clone(m[1])
		}
	}
	if traces["sealed key"] == nil {
		l.Fatalf("no key of %s in %v", volume, files)
	}
	return traces
}

// find returns which of the traces are in files below a folder, and where.
func find(t *testing.T, dir string, traces map[string][]byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // it went meanwhile
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		for name, trace := range traces {
			if bytes.Contains(b, trace) {
				found[name] = path
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
