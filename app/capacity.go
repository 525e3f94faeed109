package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
)

// capacity returns what this host offers to guests.
func (c Config) capacity(blocks block.Driver, accel string) func(context.Context) (cloud.Host, error) {
	return func(ctx context.Context) (cloud.Host, error) {
		total, err := memTotalMiB()
		if err != nil {
			return cloud.Host{}, err
		}
		size, free, err := blocks.Space(ctx)
		if err != nil {
			return cloud.Host{}, fmt.Errorf("read disk space: %w", err)
		}
		return cloud.Host{
			ID: c.Host, Zones: c.Place.Zones, Accel: accel,
			VCPUs:     int(float64(runtime.NumCPU()) * c.VCPUOvercommit),
			MemoryMiB: int(float64(max(0, total-c.MemoryReserveMiB)) * c.MemoryOvercommit),
			DiskGiB:   int(size >> 30), DiskFree: int(free >> 30),
		}, nil
	}
}

// memTotalMiB reads MemTotal of proc_meminfo(5).
func memTotalMiB() (int, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int
		if _, err := fmt.Sscanf(s.Text(), "MemTotal: %d kB", &kib); err == nil {
			return kib >> 10, nil
		}
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}
