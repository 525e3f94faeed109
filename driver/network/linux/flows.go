package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/network"
)

// Flows implements network.Flows. What was counted more than forgetAfter ago may be
// gone, as may be what a port counted before its log ended. Flags are not known.
func (d *Driver) Flows(ctx context.Context, vpcID string) ([]network.Flow, error) {
	flows, err := d.flows(ctx, vpcID)
	if err != nil {
		return nil, fmt.Errorf("read flows of %s: %w", vpcID, err)
	}
	return flows, nil
}

func (d *Driver) flows(ctx context.Context, vpcID string) (flows []network.Flow, err error) {
	release, err := d.turns.Take(ctx, vpcID)
	if err != nil {
		return nil, err
	}
	defer release()
	v, _, err := d.find(vpcID)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, network.ErrNoVPC
	}
	ports := make(map[string]string, len(v.ports)) // by device
	logs := logging{}
	for id, p := range v.ports {
		ports[portDevice(id)] = id
		logs.Accepted, logs.Rejected = logs.Accepted || p.Log.Accepted, logs.Rejected || p.Log.Rejected
	}
	err = v.space.Do(func() error {
		conn, err := dialNftables()
		if err != nil {
			return err
		}
		defer conn.Close()
		for log, is := range map[string]bool{acceptedLog: logs.Accepted, rejectedLog: logs.Rejected} {
			for way := range directions {
				if !is {
					continue
				}
				more, err := conn.takeFlows(log, way, ports)
				if err != nil {
					return err
				}
				flows = append(flows, more...)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range flows {
		if flows[i].Start = v.counted; v.counted.IsZero() || v.counted.After(flows[i].End) {
			flows[i].Start = flows[i].End // another process counted it
		}
	}
	v.counted = time.Now()
	return flows, nil
}

// takeFlows returns what ports, by device, had counted in a log on a way.
func (c *nftConn) takeFlows(log, way string, ports map[string]string) (flows []network.Flow, err error) {
	for _, version := range []string{"4", "6"} {
		all, err := c.takeCounts(log + "-" + way + version)
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			if f, ok := n.flow(ports); ok {
				f.Accepted, f.Ingress = log == acceptedLog, way == "in"
				flows = append(flows, f)
			}
		}
	}
	return flows, nil
}

// counts is an element of a set that rules count in.
type counts struct {
	key            []byte
	packets, bytes uint64
	last           time.Time // when the last packet came
}

// flow is what was counted; not ok if it is nothing, or of a port that is no more.
func (c counts) flow(ports map[string]string) (f network.Flow, ok bool) {
	const deviceBytes, restBytes = 16, 8
	size := (len(c.key) - deviceBytes - restBytes) / 2
	if c.packets == 0 || size != 4 && size != 16 {
		return f, false
	}
	device, rest := strings.TrimRight(string(c.key[:deviceBytes]), "\x00"), c.key[deviceBytes:]
	f.Port, ok = ports[device]
	from, _ := netip.AddrFromSlice(rest[:size])
	to, _ := netip.AddrFromSlice(rest[size : 2*size])
	rest = rest[2*size:]
	f.Protocol = int(rest[0])
	f.Source = netip.AddrPortFrom(from, binary.BigEndian.Uint16(rest[4:]))
	f.Destination = netip.AddrPortFrom(to, binary.BigEndian.Uint16(rest[6:]))
	f.Packets, f.Bytes, f.End = c.packets, c.bytes, c.last
	return f, ok
}

// getAndReset is NFT_MSG_GETSETELEM_RESET of linux/netfilter/nf_tables.h, since Linux 6.5.
const getAndReset = 33

// takeCounts returns what was counted in the set since the last call.
func (c *nftConn) takeCounts(set string) ([]counts, error) {
	a := netlink.NewAttributeEncoder()
	a.String(unix.NFTA_SET_ELEM_LIST_TABLE, rulesName)
	a.String(unix.NFTA_SET_ELEM_LIST_SET, set)
	name, err := a.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode name of set %s: %w", set, err)
	}
	messages, err := c.socket.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | getAndReset, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, name...),
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, fmt.Errorf("read set %s: %w: flow logs need Linux 6.5", set, err)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, nil // somebody took the rules away: Apply puts them back
	}
	if err != nil {
		return nil, fmt.Errorf("read set %s: %w", set, err)
	}
	var all []counts
	for _, m := range messages {
		if len(m.Data) < 4 {
			continue
		}
		found, err := readCounts(m.Data[4:])
		if err != nil {
			return nil, fmt.Errorf("read set %s: %w", set, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// readCounts decodes a list of set elements.
func readCounts(attributes []byte) (all []counts, err error) {
	ad, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return nil, err
	}
	for ad.Next() {
		if ad.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		ad.Nested(func(list *netlink.AttributeDecoder) error {
			for list.Next() {
				list.Nested(func(element *netlink.AttributeDecoder) error {
					element.ByteOrder = binary.BigEndian
					var c counts
					c.read(element)
					all = append(all, c)
					return nil
				})
			}
			return nil
		})
	}
	return all, ad.Err()
}

func (c *counts) read(element *netlink.AttributeDecoder) {
	left := forgetAfter
	for element.Next() {
		switch element.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			element.Nested(func(data *netlink.AttributeDecoder) error {
				for data.Next() {
					c.key = data.Bytes()
				}
				return nil
			})
		case unix.NFTA_SET_ELEM_EXPIRATION:
			left = time.Duration(element.Uint64()) * time.Millisecond
		case unix.NFTA_SET_ELEM_EXPR:
			element.Nested(c.readExpression)
		}
	}
	c.last = time.Now().Add(left - forgetAfter)
}

// readExpression reads the counter, which is the only expression of an element.
func (c *counts) readExpression(e *netlink.AttributeDecoder) error {
	for e.Next() {
		if e.Type() != unix.NFTA_EXPR_DATA {
			continue
		}
		e.Nested(func(counter *netlink.AttributeDecoder) error {
			counter.ByteOrder = binary.BigEndian
			for counter.Next() {
				switch counter.Type() {
				case unix.NFTA_COUNTER_BYTES:
					c.bytes = counter.Uint64()
				case unix.NFTA_COUNTER_PACKETS:
					c.packets = counter.Uint64()
				}
			}
			return nil
		})
	}
	return nil
}
