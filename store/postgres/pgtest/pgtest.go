// Package pgtest runs a real PostgreSQL server for tests.
//
// The server keeps its files and its only socket in a temporary folder, writes
// with fsync on, and ends with the test process, however that ends. When the tests
// run as root, it runs as an unprivileged user, as it insists on.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of the test's own.
type Server struct {
	dir      string // holds data, the socket and the log
	postgres string // the program
	as       *syscall.Credential
	process  *os.Process
	exited   chan struct{} // closed when process has ended
	settings []string
	schemas  atomic.Int64
}

// Start makes a server and starts it, with settings like "fsync=off" if any. Stop
// must be called.
func Start(settings ...string) (*Server, error) {
	initdb, err := program("initdb")
	if err != nil {
		return nil, err
	}
	s := &Server{postgres: filepath.Join(filepath.Dir(initdb), "postgres"), settings: settings}
	if s.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if s.as, err = unprivileged(); err == nil {
			err = os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid))
		}
	}
	if err == nil {
		// Nothing is lost if the machine stops before the tests begin.
		cmd := exec.Command(initdb, "-D", s.data(), "-U", "vauban", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		cmd.Dir = s.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("run %s: %w\n%s", initdb, err, out)
		}
	}
	if err == nil {
		err = s.Restart()
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// program finds a program of PostgreSQL: Debian keeps the newest out of PATH.
func program(name string) (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return found[0], nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.EvalSymlinks(path)
	}
	return "", fmt.Errorf("no %s in /usr/lib/postgresql/*/bin or PATH: apt-get install postgresql", name)
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// unprivileged is a user that exists: initdb asks for its name.
func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, errU := strconv.ParseUint(u.Uid, 10, 32)
	gid, errG := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errU, errG)
}

// Restart starts the server, which must not run, and waits until it answers.
func (s *Server) Restart() error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		if err := s.launch(); err != nil {
			return err
		}
		for time.Now().Before(deadline) && s.running() {
			if s.ping() == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		// The first try after a kill may find the old server's last children alive.
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("start %s: no answer\n%s", s.postgres, log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.postgres, "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=on",
		"-c", "max_connections=50", "-c", "shared_buffers=32MB")
	for _, setting := range s.settings {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		defer close(exited)
		// The signal comes at the death of the thread that made the process: this
		// goroutine keeps it alive.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() //nolint:errcheck // it ends by a signal or tells its log why
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.exited = cmd.Process, exited
	return nil
}

func (s *Server) running() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.dsn())
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

func (s *Server) dsn() string { return "host=" + s.dir + " user=vauban dbname=postgres" }

// Kill kills the server as a crash would. Restart brings it back.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop ends the server and removes its files.
func (s *Server) Stop() {
	s.end(syscall.SIGQUIT)
	os.RemoveAll(s.dir)
}

func (s *Server) end(signal os.Signal) {
	if s.process != nil {
		s.process.Signal(signal) //nolint:errcheck // it may have ended
		<-s.exited
	}
}

// DSN returns the connection string of a fresh schema of its own.
func (s *Server) DSN(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", s.schemas.Add(1))
	s.Exec(tb, "CREATE SCHEMA "+name)
	return s.dsn() + " search_path=" + name
}

// URL returns what DSN does, as a URL.
func (s *Server) URL(tb testing.TB) string {
	tb.Helper()
	dsn := s.DSN(tb)
	query := url.Values{"user": {"vauban"}, "host": {s.dir}, "search_path": {dsn[strings.LastIndex(dsn, "=")+1:]}}
	return "postgres:///postgres?" + query.Encode()
}

// Exec runs SQL, outside of all schemas.
func (s *Server) Exec(tb testing.TB, sql string) {
	tb.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, s.dsn())
	if err == nil {
		_, err = c.Exec(ctx, sql)
	}
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	c.Close(ctx) //nolint:errcheck // the work is done
}
