package e2e_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/store/postgres/pgtest"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestObjects has every aws of the machine keep files in a cloud without guests,
// which is killed once.
func TestObjects(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	lines := map[string]objectLine{}
	for n, program := range installed(t, "aws") {
		lines["cli"+strconv.Itoa(n)] = objectLine{commandLine{program, c}, "cli" + strconv.Itoa(n) + "-files", t.TempDir()}
	}
	for name, l := range lines {
		t.Run(name, l.files)
	}
	c.Kill()
	c.Up()
	for name, l := range lines {
		t.Run(name+" after a crash", l.again)
	}
	if out := c.Vauban("status"); !strings.Contains(out, "objects") {
		t.Errorf("the status does not tell of objects:\n%s", out)
	}
}

// TestObjectsInPostgres keeps the index of objects in PostgreSQL, through a crash. A second
// cloud cannot have it.
func TestObjectsInPostgres(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop) // after the cloud
	url := server.URL(t)
	c := e2e.Start(t, "--objects-index", url)
	l := objectLine{commandLine{installed(t, "aws")[0], c}, "postgres-files", t.TempDir()}
	l.must(t, "s3", "mb", "s3://"+l.bucket)
	content := l.write(t, "up", 9<<20) // goes in parts
	l.must(t, "s3", "cp", l.path("up"), l.url("one"))
	if out := c.Vauban("status"); !strings.Contains(out, "index in PostgreSQL") {
		t.Errorf("the status does not tell where the index is:\n%s", out)
	}
	second := exec.CommandContext(t.Context(), e2e.Binary(), "up", "--data", t.TempDir(), "--objects-index", url,
		"--listen", "127.0.0.1:0", "--public-pool", e2e.FreePool(t).String())
	if out, err := second.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("another process has it")) {
		t.Errorf("a second cloud: %v\n%s", err, out)
	}
	c.Kill()
	c.Up()
	l.must(t, "s3", "cp", l.url("one"), l.path("down"))
	l.same(t, "down", content)
}

// objectLine is an aws with a bucket and a folder.
type objectLine struct {
	commandLine
	bucket, dir string
}

// write makes a file of random bytes below the folder.
func (l objectLine) write(t *testing.T, name string, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return content
}

// same fails unless a file has those bytes.
func (l objectLine) same(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not the %d expected", name, len(got), len(want))
	}
}

func (l objectLine) path(name string) string { return filepath.Join(l.dir, name) }
func (l objectLine) url(key string) string   { return "s3://" + l.bucket + "/" + key }

// files makes a bucket, and copies files up and down.
func (l objectLine) files(t *testing.T) {
	l.must(t, "s3", "mb", "s3://"+l.bucket)
	l.refused(t, "BucketAlreadyOwnedByYou", "s3api", "create-bucket", "--bucket", l.bucket, "--create-bucket-configuration", "LocationConstraint="+l.must(t, "s3api", "get-bucket-location", "--bucket", l.bucket))
	small, large := l.write(t, "up/a b+ü.txt", 1000), l.write(t, "up/deep/large", 20<<20+1) // the large one goes in parts
	l.write(t, "up/empty", 0)
	l.must(t, "s3", "cp", l.path("up/a b+ü.txt"), l.url("one/a b+ü.txt"))
	l.must(t, "s3", "cp", l.url("one/a b+ü.txt"), l.path("down.txt"))
	l.same(t, "down.txt", small)
	l.must(t, "s3", "sync", l.path("up"), l.url("tree"))
	if out := l.must(t, "s3", "sync", l.path("up"), l.url("tree")); out != "" {
		t.Errorf("a second sync did %s", out)
	}
	l.must(t, "s3", "sync", l.url("tree"), l.path("down"))
	l.same(t, "down/a b+ü.txt", small)
	l.same(t, "down/deep/large", large)
	l.same(t, "down/empty", nil)
	if out := l.must(t, "s3", "ls", l.url("")); !strings.Contains(out, "PRE one/") || !strings.Contains(out, "PRE tree/") {
		t.Errorf("ls says %s", out)
	}
	if out := l.must(t, "s3", "ls", "--recursive", l.url("tree/")); len(strings.Split(out, "\n")) != 3 {
		t.Errorf("ls says %s", out)
	}
	l.must(t, "s3", "cp", l.url("tree/deep/large"), l.url("copy"))
	l.refused(t, "BucketNotEmpty", "s3api", "delete-bucket", "--bucket", l.bucket)

	response, err := http.Get(l.must(t, "s3", "presign", l.url("copy"))) //nolint:noctx,gosec // an address of the test's
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(got, large) {
		t.Errorf("presigned: %s, %d bytes, %v", response.Status, len(got), err)
	}
}

// again finds what was put before the crash, and removes all of it.
func (l objectLine) again(t *testing.T) {
	l.must(t, "s3", "cp", l.url("copy"), l.path("copy"))
	large, err := os.ReadFile(l.path("up/deep/large"))
	if err != nil {
		t.Fatal(err)
	}
	l.same(t, "copy", large)
	l.must(t, "s3", "rm", l.url("copy"))
	if out, err := l.try("s3", "ls", l.url("copy")); err == nil {
		t.Errorf("what was removed is listed: %s", out)
	}
	l.must(t, "s3", "rm", "--recursive", l.url(""))
	l.must(t, "s3", "rb", "s3://"+l.bucket)
	l.refused(t, "NoSuchBucket", "s3api", "list-objects-v2", "--bucket", l.bucket)
}
