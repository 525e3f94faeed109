// Package initramfs lists what is in the initial RAM disks of Linux, of unknown origin:
// archives in cpio's "newc" format one after another, the last perhaps compressed by gzip
// or zstd (https://docs.kernel.org/driver-api/early-userspace/buffer-format.html).
//
// It guarantees bounded time and memory, whatever it is given, and looks at names alone.
package initramfs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// ErrFormat says that it is no initial RAM disk, or is compressed in another way.
var ErrFormat = errors.New("it is not an initial RAM disk, or not compressed by gzip or zstd")

// Bounds of an initial RAM disk.
const (
	maxNames  = 200_000
	maxName   = 4096
	maxWindow = 128 << 20 // of zstd
	header    = 110       // bytes before a name
	trailer   = "TRAILER!!!"
)

// Names calls yield with each name, until it returns false. What is compressed may unpack
// to most bytes.
func Names(r io.Reader, most int64, yield func(name string) bool) error {
	l := list{most: most, yield: yield}
	err := l.segments(bufio.NewReader(r), true)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("enough was seen")

type list struct {
	most  int64
	yield func(string) bool
	names int
}

// segments reads archives one after another; only on the outside may one be compressed.
func (l *list) segments(r *bufio.Reader, outside bool) error {
	for first := true; ; first = false {
		if err := skipZeroes(r); errors.Is(err, io.EOF) && !first {
			return nil
		} else if err != nil {
			return ErrFormat
		}
		head, _ := r.Peek(6)
		switch {
		case bytes.HasPrefix(head, []byte("070701")), bytes.HasPrefix(head, []byte("070702")):
			if err := l.archive(r); err != nil {
				return err
			}
		case outside && bytes.HasPrefix(head, []byte("\x1f\x8b")):
			z, err := gzip.NewReader(r)
			if err != nil {
				return ErrFormat
			}
			z.Multistream(false)
			return l.segments(bufio.NewReader(io.LimitReader(z, l.most)), false)
		case outside && bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return ErrFormat
			}
			defer z.Close()
			return l.segments(bufio.NewReader(io.LimitReader(z, l.most)), false)
		default:
			return ErrFormat
		}
	}
}

func skipZeroes(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return r.UnreadByte()
		}
	}
}

// archive reads one archive up to its end.
func (l *list) archive(r *bufio.Reader) error {
	h := make([]byte, header)
	for {
		if _, err := io.ReadFull(r, h); err != nil {
			return fmt.Errorf("%w: it is cut off", ErrFormat)
		}
		size, err := strconv.ParseUint(string(h[54:62]), 16, 32)
		length, err2 := strconv.ParseUint(string(h[94:102]), 16, 32)
		if string(h[:5]) != "07070" || err != nil || err2 != nil || length == 0 || length > maxName {
			return ErrFormat
		}
		name := make([]byte, length+pad(header+length))
		if _, err := io.ReadFull(r, name); err != nil {
			return fmt.Errorf("%w: it is cut off", ErrFormat)
		}
		text := string(name[:length-1])
		if text == trailer {
			return nil
		}
		if l.names++; l.names > maxNames {
			return fmt.Errorf("%w: it has more than %d files", ErrFormat, maxNames)
		}
		if !l.yield(text) {
			return errEnough
		}
		if _, err := io.CopyN(io.Discard, r, int64(size+pad(size))); err != nil { //nolint:gosec // 32 bits
			return fmt.Errorf("%w: it is cut off", ErrFormat)
		}
	}
}

// pad is how many bytes fill up to a multiple of four.
func pad(n uint64) uint64 { return (4 - n%4) % 4 }
