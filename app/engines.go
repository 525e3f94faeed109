package app

import (
	"log/slog"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block/local"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
	"github.com/vauban-cloud/vauban/driver/network/linux"
)

// openEngines opens the drivers of this host.
func (c Config) openEngines(s cloud.Settings, log *slog.Logger) (e engines, err error) {
	guests, err := qemu.New(qemu.Config{Dir: c.guestsDir(), Log: log.With("room", "hypervisor")})
	if err != nil {
		return e, err
	}
	disks, err := local.New(local.Config{Dir: c.blocksDir(), Log: log.With("room", "disks")})
	if err != nil {
		return e, err
	}
	net, err := linux.New(linux.Config{Cloud: s.ID, PublicPool: c.PublicPool, Log: log.With("room", "network")})
	if err != nil {
		return e, err
	}
	return engines{hypervisor: guests, console: guests, blocks: disks, images: disks, network: net}, nil
}
