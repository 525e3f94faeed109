package e2e_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestBoto3 has every boto3 of the machine go through testdata/boto3_calls.py:
// Debian's, which is some years old, and that of the first python3 if it has one.
func TestBoto3(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami := c.Tiny()
	fleet(t, c.EC2(), ami, "boto3", 7)
	for _, python := range installed(t, "python3") {
		version, err := exec.CommandContext(t.Context(), python, "-c", "import boto3; print(boto3.__version__)").Output()
		if err != nil {
			if python == "/usr/bin/python3" {
				t.Errorf("Debian's python3-boto3 is not installed: %v", err)
			}
			continue // another python, which has no boto3
		}
		t.Run(strings.TrimSpace(string(version)), func(t *testing.T) {
			if out, err := c.Run(python, "testdata/boto3_calls.py", "http://"+c.Addr, ami, "boto3"); err != nil {
				t.Errorf("%s: %v\n%s", python, err, out)
			}
		})
	}
}

// fleet launches instances that carry the tag "fleet", and ends them at once:
// they are listed for an hour after.
func fleet(t *testing.T, client *ec2.Client, ami, name string, n int32) (ids []string) {
	t.Helper()
	out, err := client.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: &ami, InstanceType: types.InstanceTypeT2Nano, MinCount: &n, MaxCount: &n,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("fleet"), Value: &name}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range out.Instances {
		ids = append(ids, *i.InstanceId)
	}
	if _, err := client.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// installed returns the paths of a program: the first of PATH and Debian's own,
// once if they are the same.
func installed(t *testing.T, name string) (paths []string) {
	t.Helper()
	var real []string
	for _, p := range []string{name, "/usr/bin/" + name} {
		path, err := exec.LookPath(p)
		if err != nil {
			t.Fatal(err)
		}
		target, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(real, target) {
			real, paths = append(real, target), append(paths, path)
		}
	}
	return paths
}
