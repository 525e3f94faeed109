package cloud

import "time"

// Settings are what a cloud keeps about itself, made once at its first start.
type Settings struct {
	// ID is 4 hexadecimal digits; it stands in the name of everything that the
	// cloud makes on its hosts, so that two clouds can share a machine.
	ID      string
	Created time.Time
	// MetadataKey seals the tokens of the instance metadata service, PageKey
	// those of paged lists.
	MetadataKey []byte
	PageKey     []byte
	// Probed is when a health check last wrote to the store.
	Probed time.Time `json:",omitzero"`
}

// SettingsKey is the key of the only document.
const SettingsKey = "cloud"

// Table is "settings".
func (Settings) Table() string { return "settings" }

// Key is SettingsKey.
func (Settings) Key() string { return SettingsKey }

// Labels is empty.
func (Settings) Labels() []string { return nil }
