// Package explain tells what becomes of a packet and of the answer to it in the
// networks of plans, and which rule decides. It reads the plans that drivers make real, and
// knows nothing of drivers.
//
// It assumes that a guest answers what reaches it, and that the answer is to the packet: security
// groups do not ask about it. The answer finds its own way, by the tables of where it is.
// What a guest does with packets for others, it does not know: the way ends there.
package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vauban-cloud/vauban/driver/network"
)

// IP protocols, of https://www.iana.org/assignments/protocol-numbers.
const icmp, tcp, udp, icmp6 = 1, 6, 17, 58

// Question asks about the first packet of a flow. From and To are IDs of ports, or
// empty for somebody outside, with FromAddress and ToAddress. A port's address is its
// first one of the other end's family, or the one that is given.
type Question struct {
	From        string
	FromAddress netip.Addr
	To          string
	ToAddress   netip.Addr
	Protocol    int // 6, 17, or 1 and 58 for an echo
	FromPort    int // of TCP and UDP
	ToPort      int
	// Pools are the ranges that the cloud gives addresses of: nobody beyond it has one of them.
	Pools []netip.Prefix
}

// Verdict is the answer to a Question. The last step that does not pass is why.
type Verdict struct {
	Reaches bool
	Steps   []Step
}

// Step is one look at the packet on its way, or, with Reply, at the answer.
type Step struct {
	Reply  bool   `json:",omitempty"`
	Kind   string // "subnet", "group", "route", "acl", "nat", "peering", "port", "service", "outside"
	ID     string `json:",omitempty"` // of the resource that looks
	Rule   string `json:",omitempty"` // of it: a rule's ID, an entry's number, a destination
	Passes bool
	Text   string // a sentence about it
}

// packet is a packet as it looks where it is.
type packet struct {
	source, destination netip.Addr
	protocol            int
	from, to            int // ports; of ICMP type and code are both in to: see kind
	answer              bool
}

// kind is the type and code of an echo, or of the answer to one.
func (p packet) kind() (kind, code int) {
	switch {
	case p.protocol == icmp && p.answer:
		return 0, 0
	case p.protocol == icmp:
		return 8, 0
	case p.answer:
		return 129, 0
	default:
		return 128, 0
	}
}

// back is the answer to the packet.
func (p packet) back() packet {
	return packet{p.destination, p.source, p.protocol, p.to, p.from, true}
}

func (p packet) String() string {
	if p.protocol == tcp || p.protocol == udp {
		name := map[int]string{tcp: "tcp", udp: "udp"}[p.protocol]
		return fmt.Sprintf("%s %s to %s", name, netip.AddrPortFrom(p.source, uint16(p.from)), netip.AddrPortFrom(p.destination, uint16(p.to)))
	}
	return fmt.Sprintf("echo %s to %s", p.source, p.destination)
}

// place is a port of a VPC.
type place struct {
	vpc    *network.VPC
	port   *network.Port
	subnet *network.Subnet
}

// hop is a step to a port that sends the packet on: the answer crosses the same edges.
type hop struct {
	from, to place
	packet   packet
}

type walk struct {
	vpcs      []*network.VPC
	pools     []netip.Prefix
	steps     []Step
	hops      []hop
	origin    place  // of the packet as it is on its way: empty outside
	sent      packet // as it was there
	end       place  // where it arrived
	arrived   packet // as it was there
	answered  bool   // by the network itself, or a guest that routes: no answer is followed
	answering bool
	blocked   bool
}

// Explain answers the question about the VPCs, which are all that concern it. An error
// says what is wrong with the question.
func Explain(vpcs []*network.VPC, q Question) (Verdict, error) {
	w := &walk{vpcs: vpcs, pools: q.Pools}
	from, to := w.find(q.From), w.find(q.To)
	p, err := q.packet(from, to)
	if err != nil {
		return Verdict{}, err
	}
	w.origin, w.sent = from, p
	if from.port != nil {
		w.leave(from, p)
	} else {
		w.arrive(p)
	}
	if !w.blocked {
		w.answer()
	}
	return Verdict{Reaches: !w.blocked, Steps: w.steps}, nil
}

// find returns where the port is; nothing if there is none.
func (w *walk) find(id string) place {
	for _, v := range w.vpcs {
		for i := range v.Ports {
			if v.Ports[i].ID == id && id != "" {
				return at(v, &v.Ports[i])
			}
		}
	}
	return place{}
}

func at(v *network.VPC, p *network.Port) place {
	for i := range v.Subnets {
		if v.Subnets[i].ID == p.Subnet {
			return place{v, p, &v.Subnets[i]}
		}
	}
	return place{vpc: v, port: p, subnet: &network.Subnet{}}
}

// packet makes the first packet of the flow.
func (q Question) packet(from, to place) (p packet, err error) {
	switch {
	case q.From != "" && from.port == nil:
		return p, fmt.Errorf("%s has no port: is its instance running?", q.From)
	case q.To != "" && to.port == nil:
		return p, fmt.Errorf("%s has no port: is its instance running?", q.To)
	case q.From == "" && !q.FromAddress.IsValid(), q.To == "" && !q.ToAddress.IsValid():
		return p, fmt.Errorf("say where from and where to")
	}
	p = packet{source: q.FromAddress.Unmap(), destination: q.ToAddress.Unmap(), protocol: q.Protocol, from: q.FromPort, to: q.ToPort}
	six := p.destination.Is6() || p.source.Is6() || q.Protocol == icmp6
	if !p.source.IsValid() {
		p.source = first(from.port, six)
	}
	if !p.destination.IsValid() {
		p.destination = first(to.port, six)
	}
	switch {
	case !p.source.IsValid(), !p.destination.IsValid(), p.source.Is4() != p.destination.Is4():
		return p, fmt.Errorf("there are no two addresses of the same family at both ends")
	case p.protocol == icmp && p.source.Is6():
		p.protocol = icmp6
	case p.protocol != icmp && p.protocol != icmp6 && p.protocol != tcp && p.protocol != udp:
		return p, fmt.Errorf("protocol %d is not one of TCP, UDP and ICMP", p.protocol)
	}
	return p, nil
}

// Text is the verdict for people: a line a step, then what came of it.
func (v Verdict) Text() string {
	var b strings.Builder
	for _, s := range v.Steps {
		mark, who := "  passes ", s.Kind
		if !s.Passes {
			mark = "  BLOCKED"
		}
		if s.ID != "" {
			who += " " + s.ID
		}
		if s.Rule != "" {
			who += ", rule " + s.Rule
		}
		if s.Reply {
			who = "answer: " + who
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, who, s.Text)
	}
	if v.Reaches {
		b.WriteString("It gets through.\n")
	} else {
		b.WriteString("It does not get through.\n")
	}
	return b.String()
}
