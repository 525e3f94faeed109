package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vauban-cloud/vauban/test/bench/s3load"
	"github.com/vauban-cloud/vauban/test/e2e"
)

// objectServer is a server of S3 that is measured.
type objectServer struct {
	s3load.Server
	name string
	pid  int
}

// The credentials and the region that peers get.
const peerKey, peerSecret, peerRegion = "AKIABENCHMARKPEER000", "benchmark-peer-secret", "us-east-1"

// objectServers starts Vauban and its peers, each at its best: no logs of requests,
// connections kept. None of the peers syncs what it answered, and it could not be made
// to; Vauban does, and encrypts besides.
func (b *bench) objectServers() []*objectServer {
	servers := []*objectServer{b.vauban()}
	if !b.alone {
		servers = append(servers, b.versity(), b.seaweed())
	}
	return servers
}

// vauban starts a cloud, and waits for its credentials.
func (b *bench) vauban() *objectServer { return b.serverOf(e2e.Start(b)) }

func (b *bench) serverOf(c *e2e.Cloud) *objectServer {
	s := &objectServer{name: "Vauban", pid: c.PID(), Server: s3load.Server{Address: c.Addr}}
	for _, v := range c.Env {
		name, value, _ := strings.Cut(v, "=")
		value = strings.Trim(value, `'"`)
		switch name {
		case "AWS_ACCESS_KEY_ID":
			s.Key = value
		case "AWS_SECRET_ACCESS_KEY":
			s.Secret = value
		case "AWS_REGION", "AWS_DEFAULT_REGION":
			s.Region = value
		}
	}
	return s
}

// versity starts Versity's gateway over a folder.
func (b *bench) versity() *objectServer {
	program := b.peer("github.com/versity/versitygw/cmd/versitygw")
	s := &objectServer{name: "versitygw", Server: s3load.Server{Address: b.freeAddress(), Region: peerRegion, Key: peerKey, Secret: peerSecret}}
	b.start(s, program, "--port", s.Address, "--access", s.Key, "--secret", s.Secret, "--region", s.Region,
		"--quiet", "--keep-alive", "posix", b.TempDir())
	return s
}

// seaweed starts SeaweedFS with all its servers in one process.
func (b *bench) seaweed() *objectServer {
	program := b.peer("github.com/seaweedfs/seaweedfs/weed")
	s := &objectServer{name: "SeaweedFS", Server: s3load.Server{Address: b.freeAddress(), Region: peerRegion, Key: peerKey, Secret: peerSecret}}
	dir := b.TempDir()
	identities, err := json.Marshal(map[string]any{"identities": []any{map[string]any{
		"name": "bench", "actions": []string{"Admin", "Read", "Write", "List", "Tagging"},
		"credentials": []any{map[string]string{"accessKey": s.Key, "secretKey": s.Secret}},
	}}})
	b.must(err)
	config := filepath.Join(dir, "identities.json")
	b.must(os.WriteFile(config, identities, 0o600))
	args := []string{"server", "-dir=" + dir, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-s3.config=" + config, "-volume.max=100", "-master.telemetry=false"}
	for flag, address := range map[string]string{"s3.port": s.Address, "master.port": b.freeAddress(), "volume.port": b.freeAddress(), "filer.port": b.freeAddress()} {
		_, port, _ := net.SplitHostPort(address)
		args = append(args, "-"+flag+"="+port)
	}
	for _, flag := range []string{"s3.port.grpc", "master.port.grpc", "volume.port.grpc", "filer.port.grpc"} {
		_, port, _ := net.SplitHostPort(b.freeAddress())
		args = append(args, "-"+flag+"="+port)
	}
	b.start(s, program, args...)
	return s
}

// peer builds a peer, whose version test/bench/peers/go.mod pins, and returns its path. It is
// kept between runs.
func (b *bench) peer(pkg string) string {
	path := filepath.Join(e2e.Cache(), "peers", filepath.Base(pkg))
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	module, err := exec.CommandContext(b.ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/vauban-cloud/vauban").Output()
	b.must(err)
	build := exec.CommandContext(b.ctx, "go", "build", "-C", filepath.Join(strings.TrimSpace(string(module)), "test/bench/peers"), "-trimpath", "-o", path, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

func (b *bench) freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	defer l.Close() //nolint:errcheck // nobody came
	return l.Addr().String()
}

// start starts a peer, and waits until it makes a bucket.
func (b *bench) start(s *objectServer, program string, args ...string) {
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	b.must(err)
	defer log.Close() //nolint:errcheck // the peer has it
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.TempDir(), log, log
	// A session of its own, as Vauban has: the kernel shares processors between sessions.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	b.must(cmd.Start())
	s.pid = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-ended
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := s.makeBucket(b.ctx, "ready")
		if err == nil {
			return
		}
		if time.Now().After(deadline) || b.ctx.Err() != nil || len(ended) > 0 {
			text, _ := os.ReadFile(log.Name())
			b.Fatalf("%s does not serve: %v\n%s", s.name, errors.Join(err, b.ctx.Err()), text[max(0, len(text)-2000):])
		}
	}
}

func (s *objectServer) makeBucket(ctx context.Context, name string) error {
	_, err := s.Run(ctx, 1, []s3load.Request{s.Request("PUT", "/"+name, "", nil)}, false, time.Minute)
	if err != nil {
		return fmt.Errorf("make bucket %s in %s: %w", name, s.name, err)
	}
	return nil
}

// ticks are how many a second proc_pid_stat(5) counts in.
const ticks = 100

// cpu is what a process has used of all processors.
func (s *objectServer) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}
