package store

// Tx is a transaction under way: it reads the newest state of all documents and
// its own changes. It belongs to the goroutine that runs the function given to
// Update, until that function returns.
type Tx struct {
	state    *state
	shared   bool              // somebody else may read state: copy before a change
	revision int64             // of the transaction's changes
	data     map[*entry][]byte // what was put, encoded; nil: deleted
	ended    bool
}

func newTx(s *state) *Tx {
	return &Tx{state: s, shared: true, revision: s.revision + 1, data: map[*entry][]byte{}}
}

func (tx *Tx) now() *state {
	if tx.ended {
		panic("store: transaction used after its function returned")
	}
	return tx.state
}

func (tx *Tx) frozen() *state {
	tx.shared = true
	return tx.now()
}

// put makes e, which data encodes, the newest state of its document.
func (tx *Tx) put(e *entry, data []byte) {
	s := tx.now()
	if tx.shared {
		s = s.copy()
		s.revision = tx.revision
		tx.state, tx.shared = s, false
	}
	s.put(e)
	tx.data[e] = data
}
