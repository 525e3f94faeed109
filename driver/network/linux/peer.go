package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/vauban-cloud/vauban/driver/network"
)

// A peering is a pair of devices, one in each VPC's namespace, that both call by its
// ID. Either VPC may take it away; it is made when both were applied and name each other.

var (
	// What both ends call each other on the link.
	linkPeer, linkPeer6 = netip.AddrFrom4([4]byte{169, 254, 0, 3}), netip.MustParseAddr("fe80::a9fe:4")
	peerMACs            = [2]net.HardwareAddr{{0x02, 0x76, 0x62, 0, 0, 4}, {0x02, 0x76, 0x62, 0, 0, 5}}
)

// peerOwner begins the owner of a peering's devices; its ID follows.
const peerOwner = "peer "

// peerDevice is a peering's device in both namespaces.
func peerDevice(peerID string) string { return tail(peerID, longestDevice) }

// peerMAC is that of the VPC's end of its link with the other.
func peerMAC(vpcID, otherID string) net.HardwareAddr {
	if vpcID < otherID {
		return peerMACs[0]
	}
	return peerMACs[1]
}

// addPeers prepares the links to the peers that are there.
func (w *ways) addPeers() error {
	for _, p := range w.plan.Peers {
		dev := w.found[peerDevice(p.ID)]
		if dev == nil {
			continue
		}
		mac := [6]byte(peerMAC(p.VPC, w.plan.ID))
		w.neighbours[neighbour{dev.Index, linkPeer, mac}] = true
		if w.six {
			w.neighbours[neighbour{dev.Index, linkPeer6, mac}] = true
		}
		if err := w.use(dev, settings{peerOwner + p.ID, peerMAC(w.plan.ID, p.VPC), routerConf()}); err != nil {
			return err
		}
	}
	return nil
}

func (w *ways) peerHop(peerID string, four bool) (device int, via netip.Addr) {
	dev := w.found[peerDevice(peerID)]
	if dev == nil || !slices.ContainsFunc(w.plan.Peers, func(p network.Peer) bool { return p.ID == peerID }) {
		return 0, netip.Addr{}
	}
	return dev.Index, either(four, linkPeer, linkPeer6)
}

// meet makes the links between the VPC and its peers that lack. The caller has no turn.
func (d *Driver) meet(ctx context.Context, id string, peers []network.Peer) error {
	for _, p := range peers {
		if p.VPC == id {
			continue
		}
		if err := d.meetOne(ctx, id, p); err != nil {
			return fmt.Errorf("connect VPCs %s and %s: %w", id, p.VPC, err)
		}
	}
	return nil
}

// meetOne takes both turns, always in the same order.
func (d *Driver) meetOne(ctx context.Context, id string, p network.Peer) error {
	for _, x := range []string{min(id, p.VPC), max(id, p.VPC)} {
		release, err := d.turns.Take(ctx, x)
		if err != nil {
			return err
		}
		defer release()
	}
	d.mu.Lock()
	a, b := d.vpcs[id], d.vpcs[p.VPC]
	d.mu.Unlock()
	if a == nil || b == nil || !a.wants(p.ID, p.VPC) || !b.wants(p.ID, id) {
		return nil
	}
	made, err := d.linkPeers(a, b, p.ID)
	if err != nil || !made {
		return err
	}
	d.log.Info("peers connected", "peering", p.ID, "vpc", id, "other", p.VPC)
	for _, v := range []*vpc{a, b} {
		if err := v.space.Do(func() error { return v.route(*v.plan) }); err != nil {
			return err
		}
	}
	for _, v := range []*vpc{a, b} {
		if err := v.space.Do(func() error { return awaitCarrier(ctx, peerDevice(p.ID)) }); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether the VPC, as last applied, has the other as its peer.
func (v *vpc) wants(peerID, otherID string) bool {
	return v.plan != nil && slices.ContainsFunc(v.plan.Peers, func(p network.Peer) bool { return p.ID == peerID && p.VPC == otherID })
}

// linkPeers makes the pair of devices, and reports whether it was not there.
func (d *Driver) linkPeers(a, b *vpc, peerID string) (made bool, err error) {
	name := peerDevice(peerID)
	var ends [2]*device
	for i, v := range []*vpc{a, b} {
		if err := v.space.Do(func() (err error) {
			ends[i], err = findDevice(name)
			return err
		}); err != nil {
			return false, err
		}
	}
	if paired(ends[0], ends[1]) {
		return false, nil
	}
	for i, v := range []*vpc{a, b} {
		if err := v.space.Do(ends[i].deleteHalf); err != nil {
			return false, err
		}
	}
	pair := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: name, MTU: network.MTU, HardwareAddr: peerMAC(a.plan.ID, b.plan.ID), TxQLen: -1},
		PeerName:         name,
		PeerHardwareAddr: peerMAC(b.plan.ID, a.plan.ID),
		PeerNamespace:    netlink.NsFd(b.space.Fd()),
	}
	if err := a.space.Do(func() error { return netlink.LinkAdd(pair) }); err != nil {
		return false, fmt.Errorf("make link: %w", err)
	}
	return true, nil
}

// part deletes the links of peers that the VPC, whose namespace the calling thread is
// in, does not have any more.
func part(devices map[string]*device, peers []network.Peer) error {
	var failed error
	for _, d := range devices {
		id, is := strings.CutPrefix(d.owner(), peerOwner)
		if !is || slices.ContainsFunc(peers, func(p network.Peer) bool { return p.ID == id }) {
			continue
		}
		if err := netlink.LinkDel(&netlink.Device{LinkAttrs: d.LinkAttrs}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("delete link of %s: %w", id, err))
		}
		delete(devices, d.Name)
	}
	return failed
}
