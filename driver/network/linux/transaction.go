package linux

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// elementsPerMessage keeps a list of elements within one netlink attribute of
// 64 KiB; an element takes less than 200 bytes.
const elementsPerMessage = 300

// A transaction collects the changes that turn tables into what they should be;
// the kernel makes all of them at one instant, or none. What nothing leads to yet is made
// ahead, in a transaction before: a packet that is on its way at that instant may find the new
// elements of a set and still the old rules of a chain, which are none if the chain is new. The messages are encoded
// here and not by the nftables library, which wants an answer to each of them,
// and knows no condition on the generation.
type transaction struct {
	ahead    []netlink.Message
	messages []netlink.Message
	early    bool // whether changes go ahead
	removed  []removal
	err      error // the first
}

// removal is an element that the transaction takes out of a set.
type removal struct{ set, key, value string }

// replace makes the table be as wanted, whatever is there.
func (tx *transaction) replace(want *table) {
	tx.drop(want)
	tx.change(nil, want)
}

// drop deletes the table, which may not be there.
func (tx *transaction) drop(t *table) {
	tx.addTable(t)
	tx.add(unix.NFT_MSG_DELTABLE, 0, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_TABLE_NAME, t.name)
	})
}

// change turns have, which is nil if there is no table, into want.
func (tx *transaction) change(have, want *table) {
	isNew := have == nil
	if isNew {
		have = newTable(want.family, want.name)
		tx.addTable(want)
	}
	for name, c := range want.chains {
		if old := have.chains[name]; old != nil && !old.sameHook(c) {
			tx.replace(want) // a chain cannot be hooked elsewhere
			return
		}
	}
	// What is new comes first and what is no longer needed goes last: rules and
	// elements name chains and sets.
	tx.early = !isNew
	tx.addNew(have, want)
	tx.early = false
	for name, c := range want.chains {
		switch old := have.chains[name]; {
		case old == nil && c.isBase():
			tx.addChain(want, name, c)
			tx.addRules(want, name, c)
		case old != nil:
			tx.changeRules(want, name, old, c)
		}
	}
	for name, s := range want.sets {
		if old := have.sets[name]; old != nil {
			tx.changeElements(want, name, old, s)
		}
	}
	tx.deleteRest(have, want)
}

// addNew makes the sets, and the chains that no packet starts in, that are not there.
func (tx *transaction) addNew(have, want *table) {
	for name, c := range want.chains {
		if have.chains[name] == nil && !c.isBase() {
			tx.addChain(want, name, c)
		}
	}
	for name, s := range want.sets {
		if have.sets[name] == nil {
			tx.addSet(want, name, s)
		}
	}
	for name, c := range want.chains {
		if have.chains[name] == nil && !c.isBase() {
			tx.addRules(want, name, c)
		}
	}
	for name, s := range want.sets {
		if have.sets[name] == nil {
			tx.changeElements(want, name, &set{}, s)
		}
	}
}

// changeRules gives a chain the rules of want.
func (tx *transaction) changeRules(t *table, name string, have, want *chain) {
	same, err := have.sameRules(want, t.family)
	tx.fail(err)
	if !same {
		tx.flushChain(t, name)
		tx.addRules(t, name, want)
	}
}

func (tx *transaction) addRules(t *table, name string, c *chain) {
	for _, r := range c.rules {
		tx.addRule(t, name, r)
	}
}

// changeElements gives a set the elements of want.
func (tx *transaction) changeElements(t *table, name string, have, want *set) {
	if want.limit > 0 {
		return
	}
	var add, del []string
	for k, v := range have.elements {
		if now, still := want.elements[k]; !still || now != v {
			del = append(del, k)
			tx.removed = append(tx.removed, removal{name, k, v})
		}
	}
	for k, v := range want.elements {
		if was, there := have.elements[k]; !there || was != v {
			add = append(add, k)
		}
	}
	for keys := range slices.Chunk(del, elementsPerMessage) {
		tx.elements(unix.NFT_MSG_DELSETELEM, 0, t, name, want, keys)
	}
	for keys := range slices.Chunk(add, elementsPerMessage) {
		tx.elements(unix.NFT_MSG_NEWSETELEM, netlink.Create, t, name, want, keys)
	}
}

// deleteRest deletes the chains and sets that are not wanted. Rules go before
// the chains and sets that they name.
func (tx *transaction) deleteRest(have, want *table) {
	for name := range have.chains {
		if want.chains[name] == nil {
			tx.flushChain(want, name)
		}
	}
	for name, s := range have.sets {
		if want.sets[name] != nil {
			continue
		}
		for k, v := range s.elements {
			tx.removed = append(tx.removed, removal{name, k, v})
		}
		tx.add(unix.NFT_MSG_DELSET, 0, want, func(a *netlink.AttributeEncoder) {
			a.String(unix.NFTA_SET_TABLE, want.name)
			a.String(unix.NFTA_SET_NAME, name)
		})
	}
	for name := range have.chains {
		if want.chains[name] != nil {
			continue
		}
		tx.add(unix.NFT_MSG_DELCHAIN, 0, want, func(a *netlink.AttributeEncoder) {
			a.String(unix.NFTA_CHAIN_TABLE, want.name)
			a.String(unix.NFTA_CHAIN_NAME, name)
		})
	}
}

func (tx *transaction) addTable(t *table) {
	tx.add(unix.NFT_MSG_NEWTABLE, netlink.Create, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_TABLE_NAME, t.name)
		a.Uint32(unix.NFTA_TABLE_FLAGS, 0)
	})
}

func (tx *transaction) addChain(t *table, name string, c *chain) {
	tx.add(unix.NFT_MSG_NEWCHAIN, netlink.Create, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_CHAIN_TABLE, t.name)
		a.String(unix.NFTA_CHAIN_NAME, name)
		if !c.isBase() {
			return
		}
		a.Nested(unix.NFTA_CHAIN_HOOK, func(a *netlink.AttributeEncoder) error {
			a.Uint32(unix.NFTA_HOOK_HOOKNUM, uint32(c.hook.point))
			a.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(c.hook.priority))
			return nil
		})
		a.Uint32(unix.NFTA_CHAIN_POLICY, uint32(c.hook.policy))
		a.String(unix.NFTA_CHAIN_TYPE, string(c.hook.kind))
	})
}

func (tx *transaction) flushChain(t *table, chain string) {
	tx.add(unix.NFT_MSG_DELRULE, 0, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_RULE_TABLE, t.name)
		a.String(unix.NFTA_RULE_CHAIN, chain)
	})
}

func (tx *transaction) addRule(t *table, chain string, r rule) {
	tx.add(unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_RULE_TABLE, t.name)
		a.String(unix.NFTA_RULE_CHAIN, chain)
		a.Nested(unix.NFTA_RULE_EXPRESSIONS, func(a *netlink.AttributeEncoder) error {
			for _, e := range r {
				b, err := expr.Marshal(byte(t.family), e)
				if err != nil {
					return err
				}
				a.Bytes(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, b)
			}
			return nil
		})
	})
}

func (tx *transaction) addSet(t *table, name string, s *set) {
	tx.add(unix.NFT_MSG_NEWSET, netlink.Create, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_TABLE, t.name)
		a.String(unix.NFTA_SET_NAME, name)
		a.Uint32(unix.NFTA_SET_ID, uint32(len(tx.ahead)+len(tx.messages)))
		a.Uint32(unix.NFTA_SET_KEY_TYPE, s.key.GetNFTMagic())
		a.Uint32(unix.NFTA_SET_KEY_LEN, s.key.Bytes)
		var flags uint32
		switch {
		case s.fields != nil:
			flags = unix.NFT_SET_INTERVAL | nftables.NFT_SET_CONCAT
			s.describe(a)
		case s.limit > 0:
			flags = unix.NFT_SET_EVAL | unix.NFT_SET_TIMEOUT
			a.Uint64(unix.NFTA_SET_TIMEOUT, uint64(forgetAfter.Milliseconds()))
			a.Nested(unix.NFTA_SET_DESC, func(a *netlink.AttributeEncoder) error {
				a.Uint32(unix.NFTA_SET_DESC_SIZE, s.limit)
				return nil
			})
		case s.isVerdicts():
			flags = unix.NFT_SET_MAP
			a.Uint32(unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
		case s.isMap():
			flags = unix.NFT_SET_MAP
			a.Uint32(unix.NFTA_SET_DATA_TYPE, s.data.GetNFTMagic())
			a.Uint32(unix.NFTA_SET_DATA_LEN, s.data.Bytes)
		}
		a.Uint32(unix.NFTA_SET_FLAGS, flags)
	})
}

// describe tells the kernel the sizes of the parts of a set's keys.
func (s *set) describe(a *netlink.AttributeEncoder) {
	a.Nested(unix.NFTA_SET_DESC, func(a *netlink.AttributeEncoder) error {
		a.Nested(nftables.NFTA_SET_DESC_CONCAT, func(a *netlink.AttributeEncoder) error {
			for _, size := range s.fields {
				a.Nested(unix.NFTA_LIST_ELEM, func(a *netlink.AttributeEncoder) error {
					a.Uint32(fieldLength, size)
					return nil
				})
			}
			return nil
		})
		return nil
	})
}

// fieldLength is NFTA_SET_FIELD_LEN of linux/netfilter/nf_tables.h.
const fieldLength = 1

func (tx *transaction) elements(kind int, flags netlink.HeaderFlags, t *table, name string, s *set, keys []string) {
	tx.add(kind, flags, t, func(a *netlink.AttributeEncoder) {
		a.String(unix.NFTA_SET_ELEM_LIST_TABLE, t.name)
		a.String(unix.NFTA_SET_ELEM_LIST_SET, name)
		a.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a *netlink.AttributeEncoder) error {
			for _, k := range keys {
				a.Nested(unix.NFTA_LIST_ELEM, func(a *netlink.AttributeEncoder) error {
					s.encode(a, k, kind == unix.NFT_MSG_NEWSETELEM)
					return nil
				})
			}
			return nil
		})
	})
}

// encode writes an element, with its value if asked.
func (s *set) encode(a *netlink.AttributeEncoder, key string, value bool) {
	data := func(typ uint16, b string) {
		a.Nested(typ, func(a *netlink.AttributeEncoder) error {
			a.Bytes(unix.NFTA_DATA_VALUE, []byte(b))
			return nil
		})
	}
	if s.fields != nil {
		data(nftables.NFTA_SET_ELEM_KEY_END, key[len(key)/2:])
		key = key[:len(key)/2]
	}
	data(unix.NFTA_SET_ELEM_KEY, key)
	switch {
	case !value || !s.isMap():
	case s.isVerdicts():
		a.Nested(unix.NFTA_SET_ELEM_DATA, func(a *netlink.AttributeEncoder) error {
			a.Nested(unix.NFTA_DATA_VERDICT, func(a *netlink.AttributeEncoder) error {
				a.Int32(unix.NFTA_VERDICT_CODE, unix.NFT_JUMP)
				a.String(unix.NFTA_VERDICT_CHAIN, s.elements[key])
				return nil
			})
			return nil
		})
	default:
		data(unix.NFTA_SET_ELEM_DATA, s.elements[key])
	}
}

// add appends a change to the transaction.
func (tx *transaction) add(kind int, flags netlink.HeaderFlags, t *table, fill func(*netlink.AttributeEncoder)) {
	a := netlink.NewAttributeEncoder()
	a.ByteOrder = binary.BigEndian
	fill(a)
	b, err := a.Encode()
	if err != nil {
		tx.fail(fmt.Errorf("encode change of table %s: %w", t.name, err))
		return
	}
	m := netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | flags},
		Data:   append([]byte{byte(t.family), unix.NFNETLINK_V0, 0, 0}, b...),
	}
	if tx.early {
		tx.ahead = append(tx.ahead, m)
	} else {
		tx.messages = append(tx.messages, m)
	}
}

func (tx *transaction) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// batch returns messages as one that the kernel only takes while the
// namespace is of the generation.
func batch(messages []netlink.Message, generation uint32) ([]netlink.Message, error) {
	edge := func(kind uint16, attributes ...byte) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}, attributes...),
		}
	}
	a := netlink.NewAttributeEncoder()
	a.ByteOrder = binary.BigEndian
	a.Uint32(unix.NFNL_BATCH_GENID, generation)
	condition, err := a.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode condition: %w", err)
	}
	// One answer is enough: the kernel reports every error unasked.
	messages[len(messages)-1].Header.Flags |= netlink.Acknowledge
	all := append([]netlink.Message{edge(unix.NFNL_MSG_BATCH_BEGIN, condition...)}, messages...)
	return append(all, edge(unix.NFNL_MSG_BATCH_END)), nil
}
