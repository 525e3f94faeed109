//go:build linux

package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

// folder is what the driver keeps of one guest. It is the driver's alone: the
// guest's process holds open files of it, and can reach nothing by name.
//
//	spec.json    what was started last; written before the process begins
//	console.log  serial output of all boots, its tail at least
//	qemu.log     QEMU's own output since the last start
//	*.sock       monitor, serial port, guest agent; connecting to the monitor's
//	             socket is refused exactly when no process of the guest lives
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

// readSpec returns what was started last.
func (f folder) readSpec() (spec hypervisor.Spec, err error) {
	b, err := os.ReadFile(f.path("spec.json"))
	if err == nil {
		err = json.Unmarshal(b, &spec)
	}
	return spec, err
}

// writeSpec records what is about to be started; it is whole or not there.
func (f folder) writeSpec(spec hypervisor.Spec) error {
	b, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return f.replace("spec.json", b)
}

// replace writes a file as a whole.
func (f folder) replace(name string, content []byte) error {
	temp, err := os.CreateTemp(string(f), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // renamed away if all went well
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), f.path(name))
}

// openLog opens an output file for a process to append to.
func (f folder) openLog(name string) (*os.File, error) {
	return os.OpenFile(f.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// The sizes of output files, in bytes: what is shown of one, what is kept at
// least, from what on it is cut, and what it may ever appear to be.
const (
	logShown = 64 << 10
	logKept  = 256 << 10
	logLimit = 1 << 20
	logEver  = 1 << 40
)

// tail returns the last n bytes of an output file; none if it is not there.
func (f folder) tail(name string, n int64) ([]byte, error) {
	file, err := os.Open(f.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-n), n))
}

// compact cuts an output file to its tail while nobody writes to it.
func (f folder) compact(name string) error {
	info, err := os.Stat(f.path(name))
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() <= logKept {
		return nil
	}
	if err != nil {
		return err
	}
	tail, err := f.tail(name, logShown)
	if err != nil {
		return err
	}
	return f.replace(name, tail)
}

// trim gives the beginning of an output file back to the disk while a process
// appends to it: nothing written at the same time is lost.
func (f folder) trim(name string) error {
	file, err := os.OpenFile(f.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return err
	}
	if st.Blocks*512 <= logLimit {
		return nil
	}
	if st.Size < logEver {
		err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, (st.Size-logKept)&^4095)
		if !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return file.Truncate(0) // the writer appends, so it goes on from the start
}

// listen makes a listening socket for the guest's process to inherit.
func (f folder) listen(name string) (*os.File, error) {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var file *os.File
	err := f.at(name, func(address *net.UnixAddr) error {
		l, err := net.ListenUnix("unix", address)
		if err != nil {
			return err
		}
		defer l.Close() //nolint:errcheck // the copy stays
		l.SetUnlinkOnClose(false)
		file, err = l.File()
		return err
	})
	return file, err
}

// dial connects to a socket of the guest's process.
func (f folder) dial(name string) (conn *net.UnixConn, err error) {
	err = f.at(name, func(address *net.UnixAddr) error {
		conn, err = net.DialUnix("unix", nil, address)
		return err
	})
	return conn, err
}

// at calls fn with the address of a socket in the folder, however long the
// folder's path is: socket addresses are 107 bytes at most.
func (f folder) at(name string, fn func(*net.UnixAddr) error) error {
	dir, err := unix.Open(string(f), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", f, err)
	}
	defer unix.Close(dir) //nolint:errcheck // only a place
	return fn(&net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir, name), Net: "unix"})
}

// sockets are the names of the sockets, in the order in which a process inherits them.
func sockets() []string { return []string{"monitor.sock", "serial.sock", "agent.sock"} }

// removeSockets removes the sockets of a process that has ended.
func (f folder) removeSockets() {
	for _, name := range sockets() {
		os.Remove(f.path(name)) //nolint:errcheck // replaced by the next start otherwise
	}
}
