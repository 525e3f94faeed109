package store

// Reader is what documents are read from: a *View or a *Tx.
type Reader interface {
	// now returns the state to read from at once.
	now() *state
	// frozen returns the state to read from for as long as the caller likes.
	frozen() *state
}

// View is all documents at one revision. It stays as it is, whatever is written
// after, and may be used by many goroutines.
type View struct{ state *state }

// Revision is that of the newest transaction in the view.
func (v *View) Revision() int64 { return v.state.revision }

func (v *View) now() *state    { return v.state }
func (v *View) frozen() *state { return v.state }
