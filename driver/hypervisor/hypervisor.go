// Package hypervisor is the narrow interface to the engine that runs guests on
// one host. Drivers: qemu (real) and fake (simulated); both pass hypervisortest.
package hypervisor

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrNoGuest says that the host knows no guest of that ID, or that it has no
// process where one is needed (Reset, Plug).
var ErrNoGuest = errors.New("no such guest")

// ErrNoRoom says that the host lacks memory or processes to start the guest.
var ErrNoRoom = errors.New("host has no room")

// Driver runs guests. All methods are idempotent and safe for concurrent use;
// calls for one guest are serialised by the driver. Guests outlive the process
// that started them: a new Driver on the same folder finds them by List.
// The caller retries.
type Driver interface {
	// Start runs the guest. One that runs already is left alone, and so is one
	// that has halted: Kill it first. taps are the open devices of spec.NICs, in
	// order; Start takes them over and closes them, whatever it returns.
	Start(ctx context.Context, spec Spec, taps []*os.File) error
	// Power asks for a change of a guest's power; it returns when the request
	// was made (Kill, Reset: when done).
	Power(ctx context.Context, id string, action Action) error
	Plugger
	// Switch makes a running guest go on in new layers of disks that are plugged in, all
	// at one instant: the disk's own is the new one, Below begins with the one that it wrote to
	// until then, and no longer writes to when Switch returns. Disks that write to their own
	// already are left alone.
	Switch(ctx context.Context, id string, disks []Disk) error
	// Grow tells a running guest that a disk has become larger; nil if it was told.
	Grow(ctx context.Context, id, disk string, bytes int64) error
	// List returns every guest of this host, running or not, as the engine sees it.
	List(ctx context.Context) ([]Guest, error)
	// Remove kills the guest if it runs, and removes all that the driver keeps
	// of it (not its disks).
	Remove(ctx context.Context, id string) error
}

// Plugger changes what a guest has while it runs.
type Plugger interface {
	// Plug attaches a disk to a running guest; it is nil when the disk is there.
	Plug(ctx context.Context, id string, disk Disk) error
	// PlugNIC attaches a network card to a running guest; it is nil when the card is
	// there. tap is its open device; PlugNIC takes it over and closes it, whatever it
	// returns.
	PlugNIC(ctx context.Context, id string, nic NIC, tap *os.File) error
	// Unplug asks the guest to let go of a disk or a card, and returns when it has and
	// the file is closed, or when ctx ends. It is nil when the device is not there.
	Unplug(ctx context.Context, id, device string) error
	// Pull takes a disk from a guest that does not let go: the file is closed, and what the
	// guest reads and writes from then on fails. The guest may go on to see a dead device, and
	// cannot have the disk again before it has let go of that. It is nil when the disk is not there.
	Pull(ctx context.Context, id, disk string) error
}

// Console is what a driver offers beside running guests.
type Console interface {
	// Console returns the last 64 KiB of what the guest wrote to its serial port,
	// over all its boots. ErrNoGuest if it never ran here.
	Console(ctx context.Context, id string) ([]byte, error)
	// Changed yields the ID of a guest whose power or disks changed by
	// themselves. It is a hint: events may be lost or repeated.
	Changed() <-chan string
	// Probe reports the engine's version and accelerator ("kvm" or "tcg"), or
	// why it cannot run guests.
	Probe(ctx context.Context) (version, accel string, err error)
}

// Action is a change of power.
type Action int

// The actions. Shutdown presses the power button. Reset restarts the processor
// at once. Kill ends the guest's process; afterwards List shows it as Absent.
const (
	Shutdown Action = iota
	Reset
	Kill
)

// State is what the engine sees of a guest.
type State int

// The states. Halted: the guest shut itself down and its process waits to be
// killed or reset. Absent: it is known (a console log is kept), but has no process.
const (
	Absent State = iota
	Running
	Halted
)

// Guest is one guest as the engine sees it.
type Guest struct {
	ID     string
	State  State
	Starts int      // Spec.Starts of the process; 0 when Absent
	Disks  []string // IDs of the disks plugged in
	Full   []string // IDs of those for which the guest waits until the host has space
	NICs   []string // IDs of the network cards plugged in
	PID    int      // 0 when Absent
}

// Spec is all that is needed to start a guest.
type Spec struct {
	ID        string // the instance ID; every outside name derives from it
	Starts    int    // the number of this start, kept with the process
	VCPUs     int
	MemoryMiB int
	UID       int    // the unprivileged user (and group) that it runs as; unique on the host
	Disks     []Disk // the first is the boot disk
	NICs      []NIC
	Kernel    string // direct boot if not empty: paths on the host
	Initrd    string
	Append    string // kernel arguments of a direct boot
	Cgroup    string // name of its control group below the driver's; empty for the ID
}

// Disk is a file to plug in, or what a server exports as one.
type Disk struct {
	ID     string  // volume ID; the guest sees it, without its dash, as the serial number
	Path   string  // of the file, or of the server's Unix socket
	Export string  // by which the NBD server knows it; empty for a file
	Format string  // "qcow2" or "raw"
	Secret []byte  `json:"-"` // LUKS passphrase of an encrypted qcow2; never kept on a disk
	Below  []Layer // what the file does not hold, the nearest first
	Limits
}

// Limits are how fast a disk may be, 0 for as fast as it can. Above the sustained
// rates there is a credit: of Burst at the burst rate, from the start on; it comes back at
// the sustained rate.
type Limits struct {
	IOPS, MiBps           int // sustained, a second
	BurstIOPS, BurstMiBps int // 0 for none
	Burst                 time.Duration
	IOSize                int // bytes; a larger operation counts as several
}

// Layer is what a disk's own file stands on. It is only read.
type Layer struct {
	Path   string
	Export string
	Format string
	Secret []byte `json:"-"`
}

// NIC is a network card on a tap.
type NIC struct {
	ID  string // network interface ID
	MAC string
	MTU int
}
