//go:build linux

package local_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block/local"
)

// TestSpoolIsEncrypted: while a disk is imported, its bytes are nowhere on the host in the clear.
func TestSpoolIsEncrypted(t *testing.T) {
	const secret = "nobody but the tenant may read this"
	dir := folder(t)
	d, in := open(t, local.Config{Dir: dir}), incoming(rawDisk(t, strings.Repeat(secret, 10_000)))
	var mu sync.Mutex
	spooled, inClear := map[string]int64{}, map[string]bool{} // by stage
	in.Progress = func(stage string, _ float64) {
		files, err := filepath.Glob(filepath.Join(dir, "work", "*", "*", "*"))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, f := range files {
			content, err := os.ReadFile(f)
			if err != nil {
				continue // gone meanwhile
			}
			if filepath.Base(f) == "source" {
				spooled[stage] = int64(len(bytes.TrimRight(content, "\x00")))
			}
			inClear[stage] = inClear[stage] || bytes.Contains(content, []byte(secret))
		}
	}
	key := newKey(t)
	if _, err := d.Import(t.Context(), "snap-1", in, key); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"validating", "converting"} {
		if spooled[stage] < int64(10_000*len(secret)) || inClear[stage] {
			t.Errorf("while %s, %d bytes were spooled; in the clear: %v", stage, spooled[stage], inClear[stage])
		}
	}
	out := exported(t, d, "snap-1", "raw", key)
	if content, err := os.ReadFile(out); err != nil || !bytes.HasPrefix(content, []byte(strings.Repeat(secret, 10_000))) {
		t.Errorf("other bytes were imported: %v", err)
	}
}
