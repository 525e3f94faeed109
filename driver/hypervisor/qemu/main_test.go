//go:build linux

package qemu_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest"
	"github.com/vauban-cloud/vauban/driver/hypervisor/hypervisortest/guest"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// patience is how long a guest may take to boot on a busy machine without
// hardware support.
const patience = 3 * time.Minute

// lab is what all tests share.
type lab struct {
	root  string // a folder that every user may pass through
	guest guest.Files
	users atomic.Int64
}

// theLab is set by TestMain before any test runs.
var theLab lab

func TestMain(m *testing.M) {
	if dir := os.Getenv("VAUBAN_TEST_SUPERVISE"); dir != "" {
		supervise(dir) // never returns
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "qemu tests cannot run:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("guests are only separated from each other by root")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	root, err := os.MkdirTemp("", "vauban-qemu-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(root) //nolint:errcheck // a temporary folder
	if err := os.Chmod(root, 0o711); err != nil {
		return 0, err
	}
	theLab.root = root
	theLab.users.Store(700_000 + rand.Int64N(90_000)*1000)
	theLab.guest, err = guest.Build(context.Background(), filepath.Join(cache, "vauban-test-guest"), root)
	if err != nil {
		return 0, err
	}
	code := m.Run()
	if left, err := sweep(root); err != nil || left > 0 {
		return 0, fmt.Errorf("tests left %d guests (%v)", left, err)
	}
	return code, nil
}

// sweep removes the guests that failed tests left.
func sweep(root string) (left int, err error) {
	folders, err := filepath.Glob(root + "/*/guests")
	if err != nil {
		return 0, err
	}
	for _, folder := range folders {
		d, err := qemu.New(qemu.Config{Dir: folder})
		if err != nil {
			return left, err
		}
		list, err := d.List(context.Background())
		for _, g := range list {
			left++
			err = errors.Join(err, d.Remove(context.Background(), g.ID))
		}
		if err := errors.Join(err, d.Close()); err != nil {
			return left, err
		}
	}
	return left, nil
}

// dir makes a folder for the test that every user may pass through.
func dir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(theLab.root, "test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens a driver that is closed with the test, after its guests are removed.
func open(t *testing.T, cfg qemu.Config) *qemu.Driver {
	t.Helper()
	if testing.Verbose() && cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	d, err := qemu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { finish(t, d) })
	return d
}

var finished sync.Map // drivers that were closed

func closeDriver(t *testing.T, d *qemu.Driver) {
	t.Helper()
	if _, done := finished.LoadOrStore(d, true); done {
		return
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func finish(t *testing.T, d *qemu.Driver) {
	if _, done := finished.Load(d); done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := d.List(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, g := range list {
		if err := d.Remove(ctx, g.ID); err != nil {
			t.Error(err)
		}
	}
	closeDriver(t, d)
}

// newSpec returns a small guest with a disk, a card and its tap.
func newSpec(t *testing.T, id string) (hypervisor.Spec, []*os.File) {
	t.Helper()
	spec := hypervisor.Spec{
		ID: id, Starts: 1, VCPUs: 1, MemoryMiB: 192, UID: int(theLab.users.Add(1)),
		Kernel: theLab.guest.Kernel, Initrd: theLab.guest.Initrd, Append: theLab.guest.Append,
		NICs: []hypervisor.NIC{{ID: "eni-0123456789abcdef0", MAC: "02:00:00:00:00:01", MTU: 1450}},
	}
	spec.Disks = []hypervisor.Disk{newDisk(t, spec, "vol-0123456789abcdef0")}
	return spec, []*os.File{newTap(t)}
}

// newDisk makes an empty disk that is the guest's.
func newDisk(t *testing.T, spec hypervisor.Spec, id string) hypervisor.Disk {
	t.Helper()
	path := filepath.Join(dir(t), "disk, of "+id)
	if out, err := exec.CommandContext(t.Context(), "qemu-img", "create", "-q", "-f", "qcow2", path, "64M").CombinedOutput(); err != nil {
		t.Fatalf("make disk: %v: %s", err, out)
	}
	if err := os.Chown(path, spec.UID, spec.UID); err != nil {
		t.Fatal(err)
	}
	return hypervisor.Disk{ID: id, Path: path, Format: "qcow2"}
}

// newTap opens a tap in a network namespace that only the tap keeps alive.
func newTap(t *testing.T) *os.File {
	t.Helper()
	type result struct {
		file *os.File
		err  error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends in the namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			results <- result{err: err}
			return
		}
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			results <- result{err: err}
			return
		}
		request, err := unix.NewIfreq("tap0")
		if err == nil {
			request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		results <- result{os.NewFile(uintptr(fd), "tap0"), err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatalf("open tap: %v", r.err)
	}
	return r.file
}

// inside speaks to the test guest over its serial port.
type inside struct {
	t  *testing.T
	e  hypervisortest.Engine
	id string
}

var commands atomic.Int64 // numbers that no other command bears

// ask runs a command in the guest and returns its result.
func (i inside) ask(command string) string {
	i.t.Helper()
	number := commands.Add(1)
	defer i.send(fmt.Sprintf("%d %s\n", number, command))()
	prefix := fmt.Sprintf("\nguest: %d ", number)
	var result string
	i.console("answer to "+command, func(text string) bool {
		_, after, ok := strings.Cut(text, prefix)
		if !ok {
			return false
		}
		result, _, ok = strings.Cut(after, "\n")
		return ok
	})
	return result
}

// send types the text. The port drops what the guest has not read yet when it is
// closed, so that is left to the caller.
func (i inside) send(text string) (hangUp func()) {
	i.t.Helper()
	conn, err := i.e.(interface {
		Serial(ctx context.Context, id string) (net.Conn, error)
	}).Serial(i.t.Context(), i.id)
	if err != nil {
		i.t.Fatal(err)
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		i.t.Fatal(err)
	}
	go io.Copy(io.Discard, conn)   //nolint:errcheck // until hangUp
	return func() { conn.Close() } //nolint:errcheck // test
}

// console waits until the console's text is as wanted.
func (i inside) console(what string, wanted func(text string) bool) {
	i.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := i.e.Console(i.t.Context(), i.id)
		if err != nil {
			i.t.Fatal(err)
		}
		if wanted("\n" + strings.ReplaceAll(string(text), "\r", "")) {
			return
		}
		if time.Now().After(deadline) || strings.Contains(string(text), "guest: broken") {
			i.t.Fatalf("%s: no %s on the console:\n%s", i.id, what, text)
		}
	}
}

func (i inside) Up(times int) {
	i.t.Helper()
	began := time.Now()
	i.console(fmt.Sprintf("boot %d", times), func(text string) bool { return strings.Count(text, "\nguest: up\n") == times })
	i.t.Logf("%s was up after %v", i.id, time.Since(began).Round(10*time.Millisecond))
}

func (i inside) Serials() []string {
	i.t.Helper()
	serials := strings.Fields(i.ask("disks"))
	slices.Sort(serials)
	return serials
}

func (i inside) MACs() []string {
	i.t.Helper()
	return strings.Fields(i.ask("cards"))
}

func (i inside) PowerOff() {
	i.t.Helper()
	line := fmt.Sprintf("%d off\n", commands.Add(1))
	defer i.send(line)()
	i.console("echo of "+line, func(text string) bool { return strings.Contains(text, line) })
}
