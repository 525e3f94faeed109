package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// cluster is a PostgreSQL that keeps its base backups and its log in a bucket, by
// barman's programs for clouds.
type cluster struct {
	*testing.T
	dir    string // of the sockets and the data folders; the user postgres's
	url    string // of the endpoint
	bucket string
	env    []string
	as     *syscall.Credential
}

// TestPostgres backs a database up, changes it, and restores it to a point in time.
func TestPostgres(t *testing.T) {
	c := e2e.Start(t)
	p := newCluster(t, c)
	c.AWS("s3api", "create-bucket", "--bucket", "wal", "--create-bucket-configuration", "LocationConstraint=eu-paris-1")
	p.init("data")
	p.start("data")
	p.query("create table t as select generate_series(1, 1000) as n")
	p.run("barman-cloud-backup", "--endpoint-url", p.url, "-h", p.dir, "-U", "postgres", "--immediate-checkpoint", p.bucket, "main")
	p.query("insert into t select generate_series(1001, 1500)")
	until := p.query("select now()")
	p.query("drop table t")
	p.query("select pg_switch_wal()")
	p.stop("data")

	p.run("barman-cloud-restore", "--endpoint-url", p.url, p.bucket, "main", p.latest(), filepath.Join(p.dir, "restored"))
	restore := fmt.Sprintf("restore_command = 'barman-cloud-wal-restore --endpoint-url %s %s main %%f %%p'\nrecovery_target_time = '%s'\nrecovery_target_action = promote\narchive_mode = off\n", p.url, p.bucket, until)
	p.write("restored/postgresql.auto.conf", restore)
	p.write("restored/recovery.signal", "")
	p.start("restored")
	defer p.stop("restored")
	c.Eventually("the database is restored", 2*time.Minute, func() error {
		if p.query("select pg_is_in_recovery()") != "f" {
			return fmt.Errorf("it is in recovery")
		}
		return nil
	})
	if n := p.query("select count(*) || '/' || sum(n) from t"); n != "1500/1125750" {
		t.Errorf("the table has %s", n)
	}
}

func newCluster(t *testing.T, c *e2e.Cloud) *cluster {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid) // digits, on Linux
	gid, _ := strconv.Atoi(u.Gid)
	dir, err := os.MkdirTemp("", "pg-") // short, for the socket; the test's own folder lets only root in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + os.Getenv("PATH") + ":" + binaries(t), "HOME=" + dir, "LC_ALL=C", "PGHOST=" + dir}
	return &cluster{
		T: t, dir: dir, url: "http://" + c.Addr, bucket: "s3://wal", env: append(env, c.Env...),
		as: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, //nolint:gosec // small
	}
}

// binaries is where Debian keeps the server's programs.
func binaries(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Fatalf("no PostgreSQL below /usr/lib/postgresql (%v): run make deps-test", err)
	}
	return found[len(found)-1]
}

// run runs a program as the user postgres, which must succeed, and returns what it
// printed.
func (p *cluster) run(name string, args ...string) string {
	p.Helper()
	cmd := exec.CommandContext(p.Context(), "env", append([]string{name}, args...)...) // which looks name up in the new PATH
	cmd.Env, cmd.Dir = p.env, p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		p.Fatalf("%s %s: %v\n%s%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String(), p.log())
	}
	return strings.TrimSpace(stdout.String())
}

func (p *cluster) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log")) // there may be none yet
	return string(b)
}

func (p *cluster) write(name, text string) {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	if err := os.Chown(path, int(p.as.Uid), int(p.as.Gid)); err != nil {
		p.Fatal(err)
	}
}

func (p *cluster) init(data string) {
	p.Helper()
	p.run("initdb", "--auth", "trust", "--username", "postgres", "--pgdata", data, "--no-sync")
	p.write(data+"/postgresql.auto.conf", fmt.Sprintf("archive_mode = on\nwal_level = replica\narchive_command = 'barman-cloud-wal-archive --endpoint-url %s %s main %%p'\n", p.url, p.bucket))
}

func (p *cluster) start(data string) {
	p.Helper()
	p.run("pg_ctl", "--pgdata", data, "--log", "log", "--wait", "--timeout", "120", "--options", "-c listen_addresses='' -c unix_socket_directories="+p.dir, "start")
}

// stop waits until all of the log is archived.
func (p *cluster) stop(data string) {
	p.Helper()
	p.run("pg_ctl", "--pgdata", data, "--wait", "--timeout", "120", "--mode", "fast", "stop")
}

func (p *cluster) query(text string) string {
	p.Helper()
	return p.run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--username", "postgres", "--command", text)
}

// latest is the ID of the only backup.
func (p *cluster) latest() string {
	p.Helper()
	list := strings.Split(p.run("barman-cloud-backup-list", "--endpoint-url", p.url, p.bucket, "main"), "\n")
	id, _, _ := strings.Cut(list[len(list)-1], " ")
	return id
}
