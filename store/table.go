package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
)

// Table reads and writes the documents of type T. Its zero value is ready. Its
// methods panic if T was not in the schema that the store was opened with.
//
// What they return shares slices and maps with the store: it must not be changed
// in place. What they are given is copied.
type Table[T Document] struct{}

// Get returns the document of that key.
func (t Table[T]) Get(r Reader, key string) (T, bool) {
	if e, ok := r.now().get(t.kind(r), key); ok {
		return *e.value.(*T), true
	}
	var none T
	return none, false
}

// Revision returns that of the transaction which last changed the document.
func (t Table[T]) Revision(r Reader, key string) (int64, bool) {
	if e, ok := r.now().get(t.kind(r), key); ok {
		return e.revision, true
	}
	return 0, false
}

// All yields every document in the order of their keys. As with Select and From,
// these are the documents of the moment when the iteration begins, even if the
// loop writes to the transaction that it reads from.
func (t Table[T]) All(r Reader) iter.Seq[T] { return t.From(r, "", "") }

// Select yields the documents with that label in the order of their keys.
func (t Table[T]) Select(r Reader, label string) iter.Seq[T] { return t.From(r, label, "") }

// From yields the documents with that label and a key above after, in the order
// of their keys. The label "" is on all documents.
func (t Table[T]) From(r Reader, label, after string) iter.Seq[T] {
	k := t.kind(r)
	return func(yield func(T) bool) {
		r.frozen().tables[k.index].scan(label, after, func(e *entry) bool { return yield(*e.value.(*T)) })
	}
}

// Count returns how many documents have the label, in time proportional to that;
// "" counts all, at once.
func (t Table[T]) Count(r Reader, label string) (n int) {
	table := r.now().tables[t.kind(r).index]
	if label == "" {
		return table.docs.Len()
	}
	table.scan(label, "", func(*entry) bool { n++; return true })
	return n
}

// Create inserts the document, or fails with ErrExists.
func (t Table[T]) Create(tx *Tx, v T) error {
	if _, ok := tx.now().get(t.kind(tx), v.Key()); ok {
		return t.failed("create", v.Key(), ErrExists)
	}
	return t.Put(tx, v)
}

// Put inserts or replaces the document. As with Swap and Modify, a document that
// is the same already keeps its revision, and nobody hears of a change.
func (t Table[T]) Put(tx *Tx, v T) error {
	var was []byte
	old, ok := tx.now().get(t.kind(tx), v.Key())
	if ok {
		var err error
		if was, err = json.Marshal(old.value); err != nil {
			return t.failed("put", v.Key(), err)
		}
	}
	return t.put(tx, v, was)
}

// Swap puts the document if the stored one is of that revision, or fails with
// ErrConflict. A document that is not there is of revision 0.
func (t Table[T]) Swap(tx *Tx, v T, revision int64) error {
	if now, _ := t.Revision(tx, v.Key()); now != revision {
		return t.failed("swap", v.Key(), ErrConflict)
	}
	return t.Put(tx, v)
}

// Modify calls fn with a copy of the document, which fn may change freely, key
// excepted, and puts it. It fails with ErrNotFound, or with fn's error as it is.
func (t Table[T]) Modify(tx *Tx, key string, fn func(*T) error) error {
	e, ok := tx.now().get(t.kind(tx), key)
	if !ok {
		return t.failed("modify", key, ErrNotFound)
	}
	var v T
	data, err := json.Marshal(e.value)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		return t.failed("modify", key, err)
	}
	if err := fn(&v); err != nil {
		return err
	}
	if v.Key() != key {
		return t.failed("modify", key, fmt.Errorf("key was changed to %q", v.Key()))
	}
	return t.put(tx, v, data)
}

// Delete removes the document, or fails with ErrNotFound.
func (t Table[T]) Delete(tx *Tx, key string) error {
	if _, ok := tx.now().get(t.kind(tx), key); !ok {
		return t.failed("delete", key, ErrNotFound)
	}
	t.drop(tx, key)
	return nil
}

// drop removes a document that is there.
func (t Table[T]) drop(tx *Tx, key string) {
	tx.put(&entry{kind: t.kind(tx), key: key, revision: tx.revision}, nil)
}

// put makes v the document, unless that is what was encodes.
func (t Table[T]) put(tx *Tx, v T, was []byte) error {
	k, key := t.kind(tx), v.Key()
	if err := validName(key); err != nil {
		return t.failed("put", key, err)
	}
	data, err := json.Marshal(&v)
	if err != nil {
		return t.failed("put", key, err)
	}
	if bytes.Equal(was, data) {
		return nil
	}
	// What is kept in memory is what a reader of the disk would see, and nothing
	// that the caller holds leads into it.
	e, err := tx.now().schema.decode(Row{k.name, key, tx.revision, data})
	if err != nil {
		return t.failed("put", key, err)
	}
	tx.put(e, data)
	return nil
}

// kind finds the table in the schema.
func (t Table[T]) kind(r Reader) *kind {
	var zero T
	k := r.now().schema[zero.Table()]
	if k == nil || k.typ != reflect.TypeFor[T]() {
		panic(fmt.Sprintf("store: table %q of type %T is not in the schema given at opening", zero.Table(), zero))
	}
	return k
}

func (t Table[T]) failed(verb, key string, err error) error {
	var zero T
	return fmt.Errorf("%s %s %s: %w", verb, zero.Table(), key, err)
}
