package cloud

// Image is what guests start from. The bytes lie with the block driver under
// the image's ID.
type Image struct {
	Meta

	Name         string
	Description  string `json:",omitempty"`
	Architecture string // "x86_64"
	Public       bool
	SizeGiB      int    // virtual size, rounded up
	RootDevice   string // "/dev/xvda"
	User         string `json:",omitempty"` // who signs in by SSH, e.g. "admin"
	// Direct: the host boots the image's own kernel and initrd, kept beside its
	// bytes, with KernelArgs; otherwise the image boots by itself (BIOS).
	Direct     bool   `json:",omitempty"`
	KernelArgs string `json:",omitempty"`
	SHA256     string // of the stored disk
	Pending    bool   `json:",omitempty"` // its bytes are not all stored yet
	Retired    bool   `json:",omitempty"` // withdrawn; kept while volumes stand on it
}

// Available reports whether new instances may start from the image.
func (i Image) Available() bool { return !i.Pending && !i.Retired }

// Table is "image".
func (Image) Table() string { return "image" }

// Labels finds the images of an account, and the public ones that are available.
func (i Image) Labels() []string {
	l := []string{AccountLabel(i.Account)}
	if i.Public && i.Available() {
		l = append(l, "public")
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
