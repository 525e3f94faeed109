package linux

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/driver/network"
)

// ways is where packets go in a VPC.
type ways struct {
	plan       network.VPC
	found      map[string]*device // by name
	ports      map[string]plannedPort
	six        bool
	addresses  map[address]bool
	routes     map[route]bool
	neighbours map[neighbour]bool
	devices    map[int]bool // that are in use, by index
}

// planWays finds the way of all packets with the devices that there are, which it
// makes be as they should.
func planWays(plan network.VPC, found map[string]*device) (*ways, error) {
	w := &ways{
		plan: plan, found: found, ports: planPorts(plan), six: hasIPv6(plan),
		addresses: make(map[address]bool), routes: make(map[route]bool),
		neighbours: make(map[neighbour]bool), devices: make(map[int]bool),
	}
	for a := range ownAddresses(plan) {
		w.addresses[address{found["lo"].Index, a}] = true
	}
	w.addNowhere()
	if err := w.addLink(); err != nil {
		return nil, err
	}
	if err := w.addPorts(); err != nil {
		return nil, err
	}
	if err := w.addPeers(); err != nil {
		return nil, err
	}
	w.addTables()
	return w, nil
}

// ownAddresses are those at which the router itself answers everybody.
func ownAddresses(plan network.VPC) map[netip.Addr]bool {
	own := map[netip.Addr]bool{network.Metadata: true, network.API: true, network.Objects: true}
	for _, a := range resolvers(plan) {
		own[a] = true
	}
	for _, s := range plan.Subnets {
		own[s.Router] = true
	}
	if hasIPv6(plan) {
		own[network.Metadata6], own[network.Resolver6] = true, true
	}
	return own
}

// addNowhere answers for addresses of the VPC that no port has, and for those of
// links, none of which is beyond this one.
func (w *ways) addNowhere() {
	nowhere := append([]netip.Prefix{linkLocal}, w.plan.CIDRs...)
	if w.six {
		nowhere = append(nowhere, services6)
	}
	for _, c := range nowhere {
		w.routes[route{to: c, metric: lowest}] = true
	}
}

// use makes the device be as wanted.
func (w *ways) use(dev *device, want settings) error {
	w.devices[dev.Index] = true
	if dev.is(want) {
		return nil
	}
	return want.set(dev.Index)
}

// addLink prepares the link to the outside, if there is one.
func (w *ways) addLink() error {
	link := w.found[linkDevice]
	if link == nil || !hasOutside(w.plan) {
		return nil
	}
	w.neighbours[neighbour{link.Index, linkHost, [6]byte(linkHostMAC)}] = true
	if w.six {
		w.neighbours[neighbour{link.Index, linkHost6, [6]byte(linkHostMAC)}] = true
	}
	w.routes[route{to: alone(linkHost), device: link.Index}] = true
	return w.use(link, linkSettings(w.plan.ID))
}

// addPorts leads to the ports that have a device: those of guests that run.
func (w *ways) addPorts() error {
	for _, p := range w.ports {
		dev := w.found[portDevice(p.ID)]
		if dev == nil {
			continue
		}
		if err := w.use(dev, portSettings(p.Port)); err != nil {
			return err
		}
		for _, r := range p.routes(dev.Index) {
			w.routes[r] = true
		}
		for _, n := range p.neighbours(dev.Index) {
			w.neighbours[n] = true
		}
		if w.six {
			w.addresses[address{dev.Index, network.Router6}] = true
		}
	}
	return nil
}

// addTables says where packets to elsewhere go. Beneath each route is another that
// drops, for as long as what the first leads to is not there.
func (w *ways) addTables() {
	numbers := tableNumbers(w.plan)
	for _, t := range w.plan.Tables {
		seen := make(map[netip.Prefix]bool)
		for _, r := range t.Routes {
			four := r.To.Addr().Is4()
			if numbers[t.ID] == 0 || seen[r.To] || !four && !w.six {
				continue
			}
			seen[r.To] = true
			w.routes[route{table: numbers[t.ID], to: r.To, metric: lowest, silent: true}] = true
			if device, via := w.hop(r); via.IsValid() {
				w.routes[route{table: numbers[t.ID], to: r.To, device: device, via: via}] = true
			}
		}
	}
}

// hop is where a route leads: a device, and an address on its link; none valid if its
// target is not there.
func (w *ways) hop(r network.Route) (device int, via netip.Addr) {
	four := r.To.Addr().Is4()
	switch r.Via {
	case network.ViaInternet, network.ViaEgress:
		dev := w.found[linkDevice]
		if dev == nil || !w.devices[dev.Index] || r.Via == network.ViaInternet && !w.plan.Internet || r.Via == network.ViaEgress && four {
			return 0, netip.Addr{}
		}
		return dev.Index, either(four, linkHost, linkHost6)
	case network.ViaPeer:
		return w.peerHop(r.Target, four)
	case network.ViaPort:
		if p := w.ports[r.Target]; p.AnySource && !isNAT(w.plan, p.ID) {
			return w.portHop(p, four)
		}
	case network.ViaNAT:
		for _, n := range w.plan.NATs {
			if n.ID == r.Target && four {
				return w.portHop(w.ports[n.Port], four)
			}
		}
	case network.ViaNothing, network.ViaService: // the router's own addresses come first
	}
	return 0, netip.Addr{}
}

func (w *ways) portHop(p plannedPort, four bool) (device int, via netip.Addr) {
	dev := w.found[portDevice(p.ID)]
	switch {
	case p.ID == "" || dev == nil:
		return 0, netip.Addr{}
	case four:
		return dev.Index, p.Addresses[0].Private
	case len(p.Addresses6) == 0:
		return 0, netip.Addr{}
	}
	return dev.Index, guest6
}

func either(four bool, a4, a6 netip.Addr) netip.Addr {
	if four {
		return a4
	}
	return a6
}
