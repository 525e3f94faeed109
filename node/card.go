package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/hypervisor"
	"github.com/vauban-cloud/vauban/driver/network"
)

type cardStep int

const (
	cardNothing cardStep = iota
	cardPlug
	cardUnplug
)

// cardOf is the network card of an interface.
func cardOf(n *cloud.NetworkInterface) hypervisor.NIC {
	return hypervisor.NIC{ID: n.ID, MAC: n.MAC, MTU: network.MTU}
}

// cardSteps are the cards that running guests lack or have no more use for, as
// "instance/interface".
func (w *World) cardSteps() (keys []string) {
	for id, g := range w.guests {
		cards := slices.Clone(g.NICs)
		for _, n := range w.nicsOf[id] {
			if !slices.Contains(cards, n.ID) {
				cards = append(cards, n.ID)
			}
		}
		for _, card := range cards {
			if w.cardStep(id, card) != cardNothing {
				keys = append(keys, id+"/"+card)
			}
		}
	}
	return keys
}

// cardStep decides what a guest needs of a card. Only one that runs can take it or
// let it go.
func (w *World) cardStep(guest, card string) cardStep {
	if !w.running(guest) {
		return cardNothing
	}
	n := w.interfaces[card]
	wanted := n != nil && n.Attachment != nil && n.Attachment.Instance == guest && !n.Attachment.Detach
	switch in := slices.Contains(w.guests[guest].NICs, card); {
	case wanted && !in:
		return cardPlug
	case in && !wanted:
		return cardUnplug
	}
	return cardNothing
}

// card takes the next step for a card of a guest: the reconciler of the card loop.
func (a *Agent) card(ctx context.Context, w *World, key string) (time.Duration, error) {
	guest, card, _ := strings.Cut(key, "/")
	switch w.cardStep(guest, card) {
	case cardPlug:
		return a.plugCard(ctx, w, guest, w.interfaces[card])
	case cardUnplug:
		defer a.again()
		return 0, a.unplugCard(ctx, guest, card)
	case cardNothing:
	}
	return 0, nil
}

// plugCard gives a guest a card once its port is there.
func (a *Agent) plugCard(ctx context.Context, w *World, guest string, n *cloud.NetworkInterface) (time.Duration, error) {
	if !a.hasPort(n) {
		return 250 * time.Millisecond, nil
	}
	defer a.again()
	tap, err := a.cfg.Network.Tap(ctx, w.instances[guest].VPC, n.ID)
	if err != nil {
		return 0, fmt.Errorf("open port %s: %w", n.ID, err)
	}
	if err := a.cfg.Hypervisor.PlugNIC(ctx, guest, cardOf(n), tap); err != nil && !errors.Is(err, hypervisor.ErrNoGuest) {
		return 0, fmt.Errorf("plug %s into %s: %w", n.ID, guest, err)
	}
	return 0, nil
}

// unplugCard waits for the guest's consent, but not for ever: the back-off of the
// loop asks again.
func (a *Agent) unplugCard(ctx context.Context, guest, card string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := a.cfg.Hypervisor.Unplug(ctx, guest, card); err != nil && !errors.Is(err, hypervisor.ErrNoGuest) {
		return fmt.Errorf("unplug %s from %s: %w", card, guest, err)
	}
	return nil
}
