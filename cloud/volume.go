package cloud

import "time"

// VolumeState is the state that the API shows, derived by Volume.State.
type VolumeState string

// The states of a volume.
const (
	VolumeCreating  VolumeState = "creating"
	VolumeAvailable VolumeState = "available"
	VolumeInUse     VolumeState = "in-use"
	VolumeDeleting  VolumeState = "deleting"
	VolumeFailed    VolumeState = "error"
)

// Volume is a disk. Written by the service, but for Seen (the node agent) and
// the removal of a finished attachment (control/volume).
type Volume struct {
	Meta

	Zone       string
	SizeGiB    int
	Type       string // "gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"
	IOPS       int    `json:",omitempty"`
	Throughput int    `json:",omitempty"` // MiB/s
	Image      string `json:",omitempty"` // the image whose bytes it starts with
	Snapshot   string `json:",omitempty"`
	Encrypted  bool   `json:",omitempty"` // as the tenant asked; its bytes are sealed anyway
	Sealed     []byte `json:",omitempty"` // the data key, sealed for the ID; nil: its bytes lie as they are
	Host       string // the host that holds it
	// Modification is the newest change of size, type or limits; the fields above are
	// the wanted ones from its start.
	Modification *VolumeModification `json:",omitempty"`
	// Modifications are when it was changed within a day of the newest change, in order.
	Modifications []time.Time `json:",omitempty"`
	AutoEnableIO  bool        `json:",omitempty"` // asked for; the input and output of volumes are never disabled

	Delete     bool        `json:",omitempty"` // wanted gone
	Attachment *Attachment `json:",omitempty"`

	Seen VolumeSeen // written by the node agent alone
}

// Attachment ties a volume to an instance.
type Attachment struct {
	Instance            string
	Device              string // as the tenant named it, e.g. "/dev/sdf"
	DeleteOnTermination bool
	Attached            time.Time
	Detach              bool `json:",omitempty"` // wanted undone
	Force               bool `json:",omitempty"`
}

// VolumeModification is a change of a volume while it is in use:
// https://docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html
type VolumeModification struct {
	Began time.Time
	Ended time.Time `json:",omitzero"` // completed or failed; written by control/volume
	// What it was before.
	SizeGiB, IOPS, Throughput int
	Type                      string
	Failure                   string `json:",omitempty"`
}

// VolumeSeen is what the host reports of a volume.
type VolumeSeen struct {
	Ready bool   `json:",omitempty"` // its bytes exist
	Gone  bool   `json:",omitempty"` // its bytes exist no more
	Guest string `json:",omitempty"` // the instance that it is plugged into
	// Type, SizeGiB, IOPS and Throughput are those that hold on the host, for the guest too;
	// "" and 0: as made.
	Type       string `json:",omitempty"`
	SizeGiB    int    `json:",omitempty"`
	IOPS       int    `json:",omitempty"`
	Throughput int    `json:",omitempty"`
	Error      string `json:",omitempty"` // why it could not be made: a code, a colon, words
	// Full is since when its guest waits because the host's disk is full.
	Full time.Time `json:",omitzero"`
	Busy bool      `json:",omitempty"` // the guest was asked to let go of it, and did not
}

// State derives what the API shows.
func (v Volume) State() VolumeState {
	switch {
	case v.Delete:
		return VolumeDeleting
	case v.Seen.Error != "":
		return VolumeFailed
	case v.Attachment != nil:
		return VolumeInUse
	case !v.Seen.Ready:
		return VolumeCreating
	default:
		return VolumeAvailable
	}
}

// Modified reports whether what holds on the host is not what is wanted. Volumes from
// before it was reported are as they were made.
func (v Volume) Modified() bool {
	s := v.Seen
	return v.Modification != nil && v.Modification.Ended.IsZero() &&
		(s.Type != v.Type || s.SizeGiB != v.SizeGiB || s.IOPS != v.IOPS || s.Throughput != v.Throughput)
}

// AttachmentState is "attaching", "attached", "detaching", "busy" or "detached".
// running says whether the instance's guest runs: a stopped instance's volume
// counts as attached at once.
func (v Volume) AttachmentState(running bool) string {
	a := v.Attachment
	switch {
	case a == nil:
		return "detached"
	case a.Detach && v.Seen.Busy && v.Seen.Guest == a.Instance:
		return "busy"
	case a.Detach:
		return "detaching"
	case v.Seen.Guest == a.Instance, !running && v.Seen.Ready:
		return "attached"
	default:
		return "attaching"
	}
}

// Table is "volume".
func (Volume) Table() string { return "volume" }

// Labels finds the volumes of an account, a host, an instance and an image.
func (v Volume) Labels() []string {
	l := []string{AccountLabel(v.Account)}
	if v.Host != "" {
		l = append(l, "host/"+v.Host)
	}
	if v.Attachment != nil {
		l = append(l, "instance/"+v.Attachment.Instance)
	}
	if v.Image != "" {
		l = append(l, "image/"+v.Image)
	}
	return l
}
