package space_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/driver/network/internal/space"
)

func TestNames(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces are root's")
	}
	name := fmt.Sprintf("vbtest.%d", os.Getpid())
	t.Cleanup(func() {
		if err := space.Unname(name); err != nil {
			t.Error(err)
		}
	})
	if _, err := space.Find(name); !errors.Is(err, space.ErrNone) {
		t.Errorf("find before there is one: %v", err)
	}
	a, b := fresh(t), fresh(t)
	for _, s := range []*space.Space{a, b, b} {
		if err := s.Name(name); err != nil {
			t.Fatal(err)
		}
		found, err := space.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if !found.Same(s) || found.Same(a) == found.Same(b) {
			t.Error("the name leads to another namespace")
		}
		found.Close()
	}
	if rest, err := space.Named("vbtest."); err != nil || !slices.Contains(rest, fmt.Sprint(os.Getpid())) {
		t.Errorf("named: %v, %v", rest, err)
	}
	for range 2 {
		if err := space.Unname(name); err != nil {
			t.Fatal(err)
		}
	}
	// What is left when a process is killed between making the file and the mount.
	path := filepath.Join("/run/netns", name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := space.Find(name); !errors.Is(err, space.ErrNone) {
		t.Errorf("find an empty file: %v", err)
	}
	if err := a.Name(name); err != nil {
		t.Error(err)
	}
}

func TestDoComesBack(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces are root's")
	}
	home, s := fresh(t), fresh(t)
	failed := errors.New("failed")
	for range 50 {
		err := home.Do(func() error {
			return s.Do(func() error {
				if here, err := space.Open("/proc/thread-self/ns/net"); err != nil || !here.Same(s) {
					t.Errorf("elsewhere, %v", err)
				}
				return failed
			})
		})
		if !errors.Is(err, failed) {
			t.Errorf("do: %v", err)
		}
		if here, err := space.Open("/proc/thread-self/ns/net"); err != nil || here.Same(s) || here.Same(home) {
			t.Errorf("this thread is in a test's namespace, %v", err)
		}
	}
}

func fresh(t *testing.T) *space.Space {
	t.Helper()
	s, err := space.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
