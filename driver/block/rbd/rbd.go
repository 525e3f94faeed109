//go:build linux

// Package rbd keeps volumes, snapshots and images in a pool of a Ceph cluster.
//
// Every layer of a volume is an RBD image that holds a qcow2 file; the layers that do not
// change any more are read by an RBD snapshot of theirs. Which layers a volume, snapshot or
// image has is a record in the catalogue, an object of the pool. docs/adr has the reasons.
//
// It guarantees, beside the contracts of block.Driver, block.Snapshots and block.Images:
//   - One record, written at once, makes a volume be there, and what no record names is
//     swept at the next start. A layer goes when no record names it.
//   - A volume is reachable by the one user it was opened for: a server of its own, confined
//     and without any key to the volume, exports its layers on a socket that is that user's.
//     Guests need neither the cluster's network nor its key.
//   - Servers outlive the driver's process, are found again, and are started again when they end.
//   - A write that was acknowledged is in the cluster: nothing is cached on the host.
//
// The folder:
//
//	ceph.conf                          a copy of the operator's
//	open/<volume>/{nbd,monitor}.sock   of the volume's server
//	boot/<name>                        copies of kernels and initrds that are in the pool
//	intake/                            where images are checked and converted: a local.Driver's
//
// It needs Linux, Ceph's and QEMU's tools with QEMU's RBD driver, and to be the only driver of
// its Name in the pool, which it sees to by a lock in the cluster. Full pools have writers wait, as RBD does.
package rbd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/driver/internal/lock"
	"github.com/vauban-cloud/vauban/driver/internal/turn"
)

// Config is how a Driver works.
type Config struct {
	Dir      string        // the driver's own folder, absolute, in folders that guests' users may pass through; made if missing
	Name     string        // what its objects in the pool begin with: small letters and digits, different for each cloud
	Pool     string        // of the cluster
	User     string        // Ceph's, without "client."
	Conf     string        // the cluster's configuration; empty: /etc/ceph/ceph.conf
	Keyring  string        // with the user's key; empty: /etc/ceph/ceph.client.<User>.keyring
	Bin      string        // folder of Ceph's tools; empty: those on the path
	UID      int           // the unprivileged user that tools and servers run as; 0: 65534 (nobody)
	MaxBytes int64         // the largest virtual size of an image or volume; 0: 16 TiB
	Patience time.Duration // for a tool, copies of bytes aside; 0: a minute
	Log      *slog.Logger  // nil: none
}

// Driver keeps volumes in a pool. It implements block.Driver, block.Snapshots, block.Images,
// block.Transfers and block.Direct.
type Driver struct {
	cfg    Config
	key    string        // the Ceph user's
	lock   *lock.Lock    // on the folder, while the driver is open
	intake *local.Driver // checks images
	turns  turn.Turns    // by kind and ID
	closed chan struct{}
	tasks  sync.WaitGroup // goroutines that end after closed is

	mu       sync.Mutex
	records  map[string]record  // guarded by mu: by key
	unsure   map[string]record  // guarded by mu: what may have been written, by key
	servers  map[string]*server // guarded by mu: by volume
	accesses map[string]*access // guarded by mu: by the server's name
	space    space              // guarded by mu: as seen last
}

var (
	_ block.Driver    = (*Driver)(nil)
	_ block.Snapshots = (*Driver)(nil)
	_ block.Images    = (*Driver)(nil)
	_ block.Transfers = (*Driver)(nil)
)

// words are what names of the pool, of its users and of drivers may be: tools take them as
// arguments, and QEMU as parts of options.
var words = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Validate returns why no driver can work so, or nil.
func (c Config) Validate() error {
	if !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("folder %q is not absolute", c.Dir)
	}
	for what, word := range map[string]string{"name": c.Name, "pool": c.Pool, "user": c.User} {
		if !words.MatchString(word) {
			return fmt.Errorf("%s %q is no word of letters, digits, dots and dashes", what, word)
		}
	}
	return nil
}

// New opens the pool, sweeps what earlier processes left unfinished, and finds the servers
// that run. ErrInUse of package local if another Driver has the folder, ErrOwned if the
// catalogue is another folder's.
func New(ctx context.Context, cfg Config) (*Driver, error) {
	d := &Driver{
		cfg: cfg.Complete(), closed: make(chan struct{}),
		records: make(map[string]record), unsure: make(map[string]record), servers: make(map[string]*server), accesses: make(map[string]*access),
	}
	if err := d.open(ctx); err != nil {
		d.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("open pool %s: %w", cfg.Pool, err)
	}
	return d, nil
}

// Complete fills in the defaults.
func (c Config) Complete() Config {
	if c.Conf == "" {
		c.Conf = "/etc/ceph/ceph.conf"
	}
	if c.Keyring == "" {
		c.Keyring = "/etc/ceph/ceph.client." + c.User + ".keyring"
	}
	if c.UID == 0 {
		c.UID = 65534
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 16 << 40
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (d *Driver) open(ctx context.Context) (err error) {
	if err := d.cfg.Validate(); err != nil {
		return err
	}
	for _, dir := range []string{d.cfg.Dir, d.path("open"), d.path("boot")} {
		// Guests pass through these, and see nothing in them, whatever the umask is.
		if err := errors.Join(os.MkdirAll(dir, 0o711), os.Chmod(dir, 0o711)); err != nil { //nolint:gosec // as said
			return err
		}
	}
	if d.lock, err = lock.Take(d.cfg.Dir); err != nil {
		return err
	}
	if d.key, err = readKey(d.cfg.Keyring, d.cfg.User); err != nil {
		return err
	}
	if err := d.copyConf(); err != nil {
		return err
	}
	if d.intake, err = local.New(local.Config{Dir: d.path("intake"), UID: d.cfg.UID, MaxBytes: d.cfg.MaxBytes}); err != nil {
		return err
	}
	if err := d.load(ctx); err != nil {
		return err
	}
	if err := d.own(ctx); err != nil {
		return err
	}
	if err := d.sweep(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := d.sweepFolder(); err != nil {
		return err
	}
	return d.adopt()
}

// Close lets go of the pool. Servers of volumes run on. Calls that are under way must have returned.
func (d *Driver) Close() (err error) {
	err = d.endAccesses()
	close(d.closed)
	d.letGo()
	d.tasks.Wait()
	if d.intake != nil {
		err = errors.Join(err, d.intake.Close())
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Release())
	}
	return err
}

func (d *Driver) path(elements ...string) string {
	return filepath.Join(append([]string{d.cfg.Dir}, elements...)...)
}

// space is what the pool offers, and when that was seen.
type space struct {
	size, free int64
	at         time.Time
}

// spaceHolds is how long it may be told again: the cluster counts now and then, too.
const spaceHolds = 10 * time.Second

// Space implements block.Driver: what the pool can take, with all its copies.
func (d *Driver) Space(ctx context.Context) (size, free int64, err error) {
	d.mu.Lock()
	s := d.space
	d.mu.Unlock()
	if time.Since(s.at) < spaceHolds {
		return s.size, s.free, nil
	}
	out, err := d.look(ctx, call{name: "ceph", args: []string{"df", "--format", "json"}})
	if err != nil {
		return 0, 0, fmt.Errorf("measure pool %s: %w", d.cfg.Pool, err)
	}
	var answer struct {
		Pools []struct {
			Name  string `json:"name"`
			Stats struct {
				Stored int64 `json:"stored"`
				Free   int64 `json:"max_avail"`
			} `json:"stats"`
		} `json:"pools"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return 0, 0, fmt.Errorf("measure pool %s: read the answer of ceph: %w", d.cfg.Pool, err)
	}
	for _, p := range answer.Pools {
		if p.Name == d.cfg.Pool {
			s = space{size: p.Stats.Stored + p.Stats.Free, free: p.Stats.Free, at: time.Now()}
			d.mu.Lock()
			d.space = s
			d.mu.Unlock()
			return s.size, s.free, nil
		}
	}
	return 0, 0, fmt.Errorf("measure pool %s: the cluster does not have it", d.cfg.Pool)
}

// room returns block.ErrNoSpace if the pool can take nothing: a write to it would wait.
func (d *Driver) room(ctx context.Context) error {
	_, free, err := d.Space(ctx)
	if err == nil && free < leastFree {
		err = fmt.Errorf("%w: %d bytes are left in pool %s", block.ErrNoSpace, free, d.cfg.Pool)
	}
	return err
}

// leastFree is what is to be left in the pool, in bytes: for a record and for deletions.
const leastFree = 64 << 20
