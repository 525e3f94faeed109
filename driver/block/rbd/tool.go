//go:build linux

package rbd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/confine"
	"github.com/vauban-cloud/vauban/driver/internal/memory"
)

// call is one run of a tool.
type call struct {
	name     string // "rbd", "rados" and "ceph" are told the cluster and the user
	args     []string
	input    []byte
	files    []*os.File // that it inherits, from firstFile on
	secrets  [][]byte   // that it inherits behind those
	output   io.Writer  // for what it writes; nil: to be returned
	limits   []string   // beside those of all
	patience time.Duration
}

// The files that a tool inherits: the Ceph user's key, then the call's own.
const (
	keyFile = 3 + iota
	firstFile
)

// copyPatience is for tools that move all bytes of a volume.
const copyPatience = 2 * time.Hour

// What a tool may say, in bytes.
const (
	mostOutput = 64 << 20 // the catalogue
	mostErrors = 4096
)

var errTooMuch = fmt.Errorf("it says more than %d bytes", mostOutput)

// toolError is a run that failed.
type toolError struct {
	command string
	err     error
	says    string
}

func (e *toolError) Error() string { return fmt.Sprintf("%s: %v: %s", e.command, e.err, e.says) }

func (e *toolError) Unwrap() error { return e.err }

// run runs a tool confined, in the host's network, and returns what it wrote to standard output.
func (d *Driver) run(ctx context.Context, c call) ([]byte, error) {
	if c.patience == 0 {
		c.patience = d.cfg.Patience
	}
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	program, args := c.name, c.args
	if c.name != "qemu-img" {
		program = filepath.Join(d.cfg.Bin, c.name)
		args = append([]string{"--conf", d.path("ceph.conf"), "--id", d.cfg.User, "--keyfile", fmt.Sprintf("/dev/fd/%d", keyFile)}, args...)
	}
	key, err := memory.File([]byte(d.key))
	if err != nil {
		return nil, err
	}
	defer key.Close()                                     //nolint:errcheck // it is nowhere
	cmd := exec.CommandContext(limited, program, args...) //nolint:gosec // no shell, and words that were checked
	cmd.WaitDelay = 5 * time.Second
	cmd.ExtraFiles = append([]*os.File{key}, c.files...)
	for _, secret := range c.secrets {
		f, err := memory.File(secret)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // it is nowhere
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	out, says := &bounded{limit: mostOutput, full: errTooMuch}, &bounded{limit: mostErrors}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.input), out, says
	if c.output != nil {
		cmd.Stdout = c.output
	}
	if err = confine.Run(cmd, confine.User{UID: d.cfg.UID, Network: true, Limits: c.limits}); err == nil {
		return out.kept, nil
	}
	failure := &toolError{command: c.name + " " + c.args[0], err: err, says: strings.TrimSpace(string(says.kept))}
	switch {
	case ctx.Err() != nil:
		failure.err = ctx.Err()
	case limited.Err() != nil:
		failure.err = fmt.Errorf("not done in %v: is the cluster well?", c.patience)
	case out.over:
		failure.err = errTooMuch
	case tooLarge(err):
		failure.err = block.ErrNoSpace
	default:
		failure.err = named(err, failure.says)
	}
	return nil, failure
}

// look runs a tool that only reads, and once more if it crashed: Ceph's clients sometimes do
// when they end, with all their work done.
func (d *Driver) look(ctx context.Context, c call) ([]byte, error) {
	out, err := d.run(ctx, c)
	if crashed(err) && ctx.Err() == nil {
		return d.run(ctx, c)
	}
	return out, err
}

// crashed reports whether a tool ended itself by a signal.
func crashed(err error) bool {
	by := endedBy(err)
	return by == syscall.SIGABRT || by == syscall.SIGSEGV
}

// tooLarge reports whether a tool was ended for a file larger than it may write.
func tooLarge(err error) bool { return endedBy(err) == syscall.SIGXFSZ }

// endedBy is the signal that a tool ended by, 0 if it did not.
func endedBy(err error) syscall.Signal {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return status.Signal()
		}
	}
	return 0
}

// number is how Ceph's tools tell the kernel's name of an error: "... (2) No such file or directory".
var number = regexp.MustCompile(`\((\d+)\) [A-Z]`)

// named adds what the tool said the reason was.
func named(err error, says string) error {
	all := number.FindAllStringSubmatch(says, -1)
	if len(all) == 0 {
		if strings.Contains(says, "No space left on device") {
			return fmt.Errorf("%w: %w", block.ErrNoSpace, err)
		}
		return err
	}
	n, _ := strconv.Atoi(all[len(all)-1][1])
	reason := syscall.Errno(n) //nolint:gosec // digits
	if reason == unix.ENOSPC || reason == unix.EDQUOT {
		return fmt.Errorf("%w: %w", block.ErrNoSpace, reason)
	}
	return reason
}

// rbd runs rbd on one image or snapshot of the pool.
func (d *Driver) rbd(ctx context.Context, args ...string) error {
	_, err := d.run(ctx, call{name: "rbd", args: args})
	return err
}

// spec names an image of the pool to rbd.
func (d *Driver) spec(image string) string { return d.cfg.Pool + "/" + image }

// bounded keeps the first bytes that are written to it.
type bounded struct {
	kept  []byte
	limit int
	full  error // what more is answered with; nil: it is dropped
	over  bool  // there was more
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.limit-len(b.kept))
	b.kept = append(b.kept, p[:keep]...)
	b.over = b.over || keep < len(p)
	if keep < len(p) && b.full != nil {
		return keep, b.full
	}
	return len(p), nil
}

// readKey returns the key of a user in a keyring.
func readKey(path, user string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		name, value, ok := strings.Cut(line, "=")
		if ok && section == "client."+user && strings.TrimSpace(name) == "key" {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("keyring %s has no key of client.%s", path, user)
}

// copyConf puts the cluster's configuration to where tools and servers may read it, which
// write no logs and open no sockets of their own.
func (d *Driver) copyConf() error {
	text, err := os.ReadFile(d.cfg.Conf)
	if err != nil {
		return err
	}
	text = fmt.Appendf(text, "\n[client.%s]\nlog file =\nlog to stderr = false\nadmin socket =\nkeyring = /dev/null\n", d.cfg.User)
	next := d.path("ceph.conf.new")
	if err := errors.Join(os.WriteFile(next, text, 0o600), os.Chmod(next, 0o444)); err != nil { //nolint:gosec // monitors' addresses
		return err
	}
	return os.Rename(next, d.path("ceph.conf"))
}
