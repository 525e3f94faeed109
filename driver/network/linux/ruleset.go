package linux

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// A table is the wanted or the present content of one nftables table, in a form
// that can be compared.
type table struct {
	family nftables.TableFamily
	name   string
	sets   map[string]*set
	chains map[string]*chain
}

// A set is a named set, map or verdict map. Elements are keyed by the bytes of
// their key; the value is empty in sets, the data's bytes in maps, and the chain
// to jump to in verdict maps. Elements that are ranges are keyed by the first and the
// last of their keys.
type set struct {
	key, data nftables.SetDatatype // data: zero for sets
	elements  map[string]string
	keep      func(key string) bool // which others' elements stay; nil for none
	fields    []uint32              // sizes of a key's parts, if elements are ranges
	limit     uint32                // how many elements rules may add, if they do: those are not compared
}

// A chain is a list of rules; hook is nil unless packets start in it.
type chain struct {
	hook    *hook
	rules   []rule
	encoded [][]byte // of rules, once they were compared
}

type hook struct {
	kind     nftables.ChainType
	point    nftables.ChainHook
	priority nftables.ChainPriority
	policy   nftables.ChainPolicy
}

// A rule is a list of expressions that must all hold, up to a verdict.
type rule []expr.Any

func newTable(family nftables.TableFamily, name string) *table {
	return &table{family: family, name: name, sets: make(map[string]*set), chains: make(map[string]*chain)}
}

func (t *table) set(name string, key ...nftables.SetDatatype) *set {
	return t.mapping(name, nftables.SetDatatype{}, key...)
}

func (t *table) mapping(name string, data nftables.SetDatatype, key ...nftables.SetDatatype) *set {
	s := &set{key: key[0], data: data, elements: make(map[string]string)}
	if len(key) > 1 {
		s.key = nftables.MustConcatSetType(key...)
	}
	t.sets[name] = s
	return s
}

// ranges is a set of ranges that do not overlap.
func (t *table) ranges(name string, key ...nftables.SetDatatype) *set {
	s := t.set(name, key...)
	for _, k := range key {
		s.fields = append(s.fields, k.Bytes)
	}
	return s
}

// counted is a set that rules add what they count to.
func (t *table) counted(name string, limit uint32, key ...nftables.SetDatatype) {
	t.set(name, key...).limit = limit
}

func (t *table) chain(name string, rules ...rule) *chain {
	c := &chain{rules: rules}
	t.chains[name] = c
	return c
}

func (t *table) base(name string, h hook, rules ...rule) { t.chain(name, rules...).hook = &h }

// adopt takes over the elements that are to stay as they are.
func (t *table) adopt(have *table) {
	for name, s := range t.sets {
		if s.keep == nil || have == nil || have.sets[name] == nil {
			continue
		}
		for k, v := range have.sets[name].elements {
			if s.keep(k) {
				s.elements[k] = v
			}
		}
	}
}

func (s *set) isMap() bool { return s.data != nftables.SetDatatype{} }

func (s *set) isVerdicts() bool { return s.data == nftables.TypeVerdict }

func (c *chain) isBase() bool { return c.hook != nil }

// sameHook reports whether both chains hook in the same way.
func (c *chain) sameHook(o *chain) bool {
	return c.isBase() == o.isBase() && (!c.isBase() || *c.hook == *o.hook)
}

// sameRules reports whether both chains, of the family, have the same rules.
func (c *chain) sameRules(o *chain, family nftables.TableFamily) (bool, error) {
	if err := errors.Join(c.encode(family), o.encode(family)); err != nil {
		return false, err
	}
	return slices.EqualFunc(c.encoded, o.encoded, bytes.Equal), nil
}

// encode fills in the rules as the kernel gets them. Rules that were read from
// the kernel yield the same bytes as those that were written.
func (c *chain) encode(family nftables.TableFamily) error {
	if c.encoded != nil {
		return nil
	}
	c.encoded = make([][]byte, len(c.rules))
	for i, r := range c.rules {
		for _, e := range r {
			b, err := expr.Marshal(byte(family), e)
			if err != nil {
				return fmt.Errorf("encode rule: %w", err)
			}
			c.encoded[i] = append(c.encoded[i], b...)
		}
	}
	return nil
}
