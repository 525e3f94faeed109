package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestDoors has every boto3 of the machine, and browsers' requests beside it, come to
// objects without a signature, by forms, websites and other origins.
func TestDoors(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	tried := 0
	for _, python := range installed(t, "python3") {
		version, err := exec.CommandContext(t.Context(), python, "-c", "import boto3; print(boto3.__version__)").Output()
		if err != nil {
			continue // TestBoto3 says so of Debian's
		}
		tried++
		t.Run(strings.TrimSpace(string(version)), func(t *testing.T) {
			if out, err := c.Run(python, "testdata/boto3_doors.py", "http://"+c.Addr); err != nil {
				t.Errorf("%s: %v\n%s", python, err, out)
			}
		})
	}
	if tried == 0 {
		t.Error("no python3 has boto3: install python3-boto3")
	}
}
