package conformance_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// client is a program of others with a bucket of its own, and a tree of files.
type client struct {
	*testing.T
	cloud  *e2e.Cloud
	url    string // of the endpoint
	bucket string
	tree   string // folder of files
	dir    string // for whatever it makes
	env    []string
}

// TestClients has programs of others move a tree of files both ways.
func TestClients(t *testing.T) {
	c := e2e.Start(t)
	for name, move := range map[string]func(client){
		"rclone": rclone, "restic": restic, "s3cmd": s3cmd, "s5cmd": s5cmd, "boto3": boto3, "transfer-manager": transferManager,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := client{T: t, cloud: c, url: "http://" + c.Addr, bucket: "of-" + name, tree: filepath.Join(t.TempDir(), "tree"), dir: t.TempDir()}
			one.plant()
			c.AWS("s3api", "create-bucket", "--bucket", one.bucket, "--create-bucket-configuration", "LocationConstraint=eu-paris-1")
			move(one)
		})
	}
}

// plant makes the tree: files of no, some and many bytes, with names that are hard.
func (c client) plant() {
	c.Helper()
	for name, size := range map[string]int{
		"empty": 0, "small": 1000, "a b+ü%25&=.txt": 10, "deep/er/and deeper/large": 17<<20 + 1, "deep/er/'quoted'": 5, "emoji-😀": 3,
	} {
		content := make([]byte, size)
		rand.Read(content)
		path := filepath.Join(c.tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			c.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			c.Fatal(err)
		}
	}
}

// run runs a program in the test's folder, which must succeed.
func (c client) run(name string, args ...string) string {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), name, args...)
	for _, v := range append(os.Environ(), c.cloud.Env...) {
		if !strings.HasPrefix(v, "AWS_CA_BUNDLE=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, "HOME="+c.dir, "XDG_CONFIG_HOME="+c.dir), c.env...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// same fails unless a folder holds what the tree does.
func (c client) same(dir string) {
	c.Helper()
	c.run("diff", "-r", c.tree, dir)
}

func (c client) path(name string) string { return filepath.Join(c.dir, name) }

func rclone(c client) {
	remote := ":s3:" + c.bucket + "/tree"
	do := func(args ...string) string {
		c.Helper()
		return c.run("rclone", append(args, "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", c.url, "--s3-region", "eu-paris-1", "--s3-upload-cutoff", "8M", "--s3-chunk-size", "5M")...)
	}
	do("sync", c.tree, remote)
	do("check", c.tree, remote)
	do("check", "--download", c.tree, remote)
	if err := os.Remove(filepath.Join(c.tree, "small")); err != nil {
		c.Fatal(err)
	}
	do("sync", c.tree, remote)
	do("sync", remote, c.path("down"))
	c.same(c.path("down"))
	do("copy", remote, ":s3:"+c.bucket+"/copy")
	do("check", remote, ":s3:"+c.bucket+"/copy")
	do("purge", ":s3:"+c.bucket)
}

func restic(c client) {
	c.env = []string{"RESTIC_PASSWORD=secret", "RESTIC_REPOSITORY=s3:" + c.url + "/" + c.bucket + "/backup"}
	c.run("restic", "--no-cache", "init")
	c.run("restic", "--no-cache", "backup", c.tree)
	if err := os.Remove(filepath.Join(c.tree, "small")); err != nil {
		c.Fatal(err)
	}
	c.run("restic", "--no-cache", "backup", c.tree)
	c.run("restic", "--no-cache", "forget", "--keep-last", "1", "--prune")
	c.run("restic", "--no-cache", "check", "--read-data")
	c.run("restic", "--no-cache", "restore", "latest", "--target", c.path("down"))
	c.same(filepath.Join(c.path("down"), c.tree))
}

func s3cmd(c client) {
	config := c.path("s3cfg")
	keys := map[string]string{}
	for _, v := range c.cloud.Env {
		name, value, _ := strings.Cut(v, "=")
		keys[name] = value
	}
	text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nbucket_location = eu-paris-1\nmultipart_chunk_size_mb = 5\n",
		keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], c.cloud.Addr, c.cloud.Addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
	do := func(args ...string) string {
		c.Helper()
		return c.run("s3cmd", append([]string{"-c", config, "--no-progress"}, args...)...)
	}
	s3 := "s3://" + c.bucket
	do("mb", s3+"-2")
	do("sync", c.tree+"/", s3+"/tree/")
	if out := do("sync", c.tree+"/", s3+"/tree/"); strings.Contains(out, "upload:") {
		c.Errorf("a second sync did %s", out)
	}
	do("sync", s3+"/tree/", c.path("down")+"/")
	c.same(c.path("down"))
	do("cp", "--recursive", s3+"/tree/", s3+"-2/copied/")
	do("mv", s3+"-2/copied/small", s3+"-2/moved")
	if out := do("info", s3+"-2/moved"); !strings.Contains(out, "File size: 1000") {
		c.Errorf("info says %s", out)
	}
	do("setacl", "--acl-private", s3+"/tree/small")
	do("multipart", s3)
	do("du", s3)
	do("rb", "--recursive", "--force", s3+"-2")
}

func s5cmd(c client) {
	build := exec.CommandContext(c.Context(), "go", "build", "-o", c.path("s5cmd"), "github.com/peak/s5cmd/v2")
	build.Dir = "clients"
	if out, err := build.CombinedOutput(); err != nil {
		c.Fatalf("build s5cmd: %v\n%s", err, out)
	}
	do := func(args ...string) string {
		c.Helper()
		return c.run(c.path("s5cmd"), append([]string{"--endpoint-url", c.url}, args...)...)
	}
	s3 := "s3://" + c.bucket
	do("sync", c.tree+"/", s3+"/tree/")
	if out := do("sync", c.tree+"/", s3+"/tree/"); out != "" {
		c.Errorf("a second sync did %s", out)
	}
	do("cp", s3+"/tree/*", c.path("down")+"/")
	c.same(c.path("down"))
	do("cp", s3+"/tree/*", s3+"/copied/")
	do("mv", s3+"/copied/small", s3+"/moved")
	do("du", s3+"/*")
	do("rm", s3+"/*")
	do("rb", s3)
}

func boto3(c client) {
	script, err := filepath.Abs("testdata/boto3_transfer.py")
	if err != nil {
		c.Fatal(err)
	}
	c.run("/usr/bin/python3", script, c.url, c.bucket, c.tree)
}

func transferManager(c client) {
	build := exec.CommandContext(c.Context(), "go", "build", "-o", c.path("manager"), ".")
	build.Dir = "clients"
	if out, err := build.CombinedOutput(); err != nil {
		c.Fatalf("build the client: %v\n%s", err, out)
	}
	c.run(c.path("manager"), c.bucket)
}
