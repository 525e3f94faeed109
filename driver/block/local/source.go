//go:build linux

package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
)

// source is a disk of unknown origin, where the tools find it.
type source struct {
	path  string
	bytes int64 // of the disk's file
	// secret opens the qcow2 file in which a tenant's disk lies encrypted. It is in memory alone: with
	// the process the bytes are lost. nil: the file is the disk itself, the operator's.
	secret []byte
}

// node describes the disk to a tool, with the secret that it takes.
func (s source) node(format string) (name string, r run) {
	file := map[string]any{"driver": "file", "filename": s.path}
	if s.secret != nil {
		file = map[string]any{"driver": "qcow2", "encrypt": map[string]any{"format": "luks", "key-secret": secretName(0)}, "file": file}
		file = map[string]any{"driver": "raw", "size": wholeSectors(s.bytes), "file": file}
		r.args, r.secrets = []string{"--object", secretObject(0)}, [][]byte{s.secret}
	}
	text, _ := json.Marshal(map[string]any{"driver": format, "file": file}) //nolint:errchkjson // strings and numbers alone
	return "json:" + string(text), r
}

func wholeSectors(bytes int64) int64 { return (bytes + 511) / 512 * 512 }

// is reports whether a tool, by the name that it gives a file, means the disk's.
func (s source) is(name string) bool {
	if s.secret == nil {
		return name == s.path
	}
	text, ok := strings.CutPrefix(name, "json:")
	var node struct {
		File struct {
			File struct {
				Filename string `json:"filename"`
			} `json:"file"`
		} `json:"file"`
	}
	return ok && json.Unmarshal([]byte(text), &node) == nil && node.File.File.Filename == s.path
}

// open opens the disk, in the clear.
func (s source) open() (io.ReaderAt, io.Closer, error) {
	f, err := os.OpenFile(s.path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil || s.secret == nil {
		return f, f, err
	}
	r, err := qcow2.Open(f, s.secret)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return io.NewSectionReader(r, 0, s.bytes), f, nil
}

// spool writes what it reads, of at most so many bytes, into a new file under a key that nobody
// else has, zeroes as holes.
func spool(path string, most int64, from io.Reader) (s source, err error) {
	s = source{path: path, secret: newSecret()}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o444); err != nil {
		return s, err
	}
	if err := qcow2.CreateLinear(f, qcow2.Image{Bytes: wholeSectors(most), Secret: s.secret}); err != nil {
		return s, err
	}
	to, err := qcow2.OpenLinear(f, s.secret)
	if err != nil {
		return s, err
	}
	block, nothing := make([]byte, mib), make([]byte, mib)
	for {
		n, err := io.ReadFull(from, block)
		clear(block[n:])
		if !bytes.Equal(block, nothing) {
			whole := (int64(n) + qcow2.Cluster - 1) / qcow2.Cluster * qcow2.Cluster
			if _, err := to.WriteAt(block[:whole], s.bytes); err != nil {
				return s, err
			}
		}
		s.bytes += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
}
