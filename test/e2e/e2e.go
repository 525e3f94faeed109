// Package e2e runs whole clouds for the end-to-end tests: the real binary, real
// guests, real packets and real clients. Each cloud has a data folder, a port and
// a public pool of its own, and leaves nothing behind when its test ends.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// T is what a cloud needs of the test that it runs in: a testing.TB, or what
// stands for one in a program.
type T interface {
	Helper()
	Context() context.Context
	TempDir() string
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Cloud is one running cloud.
type Cloud struct {
	t    T
	Data string
	Addr string // of the endpoint, host:port
	Pool netip.Prefix
	Env  []string // AWS_* variables, as `vauban env` prints them
	args []string
	proc *exec.Cmd
	done chan struct{} // closed when proc has ended
}

// Binary returns the path of the vauban binary: the one that VAUBAN_TEST_BINARY
// names, or one that is built once a test run.
var Binary = sync.OnceValue(func() string {
	if bin := os.Getenv("VAUBAN_TEST_BINARY"); bin != "" {
		return bin
	}
	dir, err := os.MkdirTemp("", "vauban-e2e-")
	if err != nil {
		panic(err)
	}
	bin := filepath.Join(dir, "vauban")
	build := exec.Command("go", "build", "-o", bin, "github.com/vauban-cloud/vauban/cmd/vauban") //nolint:noctx // once
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build vauban: %v\n%s", err, out))
	}
	return bin
})

// Cache keeps image builds between test runs.
func Cache() string {
	if dir := os.Getenv("VAUBAN_TEST_CACHE"); dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "vauban-test")
}

// Start starts a cloud with the given extra flags of `vauban up`, and has it
// taken down, with everything that it made, when the test ends.
func Start(t T, flags ...string) *Cloud {
	t.Helper()
	return StartIn(t, func(string) {}, flags...)
}

// StartIn is Start; prepare is called with the cloud's folder before anything runs in it.
func StartIn(t T, prepare func(data string), flags ...string) *Cloud {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("end-to-end tests make networks and guests, and need root: run them with sudo")
	}
	data, err := os.MkdirTemp("", "vauban-") // short: sockets below it have a limit of 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o711); err != nil { //nolint:gosec // guests' users pass through it
		t.Fatal(err)
	}
	c := &Cloud{t: t, Data: data, Addr: freePort(t), Pool: FreePool(t)}
	c.args = append([]string{"--listen", c.Addr, "--public-pool", c.Pool.String(), "--stop-grace", "20s"}, flags...)
	prepare(data)
	t.Cleanup(c.destroy)
	c.Up()
	return c
}

func freePort(t T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// FreePool picks a /24 of the shared address space (RFC 6598) that nothing on
// the machine routes.
func FreePool(t T) netip.Prefix {
	t.Helper()
	for n := range 1000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(65 + (os.Getpid()+n)%60), byte(n * 7), 0}), 24)
		out, err := exec.CommandContext(t.Context(), "ip", "-4", "route", "show", "root", p.String()).Output()
		if err == nil && len(bytes.TrimSpace(out)) == 0 && reserve(p) {
			return p
		}
	}
	t.Fatal("no free range for public addresses in 100.64.0.0/10")
	return netip.Prefix{}
}

var pools sync.Map // ranges given to clouds of this process

func reserve(p netip.Prefix) bool {
	_, taken := pools.LoadOrStore(p, true)
	return !taken
}

// Up starts the cloud's process, and waits until it answers.
func (c *Cloud) Up() {
	c.t.Helper()
	c.Exec()
	c.Eventually("the cloud answers", 60*time.Second, func() error {
		select {
		case <-c.done:
			c.t.Fatalf("vauban ended:\n%s", c.Log())
		default:
		}
		_, err := c.Try("status")
		return err
	})
	c.Env = c.readEnv()
}

// Exec starts the cloud's process, and does not wait for it to answer.
func (c *Cloud) Exec() {
	c.t.Helper()
	log, err := os.OpenFile(filepath.Join(c.Data, "vauban.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.proc = exec.Command(Binary(), append([]string{"up", "--data", c.Data}, c.args...)...) //nolint:noctx // ended by destroy
	c.proc.Stdout, c.proc.Stderr = log, log
	c.proc.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.proc.Start(); err != nil {
		c.t.Fatal(err)
	}
	done, proc := make(chan struct{}), c.proc
	c.done = done
	go func() { defer close(done); _ = proc.Wait() }() // how it ended is in the log
}

func (c *Cloud) readEnv() []string {
	var env []string
	for line := range strings.Lines(c.Vauban("env")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			env = append(env, v)
		}
	}
	return env
}

// Kill ends the cloud's process at once, as a crash would. Guests go on.
func (c *Cloud) Kill() {
	c.t.Helper()
	if err := c.proc.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	<-c.done
}

// PID returns the process of the control plane.
func (c *Cloud) PID() int { return c.proc.Process.Pid }

// Vauban runs a command of the operator, which must succeed.
func (c *Cloud) Vauban(args ...string) string {
	c.t.Helper()
	out, err := c.Try(args...)
	if err != nil {
		c.t.Fatalf("vauban %s: %v\n%s", strings.Join(args, " "), err, c.Log())
	}
	return out
}

// Try runs a command of the operator.
func (c *Cloud) Try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(), append(args, "--data", c.Data)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Log returns the end of the cloud's log.
func (c *Cloud) Log() string {
	f, err := os.Open(filepath.Join(c.Data, "vauban.log"))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-16<<10), io.SeekStart) // the whole log will do
	}
	b, _ := io.ReadAll(f)
	return string(b)
}

// destroy takes the cloud down and checks that nothing of it is left.
func (c *Cloud) destroy() {
	if c.t.Failed() {
		c.t.Logf("log of the cloud:\n%s", c.Log())
	}
	if out, err := c.Try("down"); err != nil {
		c.t.Errorf("vauban down: %v\n%s", err, out)
	}
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		c.t.Error("vauban did not end after down")
		_ = c.proc.Process.Kill()
		<-c.done
	}
	for _, left := range c.Leftovers() {
		c.t.Errorf("left behind: %s", left)
	}
	if err := os.RemoveAll(c.Data); err != nil {
		c.t.Error(err)
	}
}

// Leftovers lists the processes, namespaces, links, routes and nftables tables
// that carry the cloud's mark.
func (c *Cloud) Leftovers() (left []string) {
	for _, program := range []string{"qemu-system-x86_64", "qemu-storage-daemon"} {
		for _, p := range c.Processes(program) {
			left = append(left, fmt.Sprintf("process %d, a %s", p, program))
		}
	}
	for _, q := range [][]string{
		{"ip", "-o", "netns", "list"}, {"ip", "-o", "link"}, {"ip", "-4", "route", "show", "root", c.Pool.String()}, {"nft", "list", "tables"},
	} {
		out, err := exec.Command(q[0], q[1:]...).CombinedOutput() //nolint:noctx,gosec // fixed commands
		if err != nil {
			left = append(left, fmt.Sprintf("%v: %v", q, err))
		}
		for line := range strings.Lines(string(out)) {
			if c.marked(line) {
				left = append(left, strings.TrimSpace(line))
			}
		}
	}
	return left
}

// marked reports whether a name or route is the cloud's.
func (c *Cloud) marked(line string) bool {
	network := strings.TrimSuffix(c.Pool.Addr().String(), "0")
	return strings.Contains(line, network) || c.ID() != "" && (strings.Contains(line, "vb"+c.ID()) || strings.Contains(line, "vauban_"+c.ID()))
}

// ID returns the cloud's short ID, as in the names that it gives.
func (c *Cloud) ID() string {
	b, err := os.ReadFile(filepath.Join(c.Data, "cloud-id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Processes returns the processes of that program whose arguments or environment name the
// cloud's folder.
func (c *Cloud) Processes(program string) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue // it ended meanwhile
		}
		name, args, _ := bytes.Cut(b, []byte{0})
		if filepath.Base(string(name)) != program {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && bytes.Contains(append(args, env...), []byte(c.Data+"/")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Taps counts the guests' network devices in all of the cloud's namespaces.
func (c *Cloud) Taps() (n int) {
	out, err := exec.Command("ip", "netns", "list").Output() //nolint:noctx // at once
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "vb"+c.ID()+"-") {
			continue
		}
		links, err := exec.Command("ip", "-n", name, "-o", "link", "show", "type", "tun").Output() //nolint:noctx // at once
		if err != nil {
			c.t.Fatal(err)
		}
		n += bytes.Count(links, []byte("\n"))
	}
	return n
}

// Disks counts the volumes on the host's disk.
func (c *Cloud) Disks() int {
	entries, err := os.ReadDir(filepath.Join(c.Data, "disks", "volumes"))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(entries)
}

// slowness is how many times longer than on a machine of their own tests may wait: those
// that run them are shared.
const slowness = 4

// Eventually tries until ok returns nil, and fails the test when slowness times the time is
// over.
func (c *Cloud) Eventually(what string, within time.Duration, ok func() error) {
	c.t.Helper()
	within *= slowness
	deadline := time.Now().Add(within)
	for {
		err := ok()
		if err == nil {
			return
		}
		if c.t.Context().Err() != nil {
			c.t.Fatalf("interrupted while waiting until %s: %v", what, err)
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %v: %s: %v", within, what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Tiny publishes the tiny image and returns its ID. It is built once, and kept.
func (c *Cloud) Tiny() string { return c.Image("vauban-tiny") }

// Image publishes an image that can be built, and returns its ID.
func (c *Cloud) Image(name string) string {
	c.t.Helper()
	cache := Cache()
	if err := os.MkdirAll(cache, 0o711); err != nil {
		c.t.Fatal(err)
	}
	unlock := lock(c.t, filepath.Join(cache, "lock"))
	defer unlock()
	if err := os.Symlink(cache, filepath.Join(c.Data, "cache")); err != nil && !errors.Is(err, os.ErrExist) {
		c.t.Fatal(err)
	}
	c.Vauban("image", "build", name)
	var list []struct{ ID, Name string }
	if err := json.Unmarshal([]byte(c.Vauban("image", "list", "--json")), &list); err != nil {
		c.t.Fatal(err)
	}
	for _, i := range list {
		if i.Name == name {
			return i.ID
		}
	}
	c.t.Fatalf("image %s was built but is not in the list", name)
	return ""
}

// lock holds a file lock, since test processes share the cache.
func lock(t T, path string) (unlock func()) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
