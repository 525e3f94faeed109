package fake

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/driver/hypervisor"
)

var errNotRunning = errors.New("guest does not run")

// running runs fn on a guest that runs.
func (h *Host) running(id string, fn func(*guest)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guests[id]
	if g == nil {
		return fmt.Errorf("%s: %w", id, hypervisor.ErrNoGuest)
	}
	if g.state != hypervisor.Running {
		return fmt.Errorf("%s: %w", id, errNotRunning)
	}
	fn(g)
	return nil
}

// Halt lets the guest shut itself down.
func (h *Host) Halt(id string) error { return h.running(id, h.halt) }

// Die ends the guest's process, as a crash of the engine would.
func (h *Host) Die(id string) error { return h.running(id, h.end) }

// Write lets the guest write to its serial port.
func (h *Host) Write(id, text string) error {
	return h.running(id, func(g *guest) { g.write(text) })
}

// Sleep sets whether the guest ignores the power button.
func (h *Host) Sleep(id string, on bool) error {
	return h.running(id, func(g *guest) { g.sleeps = on })
}

// Cling sets whether the guest holds on to its disks.
func (h *Host) Cling(id string, on bool) error {
	return h.running(id, func(g *guest) { g.clings = on })
}

// Disks returns the guest's disks with their limits, as plugged in.
func (h *Host) Disks(id string) ([]hypervisor.Disk, error) {
	var disks []hypervisor.Disk
	err := h.running(id, func(g *guest) { disks = append(disks, g.disks...) })
	return disks, err
}

// NICs returns the network cards that the guest sees.
func (h *Host) NICs(id string) ([]hypervisor.NIC, error) {
	var nics []hypervisor.NIC
	err := h.running(id, func(g *guest) { nics = slices.Clone(g.nics) })
	return nics, err
}

// LoseEvents sets whether the host's events are lost on the way.
func (h *Host) LoseEvents(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deaf = on
}

// Reboot is a power cut of the whole machine: every guest is gone, and known.
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.guests {
		h.end(g)
	}
}
