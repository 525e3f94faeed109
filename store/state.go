package store

import (
	"cmp"
	"slices"
	"unique"

	"github.com/tidwall/btree"
)

// entry is a document in memory. It never changes: a newer state is a new entry.
type entry struct {
	kind     *kind
	key      string
	revision int64
	value    any // *T of the table's type, raw, or nil: deleted
}

// labels are the index entries of the document.
func (e *entry) labels() []string {
	if d, ok := e.value.(Document); ok {
		return d.Labels()
	}
	return nil
}

// labelled is a document under one of its labels.
type labelled struct {
	label unique.Handle[string] // thousands of documents share a label: keep its text once
	*entry
}

// state is all documents at one revision. Once others can see it, it is changed
// no more: copy is O(1), and the trees copy what a change touches.
type state struct {
	schema   schema
	revision int64
	horizon  int64 // deletions up to here are forgotten

	docs   *btree.BTreeG[*entry]   // living, by table and key
	labels *btree.BTreeG[labelled] // living, by table, label and key
	dead   *btree.BTreeG[*entry]   // deleted after the horizon, by table and key
	recent *btree.BTreeG[*entry]   // docs and dead, by revision

	next chan struct{} // of a published state: closed when a newer one is published
}

func newState(s schema) *state {
	plain := btree.Options{NoLocks: true}
	return &state{
		schema: s,
		docs:   btree.NewBTreeGOptions(byKey, plain),
		labels: btree.NewBTreeGOptions(byLabel, plain),
		dead:   btree.NewBTreeGOptions(byKey, plain),
		recent: btree.NewBTreeGOptions(byRevision, plain),
	}
}

func (s *state) copy() *state {
	c := *s
	c.docs, c.labels, c.dead, c.recent = s.docs.Copy(), s.labels.Copy(), s.dead.Copy(), s.recent.Copy()
	c.next = nil
	return &c
}

func (s *state) get(k *kind, key string) (*entry, bool) {
	return s.docs.Get(&entry{kind: k, key: key})
}

// put makes e the newest state of its document.
func (s *state) put(e *entry) {
	var old *entry
	var labels []string
	if e.value == nil {
		old, _ = s.docs.Delete(e)
		s.replaceDead(s.dead.Set(e))
	} else {
		labels = e.labels()
		old, _ = s.docs.Set(e)
		s.replaceDead(s.dead.Delete(e))
	}
	if old != nil {
		s.recent.Delete(old)
		for _, l := range old.labels() {
			if !slices.Contains(labels, l) {
				s.labels.Delete(labelled{unique.Make(l), old})
			}
		}
	}
	for _, l := range labels {
		s.labels.Set(labelled{unique.Make(l), e})
	}
	s.recent.Set(e)
}

func (s *state) replaceDead(old *entry, was bool) {
	if was {
		s.recent.Delete(old)
	}
}

// scan calls yield for the living documents of a table with a key above after,
// in the order of their keys, until it returns false. The label "" is on all.
func (s *state) scan(k *kind, label, after string, yield func(*entry) bool) {
	from := &entry{kind: k, key: after}
	if label == "" {
		s.docs.Ascend(from, func(e *entry) bool {
			return e.kind == k && (e.key == after || yield(e))
		})
		return
	}
	l := unique.Make(label)
	s.labels.Ascend(labelled{l, from}, func(e labelled) bool {
		return e.kind == k && e.label == l && (e.key == after || yield(e.entry))
	})
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

func byLabel(a, b labelled) bool {
	if a.kind != b.kind && a.kind.name != b.kind.name {
		return a.kind.name < b.kind.name
	}
	if a.label != b.label {
		return a.label.Value() < b.label.Value()
	}
	return a.key < b.key
}
