package app

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/hypervisor/qemu"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/linux"
)

// engines are the drivers of one host.
type engines struct {
	hypervisor hypervisor.Driver
	console    hypervisor.Console
	blocks     block.Driver
	images     block.Images
	network    network.Driver
	closers    []io.Closer
}

// openEngines opens the drivers of this host.
func (c Config) openEngines(ctx context.Context, s cloud.Settings, log *slog.Logger) (e engines, err error) {
	disks, err := c.openVolumes(ctx, s, log)
	if err != nil {
		return e, err
	}
	e.blocks, e.images, e.closers = disks, disks, append(e.closers, disks)
	guests, err := qemu.New(qemu.Config{Dir: c.guestsDir(), Log: log.With("room", "hypervisor")})
	if err != nil {
		return e, errors.Join(err, e.close())
	}
	e.hypervisor, e.console, e.closers = guests, guests, append(e.closers, guests)
	e.network, err = linux.New(linux.Config{Cloud: s.ID, PublicPool: c.PublicPool, PublicPool6: c.IPv6Pool, Log: log.With("room", "network")})
	if err != nil {
		return e, errors.Join(err, e.close())
	}
	return e, nil
}

// close lets go of the engines; what they run goes on.
func (e *engines) close() error {
	var errs []error
	for _, c := range e.closers {
		errs = append(errs, c.Close())
	}
	e.closers = nil
	return errors.Join(errs...)
}
