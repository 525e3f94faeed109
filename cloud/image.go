package cloud

import "time"

// Image is what guests start from. Written by the service and the operator's commands;
// control/image makes one that is Pending available, or failed, with its snapshots.
type Image struct {
	Meta

	Name         string
	Description  string `json:",omitempty"`
	Architecture string // "x86_64"
	Public       bool
	SizeGiB      int    // virtual size, rounded up
	RootDevice   string // "/dev/xvda"
	User         string `json:",omitempty"` // who signs in by SSH, e.g. "admin"
	// Direct: the host boots a kernel and initrd, kept beside the bytes of the image Kernel
	// (empty: its own), with KernelArgs; otherwise the image boots by itself (BIOS).
	Direct     bool   `json:",omitempty"`
	Kernel     string `json:",omitempty"`
	KernelArgs string `json:",omitempty"`
	SHA256     string // of the stored disk
	Pending    bool   `json:",omitempty"` // its bytes are not all stored yet
	Retired    bool   `json:",omitempty"` // withdrawn; kept while instances, volumes or images stand on it

	// Mappings are the volumes that an instance starts with: of images that tenants made,
	// whose bytes are in snapshots. Images of the operator have none: their one disk lies
	// under the image's own ID.
	Mappings []ImageMapping `json:",omitempty"`
	From     string         `json:",omitempty"` // the image or instance that it was made of
	Shared   []string       `json:",omitempty"` // accounts that may use it, sorted
	// Deprecated is when it stops being shown to others, if that was asked for.
	Deprecated time.Time `json:",omitzero"`
	Disabled   bool      `json:",omitempty"`
	Protected  bool      `json:",omitempty"` // not to be deregistered
	// CoolDown: protection goes on for a day after it is ended, until Unprotected.
	CoolDown    bool      `json:",omitempty"`
	Unprotected time.Time `json:",omitzero"`
	Firmware    string    `json:",omitempty"` // "legacy-bios", "uefi" or "uefi-preferred"; empty: BIOS
	// What its owner says of it.
	ENA     bool   `json:",omitempty"`
	SRIOV   string `json:",omitempty"` // "simple"
	IMDS    string `json:",omitempty"` // "v2.0": instances want tokens of the metadata service unless told otherwise
	Failure string `json:",omitempty"` // why it could not be made: a code, a colon, words; written by control/image
	// Binned is when it was withdrawn into the recycle bin, which keeps it until Expires.
	Binned  time.Time `json:",omitzero"`
	Expires time.Time `json:",omitzero"`
}

// ImageMapping is a volume of an instance that starts from an image.
type ImageMapping struct {
	Device              string
	Snapshot            string `json:",omitempty"` // empty: a blank volume, or none (NoDevice, Virtual)
	SizeGiB             int    `json:",omitempty"`
	Type                string `json:",omitempty"`
	IOPS                int    `json:",omitempty"`
	Throughput          int    `json:",omitempty"`
	Encrypted           bool   `json:",omitempty"`
	DeleteOnTermination bool   `json:",omitempty"`
	NoDevice            bool   `json:",omitempty"`
	Virtual             string `json:",omitempty"` // "ephemeral0": accepted, and nothing
}

// Available reports whether new instances may start from the image.
func (i Image) Available() bool {
	return !i.Pending && !i.Retired && !i.Disabled && i.Failure == ""
}

// BootImage is the image beside whose bytes its kernel and initrd lie; empty if it boots
// by itself.
func (i Image) BootImage() string {
	if i.Direct && i.Kernel == "" {
		return i.ID
	}
	return i.Kernel
}

// Table is "image".
func (Image) Table() string { return "image" }

// Labels finds the images of an account, and the public ones that are available.
func (i Image) Labels() []string {
	l := []string{AccountLabel(i.Account)}
	if i.Public && i.Available() {
		l = append(l, "public")
	}
	for _, a := range i.Shared {
		l = append(l, "shared/"+a)
	}
	for _, m := range i.Mappings {
		if m.Snapshot != "" {
			l = append(l, "snapshot/"+m.Snapshot)
		}
	}
	return l
}

// KeyPair is a public key that guests let in.
type KeyPair struct {
	Meta        // ID is "key-…"
	Name        string
	Type        string // "rsa" or "ed25519"
	PublicKey   string // authorized_keys form
	Fingerprint string
}

// Table is "keypair".
func (KeyPair) Table() string { return "keypair" }

// Labels finds the key pairs of an account.
func (k KeyPair) Labels() []string { return []string{AccountLabel(k.Account)} }
