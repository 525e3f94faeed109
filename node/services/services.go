// Package services runs, for each VPC on the host, what its guests find in
// their network: addresses (DHCP), names (DNS), metadata, and the cloud's API. It
// implements node.Services.
//
// It guarantees that the services of a VPC run in that VPC and nowhere else, and
// answer from the agent's newest look at the host.
package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/node/dhcp"
	"github.com/vauban-cloud/vauban/node/dhcp6"
	"github.com/vauban-cloud/vauban/node/dns"
	"github.com/vauban-cloud/vauban/node/fair"
	"github.com/vauban-cloud/vauban/node/metadata"
	"github.com/vauban-cloud/vauban/node/ra"
)

// Config is what the services need.
type Config struct {
	Network network.Driver
	// World is the agent's newest look at the host; nil before the first.
	World func() *node.World
	// Credentials is that of the host's node.View.
	Credentials func(ctx context.Context, instance, delivery string) (cloud.Credentials, error)
	API         API // nil: guests do not reach the cloud's API
	Place       cloud.Place
	Upstreams   []netip.AddrPort // where names that are not the VPC's are asked; none: nowhere
	Key         []byte           // seals metadata tokens
	Now         func() time.Time
	Log         *slog.Logger
}

// API answers what guests of a VPC ask of the cloud, on a listener in that VPC, until
// ctx ends. endpoint says which VPC endpoint the requests of an address come through; nil
// for the listener that is no endpoint's.
type API func(ctx context.Context, vpcID string, endpoint func(source string) string, l net.Listener) error

// Connections to the API that a guest, and all guests of a VPC, may have at once.
const guestCalls, allCalls = 32, 512

// Services runs the services of all VPCs of a host.
type Services struct {
	cfg Config

	mu   sync.Mutex
	vpcs map[string]*vpc // guarded by mu
}

// vpc is the services of one VPC at work.
type vpc struct {
	cancel    context.CancelFunc
	done      chan struct{}
	resolvers []netip.Addr  // that DNS is served on
	six       *dhcp6.Server // nil: the VPC has no IPv6
}

// New returns Services that run nothing yet.
func New(cfg Config) *Services { return &Services{cfg: cfg, vpcs: map[string]*vpc{}} }

// Serve makes the services of the VPC run.
func (s *Services) Serve(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.vpcs[id]; v != nil {
		select {
		case <-v.done:
		default:
			if slices.Equal(v.resolvers, s.resolvers(id)) && (v.six != nil) == s.hasIPv6(id) {
				return s.hear(ctx, id, v.six)
			} // a range of the VPC is new, or gone
		}
		s.stop(id)
	}
	return s.start(ctx, id)
}

// Stop ends the services of the VPC.
func (s *Services) Stop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop(id)
}

// Close ends the services of all VPCs.
func (s *Services) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.vpcs {
		s.stop(id)
	}
}

// stop ends the services of a VPC and waits until they have; mu is held.
func (s *Services) stop(id string) {
	if v := s.vpcs[id]; v != nil {
		v.cancel()
		<-v.done
		delete(s.vpcs, id)
	}
}

// sockets are those of one VPC.
type sockets struct {
	http      net.Listener
	http6     net.Listener   // nil: no IPv6, or the driver has no links; so for the next two
	routers   net.PacketConn // raw ICMPv6
	dhcp6     *dhcp6.Server
	api       net.Listener // nil: no API
	objects   net.Listener // for VPC endpoints; nil: no API
	dhcp      *net.UDPConn
	packets   []net.PacketConn // DNS
	listeners []net.Listener   // DNS
}

func (k *sockets) close() {
	var all []io.Closer
	for _, l := range []net.Listener{k.http, k.http6, k.api, k.objects} {
		if l != nil {
			all = append(all, l)
		}
	}
	if k.dhcp != nil {
		all = append(all, k.dhcp)
	}
	if k.routers != nil {
		all = append(all, k.routers)
	}
	if k.dhcp6 != nil {
		all = append(all, k.dhcp6)
	}
	for _, p := range k.packets {
		all = append(all, p)
	}
	for _, l := range k.listeners {
		all = append(all, l)
	}
	for _, c := range all {
		_ = c.Close() // nothing was said on it yet
	}
}

// open opens the VPC's sockets, all or none.
func (s *Services) open(ctx context.Context, id string, resolvers []netip.Addr) (k sockets, err error) {
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	n := s.cfg.Network
	if k.http, err = n.Listen(ctx, id, "tcp4", netip.AddrPortFrom(network.Metadata, 80).String()); err != nil {
		return k, fmt.Errorf("listen for metadata: %w", err)
	}
	if s.cfg.API != nil {
		if k.api, err = n.Listen(ctx, id, "tcp4", netip.AddrPortFrom(network.API, 80).String()); err != nil {
			return k, fmt.Errorf("listen for the API: %w", err)
		}
		if k.objects, err = n.Listen(ctx, id, "tcp4", netip.AddrPortFrom(network.Objects, 80).String()); err != nil {
			return k, fmt.Errorf("listen for VPC endpoints: %w", err)
		}
	}
	conn, err := n.ListenPacket(ctx, id, "udp4", "0.0.0.0:67")
	if err != nil {
		return k, fmt.Errorf("listen for DHCP: %w", err)
	}
	var ok bool
	if k.dhcp, ok = conn.(*net.UDPConn); !ok {
		return k, errors.Join(fmt.Errorf("listen for DHCP: %T is no UDP socket", conn), conn.Close())
	}
	if s.hasIPv6(id) {
		if err := s.openSix(ctx, id, &k); err != nil {
			return k, err
		}
	}
	for _, a := range resolvers {
		address := netip.AddrPortFrom(a, 53).String()
		p, err := n.ListenPacket(ctx, id, "udp", address)
		if err != nil {
			return k, fmt.Errorf("listen for DNS: %w", err)
		}
		k.packets = append(k.packets, p)
		l, err := n.Listen(ctx, id, "tcp", address)
		if err != nil {
			return k, fmt.Errorf("listen for DNS: %w", err)
		}
		k.listeners = append(k.listeners, l)
	}
	return k, nil
}

// resolvers are the addresses that DNS is served on.
func (s *Services) resolvers(id string) []netip.Addr {
	out := []netip.Addr{network.Resolver}
	for _, p := range s.ranges(id) {
		if p.Addr().Is4() {
			out = append(out, network.ResolverOf(p))
		}
	}
	if s.hasIPv6(id) {
		out = append(out, network.Resolver6)
	}
	return out
}

func (s *Services) ranges(id string) (out []netip.Prefix) {
	w := s.cfg.World()
	if w == nil || w.VPC(id) == nil {
		return nil
	}
	v := w.VPC(id)
	for _, c := range slices.Concat(v.CIDRs, v.CIDRs6) {
		out = append(out, c.Prefix)
	}
	return out
}

// start opens the sockets and serves them; mu is held.
func (s *Services) start(ctx context.Context, id string) error {
	resolvers := s.resolvers(id)
	k, err := s.open(ctx, id, resolvers)
	if err != nil {
		return err
	}
	imds, err := metadata.New(metadata.Config{VPC: id, Place: s.cfg.Place, Source: s, Key: s.cfg.Key, Credentials: s.cfg.Credentials, Now: s.cfg.Now, Log: s.cfg.Log})
	if err != nil {
		k.close()
		return err
	}
	leases := &dhcp.Server{
		Port:  func(ifindex int) (string, bool) { return s.portOf(id, ifindex) },
		Lease: func(port string) (dhcp.Lease, bool) { return s.lease(id, port) },
		Log:   s.cfg.Log,
	}
	names := dns.New(dns.Config{
		Place: s.cfg.Place, Upstreams: s.cfg.Upstreams, Log: s.cfg.Log,
		CIDRs:    func() []netip.Prefix { return s.ranges(id) },
		Private:  func(public netip.Addr) (netip.Addr, bool) { return s.private(id, public) },
		Instance: func(instance string) []netip.Addr { return s.addressesOf(id, instance) },
		Name:     func(a netip.Addr) string { return s.nameOf(id, a) },
	})
	// The services outlive the call that starts them, until Stop.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g, work := errgroup.WithContext(work)
	g.Go(func() error { return imds.Serve(work, k.http) })
	if k.api != nil {
		calls := fair.NewGate(guestCalls, allCalls)
		g.Go(func() error { return s.cfg.API(work, id, nil, calls.Listener(k.api)) })
		g.Go(func() error {
			return s.cfg.API(work, id, func(source string) string { return s.endpoint(id, source) }, calls.Listener(k.objects))
		})
	}
	g.Go(func() error { return leases.Serve(work, k.dhcp) })
	if k.dhcp6 != nil {
		g.Go(func() error { return imds.Serve(work, k.http6) })
		g.Go(func() error { return k.dhcp6.Serve(work) })
		advertiser := &ra.Server{Links: func(ctx context.Context) ([]int, error) { return s.linksOf(ctx, id, k.dhcp6) }, Log: s.cfg.Log}
		g.Go(func() error { return advertiser.Serve(work, k.routers) })
	}
	g.Go(func() error { return names.Serve(work, k.packets, k.listeners) })
	v := &vpc{cancel: cancel, done: make(chan struct{}), resolvers: resolvers, six: k.dhcp6}
	s.vpcs[id] = v
	go func() {
		defer close(v.done)
		if err := g.Wait(); err != nil {
			s.cfg.Log.Error("services of a network ended", "vpc", id, "err", err)
		}
	}()
	return nil
}

func (s *Services) portOf(id string, ifindex int) (string, bool) {
	p, ok := s.cfg.Network.(network.Ports)
	if !ok {
		return "", false
	}
	port, err := p.PortOf(context.Background(), id, ifindex)
	return port, err == nil
}

// endpoint returns the VPC endpoint that leads a guest to the object store; empty if none does.
func (s *Services) endpoint(vpcID, source string) string {
	w := s.cfg.World()
	a, err := netip.ParseAddr(source)
	if w == nil || err != nil {
		return ""
	}
	n, _ := w.InterfaceAt(vpcID, a)
	if n == nil {
		return ""
	}
	return w.EndpointOf(n.Subnet, network.Objects)
}

// private finds the address behind a public one, among the interfaces of the VPC and
// of those that it is peered with and whose side says so.
func (s *Services) private(vpcID string, public netip.Addr) (netip.Addr, bool) {
	w := s.cfg.World()
	if w == nil {
		return netip.Addr{}, false
	}
	from := []string{vpcID}
	for _, p := range w.Peerings {
		if (p.Requester.VPC == vpcID || p.Accepter.VPC == vpcID) && p.State == cloud.PeeringActive && p.Other(vpcID).ResolveDNS {
			from = append(from, p.Other(vpcID).VPC)
		}
	}
	for _, n := range w.Interfaces {
		if !slices.Contains(from, n.VPC) {
			continue
		}
		for _, a := range n.Addresses {
			if a.Public != nil && a.Public.Address == public {
				return a.Private, true
			}
		}
	}
	return netip.Addr{}, false
}

// Guest returns the facts of the instance at an address of a VPC, for the
// metadata service.
func (s *Services) Guest(_ context.Context, vpcID string, address netip.Addr) (metadata.Guest, bool) {
	w := s.cfg.World()
	if w == nil {
		return metadata.Guest{}, false
	}
	n, i := w.InterfaceAt(vpcID, address)
	if n == nil || w.VPC(vpcID) == nil {
		return metadata.Guest{}, false
	}
	g := metadata.Guest{
		Instance: *i, VPC: *w.VPC(vpcID), Image: w.Images[i.Image],
		Subnets: map[string]cloud.Subnet{}, Groups: map[string]cloud.SecurityGroup{},
	}
	member := map[string]bool{}
	for _, n := range w.InterfacesOf(i.ID) {
		g.Interfaces = append(g.Interfaces, *n)
		if sn := w.Subnet(n.Subnet); sn != nil {
			g.Subnets[sn.ID] = *sn
		}
		for _, id := range n.Groups {
			member[id] = true
		}
	}
	for _, sg := range w.Groups {
		if member[sg.ID] {
			g.Groups[sg.ID] = sg
		}
	}
	for _, v := range w.VolumesOf(i.ID) {
		g.Volumes = append(g.Volumes, *v)
	}
	if k, ok := w.Keys[i.Account+"/"+i.KeyName]; ok {
		g.Key = &k
	}
	if p := i.Profile; p != nil {
		role, found := w.Roles[p.Profile]
		g.Profile = &metadata.Profile{ARN: p.ARN, ID: p.Profile, Since: p.Since, Deleted: !found, RoleID: role.ID, Role: role.Name}
	}
	return g, true
}
