package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Settings of a device for IPv4, as linux/ip.h numbers them.
const (
	confForwarding      = 1
	confProxyARP        = 3
	confAcceptRedirects = 4
	confSendRedirects   = 6
	confFilter          = 8 // rp_filter
	confSourceRoute     = 9
)

// Attributes of links, as linux/if_link.h and linux/rtnetlink.h number them.
const (
	inetConf  = 1 // IFLA_INET_CONF
	skipStats = 1 << 3
)

// Attributes of neighbour tables, as linux/neighbour.h numbers them.
const (
	tableName           = 1
	tableParameters     = 6
	parameterIndex      = 1
	parameterProxyDelay = 13
)

// settings is what the driver wants of a device.
type settings struct {
	owner string // ID of its port or VPC
	mac   net.HardwareAddr
	conf  map[int]uint32
}

// aliasPrefix begins the alias of every device that is the driver's; the ID of
// its port or VPC follows.
const aliasPrefix = "vauban "

// portSettings makes the router answer ARP for every address that it has a way
// to elsewhere: guests believe that their neighbours are on their link.
func portSettings(p network.Port) settings {
	conf := routerConf()
	conf[confProxyARP] = 1
	return settings{p.ID, routerMAC, conf}
}

// linkSettings and hostSettings are those of a VPC's link to the outside.
func linkSettings(vpcID string) settings { return settings{vpcID, linkVPCMAC, routerConf()} }

func hostSettings(vpcID string) settings {
	conf := routerConf()
	delete(conf, confFilter) // the host's own choice: sources have one way back
	return settings{vpcID, linkHostMAC, conf}
}

// routerConf is for devices whose packets are forwarded, and checked by rule.
func routerConf() map[int]uint32 {
	return map[int]uint32{
		confForwarding: 1, confProxyARP: 0, confFilter: 0,
		confAcceptRedirects: 0, confSendRedirects: 0, confSourceRoute: 0,
	}
}

func (want settings) proxies() bool { return want.conf[confProxyARP] != 0 }

// device is a network device as it is.
type device struct {
	netlink.LinkAttrs
	kind       string
	conf       []byte // 32 bits for each setting, from setting 1 on
	proxyDelay uint64 // longest wait before an ARP answer for others, in milliseconds
}

// owner is whose device it is: a port's or VPC's ID, empty if not the driver's.
func (d *device) owner() string {
	id, _ := strings.CutPrefix(d.Alias, aliasPrefix)
	if id == d.Alias {
		return ""
	}
	return id
}

func (d *device) setting(n int) uint32 {
	if len(d.conf) < 4*n {
		return 0
	}
	return binary.NativeEndian.Uint32(d.conf[4*(n-1):])
}

// is reports whether the device is up and as wanted.
func (d *device) is(want settings) bool {
	for n, value := range want.conf {
		if d.setting(n) != value {
			return false
		}
	}
	return d.owner() == want.owner && d.HardwareAddr.String() == want.mac.String() && d.MTU == network.MTU &&
		d.Flags&net.FlagUp != 0 && (d.proxyDelay == 0 || !want.proxies())
}

// listDevices returns the devices of the calling thread's namespace by name.
func listDevices() (map[string]*device, error) {
	var messages [][]byte
	err := retryDump(func() (err error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipStats)))
		messages, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	delays, err := proxyDelays()
	if err != nil {
		return nil, err
	}
	devices := make(map[string]*device, len(messages))
	for _, m := range messages {
		d, err := readDevice(m)
		if err != nil {
			return nil, fmt.Errorf("list devices: %w", err)
		}
		d.proxyDelay = delays[d.Index]
		devices[d.Name] = d
	}
	return devices, nil
}

// findDevice returns the device of the name, or nil, in the calling thread's
// namespace. Its proxyDelay is not read.
func findDevice(name string) (*device, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	messages, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find device %s: %w", name, err)
	}
	return readDevice(messages[0])
}

// mustFind is findDevice for a device that was just there.
func mustFind(name string) (*device, error) {
	d, err := findDevice(name)
	if err == nil && d == nil {
		err = fmt.Errorf("device %s is gone", name)
	}
	return d, err
}

// awaitCarrier waits until the device, which is up, has noticed that its other
// end is: until then it drops what it is given.
func awaitCarrier(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		d, err := mustFind(name)
		if err != nil || d.OperState == netlink.OperUp {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the carrier of %s: %w", name, ctx.Err())
		}
	}
}

func readDevice(message []byte) (*device, error) {
	link, err := netlink.LinkDeserialize(nil, message)
	if err != nil {
		return nil, err
	}
	d := &device{LinkAttrs: *link.Attrs(), kind: link.Type()}
	d.conf, err = readConf(message[unix.SizeofIfInfomsg:])
	return d, err
}

// readConf finds the settings for IPv4 among a device's attributes.
func readConf(attributes []byte) ([]byte, error) {
	for _, typ := range []uint16{unix.IFLA_AF_SPEC, unix.AF_INET, inetConf} {
		nested, err := nl.ParseRouteAttr(attributes)
		if err != nil {
			return nil, err
		}
		attributes = nil
		for _, a := range nested {
			if a.Attr.Type&^unix.NLA_F_NESTED == typ {
				attributes = a.Value
			}
		}
	}
	return attributes, nil
}

// ndtmsg begins messages about IPv4's neighbour tables: rtnetlink(7).
type ndtmsg struct{}

func (ndtmsg) Len() int          { return 4 }
func (ndtmsg) Serialize() []byte { return []byte{unix.AF_INET, 0, 0, 0} }

// proxyDelays returns how long each device, by index, waits before it answers
// ARP for others.
func proxyDelays() (map[int]uint64, error) {
	var messages [][]byte
	err := retryDump(func() (err error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETNEIGHTBL, unix.NLM_F_DUMP)
		req.AddData(ndtmsg{})
		messages, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGHTBL)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list ARP settings: %w", err)
	}
	delays := make(map[int]uint64)
	for _, m := range messages {
		attributes, err := nl.ParseRouteAttr(m[4:])
		if err != nil {
			return nil, fmt.Errorf("list ARP settings: %w", err)
		}
		for _, a := range attributes {
			if a.Attr.Type&^unix.NLA_F_NESTED != tableParameters {
				continue
			}
			parameters, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return nil, fmt.Errorf("list ARP settings: %w", err)
			}
			index, delay := 0, uint64(0)
			for _, p := range parameters {
				switch p.Attr.Type {
				case parameterIndex:
					index = int(binary.NativeEndian.Uint32(p.Value))
				case parameterProxyDelay:
					delay = binary.NativeEndian.Uint64(p.Value)
				}
			}
			delays[index] = delay
		}
	}
	return delays, nil
}

// set makes the device, by index, be up and as wanted.
func (want settings) set(index int) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index, msg.Flags, msg.Change = int32(index), unix.IFF_UP, unix.IFF_UP
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, want.mac))
	req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(network.MTU)))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(aliasPrefix+want.owner)))
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
	values := spec.AddRtAttr(unix.AF_INET|unix.NLA_F_NESTED, nil).AddRtAttr(inetConf|unix.NLA_F_NESTED, nil)
	for n, value := range want.conf {
		values.AddRtAttr(n, nl.Uint32Attr(value))
	}
	req.AddData(spec)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("set up device of %s: %w", want.owner, err)
	}
	if !want.proxies() {
		return nil
	}
	return answerAtOnce(index)
}

// answerAtOnce lets the device answer ARP for others without the usual pause.
func answerAtOnce(index int) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETNEIGHTBL, unix.NLM_F_ACK)
	req.AddData(ndtmsg{})
	req.AddData(nl.NewRtAttr(tableName, nl.ZeroTerminated("arp_cache")))
	parameters := nl.NewRtAttr(tableParameters|unix.NLA_F_NESTED, nil)
	parameters.AddRtAttr(parameterIndex, nl.Uint32Attr(uint32(index)))
	parameters.AddRtAttr(parameterProxyDelay, nl.Uint64Attr(0))
	req.AddData(parameters)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("set ARP delay: %w", err)
	}
	return nil
}

// paired reports whether both devices are there, and each is the other's far end.
func paired(a, b *device) bool {
	return a != nil && b != nil && a.ParentIndex == b.Index && b.ParentIndex == a.Index
}

// deleteHalf deletes what is left of a pair, from the calling thread's namespace; nil if
// nothing is.
func (d *device) deleteHalf() error {
	if d == nil {
		return nil
	}
	if err := netlink.LinkDel(&netlink.Device{LinkAttrs: d.LinkAttrs}); err != nil {
		return fmt.Errorf("delete half a link: %w", err)
	}
	return nil
}
