//go:build linux

package confine_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/internal/confine"
)

func TestRunIsConfined(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give anything up")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "cat /proc/self/status; readlink /proc/self/ns/net")
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &out
	if err := confine.Run(cmd, confine.User{UID: 64999}); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	fields := make(map[string]string)
	for line := range strings.Lines(out.String()) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	for name, want := range map[string]string{
		"Uid": "64999 64999 64999 64999", "Gid": "64999 64999 64999 64999", "Groups": "", "NoNewPrivs": "1",
		"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		if fields[name] != want {
			t.Errorf("%s is %q, want %q", name, fields[name], want)
		}
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), own) {
		t.Error("the program shares this process's network namespace")
	}
}

func TestStartInheritsNothing(t *testing.T) {
	leak, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close() //nolint:errcheck // only read
	given, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close() //nolint:errcheck // only read
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.ExtraFiles = []*os.File{given}
	if err := confine.Start(cmd, confine.User{UID: 64999}); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // it was killed
	defer cmd.Process.Kill() //nolint:errcheck // it is a child that was not waited for
	dir := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	// The program's loader has a library open for a moment; what was inherited
	// would stay.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		name, nameErr := os.ReadFile(dir + "comm")
		files, filesErr := os.ReadDir(dir + "fd")
		if string(name) == "sleep\n" && len(files) == 4 {
			break
		}
		if err := errors.Join(nameErr, filesErr); err != nil || time.Now().After(deadline) {
			t.Fatalf("%q has open files %v, %v; want the standard three and the one given", name, files, err)
		}
	}
	limits, err := os.ReadFile(dir + "limits")
	if err != nil || !regexp.MustCompile(`Max core file size\s+0\s+0\s`).Match(limits) {
		t.Errorf("core files are not off: %s, %v", limits, err)
	}
}

func TestStartFails(t *testing.T) {
	if err := confine.Start(exec.CommandContext(t.Context(), "/not/there"), confine.User{UID: 64999}); err == nil {
		t.Error("a program that is not there was started")
	}
}
