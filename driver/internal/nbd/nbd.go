// Package nbd is a client of the Network Block Device protocol, for one export of a server
// that is trusted to be slow but not to be good: what it says is bounded and checked.
//
// It guarantees that what Flush returned nil for is as durable as the server has it. It does
// not connect again.
//
// Protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md (fixed
// newstyle, NBD_OPT_GO, simple replies).
package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	magicServer  = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption  = 0x49484156454f5054 // "IHAVEOPT"
	magicReply   = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicAnswer  = 0x67446698

	fixedNewstyle = 1
	noZeroes      = 2
	optGo         = 7
	repAck        = 1
	repInfo       = 3
	infoExport    = 0

	cmdRead  = 0
	cmdWrite = 1
	cmdFlush = 3

	mostReply = 64 << 10 // bytes of an option's reply
	mostBytes = 8 << 20  // of one read or write
)

// Conn is an open export. It is safe for concurrent use; requests come one by one.
type Conn struct {
	size int64

	mu     sync.Mutex
	conn   net.Conn // guarded by mu
	handle uint64   // guarded by mu: of the last request
}

// Dial opens an export of the server that listens on a Unix socket. Until ctx ends the
// connection can be used.
func Dial(ctx context.Context, socket, export string) (*Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn}
	context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it is closed otherwise
	if err := c.open(export); err != nil {
		conn.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("open export %s: %w", export, err)
	}
	return c, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Size is the export's, in bytes.
func (c *Conn) Size() int64 { return c.size }

func (c *Conn) open(export string) error {
	var hello [18]byte
	if _, err := io.ReadFull(c.conn, hello[:]); err != nil {
		return err
	}
	b := binary.BigEndian
	flags := b.Uint16(hello[16:])
	if b.Uint64(hello[:]) != magicServer || b.Uint64(hello[8:]) != magicOption || flags&fixedNewstyle == 0 {
		return errors.New("it is no NBD server of the fixed newstyle")
	}
	ask := b.AppendUint32(nil, uint32(flags&(fixedNewstyle|noZeroes)))
	ask = b.AppendUint32(b.AppendUint64(ask, magicOption), optGo)
	ask = b.AppendUint32(ask, uint32(4+len(export)+2))                //nolint:gosec // a name
	ask = append(b.AppendUint32(ask, uint32(len(export))), export...) //nolint:gosec // a name
	ask = b.AppendUint16(ask, 0)
	if _, err := c.conn.Write(ask); err != nil {
		return err
	}
	c.size = -1
	for {
		var head [20]byte
		if _, err := io.ReadFull(c.conn, head[:]); err != nil {
			return err
		}
		kind, n := b.Uint32(head[12:]), b.Uint32(head[16:])
		if b.Uint64(head[:]) != magicReply || b.Uint32(head[8:]) != optGo || n > mostReply {
			return errors.New("the server's reply is not understood")
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(c.conn, data); err != nil {
			return err
		}
		switch {
		case kind == repAck && c.size >= 0:
			return nil
		case kind == repInfo && len(data) >= 12 && b.Uint16(data) == infoExport:
			c.size = int64(min(b.Uint64(data[2:]), 1<<62)) //nolint:gosec // bounded
		case kind == repInfo:
		default:
			return fmt.Errorf("the server refuses (%#x): %q", kind, data)
		}
	}
}

// request sends one request and reads its answer into out.
func (c *Conn) request(command uint16, off int64, n int, in, out []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handle++
	b := binary.BigEndian
	ask := b.AppendUint16(b.AppendUint32(make([]byte, 0, 28+len(in)), magicRequest), 0)
	ask = b.AppendUint64(b.AppendUint16(ask, command), c.handle)
	ask = append(b.AppendUint32(b.AppendUint64(ask, uint64(off)), uint32(n)), in...) //nolint:gosec // checked by callers
	if _, err := c.conn.Write(ask); err != nil {
		return err
	}
	var head [16]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return err
	}
	if b.Uint32(head[:]) != magicAnswer || b.Uint64(head[8:]) != c.handle {
		c.conn.Close() //nolint:errcheck // nothing that it says counts any more
		return errors.New("the server's answer is not understood")
	}
	if code := b.Uint32(head[4:]); code != 0 {
		return syscall.Errno(code)
	}
	_, err := io.ReadFull(c.conn, out)
	return err
}

// ReadAt implements io.ReaderAt.
func (c *Conn) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	within := p[:min(int64(len(p)), c.size-off)]
	for n < len(within) {
		part := within[n:min(len(within), n+mostBytes)]
		if err := c.request(cmdRead, off+int64(n), len(part), nil, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (c *Conn) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off+int64(len(p)) > c.size {
		return 0, syscall.ENOSPC
	}
	for n < len(p) {
		part := p[n:min(len(p), n+mostBytes)]
		if err := c.request(cmdWrite, off+int64(n), len(part), part, nil); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// Flush returns when what was written is durable.
func (c *Conn) Flush() error { return c.request(cmdFlush, 0, 0, nil, nil) }
