//go:build linux

package qemu_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

func TestConformance(t *testing.T) {
	hypervisortest.Run(t, hypervisortest.Bench{
		Patience: patience,
		New: func(t *testing.T) (hypervisortest.Engine, func() hypervisortest.Engine) {
			cfg := qemu.Config{Dir: filepath.Join(dir(t), "guests")}
			d := open(t, cfg)
			return d, func() hypervisortest.Engine {
				closeDriver(t, d)
				d = open(t, cfg)
				return d
			}
		},
		Spec: newSpec,
		Disk: newDisk,
		Tap:  newTap,
		BadDisk: func(t *testing.T, id string) hypervisor.Disk {
			return hypervisor.Disk{ID: id, Path: filepath.Join(dir(t), "not-there"), Format: "qcow2"}
		},
		Inside: func(t *testing.T, e hypervisortest.Engine, id string) hypervisortest.Inside {
			return inside{t, e, id}
		},
		Die: func(t *testing.T, e hypervisortest.Engine, id string) {
			list, err := e.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range list {
				if g.ID != id {
					continue
				}
				p, err := os.FindProcess(g.PID)
				if err == nil {
					err = p.Signal(syscall.SIGKILL)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}
