package cloud

import "time"

// SnapshotState is the state that the API shows, derived by Snapshot.State.
type SnapshotState string

// The states of a snapshot.
const (
	SnapshotPending   SnapshotState = "pending"
	SnapshotCompleted SnapshotState = "completed"
	SnapshotError     SnapshotState = "error"
)

// Snapshot is what a volume was at an instant. It never changes, and stays when the
// volume goes. Written by the services, but for Seen (the node agent) and what control/snapshot
// writes when a time has come.
type Snapshot struct {
	Meta               // ID is "snap-…"
	Volume      string `json:",omitempty"` // that it was taken of; empty: imported, or put block by block
	From        string `json:",omitempty"` // the snapshot that it is a copy of
	Import      string `json:",omitempty"` // the import that it was made by
	SizeGiB     int    // of the volume
	Description string `json:",omitempty"`
	Host        string // that keeps it
	// Fill is how it is made block by block; nil: it is not.
	Fill *SnapshotFill `json:",omitempty"`
	// Group is shared by snapshots that were taken of several volumes of one instance at
	// the same instant (CreateSnapshots, CreateImage); empty: alone.
	Group string `json:",omitempty"`
	Image string `json:",omitempty"` // that it was taken or copied for
	// Kernel is the image beside whose bytes the kernel lies that its volume's guest was
	// booted with; empty if that booted by itself.
	Kernel string `json:",omitempty"`
	// Reboot is the reboot of the instance in the midst of which it is to be taken, when the
	// guest has shut down: see Instance.Reboots. 0: at once.
	Reboot int `json:",omitempty"`
	// Policy and Schedule are of the lifecycle policy that took it; empty: none did.
	Policy   string `json:",omitempty"`
	Schedule string `json:",omitempty"`

	Encrypted bool   `json:",omitempty"`
	Sealed    []byte `json:",omitempty"` // the data key, sealed for the ID; without it the bytes cannot be read

	Public bool          `json:",omitempty"`
	Shared []string      `json:",omitempty"` // accounts that may make volumes of it, sorted
	Lock   *SnapshotLock `json:",omitempty"`
	// Binned is when it was deleted into the recycle bin, which keeps it until Expires.
	Binned  time.Time `json:",omitzero"`
	Expires time.Time `json:",omitzero"`

	Delete bool // wanted gone; control/snapshot wants it, too, once Expires has passed

	Seen SnapshotSeen // written by the node agent alone
}

// SnapshotLock keeps a snapshot from deletion:
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshot-lock.html
type SnapshotLock struct {
	Mode    string    // "governance" or "compliance"
	Created time.Time // when the lock was made
	Days    int       // how long it lasts
	// Began is the start of the duration: Created or, of a snapshot that was pending then,
	// when it was completed, which control/snapshot writes, with Until.
	Began   time.Time `json:",omitzero"`
	Until   time.Time `json:",omitzero"` // end of it
	CoolOff time.Time `json:",omitzero"` // until then a compliance lock can still be changed
}

// State is "governance", "compliance-cooloff", "compliance" or "expired".
func (l SnapshotLock) State(now time.Time) string {
	switch {
	case !l.Until.IsZero() && !now.Before(l.Until):
		return "expired"
	case l.Mode == "compliance" && now.Before(l.CoolOff):
		return "compliance-cooloff"
	}
	return l.Mode
}

// Holds reports whether it keeps its snapshot from deletion.
func (l *SnapshotLock) Holds(now time.Time) bool { return l != nil && l.State(now) != "expired" }

// SnapshotFill is a snapshot that its owner makes block by block:
// https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html
type SnapshotFill struct {
	Parent   string        `json:",omitempty"` // whose bytes it begins with; empty: zeroes
	Timeout  time.Duration // it is given up when for so long no block was put
	Written  time.Time     // when one was put last, or it was started; a minute late at most
	Progress int           `json:",omitempty"` // percent, as its owner says
	Complete bool          `json:",omitempty"` // no more blocks come
	Blocks   int           `json:",omitempty"` // that were put, as its owner counts them
	Sum      []byte        `json:",omitempty"` // SHA-256 of the SHA-256s of these, in order; nil: not said
	Expired  bool          `json:",omitempty"` // given up; written by control/snapshot
}

// Open reports whether blocks may be put.
func (f *SnapshotFill) Open() bool { return f != nil && !f.Complete && !f.Expired }

// Deadline is when it is given up if no block comes.
func (f *SnapshotFill) Deadline() time.Time { return f.Written.Add(f.Timeout) }

// BlockChange is a block of snapshots that two of them may have different bytes in.
type BlockChange struct {
	Index         int64
	First, Second bool // whether they hold it
}

// BlockBytes is the size of a block of a snapshot.
const BlockBytes = 512 << 10

// SnapshotSeen is what the host reports of a snapshot.
type SnapshotSeen struct {
	Cut      time.Time `json:",omitzero"`  // the instant that it shows: from then on the volume goes on apart
	Begun    bool      `json:",omitempty"` // it can be filled
	Ready    bool      `json:",omitempty"` // its bytes are kept
	Gone     bool      `json:",omitempty"` // its bytes exist no more
	Flat     bool      `json:",omitempty"` // they lie so that volumes of it are fast
	Bytes    int64     `json:",omitempty"` // that it keeps on the disk, shared ones included
	Progress int       `json:",omitempty"` // percent
	Error    string    `json:",omitempty"` // why it could not be taken: a code, a colon, words
}

// State derives what the API shows.
func (s Snapshot) State() SnapshotState {
	switch {
	case s.Seen.Error != "":
		return SnapshotError
	case s.Seen.Ready:
		return SnapshotCompleted
	default:
		return SnapshotPending
	}
}

// Kept reports whether it is neither deleted nor in the recycle bin.
func (s Snapshot) Kept() bool { return !s.Delete && s.Binned.IsZero() }

// Table is "snapshot".
func (Snapshot) Table() string { return "snapshot" }

// Labels finds the snapshots of an account, a host, a volume, a group, an image, an import
// and a lifecycle policy, the public ones, and those shared with an account.
func (s Snapshot) Labels() []string {
	l := []string{AccountLabel(s.Account)}
	if s.Host != "" {
		l = append(l, "host/"+s.Host)
	}
	if s.Volume != "" {
		l = append(l, "volume/"+s.Volume)
	}
	if s.Group != "" {
		l = append(l, "group/"+s.Group)
	}
	if s.Image != "" {
		l = append(l, "image/"+s.Image)
	}
	if s.Import != "" {
		l = append(l, "import/"+s.Import)
	}
	if s.Policy != "" {
		l = append(l, "policy/"+s.Policy)
	}
	if s.Public {
		l = append(l, "public")
	}
	for _, a := range s.Shared {
		l = append(l, "shared/"+a)
	}
	return l
}
