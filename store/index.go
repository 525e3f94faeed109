package store

import (
	"slices"

	"github.com/tidwall/btree"
)

// table is the living documents of a kind, by key and by label.
type table struct {
	owner *state // may change it, until others can see that state

	docs   *btree.Map[string, *entry]
	labels *btree.BTreeG[labelled]
	ids    *btree.Map[string, int] // the number of each label that a document has
	nextID int
}

// labelled is a document under one of its labels, which its number stands for:
// numbers are small and quick to compare, and thousands of documents share a label.
type labelled struct {
	label int
	*entry
}

func byLabel(a, b labelled) bool {
	if a.label != b.label {
		return a.label < b.label
	}
	return a.key < b.key
}

func newTable(owner *state) *table {
	return &table{
		owner:  owner,
		docs:   new(btree.Map[string, *entry]),
		labels: btree.NewBTreeGOptions(byLabel, btree.Options{NoLocks: true}),
		ids:    new(btree.Map[string, int]),
	}
}

func (t *table) copy(owner *state) *table {
	return &table{owner, t.docs.Copy(), t.labels.Copy(), t.ids.Copy(), t.nextID}
}

// put inserts the document, and returns what it replaces.
func (t *table) put(e *entry) (old *entry) {
	labels := e.labels()
	old, _ = t.docs.Set(e.kind.unique(e.key), e)
	if old != nil {
		t.unlabel(old, labels)
	}
	for _, l := range labels {
		id, ok := t.ids.Get(l)
		if !ok {
			t.nextID++
			id = t.nextID
			t.ids.Set(l, id)
		}
		t.labels.Set(labelled{id, e})
	}
	return old
}

// remove deletes the document, and returns it.
func (t *table) remove(e *entry) (old *entry) {
	if old, _ = t.docs.Delete(e.kind.unique(e.key)); old != nil {
		t.unlabel(old, nil)
	}
	return old
}

// unlabel takes the document out of the index, but for the labels that stay.
func (t *table) unlabel(e *entry, stay []string) {
	for _, l := range e.labels() {
		if slices.Contains(stay, l) {
			continue
		}
		id, _ := t.ids.Get(l)
		t.labels.Delete(labelled{id, e})
		last := true
		t.labels.Ascend(labelled{id, &entry{}}, func(next labelled) bool {
			last = next.label != id
			return false
		})
		if last {
			t.ids.Delete(l)
		}
	}
}

// scan calls yield for the documents with the label and a key above after, in the
// order of their keys, until it returns false. The label "" is on all.
func (t *table) scan(label, after string, yield func(*entry) bool) {
	if label == "" {
		t.docs.Ascend(after, func(key string, e *entry) bool { return key == after || yield(e) })
		return
	}
	id, ok := t.ids.Get(label)
	if !ok {
		return
	}
	t.labels.Ascend(labelled{id, &entry{key: after}}, func(l labelled) bool {
		return l.label == id && (l.key == after || yield(l.entry))
	})
}
