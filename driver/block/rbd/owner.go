//go:build linux

package rbd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrOwned means that another folder, perhaps of another host, has the catalogue: the cloud
// was copied, and two drivers would undo what the other does.
var ErrOwned = errors.New("another host or folder has this cloud's volumes")

// ownership is the advisory lock on the catalogue. No end of a process or host gives it up:
// guests write to their volumes without the driver, too.
const ownership = "owner"

// holder is who has an advisory lock, as rados tells of it.
type holder struct {
	Name   string `json:"name"` // of the client that took it, which has ended since
	Cookie string `json:"cookie"`
	Folder string `json:"description"` // "host:folder"
}

// own takes the catalogue for this folder of this host, or finds that it has it. ErrOwned if
// another has.
func (d *Driver) own(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	machine, err := os.ReadFile("/etc/machine-id") // machine-id(5); containers may have none
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	digest := sha256.Sum256([]byte(cmp.Or(strings.TrimSpace(string(machine)), host) + ":" + d.cfg.Dir))
	cookie := hex.EncodeToString(digest[:8])
	_, err = d.rados(ctx, nil, "lock", "get", d.catalogue(), ownership, "--lock-cookie", cookie, "--lock-description", host+":"+d.cfg.Dir)
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	out, err := d.rados(ctx, nil, "lock", "info", d.catalogue(), ownership)
	if err != nil {
		return err
	}
	var lock struct {
		Holders []holder `json:"lockers"`
	}
	if err := json.Unmarshal(out, &lock); err != nil {
		return fmt.Errorf("read the answer of rados: %w", err)
	}
	if len(lock.Holders) > 0 { // one, as it is exclusive
		h := lock.Holders[0]
		if h.Cookie == cookie {
			return nil
		}
		return fmt.Errorf("%w: %s; if neither vauban nor a guest of it runs there any more, give them up by: rados --pool %s lock break %s %s %s --lock-cookie %s",
			ErrOwned, h.Folder, d.cfg.Pool, d.catalogue(), ownership, h.Name, h.Cookie)
	}
	return errors.New("the owner of the catalogue has just changed")
}
