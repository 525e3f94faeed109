package linux

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Fields of a packet, to compare or to look up in sets. Offsets are those of
// Ethernet (14 octets, the source at 6), RFC 791, RFC 8200, RFC 826, of the ports that
// begin TCP, UDP and, as type and code, ICMP headers, and of the target of RFC 4861's
// neighbour advertisements.
var (
	inDevice     = field{size: 16, meta: expr.MetaKeyIIFNAME}
	outDevice    = field{size: 16, meta: expr.MetaKeyOIFNAME}
	ipVersion    = field{size: 1, meta: expr.MetaKeyNFPROTO}
	protocol     = field{size: 1, meta: expr.MetaKeyL4PROTO}
	etherSource  = field{size: 6, payload: true, base: expr.PayloadBaseLLHeader, offset: 6}
	source       = field{size: 4, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 12}
	destination  = field{size: 4, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 16}
	source6      = field{size: 16, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 8}
	destination6 = field{size: 16, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 24}
	neighbour6   = field{size: 16, payload: true, base: expr.PayloadBaseTransportHeader, offset: 8}
	toPort       = field{size: 2, payload: true, base: expr.PayloadBaseTransportHeader, offset: 2}
	bothPorts    = field{size: 4, payload: true, base: expr.PayloadBaseTransportHeader, offset: 0}
	icmpType     = field{size: 1, payload: true, base: expr.PayloadBaseTransportHeader, offset: 0}
	icmpCode     = field{size: 1, payload: true, base: expr.PayloadBaseTransportHeader, offset: 1}
	arpKind      = field{size: 2, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 6}
	arpMAC       = field{size: 6, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 8}
	arpSource    = field{size: 4, payload: true, base: expr.PayloadBaseNetworkHeader, offset: 14}
)

// An end is where a packet comes from or goes to.
type end struct{ v4, v6 field }

var sender, receiver = end{source, source6}, end{destination, destination6}

// A field is where the kernel finds something about a packet.
type field struct {
	size    uint32
	meta    expr.MetaKey // unless payload
	payload bool
	base    expr.PayloadBase
	offset  uint32
}

// load puts the field into the register that begins at the word.
func (f field) load(word uint32) expr.Any {
	if f.payload {
		return &expr.Payload{DestRegister: register(word), Base: f.base, Offset: f.offset, Len: f.size}
	}
	return &expr.Meta{Key: f.meta, Register: register(word)}
}

// register names the register that begins at a word, as the kernel does when it
// lists rules: each fourth one is also one of the four long registers.
func register(word uint32) uint32 {
	if word%4 == 0 {
		return unix.NFT_REG_1 + word/4
	}
	return unix.NFT_REG32_00 + word
}

// when makes a rule of matches and a verdict.
func when(parts ...[]expr.Any) rule { return slices.Concat(parts...) }

// is matches a field's bytes; fewer than the field has match a prefix.
func (f field) is(b ...byte) []expr.Any { return f.compare(expr.CmpOpEq, b) }

func (f field) isNot(b ...byte) []expr.Any { return f.compare(expr.CmpOpNeq, b) }

func (f field) compare(op expr.CmpOp, b []byte) []expr.Any {
	return []expr.Any{f.load(0), &expr.Cmp{Op: op, Register: register(0), Data: b}}
}

// between matches both ends and what is between them.
func (f field) between(low, high uint16) []expr.Any {
	if low == high {
		return f.is(be16(low)...)
	}
	return []expr.Any{f.load(0), &expr.Range{Op: expr.CmpOpEq, Register: register(0), FromData: be16(low), ToData: be16(high)}}
}

// within matches an address in the range.
func (f field) within(p netip.Prefix) []expr.Any {
	if p.Bits() == 0 {
		return nil
	}
	addr := p.Masked().Addr().AsSlice()
	size := len(addr)
	if p.Bits() == 8*size {
		return f.is(addr...)
	}
	return []expr.Any{
		f.load(0),
		&expr.Bitwise{
			SourceRegister: register(0), DestRegister: register(0), Len: uint32(size),
			Mask: net.CIDRMask(p.Bits(), 8*size), Xor: make([]byte, size),
		},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register(0), Data: addr},
	}
}

// in matches what is in the set.
func in(set string, fields ...field) []expr.Any {
	return append(loads(fields), &expr.Lookup{SourceRegister: register(0), SetName: set})
}

// notIn matches what is not in the set.
func notIn(set string, fields ...field) []expr.Any {
	return append(loads(fields), &expr.Lookup{SourceRegister: register(0), SetName: set, Invert: true})
}

// verdictOf jumps where the verdict map says.
func verdictOf(set string, fields ...field) []expr.Any {
	return append(loads(fields), &expr.Lookup{SourceRegister: register(0), DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: set})
}

// translate rewrites the source or destination to what the map has for it.
func translate(kind expr.NATType, f field, set string) []expr.Any {
	return []expr.Any{
		f.load(0),
		&expr.Lookup{SourceRegister: register(0), DestRegister: register(0), IsDestRegSet: true, SetName: set},
		&expr.NAT{Type: kind, Family: unix.NFPROTO_IPV4, RegAddrMin: register(0), RegAddrMax: register(0)},
	}
}

func loads(fields []field) []expr.Any {
	var exprs []expr.Any
	var word uint32
	for _, f := range fields {
		exprs = append(exprs, f.load(word))
		word += (f.size + 3) / 4
	}
	return exprs
}

// tracked matches packets of connections in one of the states.
func tracked(states uint32) []expr.Any {
	mask := binary.NativeEndian.AppendUint32(nil, states)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: register(0)},
		&expr.Bitwise{SourceRegister: register(0), DestRegister: register(0), Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register(0), Data: make([]byte, 4)},
	}
}

const (
	known     = expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	invalid   = expr.CtStateBitINVALID
	untracked = expr.CtStateBitUNTRACKED
)

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func accept() []expr.Any { return verdict(expr.VerdictAccept, "") }

func drop() []expr.Any { return verdict(expr.VerdictDrop, "") }

func goTo(chain string) []expr.Any { return verdict(expr.VerdictGoto, chain) }

func jump(chain string) []expr.Any { return verdict(expr.VerdictJump, chain) }

// key concatenates values as the kernel lays them out in registers.
func key(values ...[]byte) string {
	var b []byte
	for _, v := range values {
		b = append(b, v...)
		for len(b)%4 != 0 && len(values) > 1 {
			b = append(b, 0)
		}
	}
	return string(b)
}

// deviceName is a device's name as a key.
func deviceName(name string) []byte { return append([]byte(name), make([]byte, 16-len(name))...) }

func be16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
