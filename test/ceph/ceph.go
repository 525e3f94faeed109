//go:build linux

// Package ceph brings up a small Ceph cluster of Debian's packages for tests: one monitor, one
// manager, one OSD on a sparse file, on the loopback interface, with keys. Everything is in a
// temporary folder and in child processes, which end with the test, and with its process.
package ceph

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Wanted skips the test unless VAUBAN_CEPH asks for a cluster.
func Wanted(t testing.TB) {
	t.Helper()
	if os.Getenv("VAUBAN_CEPH") == "" {
		t.Skip("brings up a Ceph cluster: run make test-ceph")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// Cluster is a cluster that runs.
type Cluster struct {
	Conf    string // its ceph.conf
	Pool    string
	User    string // who may use RBD in the pool, and nothing else
	Keyring string // with that user's key
	dir     string
	osd     *daemon
	logf    func(string, ...any)
}

// daemon is a child process.
type daemon struct {
	process *os.Process
	ended   chan struct{}
}

// Start brings up a cluster. end takes it down.
func Start(logf func(string, ...any)) (c *Cluster, end func(), err error) {
	dir, err := os.MkdirTemp("", "vauban-ceph-")
	if err != nil {
		return nil, nil, err
	}
	c = &Cluster{dir: dir, Conf: filepath.Join(dir, "ceph.conf"), Pool: "volumes", User: "vauban", Keyring: filepath.Join(dir, "vauban.keyring"), logf: logf}
	var daemons []*daemon
	end = func() {
		for _, d := range daemons {
			d.end()
		}
		os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	}
	if daemons, err = c.start(); err != nil {
		for _, name := range []string{"mon", "osd", "mgr"} {
			out, _ := os.ReadFile(filepath.Join(dir, name+".out"))
			err = fmt.Errorf("%w\n%s: %s", err, name, out[max(0, len(out)-2000):])
		}
		end()
		return nil, nil, err
	}
	return c, end, nil
}

const conf = `[global]
fsid = %[1]s
mon host = v2:127.0.0.1:%[2]d
public addr = 127.0.0.1
ms bind ipv6 = false
keyring = %[3]s/keyring
mon data = %[3]s/mon
mgr data = %[3]s/mgr
osd data = %[3]s/osd
run dir = %[3]s
admin socket = %[3]s/$name.asok
log file = /dev/null
mon cluster log file = /dev/null
osd objectstore = bluestore
bluestore block size = 12884901888
bluestore cache autotune = false
bluestore cache size = 67108864
osd memory target = 939524096
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 0
auth allow insecure global id reclaim = false
`

func (c *Cluster) start() (daemons []*daemon, err error) {
	for _, d := range []string{"mon", "mgr", "osd"} {
		if err := os.Mkdir(filepath.Join(c.dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	id, disk := uuid(), uuid()
	if err := os.WriteFile(c.Conf, fmt.Appendf(nil, conf, id, port, c.dir), 0o644); err != nil { //nolint:gosec // no secret
		return nil, err
	}
	keys, monmap := filepath.Join(c.dir, "keyring"), filepath.Join(c.dir, "monmap")
	run := func(args ...string) {
		if err == nil {
			_, err = c.Run(args...)
		}
	}
	begin := func(name string, args ...string) {
		if err == nil {
			var d *daemon
			if d, err = c.daemon(name, args...); err == nil {
				daemons = append(daemons, d)
			}
		}
	}
	run("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
	run("ceph-authtool", keys, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
	run("ceph-authtool", keys, "--gen-key", "-n", "mgr.x", "--cap", "mon", "allow profile mgr", "--cap", "osd", "allow *")
	run("ceph-authtool", keys, "--gen-key", "-n", "osd.0", "--cap", "mon", "allow profile osd", "--cap", "mgr", "allow profile osd", "--cap", "osd", "allow *")
	run("monmaptool", "--create", "--fsid", id, "--addv", "a", fmt.Sprintf("[v2:127.0.0.1:%d]", port), monmap)
	run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keys)
	begin("mon", "ceph-mon", "-f", "-i", "a")
	run("ceph", "osd", "new", disk)
	run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
	begin("mgr", "ceph-mgr", "-f", "-i", "x")
	begin("osd", "ceph-osd", "-f", "-i", "0")
	if err == nil {
		c.osd = daemons[len(daemons)-1]
	}
	run("ceph", "osd", "pool", "create", c.Pool, "8")
	run("ceph", "osd", "pool", "application", "enable", c.Pool, "rbd")
	run("ceph", "auth", "get-or-create", "client."+c.User, "mon", "profile rbd", "osd", "profile rbd pool="+c.Pool, "mgr", "profile rbd pool="+c.Pool, "-o", c.Keyring)
	for deadline := time.Now().Add(2 * time.Minute); err == nil; time.Sleep(200 * time.Millisecond) {
		var out []byte
		if out, err = c.Run("ceph", "df", "--format", "json"); bytes.Contains(out, []byte(`"`+c.Pool+`"`)) && !bytes.Contains(out, []byte(`"max_avail":0`)) {
			return daemons, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("the OSD is not up: %s", out)
		}
	}
	return daemons, err
}

// Run runs a tool with the cluster's configuration, as its administrator.
func (c *Cluster) Run(args ...string) ([]byte, error) {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // a test's
	cmd.Env = append(os.Environ(), "CEPH_CONF="+c.Conf, "CEPH_ARGS=--connect-timeout=60")
	if args[0] != "ceph" {
		cmd.Env[len(cmd.Env)-1] = "CEPH_ARGS="
	}
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, says.String())
	}
	return out.Bytes(), nil
}

// daemon starts a child that ends with this process.
func (c *Cluster) daemon(name string, args ...string) (*daemon, error) {
	output, err := os.Create(filepath.Join(c.dir, name+".out"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // a test's
	cmd.Env = append(os.Environ(), "CEPH_CONF="+c.Conf)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	d, began := &daemon{ended: make(chan struct{})}, make(chan error)
	go func() {
		runtime.LockOSThread() // a child ends with the thread that started it
		began <- cmd.Start()
		if cmd.Process != nil {
			cmd.Wait() //nolint:errcheck // it is killed
		}
		close(d.ended)
	}()
	if err := <-began; err != nil {
		return nil, err
	}
	d.process = cmd.Process
	return d, nil
}

func (d *daemon) end() {
	d.process.Kill() //nolint:errcheck // it has ended otherwise
	<-d.ended
}

// Pause stops the OSD, and Resume lets it go on: in between nothing is read or written.
func (c *Cluster) Pause() error { return c.osd.process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (c *Cluster) Resume() error { return c.osd.process.Signal(syscall.SIGCONT) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // of a TCP listener
}

func uuid() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/uuid")
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(text))
}
