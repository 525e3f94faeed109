package store

import (
	"cmp"
	"slices"

	"github.com/tidwall/btree"
)

// entry is a document in memory. It never changes: a newer state is a new entry.
type entry struct {
	kind     *kind
	key      string
	revision int64
	value    any // *T of the table's type, raw, or nil: deleted
}

// labels are the index entries of the document, each once.
func (e *entry) labels() []string {
	d, ok := e.value.(Document)
	if !ok {
		return nil
	}
	labels := d.Labels()
	for i := len(labels) - 1; i > 0; i-- {
		if slices.Contains(labels[:i], labels[i]) {
			labels = slices.Delete(slices.Clone(labels), i, i+1)
		}
	}
	return labels
}

// state is all documents at one revision. Once others can see it, it is changed
// no more: copy is cheap, and the trees copy what a change touches.
type state struct {
	schema   schema
	revision int64
	horizon  int64 // deletions up to here are forgotten

	tables []*table              // the living documents, by kind.index
	dead   *btree.BTreeG[*entry] // those deleted after the horizon, by table and key
	recent *btree.BTreeG[*entry] // all of both, by revision

	next chan struct{} // of a published state: closed when a newer one is published
	view View          // of a published state: itself, for those who only read
}

func newState(s schema) *state {
	n := &state{
		schema: s,
		tables: make([]*table, len(s)+1),
		dead:   btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true}),
		recent: btree.NewBTreeGOptions(byRevision, btree.Options{NoLocks: true}),
	}
	for i := range n.tables {
		n.tables[i] = newTable(n)
	}
	return n
}

func (s *state) copy() *state {
	c := *s
	c.tables, c.dead, c.recent = slices.Clone(s.tables), s.dead.Copy(), s.recent.Copy()
	c.next, c.view = nil, View{}
	return &c
}

func (s *state) get(k *kind, key string) (*entry, bool) { return s.tables[k.index].docs.Get(key) }

// own returns the table of the kind, to be changed. s must be the caller's own.
func (s *state) own(k *kind) *table {
	t := s.tables[k.index]
	if t.owner != s {
		t = t.copy(s)
		s.tables[k.index] = t
	}
	return t
}

// put makes e the newest state of its document. s must be the caller's own.
func (s *state) put(e *entry) {
	var old *entry
	if e.value == nil {
		old = s.own(e.kind).remove(e)
		s.outdated(s.dead.Set(e))
	} else {
		old = s.own(e.kind).put(e)
		s.outdated(s.dead.Delete(e))
	}
	s.outdated(old, old != nil)
	s.recent.Set(e)
}

func (s *state) outdated(e *entry, was bool) {
	if was {
		s.recent.Delete(e)
	}
}

// Deletions are forgotten when there are more than most, but for the newest kept,
// unless a single transaction deletes more.
const kept, most = 8_000, 10_000

// compact forgets the oldest deletions when too many are remembered. s must be
// the caller's own.
func (s *state) compact() {
	if s.dead.Len() <= most {
		return
	}
	dead := slices.SortedFunc(s.dead.Scan, func(a, b *entry) int { return cmp.Compare(a.revision, b.revision) })
	s.forget(dead[len(dead)-kept-1].revision)
}

// forget drops what was deleted up to the horizon. s must be the caller's own.
func (s *state) forget(horizon int64) {
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	for _, e := range s.dead.Items() {
		if e.revision <= horizon {
			s.dead.Delete(e)
			s.recent.Delete(e)
		}
	}
}

func byKey(a, b *entry) bool {
	if a.kind != b.kind && a.kind.name != b.kind.name {
		return a.kind.name < b.kind.name
	}
	return a.key < b.key
}

func byRevision(a, b *entry) bool {
	if a.revision != b.revision {
		return a.revision < b.revision
	}
	return byKey(a, b)
}
