//go:build linux

package qemu_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
)

// supervise is the life of a process that starts guests and is then killed. The
// environment names them, and where their files are.
func supervise(dir string) {
	d, err := qemu.New(qemu.Config{Dir: dir})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for field := range strings.FieldsSeq(os.Getenv("VAUBAN_TEST_GUESTS")) {
		id, uid, _ := strings.Cut(field, "=")
		wg.Go(func() {
			spec := hypervisor.Spec{
				ID: id, Starts: 1, VCPUs: 1, MemoryMiB: 192,
				Kernel: os.Getenv("VAUBAN_TEST_KERNEL"), Initrd: os.Getenv("VAUBAN_TEST_INITRD"), Append: os.Getenv("VAUBAN_TEST_APPEND"),
			}
			spec.UID, _ = strconv.Atoi(uid)
			if err := d.Start(context.Background(), spec, nil); err != nil {
				fmt.Println("failed:", err)
			}
		})
	}
	wg.Wait()
	fmt.Println("started")
	select {}
}

// startSupervisor runs supervise in a process group of its own, and returns
// the function that kills the whole group.
func startSupervisor(t *testing.T, dir string, ids []string) (output *strings.Builder, kill func()) {
	t.Helper()
	var guests []string
	for _, id := range ids {
		guests = append(guests, fmt.Sprintf("%s=%d", id, theLab.users.Add(1)))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self) //nolint:noctx // killed below
	cmd.Env = append(os.Environ(), "VAUBAN_TEST_SUPERVISE="+dir, "VAUBAN_TEST_GUESTS="+strings.Join(guests, " "),
		"VAUBAN_TEST_KERNEL="+theLab.guest.Kernel, "VAUBAN_TEST_INITRD="+theLab.guest.Initrd, "VAUBAN_TEST_APPEND="+theLab.guest.Append)
	output = new(strings.Builder)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return output, func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // its own group
		cmd.Wait()                                      //nolint:errcheck // it was killed
	}
}

func TestGuestsOutliveTheirSupervisor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(dir(t), "guests")
	_, kill := startSupervisor(t, dir, []string{"i-0a", "i-0b"})
	pids := make(map[string]int)
	for deadline := time.Now().Add(patience); len(pids) < 2; time.Sleep(10 * time.Millisecond) {
		for _, id := range []string{"i-0a", "i-0b"} {
			if found, err := qemu.Processes(dir, id); err != nil {
				t.Fatal(err)
			} else if len(found) == 1 {
				pids[id] = found[0]
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("guests did not start: %v", pids)
		}
	}
	kill()

	d := open(t, qemu.Config{Dir: dir})
	list, err := d.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("guests %+v, %v", list, err)
	}
	for _, g := range list {
		if g.State != hypervisor.Running || g.PID != pids[g.ID] || g.Starts != 1 {
			t.Errorf("guest %+v, want it running as process %d", g, pids[g.ID])
		}
	}
	guest := inside{t, d, "i-0a"}
	guest.Up(1)
	guest.PowerOff()
	for id := range d.Changed() {
		if list, err := d.List(t.Context()); err != nil {
			t.Fatal(err)
		} else if id == "i-0a" && list[0].State == hypervisor.Halted {
			break
		}
	}
}

// TestSupervisorDiesWhileStarting kills it at random moments. Whatever was
// begun must then be known to the next one, and removable without a rest.
func TestSupervisorDiesWhileStarting(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts many guests")
	}
	var ids []string
	for i := range 6 {
		ids = append(ids, fmt.Sprintf("i-0%d", i))
	}
	for range 8 {
		dir := filepath.Join(dir(t), "guests")
		output, kill := startSupervisor(t, dir, ids)
		time.Sleep(time.Duration(30+rand.IntN(500)) * time.Millisecond)
		kill()
		if strings.Contains(output.String(), "failed") {
			t.Errorf("supervisor: %s", output)
		}
		d := open(t, qemu.Config{Dir: dir})
		list, err := d.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for _, g := range list {
			if g.State == hypervisor.Running {
				running++
			}
			var status struct{ Status string }
			if g.State == hypervisor.Running {
				if err := d.Do(t.Context(), g.ID, "query-status", nil, &status); err != nil || status.Status != "running" {
					t.Errorf("adopted guest %s is %q, %v", g.ID, status.Status, err)
				}
			}
			if err := d.Remove(t.Context(), g.ID); err != nil {
				t.Error(err)
			}
		}
		t.Logf("%d guests were known, %d ran", len(list), running)
		for _, id := range ids {
			if found, err := qemu.Processes(dir, id); err != nil || len(found) != 0 {
				t.Errorf("processes left of %s: %v, %v", id, found, err)
			}
		}
		closeDriver(t, d)
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 { // the lock
			t.Errorf("files left: %v, %v", files, err)
		}
	}
}
