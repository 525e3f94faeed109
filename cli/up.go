package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
)

func (e *env) upCommand() *cobra.Command {
	var (
		detach bool
		level  slog.Level
	)
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the cloud on this machine",
		Long: `Start the cloud on this machine and serve until interrupted.

Guests outlive the process: stopping it with ^C or a signal stops no guest, and
the next up finds them again. To shut the guests down too, use vauban down.`,
		Example: "  vauban up --detach\n  vauban up --data /srv/cloud2 --listen 127.0.0.1:4567 --public-pool 100.64.1.0/24",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.finish(c); err != nil {
				return err
			}
			if s, err := app.NewAdmin(e.cfg, "").Status(c.Context()); err == nil {
				return e.alreadyUp(s)
			}
			if err := e.cfg.Preflight(); err != nil {
				return err
			}
			if detach {
				return e.detach(c.Context())
			}
			to := &lines{out: e.err}
			defer to.Flush() //nolint:errcheck // nobody to tell
			log := slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
			return app.Run(c.Context(), e.cfg, log, func(s app.Status) { fmt.Fprintf(e.out, "vauban answers on %s\n", s.Endpoint) })
		},
	}
	e.cloudFlags(c)
	c.Flags().BoolVar(&e.cfg.NewOperator, "new-operator", false, "give the operator \"local\" a new token, for when all are lost")
	c.Flags().TextVar(&level, "log-level", slog.LevelInfo, "what to log: debug (requests for objects, too), info, warn or error")
	c.Flags().BoolVar(&detach, "detach", false, "return once the cloud answers, and leave it running")
	return c
}

// alreadyUp is not an error, unless something else was asked for.
func (e *env) alreadyUp(s app.Status) error {
	if e.cfg.NewOperator {
		return errors.New("operators are made when the cloud starts, and it runs already: stop its process first (guests go on)")
	}
	if s.Listen != e.cfg.Listen {
		return fmt.Errorf("the cloud in %s runs already, on %s: stop it first with `vauban down --data %s`, or choose another folder with --data",
			e.cfg.Data, s.Endpoint, e.cfg.Data)
	}
	fmt.Fprintf(e.out, "vauban runs already and answers on %s\n", s.Endpoint)
	return nil
}

// detach runs the same command line in a session of its own, and waits until it answers.
func (e *env) detach(ctx context.Context) error {
	if err := os.MkdirAll(e.cfg.Data, 0o711); err != nil {
		return err
	}
	log, err := os.OpenFile(e.cfg.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := make([]string, 0, len(os.Args))
	for _, a := range os.Args[1:] {
		if a != "--detach" && a != "--detach=true" {
			args = append(args, a)
		}
	}
	child := exec.Command(self, args...) //nolint:noctx // it outlives this command
	child.Stdout, child.Stderr = log, log
	child.Dir = "/"
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start vauban: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	return e.awaitUp(ctx, ended, begin)
}

func (e *env) awaitUp(ctx context.Context, ended <-chan error, logFrom int64) error {
	admin := app.NewAdmin(e.cfg, "")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended: //nolint:errcheck // the log says why
			return errors.New(lastLine(e.cfg.LogPath(), logFrom))
		case <-deadline:
			return fmt.Errorf("vauban did not answer within a minute: see %s", e.cfg.LogPath())
		case <-tick.C:
			if s, err := admin.Status(ctx); err == nil {
				fmt.Fprintf(e.out, "vauban answers on %s (log: %s)\n", s.Endpoint, e.cfg.LogPath())
				return nil
			}
		}
	}
}

// lastLine returns what the log says last, without the program's name.
func lastLine(path string, from int64) string {
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) <= from {
		return "vauban ended at once: see " + path
	}
	last := ""
	for s := bufio.NewScanner(bytes.NewReader(b[from:])); s.Scan(); {
		if s.Text() != "" {
			last = s.Text()
		}
	}
	return strings.TrimPrefix(last, "vauban: ")
}
