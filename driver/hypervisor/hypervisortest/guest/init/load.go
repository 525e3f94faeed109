package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// depth is how many operations a load has under way at once.
const depth = 8

// loads are the loads that run.
var loads struct {
	sync.WaitGroup
	calm   atomic.Bool
	failed atomic.Pointer[error]
}

// load writes so many KiB at random places of a disk, past the kernel's cache, again and
// again until calm.
func load(serial, kib string) error {
	size, err := strconv.Atoi(kib)
	if err != nil || size < 4 || size%4 != 0 {
		return fmt.Errorf("%q is no multiple of 4 KiB", kib)
	}
	f, err := open(serial)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened again
	end, err := f.Seek(0, 2)
	if err != nil {
		return err
	}
	direct, err := os.OpenFile(f.Name(), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	buffer, err := unix.Mmap(-1, 0, size<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		return err
	}
	loads.calm.Store(false)
	for range depth {
		loads.Go(func() {
			for !loads.calm.Load() {
				at := rand.Int64N(end/int64(len(buffer))) * int64(len(buffer))
				if _, err := direct.WriteAt(buffer, at); err != nil {
					loads.failed.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	return nil
}

// calm ends all loads, and says what went wrong with them.
func calm() error {
	loads.calm.Store(true)
	loads.Wait()
	if err := loads.failed.Swap(nil); err != nil {
		return fmt.Errorf("a write: %w", *err)
	}
	return nil
}
