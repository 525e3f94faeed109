package fake_test

import (
	"errors"
	"testing"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/blocktest"
	"github.com/vauban-cloud/vauban/driver/block/fake"
)

func TestConformance(t *testing.T) {
	blocktest.Run(t, blocktest.Bench{
		UID: 1000,
		New: func(*testing.T) (blocktest.Engine, func() blocktest.Engine) {
			d := fake.New(fake.Config{})
			return d, func() blocktest.Engine { return d }
		},
	})
}

func TestRoomEnds(t *testing.T) {
	d := fake.New(fake.Config{Bytes: 3 << 30})
	if err := d.Create(t.Context(), block.Volume{ID: "vol-1", Bytes: 2 << 30}); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-2", Bytes: 2 << 30}); !errors.Is(err, block.ErrNoSpace) {
		t.Errorf("create beyond the room: %v, want ErrNoSpace", err)
	}
	if err := d.Delete(t.Context(), "vol-1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), block.Volume{ID: "vol-2", Bytes: 2 << 30}); err != nil {
		t.Errorf("create in freed room: %v", err)
	}
}

func TestFaults(t *testing.T) {
	fault := errors.New("fault")
	before, after := true, true
	d := fake.New(fake.Config{
		Before: func(op, _ string) error {
			if op == "create" && before {
				return fault
			}
			return nil
		},
		After: func(op, _ string) error {
			if op == "create" && after {
				return fault
			}
			return nil
		},
	})
	v := block.Volume{ID: "vol-1", Bytes: 1 << 30}
	for _, there := range []int{0, 1} { // 0: failed before; 1: failed after
		if err := d.Create(t.Context(), v); !errors.Is(err, fault) {
			t.Errorf("create: %v, want the fault", err)
		}
		if ids, err := d.List(t.Context()); err != nil || len(ids) != there {
			t.Errorf("volumes %v, %v, want %d", ids, err, there)
		}
		before = false
	}
	after = false
	if err := d.Create(t.Context(), v); err != nil {
		t.Error(err)
	}
}
