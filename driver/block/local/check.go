//go:build linux

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
)

// copyDisk copies the file, holes as holes, to where the tools find it.
func (d *Driver) copyDisk(ctx context.Context, w workplace, path string) (s source, err error) {
	s.path = w.tool("source")
	free, err := d.room(ctx)
	if err != nil {
		return s, err
	}
	from, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // not to wait for a pipe's writer
	if err != nil {
		return s, err
	}
	defer from.Close() //nolint:errcheck // only read
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return s, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return s, &block.BadImageError{Reason: "it is not a file"}
	case st.Size == 0:
		return s, &block.BadImageError{Reason: "it is empty"}
	case st.Size > d.cfg.MaxBytes:
		return s, &block.BadImageError{Reason: fmt.Sprintf("it has %d bytes, more than %d", st.Size, d.cfg.MaxBytes)}
	case st.Blocks*512 > free:
		return s, fmt.Errorf("%w: %d bytes, %d are free", block.ErrNoSpace, st.Blocks*512, free)
	}
	s.bytes = st.Size
	to, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := errors.Join(to.Chmod(0o444), to.Truncate(st.Size)); err != nil {
		return s, err
	}
	for at := int64(0); at < st.Size; {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		begin, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil {
			return s, err
		}
		end, err := from.Seek(begin, unix.SEEK_HOLE)
		if err != nil {
			return s, err
		}
		end = min(end, begin+copyStep, st.Size)
		if _, err := from.Seek(begin, io.SeekStart); err != nil {
			return s, err
		}
		if _, err := to.Seek(begin, io.SeekStart); err != nil {
			return s, err
		}
		if _, err := io.CopyN(to, from, end-begin); err != nil {
			return s, err
		}
		at = end
	}
	return s, nil
}

// check returns the format of the copied disk, or a *block.BadImageError.
func (d *Driver) check(ctx context.Context, s source, format string) (string, error) {
	file, closer, err := s.open()
	if err != nil {
		return "", err
	}
	defer closer.Close() //nolint:errcheck // only read
	format, bytes, err := inspect(file, s.bytes, format)
	if err != nil {
		return "", err
	}
	if err := d.checkSize(bytes); err != nil {
		return "", err
	}
	if err := d.checkInfo(ctx, s, format); err != nil {
		return "", err
	}
	if format == "raw" || format == vhd { // of which the tool checks nothing
		return format, nil
	}
	name, r := s.node(format)
	r.args = slices.Concat([]string{"check", "-q"}, r.args, []string{name})
	r.cpu, r.patience = 300, 10*d.cfg.Patience
	_, err = d.tool(ctx, r)
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() == leaks {
		return format, nil
	}
	return "", refusal(err, "it is damaged")
}

// leaks is the exit status of qemu-img check when space is lost, and nothing else.
const leaks = 3

func (d *Driver) checkSize(bytes int64) error {
	if bytes <= 0 || bytes > d.cfg.MaxBytes {
		return &block.BadImageError{Reason: fmt.Sprintf("its virtual size of %d bytes is not 1 to %d", bytes, d.cfg.MaxBytes)}
	}
	return nil
}

// info is what qemu-img says of an image.
type info struct {
	Bytes     int64  `json:"virtual-size"`
	Format    string `json:"format"`
	Encrypted bool   `json:"encrypted"`
	Backing   string `json:"backing-filename"`
	Specific  struct {
		Data struct {
			DataFile string `json:"data-file"`
			Corrupt  bool   `json:"corrupt"`
			Extents  []struct {
				File string `json:"filename"`
			} `json:"extents"`
		} `json:"data"`
	} `json:"format-specific"`
}

// info asks the tool that will read the image what it sees.
func (d *Driver) info(ctx context.Context, s source, format string) (i info, err error) {
	name, r := s.node(format)
	r.args, r.cpu = slices.Concat([]string{"info", "--output=json"}, r.args, []string{name}), 10
	out, err := d.tool(ctx, r)
	if err != nil {
		return i, refusal(err, "it cannot be read")
	}
	if err := json.Unmarshal(out, &i); err != nil {
		return i, fmt.Errorf("read qemu-img's answer: %w", err)
	}
	return i, nil
}

// checkInfo asks the tool that will read the image whether it sees it as inspect did.
func (d *Driver) checkInfo(ctx context.Context, s source, format string) error {
	i, err := d.info(ctx, s, format)
	if err != nil {
		return err
	}
	outside := i.Backing != "" || i.Specific.Data.DataFile != "" || len(i.Specific.Data.Extents) > 1
	for _, extent := range i.Specific.Data.Extents {
		outside = outside || !s.is(extent.File)
	}
	switch {
	case i.Format != format:
		return &block.BadImageError{Reason: fmt.Sprintf("it is %s and not %s", i.Format, format)}
	case outside:
		return &block.BadImageError{Reason: "it refers to other files"}
	case i.Encrypted:
		return &block.BadImageError{Reason: "it is encrypted"}
	case i.Specific.Data.Corrupt:
		return &block.BadImageError{Reason: "it is marked as damaged"}
	}
	return d.checkSize(i.Bytes)
}

// refusal is the image's fault if the tool ended by itself and said so.
func refusal(err error, reason string) error {
	var failure *toolError
	var exit *exec.ExitError
	if errors.As(err, &failure) && errors.As(failure.err, &exit) {
		return &block.BadImageError{Reason: fmt.Sprintf("%s (%s)", reason, failure.says)}
	}
	return err
}
