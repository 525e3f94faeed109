// Command diskload reads or writes a file or a disk past the kernel's cache for some
// seconds, and prints three numbers: bytes a second, operations a second, and the longest
// operation in milliseconds. It runs on the host and in guests alike: build it with
// CGO_ENABLED=0.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "diskload:", err)
		os.Exit(1)
	}
}

// load is what to do.
type load struct {
	path          string
	mib           int // of the file or disk, from its start
	kib           int // an operation
	depth         int // operations at once
	write, random bool
	time          time.Duration
}

func run(args []string) error {
	var l load
	flags := flag.NewFlagSet("diskload", flag.ContinueOnError)
	flags.StringVar(&l.path, "path", "", "file or disk")
	flags.IntVar(&l.mib, "mib", 256, "MiB of it that are used")
	flags.IntVar(&l.kib, "kib", 4, "KiB of an operation")
	flags.IntVar(&l.depth, "depth", 1, "operations at once")
	flags.BoolVar(&l.write, "write", false, "write, not read")
	flags.BoolVar(&l.random, "random", false, "at random places")
	flags.DurationVar(&l.time, "time", 5*time.Second, "how long; 0: once over all of it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	fd, err := unix.Open(l.path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.path, err)
	}
	operations, longest, took, err := l.run(fd)
	if err := errors.Join(err, unix.Fsync(fd), unix.Close(fd)); err != nil {
		return err
	}
	rate := float64(operations) / took.Seconds()
	fmt.Printf("%.0f %.1f %.2f\n", rate*float64(l.kib<<10), rate, float64(longest.Microseconds())/1000)
	return nil
}

// run counts the operations of all workers, each of which has a part of the range.
func (l load) run(fd int) (operations int, longest, took time.Duration, err error) {
	size := int64(l.kib) << 10
	blocks := int64(l.mib) << 20 / size / int64(l.depth)
	if blocks == 0 {
		return 0, 0, 0, errors.New("the range is too small")
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now()
	for w := range int64(l.depth) {
		all.Go(func() {
			n, slowest, failed := l.work(fd, w*blocks, blocks, begin)
			mu.Lock()
			defer mu.Unlock()
			operations, longest, err = operations+n, max(longest, slowest), errors.Join(err, failed)
		})
	}
	all.Wait()
	return operations, longest, time.Since(begin), err
}

func (l load) work(fd int, first, blocks int64, begin time.Time) (n int, longest time.Duration, err error) {
	size := int64(l.kib) << 10
	buffer, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	if err != nil {
		return 0, 0, err
	}
	for i := range buffer {
		buffer[i] = byte(rand.Uint32())
	}
	for last := time.Now(); l.time == 0 && int64(n) < blocks || l.time > 0 && last.Sub(begin) < l.time; n++ {
		at := first + int64(n)%blocks
		if l.random {
			at = first + rand.Int64N(blocks)
		}
		if l.write {
			_, err = unix.Pwrite(fd, buffer, at*size)
		} else {
			_, err = unix.Pread(fd, buffer, at*size)
		}
		if err != nil {
			return n, longest, err
		}
		now := time.Now()
		longest, last = max(longest, now.Sub(last)), now
	}
	return n, longest, nil
}
