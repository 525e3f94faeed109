//go:build linux

package nbd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/driver/internal/nbd"
)

// serve exports a file of so many bytes, as "disk" and, to read alone, as "fixed".
func serve(t *testing.T, size int64) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nbd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a temporary folder
	file := filepath.Join(dir, "disk")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, size)); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "nbd.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the server has it
	l.SetUnlinkOnClose(false)
	inherited, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()                                                               //nolint:errcheck // the server has it
	cmd := exec.Command("qemu-storage-daemon", "--nbd-server", "addr.type=fd,addr.str=3", //nolint:noctx // ended below
		"--blockdev", "driver=file,node-name=file,filename="+file, "--export", "type=nbd,id=one,node-name=file,name=disk,writable=on",
		"--export", "type=nbd,id=two,node-name=file,name=fixed")
	cmd.ExtraFiles = []*os.File{inherited}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // a child
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	return socket
}

func TestReadsAndWrites(t *testing.T) {
	const size = 40<<20 + 512
	socket := serve(t, size)
	c, err := nbd.Dial(t.Context(), socket, "disk")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // flushed
	if c.Size() != size {
		t.Errorf("size %d, want %d", c.Size(), size)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16) // in several requests
	if n, err := c.WriteAt(want, 1<<20); n != len(want) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	if err := c.Flush(); err != nil {
		t.Errorf("flush: %v", err)
	}
	got := make([]byte, len(want))
	if n, err := c.ReadAt(got, 1<<20); n != len(want) || err != nil || !bytes.Equal(got, want) {
		t.Errorf("read: %d, %v", n, err)
	}
	if n, err := c.ReadAt(got, size-512); n != 512 || !errors.Is(err, io.EOF) {
		t.Errorf("read over the end: %d, %v, want 512 and EOF", n, err)
	}
	if n, err := c.ReadAt(got, size); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read behind the end: %d, %v, want EOF", n, err)
	}
	if _, err := c.WriteAt(want, size-512); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write over the end: %v, want ENOSPC", err)
	}
	fixed, err := nbd.Dial(t.Context(), socket, "fixed")
	if err != nil {
		t.Fatal(err)
	}
	defer fixed.Close() //nolint:errcheck // only read
	var refused syscall.Errno
	if _, err := fixed.WriteAt(want[:512], 0); !errors.As(err, &refused) {
		t.Errorf("write to what is to be read: %v, want the server's refusal", err)
	}
	if _, err := fixed.ReadAt(got[:512], 1<<20); err != nil || !bytes.Equal(got[:512], want[:512]) {
		t.Errorf("read after a refusal: %v", err)
	}
	if _, err := nbd.Dial(t.Context(), socket, "another"); err == nil {
		t.Error("an export was opened that is not there")
	}
}

// TestHostileServers: whatever a server says, a client neither waits for ever nor believes it.
func TestHostileServers(t *testing.T) {
	b := binary.BigEndian
	hello := b.AppendUint16([]byte("NBDMAGICIHAVEOPT"), 3)
	reply := func(kind uint32, data []byte) []byte {
		r := b.AppendUint32(b.AppendUint64(nil, 0x3e889045565a9), 7)
		return append(b.AppendUint32(b.AppendUint32(r, kind), uint32(len(data))), data...) //nolint:gosec // short
	}
	for name, says := range map[string][]byte{
		"nothing":       {},
		"another":       []byte("SSH-2.0-OpenSSH_9.2p1 Debian"),
		"old style":     b.AppendUint16([]byte("NBDMAGICIHAVEOPT"), 0),
		"refusal":       append(bytes.Clone(hello), reply(1<<31+6, []byte("no"))...),
		"no size":       append(bytes.Clone(hello), reply(1, nil)...),
		"endless reply": append(bytes.Clone(hello), reply(3, make([]byte, 65<<10))...),
		"short size":    append(append(bytes.Clone(hello), reply(3, []byte{0, 0, 1})...), reply(1, nil)...),
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket) //nolint:noctx // at once
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // a test's
			go func() {
				if conn, err := l.Accept(); err == nil {
					conn.Write(says)          //nolint:errcheck // the client may be gone
					io.Copy(io.Discard, conn) //nolint:errcheck // until the client is gone
					conn.Close()              //nolint:errcheck // nothing was written
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, err := nbd.Dial(ctx, socket, "disk"); err == nil {
				t.Error("the export was opened")
			}
		})
	}
}
