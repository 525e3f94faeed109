package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// patience is how long the kernel may take to answer.
const patience = 30 * time.Second

// bufferBytes of a socket: the kernel takes a transaction as one message.
const bufferBytes = 64 << 20

// A ruleset keeps tables of one namespace as wanted. It remembers what it wrote
// and the namespace's generation, which every transaction of anybody advances:
// while that stands still, nothing needs to be read again.
type ruleset struct {
	tables     []*table // what is there at the generation; nil where there is no table
	generation uint32
	known      bool
}

// patient is how often the rules are read again because somebody else changed
// some meanwhile, before that no longer counts.
const patient = 5

// apply makes the tables be as wanted, in one transaction, and returns the
// elements that were taken out of sets. All calls name the same tables. The
// calling thread is in the namespace.
func (r *ruleset) apply(want ...*table) ([]removal, error) {
	conn, err := dialNftables()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for range patient {
		removed, err := r.change(conn, want, false)
		if !errors.Is(err, unix.ERESTART) {
			return removed, err
		}
	}
	return r.change(conn, want, true)
}

// change is one attempt; ERESTART if others changed rules meanwhile, unless
// it is to be made all the same: theirs are hardly these.
func (r *ruleset) change(conn *nftConn, want []*table, anyway bool) ([]removal, error) {
	generation, err := conn.generation()
	if err != nil {
		return nil, err
	}
	if !r.known || r.generation != generation {
		before := r.tables
		switch err := r.read(conn, want, generation); {
		case errors.Is(err, unix.ERESTART) && anyway:
		case errors.Is(err, unix.ERESTART):
			return nil, err
		case err != nil:
			for i, t := range before {
				want[i].adopt(t)
			}
			return nil, rebuild(want, err)
		}
	}
	tx := &transaction{}
	for i, t := range want {
		t.adopt(r.tables[i])
		tx.change(r.tables[i], t)
	}
	if tx.err != nil {
		return nil, tx.err
	}
	condition := generation
	if anyway {
		condition = unconditional
	}
	for _, messages := range [][]netlink.Message{tx.ahead, tx.messages} {
		if len(messages) == 0 {
			continue
		}
		r.known = false
		if err := conn.commit(messages, condition); errors.Is(err, unix.ERESTART) {
			return nil, err
		} else if err != nil {
			return tx.removed, rebuild(want, err)
		}
		generation++
		if !anyway {
			condition = generation
		}
	}
	r.tables, r.generation, r.known = want, generation, !anyway
	return tx.removed, nil
}

// rebuild replaces all tables, in one transaction: they hold something, such as
// a set of another kind, that cannot be read or stands in the way of a change.
func rebuild(want []*table, why error) error {
	conn, err := dialNftables()
	if err != nil {
		return errors.Join(why, err)
	}
	defer conn.Close()
	tx := &transaction{}
	for _, t := range want {
		tx.replace(t)
	}
	if tx.err == nil {
		tx.err = conn.commit(tx.messages, unconditional)
	}
	if tx.err != nil {
		return errors.Join(why, tx.err)
	}
	return nil
}

// read fills in what is there at the generation; ERESTART if that passed
// meanwhile, so that it may be neither the one before nor the one after.
func (r *ruleset) read(conn *nftConn, want []*table, generation uint32) error {
	r.known = false
	r.tables = make([]*table, len(want))
	var failed error
	for i, t := range want {
		var err error
		r.tables[i], err = conn.table(t)
		failed = errors.Join(failed, err)
	}
	now, err := conn.generation()
	if err != nil {
		return err
	}
	r.generation, r.known = generation, failed == nil && now == generation
	if failed == nil && now != generation {
		return unix.ERESTART
	}
	return failed
}

// dropTables deletes the tables; those that are not there count as deleted. The
// calling thread is in the namespace.
func dropTables(tables ...*table) error {
	conn, err := dialNftables()
	if err != nil {
		return err
	}
	defer conn.Close()
	tx := &transaction{}
	for _, t := range tables {
		tx.drop(t)
	}
	return errors.Join(tx.err, conn.commit(tx.messages, unconditional))
}

// nftConn is a connection to the nftables of one namespace.
type nftConn struct {
	*nftables.Conn               // reads
	socket         *netlink.Conn // the one under Conn
}

// dialNftables connects to the namespace of the calling thread.
func dialNftables() (*nftConn, error) {
	c := &nftConn{}
	options := func(s *netlink.Conn) error {
		c.socket = s
		return errors.Join(
			s.SetOption(netlink.ExtendedAcknowledge, true),
			s.SetReadBuffer(bufferBytes), s.SetWriteBuffer(bufferBytes),
			s.SetDeadline(time.Now().Add(patience)))
	}
	var err error
	if c.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(options)); err != nil {
		return nil, fmt.Errorf("connect to nftables: %w", err)
	}
	return c, nil
}

// Close ends the connection.
func (c *nftConn) Close() { _ = c.CloseLasting() }

// unconditional is the generation of transactions that hold at any.
const unconditional = 0

// commit makes all changes, or none; ERESTART if the generation has passed.
func (c *nftConn) commit(messages []netlink.Message, generation uint32) error {
	all, err := batch(messages, generation)
	if err != nil {
		return err
	}
	sent, err := c.socket.SendMessages(all)
	if err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	acknowledged := sent[len(sent)-2].Header.Sequence
	for {
		replies, err := c.socket.Receive()
		if err != nil {
			return fmt.Errorf("write rules: %w", err)
		}
		for _, m := range replies {
			if m.Header.Type == netlink.Error && m.Header.Sequence == acknowledged {
				return nil
			}
		}
	}
}

// generation returns the number of the namespace's last transaction.
func (c *nftConn) generation() (uint32, error) {
	replies, err := c.socket.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return 0, fmt.Errorf("read generation of rules: %w", err)
	}
	for _, m := range replies {
		if len(m.Data) < 4 {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return 0, fmt.Errorf("read generation of rules: %w", err)
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == unix.NFTA_GEN_ID {
				return ad.Uint32(), nil
			}
		}
	}
	return 0, fmt.Errorf("read generation of rules: no answer")
}

// table reads the table of want's name, nil if there is none. want tells what
// kind its sets are of: the kernel only keeps how long keys and data are.
func (c *nftConn) table(want *table) (*table, error) {
	tables, err := c.ListTablesOfFamily(want.family)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == want.name }) {
		return nil, nil
	}
	t := newTable(want.family, want.name)
	ref := &nftables.Table{Family: want.family, Name: want.name}
	if err := c.readChains(ref, t); err != nil {
		return nil, err
	}
	return t, c.readSets(ref, t, want)
}

func (c *nftConn) readChains(ref *nftables.Table, t *table) error {
	chains, err := c.ListChainsOfTableFamily(ref.Family)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, n := range chains {
		if n.Table.Name != ref.Name {
			continue
		}
		have := t.chain(n.Name)
		if n.Hooknum != nil && n.Priority != nil && n.Policy != nil {
			have.hook = &hook{kind: n.Type, point: *n.Hooknum, priority: *n.Priority, policy: *n.Policy}
		}
		rules, err := c.GetRules(ref, n)
		if err != nil {
			return fmt.Errorf("read chain %s: %w", n.Name, err)
		}
		for _, r := range rules {
			have.rules = append(have.rules, r.Exprs)
		}
	}
	return nil
}

func (c *nftConn) readSets(ref *nftables.Table, t, want *table) error {
	sets, err := c.GetSets(ref)
	if err != nil {
		return fmt.Errorf("list sets: %w", err)
	}
	for _, n := range sets {
		have := &set{key: n.KeyType, data: n.DataType, elements: make(map[string]string)}
		if w := want.sets[n.Name]; w != nil {
			have.key, have.data, have.fields, have.limit = w.key, w.data, w.fields, w.limit
		}
		t.sets[n.Name] = have
		if n.Dynamic {
			continue
		}
		elements, err := c.GetSetElements(n)
		if err != nil {
			return fmt.Errorf("read set %s: %w", n.Name, err)
		}
		for _, e := range elements {
			value := string(e.Val)
			if have.isVerdicts() {
				value = jumpChain(e.Val)
			}
			have.elements[string(e.Key)+string(e.KeyEnd)] = value
		}
	}
	return nil
}

// jumpChain returns the chain that an encoded verdict jumps to. What is no such
// verdict yields something that is no chain's name.
func jumpChain(verdict []byte) string {
	ad, err := netlink.NewAttributeDecoder(verdict)
	if err != nil {
		return "?"
	}
	ad.ByteOrder = binary.BigEndian
	chain, jumps := "?", false
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			jumps = ad.Int32() == unix.NFT_JUMP
		case unix.NFTA_VERDICT_CHAIN:
			chain = ad.String()
		}
	}
	if !jumps {
		return "?"
	}
	return chain
}
