//go:build linux

package rbd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
	"github.com/vauban-cloud/vauban/driver/internal/confine"
	"github.com/vauban-cloud/vauban/driver/internal/process"
)

// A volume that is open has a folder with two sockets, and a server: a qemu-storage-daemon
// that has its layers open, and exports each under its name. The first socket is the user's,
// the second the driver's. The server knows no format and no key but the cluster's.

// mark is the variable of a server's environment that has its folder: a process is found by it.
const mark = "VAUBAN_SERVES="

const (
	quitPatience = 3 * time.Second // for a server to close its images before it is killed
	endPatience  = 30 * time.Second
)

// server is the process that serves a volume.
type server struct {
	*process.Handle
	ended chan struct{}

	retired atomic.Bool // its end is wanted
}

func (d *Driver) folder(volume string) string { return d.path("open", volume) }

// socket is where a volume's layers are exported while it is open.
func (d *Driver) socket(volume string) string { return filepath.Join(d.folder(volume), "nbd.sock") }

func (d *Driver) monitor(volume string) string {
	return filepath.Join(d.folder(volume), "monitor.sock")
}

// startServer makes the sockets and starts a process that listens on them.
func (d *Driver) startServer(volume string, uid int) (*server, error) {
	home := d.folder(volume)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	exports, err := listen(d.socket(volume))
	if err != nil {
		return nil, err
	}
	defer exports.Close() //nolint:errcheck // the process has it
	monitor, err := listen(d.monitor(volume))
	if err != nil {
		return nil, err
	}
	defer monitor.Close() //nolint:errcheck // the process has it
	output, err := os.OpenFile(filepath.Join(home, "log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close() //nolint:errcheck // the process writes it
	if os.Geteuid() == 0 {
		// The folder is the driver's, so nobody can exchange what is in it; its group, the
		// user's own, may pass through.
		err = errors.Join(os.Chown(home, 0, uid), os.Chmod(home, 0o710), os.Chown(d.socket(volume), uid, uid)) //nolint:gosec // as intended
	}
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("qemu-storage-daemon", //nolint:gosec,noctx // servers outlive any context
		"--nbd-server", "addr.type=fd,addr.str=3,max-connections=0",
		"--chardev", "socket,id=monitor,fd=4,server=on,wait=off", "--monitor", "chardev=monitor")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", mark + home}
	cmd.ExtraFiles = []*os.File{exports, monitor}
	cmd.Stdout, cmd.Stderr = output, output
	if err := confine.Start(cmd, confine.User{UID: d.cfg.UID, Network: true}); err != nil {
		return nil, err
	}
	s, err := newServer(cmd.Process.Pid)
	if err != nil {
		cmd.Process.Kill() //nolint:errcheck // a child that was not waited for
		cmd.Wait()         //nolint:errcheck // it was killed
		return nil, err
	}
	s.Child = cmd
	return s, nil
}

// listen makes a listening socket for a process to inherit, which its owner may connect to.
func listen(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer l.Close() //nolint:errcheck // the copy stays
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

func newServer(pid int) (*server, error) {
	h, err := process.Open(pid)
	if err != nil {
		return nil, err
	}
	return &server{Handle: h, ended: make(chan struct{})}, nil
}

// findServer returns the process that serves from a folder, nil if there is none. The handle
// comes first, so that what is then found holds for what was opened.
func findServer(home string) (*server, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || !serves(pid, home) {
			continue
		}
		s, err := newServer(pid)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if serves(pid, home) {
			return s, nil
		}
		s.Close()
	}
	return nil, nil
}

func serves(pid int, home string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false // it has ended
	}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if entry == mark+home {
			return true
		}
	}
	return false
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// end has the process close its images and end, or kills it.
func (s *server) end(ctx context.Context, monitor string) error {
	s.retired.Store(true)
	quit, cancel := context.WithTimeout(ctx, quitPatience)
	defer cancel()
	if m, err := talk(quit, monitor); err == nil {
		m.Do(quit, "quit", nil, nil) //nolint:errcheck // it is killed otherwise
		select {
		case <-s.ended:
		case <-quit.Done():
		}
		m.Close() //nolint:errcheck // it has ended
	}
	if s.hasEnded() {
		return nil
	}
	if err := s.Kill(); err != nil && !s.hasEnded() {
		return err
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	select {
	case <-s.ended:
		return nil
	case <-wait.Done():
		return fmt.Errorf("process %d does not end", s.PID)
	}
}

// talk connects to a server's monitor.
func talk(ctx context.Context, monitor string) (*qmp.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", monitor)
	if err != nil {
		return nil, err
	}
	return qmp.New(ctx, conn.(*net.UnixConn), func(qmp.Event) {}) //nolint:forcetypeassert // of a Unix address
}
