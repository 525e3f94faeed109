//go:build linux

package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/confine"
	"github.com/vauban-cloud/vauban/driver/internal/memory"
)

// run is one run of a tool.
type run struct {
	program  string // empty: qemu-img
	args     []string
	cpu      int   // seconds of processor time
	fileSize int64 // bytes of the largest file that it may write
	patience time.Duration
	progress func(percent float64) // nil unless it was asked for by -p
	secrets  [][]byte              // that it reads from the files it inherits: see secretObject
}

// Bounds of every run: address space, which its threads' stacks and arenas
// take most of, and what it may say.
const (
	toolMemory = 4 << 30
	toolOutput = 1 << 20
)

// toolError is a run that failed.
type toolError struct {
	command string
	err     error
	says    string
}

func (e *toolError) Error() string {
	return fmt.Sprintf("%s: %v: %s", e.command, e.err, e.says)
}

func (e *toolError) Unwrap() error { return e.err }

// errSlow says that a tool was given up.
var errSlow = errors.New("not done in time")

// tool runs a tool confined, and returns what it wrote to standard output.
func (d *Driver) tool(ctx context.Context, r run) ([]byte, error) {
	if r.patience == 0 {
		r.patience = d.cfg.Patience
	}
	limited, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	program := cmp.Or(r.program, "qemu-img")
	cmd := exec.CommandContext(limited, program, r.args...) //nolint:gosec // no shell, and paths of the driver's own
	cmd.WaitDelay = 5 * time.Second
	out, says := &bounded{limit: toolOutput}, &bounded{limit: 4096}
	cmd.Stdout, cmd.Stderr = out, says
	if r.progress != nil {
		cmd.Stdout = &meter{report: r.progress}
	}
	for _, secret := range r.secrets {
		f, err := memory.File(secret)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // it is nowhere
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	err := confine.Run(cmd, confine.User{UID: d.cfg.UID, Limits: []string{
		"cpu=" + strconv.Itoa(r.cpu), "as=" + strconv.Itoa(toolMemory), "fsize=" + strconv.FormatInt(r.fileSize, 10), "nofile=64",
	}})
	if err == nil {
		return out.kept.Bytes(), nil
	}
	failure := &toolError{command: program + " " + r.args[0], err: err, says: d.place().ReplaceAllString(strings.TrimSpace(says.kept.String()), "")}
	switch {
	case ctx.Err() != nil:
		failure.err = ctx.Err()
	case limited.Err() != nil:
		failure.err = fmt.Errorf("%w: %v", errSlow, r.patience)
	case endedBy(err, syscall.SIGXFSZ), strings.Contains(failure.says, "No space left on device"), strings.Contains(failure.says, "File too large"):
		failure.err = block.ErrNoSpace
	}
	return out.kept.Bytes(), failure
}

// place matches where the tools work, which is nobody's business.
func (d *Driver) place() *regexp.Regexp {
	return regexp.MustCompile(regexp.QuoteMeta(d.path("work")) + "/[0-9]+/tool/")
}

// endedBy reports whether the signal ended the process.
func endedBy(err error, signal syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// bounded keeps the first bytes that are written to it.
type bounded struct {
	kept  bytes.Buffer // not embedded: io.Copy would have it read past the limit
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), max(0, b.limit-b.kept.Len()))])
	return len(p), nil
}

// Meter returns what tells the progress that qemu-img -p writes to it.
func Meter(report func(percent float64)) io.Writer { return &meter{report: report} }

// meter reads the progress that qemu-img -p writes: "    (12.34/100%)\r".
type meter struct {
	report func(percent float64)
	text   []byte // begun with "(", not yet ended with "/"
}

func (m *meter) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '(':
			m.text = m.text[:0]
		case c == '/':
			if percent, err := strconv.ParseFloat(string(m.text), 64); err == nil {
				m.report(percent)
			}
			m.text = m.text[:0]
		case len(m.text) < 16:
			m.text = append(m.text, c)
		}
	}
	return len(p), nil
}
