//go:build linux

package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu/qmp"
)

// arguments are a QMP command's.
type arguments map[string]any

// How long converse waits for a greeting, before it tries again, and for the
// end of a process that refuses connections.
const (
	greetPatience = 30 * time.Second
	dialAgain     = 500 * time.Millisecond
	endAwaited    = time.Second
)

// converse keeps the monitor connected until the process ends or is let go. A
// process whose monitor refuses connections can never be managed again, and is killed.
func (p *process) converse(log *slog.Logger, hint func(id string)) {
	for {
		monitor, err := p.connect(hint)
		var refused *qmp.Error
		switch {
		case err == nil:
		case errors.As(err, &refused), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
			p.mu.Lock()
			p.refused = err
			p.mu.Unlock()
			select {
			case <-p.ended: // which is the usual reason
			case <-p.left:
			case <-time.After(endAwaited):
				log.Warn("guest cannot be managed: its process is killed", "guest", p.spec.ID, "pid", p.PID, "err", err)
				p.Kill() //nolint:errcheck // it has ended otherwise
			}
			return
		default:
			select {
			case <-time.After(dialAgain):
				continue
			case <-p.ended:
				return
			case <-p.left:
				return
			}
		}
		p.setMonitor(monitor)
		hint(p.spec.ID) // events may have been missed until now
		select {
		case <-monitor.Done():
		case <-p.ended:
		case <-p.left:
		}
		p.setMonitor(nil)
		monitor.Close() //nolint:errcheck // it has ended, or is no longer wanted
		select {
		case <-p.ended:
			return
		case <-p.left:
			return
		default:
		}
	}
}

// connect connects the monitor, and lets a guest go that was never let go: one
// that begins, or whose start or reset was cut short.
func (p *process) connect(hint func(id string)) (*qmp.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), greetPatience)
	defer cancel()
	go func() {
		select {
		case <-p.ended:
		case <-p.left:
		case <-ctx.Done():
		}
		cancel()
	}()
	conn, err := p.folder.dial("monitor.sock")
	if err != nil {
		return nil, err
	}
	monitor, err := qmp.New(ctx, conn, func(e qmp.Event) { p.heard(e, hint) })
	if err != nil {
		return nil, err
	}
	var status struct {
		Status string `json:"status"`
	}
	err = monitor.Do(ctx, "query-status", nil, &status)
	switch {
	case err != nil:
	case status.Status == "prelaunch":
		err = monitor.Do(ctx, "cont", nil, nil)
	case status.Status == noSpace: // since before there was a driver to see it
		p.mu.Lock()
		p.starved = true
		p.mu.Unlock()
	}
	if err != nil {
		monitor.Close() //nolint:errcheck // the first error says more
		return nil, err
	}
	return monitor, nil
}

func (p *process) setMonitor(monitor *qmp.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if monitor != nil {
		close(p.connected)
	} else {
		p.connected = make(chan struct{})
	}
	p.monitor = monitor
}

// heard takes an event; it runs on the monitor's reader.
func (p *process) heard(e qmp.Event, hint func(id string)) {
	switch e.Name {
	case "SHUTDOWN", "STOP", "RESUME", "RESET", "GUEST_PANICKED", "DEVICE_DELETED":
		hint(p.spec.ID)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starved = p.starved || starves(e)
	for listener := range p.listeners {
		select {
		case listener <- e:
		default: // whoever listens also looks for itself
		}
	}
}

// listen returns the events from now on, until stop is called. Some may be lost.
func (p *process) listen() (events <-chan qmp.Event, stop func()) {
	listener := make(chan qmp.Event, 64)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners[listener] = true
	return listener, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.listeners, listener)
	}
}

// ready waits until the monitor is connected.
func (p *process) ready(ctx context.Context) (*qmp.Client, error) {
	for {
		p.mu.Lock()
		monitor, connected := p.monitor, p.connected
		p.mu.Unlock()
		if monitor != nil {
			return monitor, nil
		}
		select {
		case <-connected:
		case <-p.ended:
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.refused != nil {
				return nil, fmt.Errorf("%w: %w", errEnded, p.refused)
			}
			return nil, errEnded
		case <-p.left:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("connect monitor: %w", ctx.Err())
		}
	}
}

// do runs a QMP command.
func (p *process) do(ctx context.Context, command string, args arguments, result any, files ...*os.File) error {
	monitor, err := p.ready(ctx)
	if err != nil {
		return err
	}
	var a any
	if args != nil {
		a = args
	}
	err = monitor.Do(ctx, command, a, result, files...)
	if errors.Is(err, qmp.ErrClosed) && p.hasEnded() {
		return errEnded
	}
	return err
}
