package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/driver/block/rbd"
)

// localVolumes is what Config.Volumes says of volumes in the data folder.
const localVolumes = "local"

// blockEngine is what keeps volumes.
type blockEngine interface {
	block.Driver
	block.Images
	io.Closer
}

// pool is the Ceph pool that keeps the volumes, and the Ceph user that may; ok is false if
// they are in the data folder.
func (c Config) pool() (pool, user string, ok bool, err error) {
	if c.Volumes == "" || c.Volumes == localVolumes {
		return "", "", false, nil
	}
	rest, is := strings.CutPrefix(c.Volumes, "ceph:")
	user, pool, named := strings.Cut(rest, "@")
	if !named {
		user, pool = "vauban", rest
	}
	err = rbd.Config{Dir: "/", Name: "x", Pool: pool, User: user}.Validate()
	if !is || err != nil {
		return "", "", false, fmt.Errorf("--volumes %q is neither %s nor ceph:POOL nor ceph:USER@POOL", c.Volumes, localVolumes)
	}
	return pool, user, true, nil
}

// poolConfig is of the driver for the pool.
func (c Config) poolConfig(s cloud.Settings, pool, user string, log *slog.Logger) rbd.Config {
	// The cloud's ID is short: two clouds of one pool must never have the same name there.
	digest := sha256.Sum256(append([]byte("pool"), s.MetadataKey...))
	return rbd.Config{
		Dir: c.poolDir(), Name: s.ID + hex.EncodeToString(digest[:6]), Pool: pool, User: user, Conf: c.CephConf, Keyring: c.CephKeyring,
		UID: uidBase(s.ID) + usersPerCloud - 1, Log: log.With("room", "block"),
	}
}

// openVolumes opens the engine that keeps volumes: the one that the cloud began with.
func (c Config) openVolumes(ctx context.Context, s cloud.Settings, log *slog.Logger) (blockEngine, error) {
	pool, user, inPool, err := c.pool()
	if err != nil {
		return nil, err
	}
	if err := c.keepChoice(inPool); err != nil {
		return nil, err
	}
	if !inPool {
		return local.New(local.Config{Dir: c.blocksDir()})
	}
	d, err := rbd.New(ctx, c.poolConfig(s, pool, user, log))
	if err != nil {
		return nil, fmt.Errorf("%w; see docs/operations/ceph.md", err)
	}
	return d, nil
}

// keepChoice refuses another kind of engine than the cloud began with: its volumes would be gone.
func (c Config) keepChoice(inPool bool) error {
	_, inFolder := os.Stat(c.blocksDir())
	_, began := os.Stat(c.poolDir())
	switch {
	case inPool && inFolder == nil:
		return errors.New("this cloud keeps its volumes in its data folder: start it without --volumes, or another cloud with --data")
	case !inPool && began == nil:
		return errors.New("this cloud keeps its volumes in a Ceph pool: start it with the same --volumes as before")
	case began != nil && !errors.Is(began, os.ErrNotExist):
		return began
	}
	return nil
}

// checkPool reports what a pool needs that the machine lacks.
func (c Config) checkPool() error {
	_, user, ok, err := c.pool()
	if err != nil || !ok {
		return err
	}
	for tool, pkg := range map[string]string{"rbd": "ceph-common", "rados": "ceph-common", "ceph": "ceph-common", "qemu-storage-daemon": "qemu-system-common"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s not found, and volumes are to be in a Ceph pool: install with `apt-get install -y --no-install-recommends %s`", tool, pkg)
		}
	}
	if modules, err := filepath.Glob("/usr/lib/*/qemu/block-rbd.so"); err == nil && len(modules) == 0 {
		return errors.New("QEMU has no RBD driver, and volumes are to be in a Ceph pool: install with `apt-get install -y --no-install-recommends qemu-block-extra`")
	}
	full := rbd.Config{User: user, Conf: c.CephConf, Keyring: c.CephKeyring}.Complete()
	for flag, path := range map[string]string{"--ceph-conf": full.Conf, "--ceph-keyring": full.Keyring} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("volumes are to be in a Ceph pool, and %w: name the file with %s", err, flag)
		}
	}
	return nil
}
