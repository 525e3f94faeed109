//go:build linux

package rbd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/seal"
)

// The catalogue is the keys and values of one object of the pool, <name>.catalogue: by
// "volume/vol-1" and the like the records. Each is written and removed at once.

// record is what there is of a volume, snapshot or image.
type record struct {
	Layers []layer `json:"layers"` // the top first
	// Cuts are the layers that the snapshots are to end with, by the snapshots' IDs.
	Cuts  map[string]string `json:"cuts,omitempty"`
	Bytes int64             `json:"bytes,omitempty"` // virtual size of a snapshot or image

	Import *block.Imported `json:"import,omitempty"` // what the import of a snapshot found

	SHA256 string `json:"sha256,omitempty"` // of an image
	Kernel string `json:"kernel,omitempty"` // RBD image that holds an image's kernel
	Initrd string `json:"initrd,omitempty"`

	Gone bool `json:"gone,omitempty"` // its bytes are being removed: it is not there any more
}

// layer is an RBD image that holds a qcow2 file.
type layer struct {
	Name   string `json:"name"`
	Frozen bool   `json:"frozen,omitempty"` // it is read by its RBD snapshot
	Secret []byte `json:"secret,omitempty"` // LUKS passphrase, sealed for the owner; nil: not encrypted
}

// images are the RBD images that the record names.
func (r record) images() []string {
	var all []string
	for _, l := range r.Layers {
		all = append(all, l.Name)
	}
	for _, name := range []string{r.Kernel, r.Initrd} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// index is the place of a layer in the chain, or -1.
func (r record) index(name string) int {
	return slices.IndexFunc(r.Layers, func(l layer) bool { return l.Name == name })
}

// marker is the catalogue's first key, by which a pool that lost it is told from a new one.
const marker = "cloud"

func (d *Driver) catalogue() string { return d.cfg.Name + ".catalogue" }

func (d *Driver) rados(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	return d.run(ctx, call{name: "rados", args: append([]string{"--pool", d.cfg.Pool}, args...), input: input})
}

// load reads the catalogue, and makes it in a pool that has nothing of this name.
func (d *Driver) load(ctx context.Context) error {
	out, err := d.rados(ctx, nil, "listomapvals", d.catalogue())
	if errors.Is(err, unix.ENOENT) {
		all, err := d.allImages(ctx)
		if err == nil && len(all) > 0 {
			err = fmt.Errorf("pool %s has layers of %s, and no catalogue: it is damaged, and nothing is touched", d.cfg.Pool, d.cfg.Name)
		}
		if err == nil {
			_, err = d.rados(ctx, []byte("{}"), "setomapval", d.catalogue(), marker)
		}
		return err
	}
	if err != nil {
		return err
	}
	values, err := parseValues(out)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	for key, value := range values {
		if key == marker {
			continue
		}
		var r record
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("read the catalogue: %s: %w", key, err)
		}
		d.records[key] = r
	}
	return nil
}

// parseValues reads what rados says of keys and values: each key on a line of its own, then
// "value (20 bytes) :", lines such as "00000000  7b 22 61 22 3a 31 7d 0a    |{"a":1}.|", and an
// empty one.
func parseValues(out []byte) (map[string][]byte, error) {
	values := make(map[string][]byte)
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		key := lines.Text()
		if key == "" {
			continue
		}
		size := 0
		if !lines.Scan() {
			return nil, fmt.Errorf("%s has no value", key)
		}
		if _, err := fmt.Sscanf(lines.Text(), "value (%d bytes) :", &size); err != nil {
			return nil, fmt.Errorf("%s: %q is no value: %w", key, lines.Text(), err)
		}
		var value []byte
		for lines.Scan() && lines.Text() != "" {
			_, rest, _ := strings.Cut(lines.Text(), "  ")
			digits, _, _ := strings.Cut(rest, "|")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			value = append(value, b...)
		}
		if len(value) != size {
			return nil, fmt.Errorf("%s has %d bytes, not %d", key, len(value), size)
		}
		values[key] = value
	}
	return values, lines.Err()
}

// find returns a record, as the caller's own; false if there is none. What an interrupted
// write made of it is read first.
func (d *Driver) find(ctx context.Context, key string) (record, bool, error) {
	d.mu.Lock()
	_, unsure := d.unsure[key]
	d.mu.Unlock()
	if unsure {
		if err := d.reread(ctx, key); err != nil {
			return record{}, false, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.records[key]
	r.Layers = slices.Clone(r.Layers)
	cuts := make(map[string]string, len(r.Cuts))
	for id, name := range r.Cuts {
		cuts[id] = name
	}
	r.Cuts = cuts
	return r, ok && !r.Gone, nil
}

func (d *Driver) reread(ctx context.Context, key string) error {
	out, err := d.rados(ctx, nil, "listomapvals", d.catalogue())
	if err != nil {
		return err
	}
	values, err := parseValues(out)
	if err != nil {
		return err
	}
	var r record
	value, there := values[key]
	if there {
		if err := json.Unmarshal(value, &r); err != nil {
			return err
		}
	}
	d.know(key, r, there)
	return nil
}

// know takes note of what the catalogue has.
func (d *Driver) know(key string, r record, there bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.unsure, key)
	if there {
		d.records[key] = r
	} else {
		delete(d.records, key)
	}
}

// put writes a record. Once it returns nil what the record says is so. If it fails nobody
// knows, and the layers that it names stay.
func (d *Driver) put(ctx context.Context, key string, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.unsure[key] = r
	d.mu.Unlock()
	if _, err := d.rados(ctx, text, "setomapval", d.catalogue(), key); err != nil {
		return err
	}
	d.know(key, r, true)
	return nil
}

// drop removes a record.
func (d *Driver) drop(ctx context.Context, key string) error {
	if _, err := d.rados(ctx, nil, "rmomapkey", d.catalogue(), key); err != nil {
		return err
	}
	d.know(key, record{}, false)
	return nil
}

// named reports which RBD images records name, those on their way out aside.
func (d *Driver) named() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := make(map[string]bool)
	for _, all := range []map[string]record{d.records, d.unsure} {
		for _, r := range all {
			if !r.Gone {
				for _, name := range r.images() {
					used[name] = true
				}
			}
		}
	}
	return used
}

// list returns the IDs of a kind.
func (d *Driver) list(kind string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := []string{}
	for key, r := range d.records {
		if id, ok := strings.CutPrefix(key, kind+"/"); ok && !r.Gone {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// secrets opens those of a chain, nil for layers that have none. Without a key there are none.
func (r record) secrets(owner string, key *seal.Key) ([][]byte, error) {
	all := make([][]byte, len(r.Layers))
	for i, l := range r.Layers {
		if l.Secret == nil || key == nil {
			continue
		}
		var err error
		if all[i], err = key.Open(owner+"/"+l.Name, l.Secret); err != nil {
			return nil, fmt.Errorf("open the key of %s of %s: %w", l.Name, owner, err)
		}
	}
	return all, nil
}

// passOn is a chain for another owner, sealed under that one's key.
func passOn(layers []layer, secrets [][]byte, owner string, key *seal.Key) ([]layer, error) {
	out := slices.Clone(layers)
	for i := range out {
		switch {
		case out[i].Secret == nil:
		case key == nil:
			return nil, fmt.Errorf("%s has encrypted layers, and no key to seal theirs under", owner)
		case secrets[i] == nil:
			return nil, fmt.Errorf("%s is encrypted, and its key was not given", out[i].Name)
		default:
			out[i].Secret = key.Seal(owner+"/"+out[i].Name, secrets[i])
		}
	}
	return out, nil
}
