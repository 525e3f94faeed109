//go:build linux

package lock_test

import (
	"errors"
	"os/exec"
	"sync"
	"testing"

	"github.com/vauban-cloud/vauban/driver/internal/lock"
)

func TestOneHolder(t *testing.T) {
	dir := t.TempDir()
	held, err := lock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Take(dir); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("taken twice: %v", err)
	}
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestChildrenDoNotKeepIt takes and releases while children begin, which hold
// copies of the file for a moment.
func TestChildrenDoNotKeepIt(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if err := exec.CommandContext(t.Context(), "true").Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		held, err := lock.Take(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Release(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}
