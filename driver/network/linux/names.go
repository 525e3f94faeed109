package linux

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"

	"github.com/vauban-cloud/vauban/driver/network"
)

const (
	// linkDevice is the VPC's end of its link to the outside.
	linkDevice = "outside"
	// Routes of this protocol (see rtnetlink(7)) are the driver's; others' are
	// left alone.
	routeProtocol = 86
	// Routes at this metric give way to any other.
	lowest = 1 << 30
	// The kernel takes no longer names of devices.
	longestDevice = 15
)

var (
	// Both ends of a link have the same addresses in every VPC: nothing else is
	// on it. RFC 3927 keeps 169.254.0/24 out of use.
	linkHost    = netip.AddrFrom4([4]byte{169, 254, 0, 1})
	linkVPC     = netip.AddrFrom4([4]byte{169, 254, 0, 2})
	linkHostMAC = net.HardwareAddr{0x02, 0x76, 0x62, 0, 0, 1}
	linkVPCMAC  = net.HardwareAddr{0x02, 0x76, 0x62, 0, 0, 2}
	// routerMAC is the router's on every port: a guest that finds it changed
	// after its device was made again would wait for ARP to notice.
	routerMAC = net.HardwareAddr{0x02, 0x76, 0x62, 0, 0, 3}

	linkLocal = netip.MustParsePrefix("169.254.0.0/16")
	everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	nobody    = netip.IPv4Unspecified()
	nobody6   = netip.IPv6Unspecified()

	// What links have in IPv6. guest6 is what routes that lead to a port name, on its link:
	// guests have addresses of their own choice there.
	linkHost6, linkVPC6 = netip.MustParseAddr("fe80::a9fe:1"), netip.MustParseAddr("fe80::a9fe:2")
	guest6              = netip.MustParseAddr("fe80::a9fe:3")
)

// cloudName is the form of Config.Cloud.
var cloudName = regexp.MustCompile(`^[0-9a-z]{4}$`)

// spacePrefix begins the names of the cloud's namespaces; the VPC's ID follows.
func (d *Driver) spacePrefix() string { return "vb" + d.cfg.Cloud + "-" }

// hostPrefix begins the names of the cloud's devices on the host.
func (d *Driver) hostPrefix() string { return "vb" + d.cfg.Cloud }

// hostDevice is the host's end of a VPC's link.
func (d *Driver) hostDevice(vpcID string) string {
	return d.hostPrefix() + tail(vpcID, longestDevice-len(d.hostPrefix()))
}

// portDevice is a port's device in its VPC's namespace.
func portDevice(portID string) string { return tail(portID, longestDevice) }

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// checkNames refuses ports and peers whose devices would have one name.
func checkNames(v network.VPC) error {
	taken := map[string]string{"lo": "the loopback device", linkDevice: "the link to the outside"}
	take := func(dev, who string) error {
		if other, is := taken[dev]; is {
			return fmt.Errorf("%s: its device %s is that of %s", who, dev, other)
		}
		taken[dev] = who
		return nil
	}
	for _, p := range v.Ports {
		if err := take(portDevice(p.ID), "port "+p.ID); err != nil {
			return err
		}
	}
	for _, p := range v.Peers {
		if err := take(peerDevice(p.ID), "peer "+p.ID); err != nil {
			return err
		}
	}
	return nil
}
