package block

import (
	"fmt"
	"regexp"
)

// name is the form of volume and image IDs: file names are made of them.
var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// ValidName reports whether id can name a volume or image: a small letter, then
// small letters, digits and dashes, 31 characters at most.
func ValidName(id string) bool { return name.MatchString(id) }

// Validate returns why no driver can make the volume, or nil.
func (v Volume) Validate() error {
	switch {
	case !ValidName(v.ID):
		return fmt.Errorf("volume ID %q is not a name", v.ID)
	case v.Image != "" && !ValidName(v.Image):
		return fmt.Errorf("image ID %q is not a name", v.Image)
	case v.Snapshot != "" && !ValidName(v.Snapshot):
		return fmt.Errorf("snapshot ID %q is not a name", v.Snapshot)
	case v.Image != "" && v.Snapshot != "":
		return fmt.Errorf("volume %s: it cannot start both with an image and with a snapshot", v.ID)
	case v.Bytes <= 0 || v.Bytes%512 != 0:
		return fmt.Errorf("volume %s: %d bytes are not a positive multiple of 512", v.ID, v.Bytes)
	}
	return nil
}
