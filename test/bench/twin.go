package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// twin is a guest that is started by hand: a plain child process with the
// command line that the cloud used, a fresh overlay of the same image, and a port
// of a network like the cloud's.
type twin struct {
	*bench
	dir  string
	args []string // the program's first
	net  *handNetwork
}

// twin prepares the twin of a running guest, which may end then.
func (t tenant) twin(i types.Instance) *twin {
	w := &twin{bench: t.bench, dir: t.TempDir()}
	pids := t.cloud.Processes(qemuProgram)
	if len(pids) != 1 {
		t.Fatalf("the cloud has guest processes %v, want one", pids)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pids[0]))
	t.must(err)
	w.args = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	t.must(w.adapt())
	nic := i.NetworkInterfaces[0]
	w.net = t.handNetwork(port{
		instance: *i.InstanceId, id: *nic.NetworkInterfaceId, mac: *nic.MacAddress, address: netip.MustParseAddr(*nic.PrivateIpAddress),
	})
	return w
}

// adapt leaves of the command line all but its name, its disks, and the pause
// in which the driver asks QEMU how it is.
func (w *twin) adapt() error {
	w.args = slices.DeleteFunc(w.args, func(a string) bool { return a == "-S" })
	for k, arg := range w.args[:len(w.args)-1] {
		value := &w.args[k+1]
		switch arg {
		case "-name":
			*value = w.dir
		case "-blockdev":
			var node map[string]any
			if err := json.Unmarshal([]byte(*value), &node); err != nil {
				return fmt.Errorf("read -blockdev %s: %w", *value, err)
			}
			if err := w.overlay(node); err != nil {
				return err
			}
			b, err := json.Marshal(node)
			if err != nil {
				return err
			}
			*value = string(b)
		}
	}
	return nil
}

// overlay gives a block node, or the one beneath it, a fresh disk.
func (w *twin) overlay(node map[string]any) error {
	if below, ok := node["file"].(map[string]any); ok {
		return w.overlay(below)
	}
	disk, ok := node["filename"].(string)
	if !ok {
		return fmt.Errorf("block node %v has no file", node)
	}
	var info struct {
		Size    int64  `json:"virtual-size"`
		Backing string `json:"full-backing-filename"`
		Format  string `json:"backing-filename-format"`
	}
	out, err := exec.Command("qemu-img", "info", "-U", "--output=json", disk).Output() //nolint:noctx // at once
	if err == nil {
		err = json.Unmarshal(out, &info)
	}
	if err == nil && info.Backing == "" {
		err = errors.New("it is no overlay")
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", disk, err)
	}
	name := filepath.Join(w.dir, filepath.Base(disk))
	base := name + ".base"
	if err := os.Link(info.Backing, base); err != nil { // the cloud's own name of it goes with its guest
		return err
	}
	out, err = exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", info.Format, "-b", base, name, fmt.Sprint(info.Size)).CombinedOutput() //nolint:noctx // at once
	if err != nil {
		return fmt.Errorf("make overlay of %s: %w: %s", base, err, out)
	}
	node["filename"] = name
	return nil
}

// run runs the twin, and returns how long it took from the start of the process
// until SSH answered.
func (w *twin) run() time.Duration {
	log, err := os.Create(filepath.Join(w.dir, "log"))
	w.must(err)
	defer log.Close()        //nolint:errcheck // read below
	var inherited []*os.File // in the order of the driver: monitor, serial port, agent, console log, card
	defer func() {
		for _, f := range inherited {
			f.Close() //nolint:errcheck // nothing was written
		}
	}()
	for _, name := range []string{"monitor", "serial", "agent"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(w.dir, name), Net: "unix"})
		w.must(err)
		f, err := l.File()
		w.must(errors.Join(err, l.Close()))
		inherited = append(inherited, f)
	}
	console, err := os.OpenFile(filepath.Join(w.dir, "console"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	w.must(err)
	inherited = append(inherited, console, w.net.tap())

	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	cmd := exec.Command(w.args[0], w.args[1:]...) //nolint:gosec,noctx // the driver's; killed below
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, inherited
	begin := time.Now()
	w.must(cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(fmt.Errorf("QEMU ended: %v", cmd.Wait())) //nolint:errorlint // nil is an end too
	}()
	err = awaitSSH(ctx, w.net.public)
	took := time.Since(begin)
	cmd.Process.Kill() //nolint:errcheck // it may have ended
	<-done
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		printed, _ := os.ReadFile(console.Name())
		w.Fatalf("the guest that was started by hand: %v\n%s\n%s", err, said, printed)
	}
	w.net.close()
	return took
}
