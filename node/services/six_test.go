package services_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/driver/network"
	"github.com/vauban-cloud/vauban/driver/network/linux"
	"github.com/vauban-cloud/vauban/driver/network/plan"
	"github.com/vauban-cloud/vauban/node"
	"github.com/vauban-cloud/vauban/node/services"
)

// space is a network namespace that ends with its test.
type space struct{ *os.File }

func newSpace(t *testing.T) space {
	made := make(chan *os.File)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			made <- nil
			return
		}
		f, _ := os.Open("/proc/thread-self/ns/net")
		made <- f
	}()
	s := space{<-made}
	if s.File == nil {
		t.Fatal("no namespace")
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// do runs f in the namespace; sockets made there stay there.
func (s space) do(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := unix.Setns(int(s.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- f()
	}()
	return <-result
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// guest is a namespace behind a port.
type guest struct {
	space
	n *cloud.NetworkInterface
}

// boot makes the guest of a port: its card is up and not configured.
func boot(t *testing.T, d network.Driver, n *cloud.NetworkInterface) guest {
	t.Helper()
	g := guest{newSpace(t), n}
	tap, err := d.Tap(t.Context(), n.VPC, n.ID)
	must(t, err)
	var card *os.File
	must(t, g.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		req, err := unix.NewIfreq("nic0")
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return err
		}
		card = os.NewFile(uintptr(fd), "nic0")
		l, err := netlink.LinkByName("nic0")
		if err != nil {
			return err
		}
		mac, err := net.ParseMAC(n.MAC)
		return errors.Join(err, os.WriteFile("/proc/sys/net/ipv6/conf/nic0/accept_dad", []byte("0"), 0o600), netlink.LinkSetHardwareAddr(l, mac))
	}))
	done := make(chan struct{}, 2)
	pump := func(from, to *os.File) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 1<<17)
		for {
			k, err := from.Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:k]); err != nil && !errors.Is(err, unix.EIO) {
				return
			}
		}
	}
	go pump(card, tap)
	go pump(tap, card)
	t.Cleanup(func() {
		card.Close()
		tap.Close()
		<-done
		<-done
	})
	must(t, g.do(func() error {
		l, err := netlink.LinkByName("nic0")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	}))
	return g
}

// await waits until f succeeds in the guest.
func (g guest) await(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := g.do(f)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// configure has the guest hear its router, and take the addresses that DHCPv6 gives it.
func (g guest) configure(t *testing.T) (dnsServer netip.Addr) {
	t.Helper()
	g.await(t, "hear the router", func() error {
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Protocol: unix.RTPROT_RA}, netlink.RT_FILTER_PROTOCOL)
		if err == nil && (len(routes) != 1 || !routes[0].Gw.Equal(network.Router6.AsSlice())) {
			err = fmt.Errorf("the routes are %v", routes)
		}
		return err
	})
	var c *nclient6.Client
	g.await(t, "open a DHCPv6 client", func() (err error) {
		c, err = nclient6.New("nic0", nclient6.WithTimeout(2*time.Second), nclient6.WithRetry(10))
		return err
	})
	defer c.Close()
	offer, err := c.Solicit(t.Context())
	must(t, err)
	reply, err := c.Request(t.Context(), offer)
	must(t, err)
	var got []netip.Addr
	for _, a := range reply.Options.OneIANA().Options.Addresses() {
		addr, _ := netip.AddrFromSlice(a.IPv6Addr)
		got = append(got, addr)
		must(t, g.do(func() error {
			l, err := netlink.LinkByName("nic0")
			if err != nil {
				return err
			}
			return netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: a.IPv6Addr, Mask: net.CIDRMask(128, 128)}, Flags: unix.IFA_F_NODAD})
		}))
	}
	if !slices.Equal(got, g.n.Addresses6) {
		t.Fatalf("DHCPv6 gives %v, want %v", got, g.n.Addresses6)
	}
	dnsServer, _ = netip.AddrFromSlice(reply.Options.DNS()[0])
	return dnsServer
}

// get reads a path of the metadata service at its IPv6 address.
func (g guest) get(path string) (status int, body string, err error) {
	err = g.do(func() error {
		conn, err := net.DialTimeout("tcp6", netip.AddrPortFrom(network.Metadata6, 80).String(), 10*time.Second)
		if err != nil {
			return err
		}
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		}}
		r, err := client.Get("http://[fd00:ec2::254]" + path)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		all, err := io.ReadAll(r.Body)
		status, body = r.StatusCode, string(all)
		return err
	})
	return status, body, err
}

// sixWorld is a VPC of two ports with IPv6, each of an instance. One of the instances
// reads metadata by IPv6.
func sixWorld() *node.World {
	a := &node.Assignment{Here: []string{"vpc-1"}, Place: cloud.DefaultPlace()}
	a.VPCs = []cloud.VPC{{
		Meta: cloud.Meta{ID: "vpc-1"}, DNSSupport: true,
		CIDRs:  []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("10.0.0.0/16")}},
		CIDRs6: []cloud.CIDRBlock{{Prefix: netip.MustParsePrefix("2001:db8:1::/56")}},
	}}
	a.Subnets = []cloud.Subnet{{
		Meta: cloud.Meta{ID: "subnet-1"}, VPC: "vpc-1", Prefix: netip.MustParsePrefix("10.0.1.0/24"), Prefix6: netip.MustParsePrefix("2001:db8:1::/64"),
		ResourceNameA: true, ResourceNameAAAA: true,
	}}
	a.Groups = []cloud.SecurityGroup{{Meta: cloud.Meta{ID: "sg-1"}, VPC: "vpc-1", Rules: []cloud.Rule{
		{Protocol: "-1", FromPort: -1, ToPort: -1, Prefix: netip.MustParsePrefix("::/0")},
		{Protocol: "-1", FromPort: -1, ToPort: -1, Prefix: netip.MustParsePrefix("::/0"), Egress: true},
	}}}
	for i, addrs := range [][]string{{"2001:db8:1::5", "2001:db8:1::50"}, {"2001:db8:1::6"}} {
		id := fmt.Sprintf("i-%d", i+1)
		a.Instances = append(a.Instances, cloud.Instance{
			Meta: cloud.Meta{ID: id}, Host: "here", VPC: "vpc-1",
			Metadata: cloud.MetadataOptions{Endpoint: "enabled", Tokens: "optional", HopLimit: 1, IPv6: i == 0},
		})
		n := cloud.NetworkInterface{
			Meta: cloud.Meta{ID: fmt.Sprintf("eni-%d", i+1)}, VPC: "vpc-1", Subnet: "subnet-1", MAC: fmt.Sprintf("02:00:00:00:00:0%d", i+1),
			Addresses: []cloud.PrivateAddress{{Private: netip.AddrFrom4([4]byte{10, 0, 1, byte(5 + i)})}},
			Groups:    []string{"sg-1"}, SourceDestCheck: true, Attachment: &cloud.InterfaceAttachment{Instance: id},
		}
		for _, addr := range addrs {
			n.Addresses6 = append(n.Addresses6, netip.MustParseAddr(addr))
		}
		a.Interfaces = append(a.Interfaces, n)
	}
	return node.NewWorld("here", a, nil)
}

// TestSix has guests find everything by IPv6: their router, their addresses, each
// other, names, and metadata if they are to.
func TestSix(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces are root's")
	}
	host := newSpace(t)
	d, err := linux.New(linux.Config{
		Cloud: fmt.Sprintf("u%03x", rand.IntN(1<<12)), PublicPool: netip.MustParsePrefix("100.64.9.0/24"), Host: fmt.Sprintf("/proc/self/fd/%d", host.Fd()),
	})
	must(t, err)
	t.Cleanup(func() { must(t, d.Remove(context.WithoutCancel(t.Context()), "vpc-1")) })
	w := sixWorld()
	must(t, d.Apply(t.Context(), *plan.NewIndex(&w.Documents).VPC("vpc-1", func(*cloud.NetworkInterface) bool { return true })))
	s := services.New(services.Config{
		Network: d, World: func() *node.World { return w }, Place: w.Place, Key: bytes.Repeat([]byte{7}, 32), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(s.Close)
	must(t, s.Serve(t.Context(), "vpc-1"))
	must(t, s.Serve(t.Context(), "vpc-1"))

	one, two := boot(t, d, w.Interface("eni-1")), boot(t, d, w.Interface("eni-2"))
	resolver := one.configure(t)
	two.configure(t)
	if resolver != network.Resolver6 {
		t.Errorf("the resolver is %s", resolver)
	}
	one.await(t, "look up the other's name", func() error {
		r, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("i-2.eu-paris-1.compute.internal.", dns.TypeAAAA), netip.AddrPortFrom(resolver, 53).String())
		if err == nil && (len(r.Answer) != 1 || r.Answer[0].(*dns.AAAA).AAAA.String() != "2001:db8:1::6") {
			err = fmt.Errorf("the answer is %v", r)
		}
		return err
	})
	meets(t, one, two, w.Interface("eni-2").Addresses6[0])

	const path = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/ipv6s"
	if status, body, err := one.get(path); status != 200 || body != "2001:db8:1::5\n2001:db8:1::50" {
		t.Errorf("metadata by IPv6: %d %q %v", status, body, err)
	}
	if status, _, err := two.get("/latest/meta-data/mac"); status != 403 {
		t.Errorf("metadata by IPv6 where it is disabled: %d %v", status, err)
	}
}

// meets connects one guest to another's address.
func meets(t *testing.T, from, to guest, at netip.Addr) {
	t.Helper()
	var l net.Listener
	must(t, to.do(func() (err error) {
		l, err = net.Listen("tcp6", netip.AddrPortFrom(at, 8080).String())
		return err
	}))
	defer l.Close()
	must(t, from.do(func() error {
		c, err := net.DialTimeout("tcp6", l.Addr().String(), 20*time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	}))
}
