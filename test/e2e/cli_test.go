package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestCommandLine has every aws of the machine, the first of PATH and Debian's,
// drive one cloud.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami := c.Tiny()
	fleet(t, c.EC2(), ami, "cli", 6)
	for n, program := range installed(t, "aws") {
		name := "cli" + strconv.Itoa(n)
		line := commandLine{program, c}
		t.Run(name, func(t *testing.T) {
			t.Parallel() // mostly waits
			t.Log(line.try("--version"))
			t.Run("life", func(t *testing.T) { line.life(t, ami, name) })
			t.Run("pages", line.pages)
			t.Run("unsupported", line.unsupported)
		})
	}
}

// commandLine is one aws, and the cloud that it talks to.
type commandLine struct {
	program string
	c       *e2e.Cloud
}

// try runs a command, with --endpoint-url, since Debian's aws is older than
// AWS_ENDPOINT_URL.
func (l commandLine) try(args ...string) (string, error) {
	out, err := l.c.Run(l.program, append([]string{"--endpoint-url", "http://" + l.c.Addr, "--output", "text"}, args...)...)
	return strings.TrimSpace(out), err
}

// must runs a command that must succeed.
func (l commandLine) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := l.try(args...)
	if err != nil {
		t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// refused runs a command that must fail with that code.
func (l commandLine) refused(t *testing.T, code string, args ...string) {
	t.Helper()
	if out, err := l.try(args...); err == nil || !strings.Contains(err.Error(), "("+code+") when calling") {
		t.Errorf("aws %s: want %s, got %v\n%s", strings.Join(args, " "), code, err, out)
	}
}

// life launches an instance with user data from a file, waits for it with the
// waiters, gives it a disk and tags, and ends it.
func (l commandLine) life(t *testing.T, ami, name string) {
	script := filepath.Join(t.TempDir(), "user-data")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho told by a file of "+name), 0o600); err != nil {
		t.Fatal(err)
	}
	run := []string{
		"ec2", "run-instances", "--image-id", ami, "--instance-type", "t2.nano", "--user-data", "file://" + script, "--client-token", name,
		"--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=" + name + "}]", "--query", "Instances[0].InstanceId",
	}
	l.refused(t, "DryRunOperation", append(run, "--dry-run")...)
	id := l.must(t, run...)
	if again := l.must(t, run...); again != id {
		t.Errorf("the same client token launched %s and %s", id, again)
	}
	l.must(t, "ec2", "wait", "instance-running", "--instance-ids", id)
	if got := l.must(t, "ec2", "describe-instances", "--filters", "Name=tag:Name,Values="+name, "Name=instance-state-name,Values=running", "--query", "Reservations[].Instances[].InstanceId"); got != id {
		t.Errorf("by its tag and state one finds %q, want %s", got, id)
	}
	zone := l.must(t, "ec2", "describe-instances", "--instance-ids", id, "--query", "Reservations[0].Instances[0].Placement.AvailabilityZone")
	volume := l.must(t, "ec2", "create-volume", "--availability-zone", zone, "--size", "1", "--query", "VolumeId")
	l.must(t, "ec2", "wait", "volume-available", "--volume-ids", volume)
	l.must(t, "ec2", "attach-volume", "--volume-id", volume, "--instance-id", id, "--device", "/dev/sdf")
	l.must(t, "ec2", "wait", "volume-in-use", "--volume-ids", volume)
	l.refused(t, "VolumeInUse", "ec2", "delete-volume", "--volume-id", volume)
	l.must(t, "ec2", "wait", "instance-status-ok", "--instance-ids", id)
	if got := l.must(t, "ec2", "describe-instance-attribute", "--instance-id", id, "--attribute", "userData", "--query", "UserData.Value"); got == "None" {
		t.Error("the instance has no user data")
	}
	l.must(t, "ec2", "detach-volume", "--volume-id", volume)
	l.must(t, "ec2", "terminate-instances", "--instance-ids", id)
	l.must(t, "ec2", "wait", "instance-terminated", "--instance-ids", id)
	l.must(t, "ec2", "wait", "volume-available", "--volume-ids", volume)
	l.must(t, "ec2", "delete-volume", "--volume-id", volume)
	l.refused(t, "IncorrectInstanceState", "ec2", "start-instances", "--instance-ids", id)
}

// pages lists by pages of five, all and some.
func (l commandLine) pages(t *testing.T) {
	list := []string{"ec2", "describe-instances", "--filters", "Name=tag:fleet,Values=cli", "--page-size", "5", "--query"}
	ids := map[string]bool{}
	for id := range strings.FieldsSeq(l.must(t, append(list, "Reservations[].Instances[].InstanceId")...)) {
		ids[id] = true
	}
	if len(ids) != 6 {
		t.Errorf("%d instances, want 6: %v", len(ids), ids)
	}
	some := l.must(t, append(list, "Reservations[].ReservationId", "--max-items", "1")...)
	if fields := strings.Fields(some); len(fields) != 2 || fields[1] != "None" { // text output ends with a word for the token
		t.Errorf("one reservation is %q", some)
	}
	l.refused(t, "InvalidParameterValue", "ec2", "describe-volumes", "--no-paginate", "--max-results", "4")
}

// unsupported calls what is not there, in the protocols that services speak.
func (l commandLine) unsupported(t *testing.T) {
	l.refused(t, "UnsupportedOperation", "ec2", "describe-hosts")
	l.refused(t, "InvalidAction", "iam", "list-signing-certificates")
	l.refused(t, "NotImplemented", "s3api", "get-object-torrent", "--bucket", "none", "--key", "k", filepath.Join(t.TempDir(), "torrent"))
	l.refused(t, "UnknownOperationException", "kms", "list-keys")
	l.refused(t, "InvalidAction", "elbv2", "describe-load-balancers")
	// Newer clients ask CloudWatch in CBOR or JSON, older ones in the query protocol.
	if out, err := l.try("cloudwatch", "list-metrics"); err == nil ||
		!strings.Contains(err.Error(), "(InvalidAction)") && !strings.Contains(err.Error(), "(UnknownOperationException)") {
		t.Errorf("aws cloudwatch list-metrics: %v\n%s", err, out)
	}
}
