// Package qmp speaks the QEMU Machine Protocol over a Unix socket:
// https://www.qemu.org/docs/master/interop/qmp-spec.html
//
// A Client is safe for concurrent use: commands may overlap and are matched by
// number. It trusts the other side with nothing: a message is at most MaxMessage
// bytes, every command ends within its context (or Patience), and a side that
// breaks the protocol is hung up on.
package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MaxMessage is the longest message taken, in bytes. Of each layer of a disk QEMU tells all
// those below, in up to 12 KiB: this is for a guest with more than a thousand layers.
const MaxMessage = 16 << 20

// Patience is how long a command may take whose context has no earlier end.
const Patience = 30 * time.Second

// ErrClosed says that the connection has ended.
var ErrClosed = errors.New("qmp: connection closed")

// Error is a command's failure, as QEMU reports it.
type Error struct {
	Command string `json:"-"`
	Class   string `json:"class"` // e.g. "GenericError", "DeviceNotFound"
	Desc    string `json:"desc"`
}

func (e *Error) Error() string { return e.Command + ": " + e.Desc }

// Event is something that happened by itself.
type Event struct {
	Name string          `json:"event"` // e.g. "SHUTDOWN"
	Data json.RawMessage `json:"data"`
}

// Client is one connection.
type Client struct {
	conn    *net.UnixConn
	onEvent func(Event)
	done    chan struct{} // closed by read when the connection has ended

	write sync.Mutex // held while a command is sent

	mu      sync.Mutex
	last    uint64                  // guarded by mu: number of the last command
	pending map[uint64]chan message // guarded by mu: answers that are waited for
	err     error                   // guarded by mu: why the connection ended
}

// message is anything that QEMU sends.
type message struct {
	Event
	Greeting *json.RawMessage `json:"QMP"`
	ID       json.RawMessage  `json:"id"`
	Return   json.RawMessage  `json:"return"`
	Error    *Error           `json:"error"`
}

// New waits for QEMU's greeting and negotiates. It takes the connection over,
// whatever it returns. onEvent is called for every event, in order, by the
// reader: it must neither block nor call Do.
func New(ctx context.Context, conn *net.UnixConn, onEvent func(Event)) (*Client, error) {
	c := &Client{conn: conn, onEvent: onEvent, done: make(chan struct{}), pending: make(map[uint64]chan message)}
	greeted := make(chan struct{})
	go c.read(greeted)
	select {
	case <-greeted:
	case <-c.done:
		return nil, fmt.Errorf("read greeting: %w", c.Err())
	case <-ctx.Done():
		c.Close() //nolint:errcheck // the context's error says more
		return nil, fmt.Errorf("read greeting: %w", ctx.Err())
	}
	if err := c.Do(ctx, "qmp_capabilities", nil, nil); err != nil {
		c.Close() //nolint:errcheck // the command's error says more
		return nil, err
	}
	return c, nil
}

// Done is closed when the connection has ended; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil while it stands.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close hangs up.
func (c *Client) Close() error { return c.conn.Close() }

// Do runs a command. arguments, if not nil, is its object; the answer is
// decoded into result, if not nil. Files are passed along, for commands such as
// getfd, and stay the caller's. The error is an *Error if QEMU refused.
func (c *Client) Do(ctx context.Context, command string, arguments, result any, files ...*os.File) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	number, answer, err := c.expect()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	defer c.forget(number)
	if err := c.send(ctx, command, arguments, number, files); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	select {
	case m := <-answer:
		return m.decode(command, result)
	case <-c.done:
		select {
		case m := <-answer: // it came just before the end
			return m.decode(command, result)
		default:
		}
		return fmt.Errorf("%s: %w", command, c.Err())
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer: %w", command, ctx.Err())
	}
}

func (m message) decode(command string, result any) error {
	if m.Error != nil {
		m.Error.Command = command
		return m.Error
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.Return, result); err != nil {
		return fmt.Errorf("%s: decode answer: %w", command, err)
	}
	return nil
}

func (c *Client) expect() (uint64, chan message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.last++
	answer := make(chan message, 1)
	c.pending[c.last] = answer
	return c.last, answer, nil
}

func (c *Client) forget(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, number)
}

func (c *Client) send(ctx context.Context, command string, arguments any, number uint64, files []*os.File) error {
	text, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        uint64 `json:"id"`
	}{command, arguments, number})
	if err != nil {
		return err
	}
	rights, err := rights(files)
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	deadline, _ := ctx.Deadline()
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	// What was sent in part cannot be taken back: hang up then.
	text = append(text, '\n')
	n, _, err := c.conn.WriteMsgUnix(text, rights, nil)
	if err == nil && n < len(text) {
		_, err = c.conn.Write(text[n:])
	}
	if err != nil {
		c.Close() //nolint:errcheck // the write's error says more
	}
	return err
}

// rights returns the control message that carries the files.
func rights(files []*os.File) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return nil, err
		}
	}
	return unix.UnixRights(fds...), nil
}

// read is the connection's one reader. It closes greeted when QEMU has
// greeted, and done at the end.
func (c *Client) read(greeted chan struct{}) {
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(make([]byte, 0, 4096), MaxMessage)
	var err error
	for lines.Scan() {
		var m message
		if err = json.Unmarshal(lines.Bytes(), &m); err != nil {
			break
		}
		switch {
		case m.Greeting != nil && greeted != nil:
			close(greeted)
			greeted = nil
		case greeted != nil:
			err = errors.New("no greeting")
		case m.Name != "":
			c.onEvent(m.Event)
		default:
			c.answer(m)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = lines.Err()
	}
	c.mu.Lock()
	c.err = ErrClosed
	if err != nil {
		c.err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	c.mu.Unlock()
	c.Close() //nolint:errcheck // it has ended
	close(c.done)
}

// answer hands an answer to whoever waits for it; one that came too late is dropped.
func (c *Client) answer(m message) {
	number, err := strconv.ParseUint(string(m.ID), 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.pending[number]; answer != nil {
		delete(c.pending, number) // a second answer must not block the reader
		answer <- m
	}
}
