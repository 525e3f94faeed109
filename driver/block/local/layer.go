//go:build linux

package local

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vauban-cloud/vauban/driver/block"
	"github.com/vauban-cloud/vauban/driver/internal/qcow2"
	"github.com/vauban-cloud/vauban/seal"
)

// A volume or snapshot is a chain of layers in one folder: base.qcow2, if it began as
// an image, disk.qcow2 on it, disk-1.qcow2 on that, and so on. What of a chain does not
// change any more is shared by hard links. keys.json has the secrets of its encrypted
// layers, sealed under the owner's key: each owner has a copy of its own.

const baseLayer = "base.qcow2"

// layerName is the name of the n-th layer on the base.
func layerName(n int) string {
	if n == 0 {
		return "disk.qcow2"
	}
	return "disk-" + strconv.Itoa(n) + ".qcow2"
}

// layerNumber is n of the n-th layer's name.
func layerNumber(name string) (n int, ok bool) {
	if name == "disk.qcow2" {
		return 0, true
	}
	digits, ok := strings.CutSuffix(strings.TrimPrefix(name, "disk-"), ".qcow2")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && layerName(n) == name
}

// layers are the names of a folder's chain, the top first.
func layers(home string) ([]string, error) {
	entries, err := os.ReadDir(home)
	if err != nil {
		return nil, err
	}
	var numbers []int
	base := false
	for _, e := range entries {
		if n, ok := layerNumber(e.Name()); ok {
			numbers = append(numbers, n)
		}
		base = base || e.Name() == baseLayer
	}
	slices.Sort(numbers)
	var names []string
	for i, n := range slices.Backward(numbers) {
		if i != n {
			return nil, fmt.Errorf("%s: layer %d is missing", home, i)
		}
		names = append(names, layerName(n))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no layers", home)
	}
	if base {
		names = append(names, baseLayer)
	}
	return names, nil
}

// secrets are those of a chain's encrypted layers, by name: base64, as QEMU takes them.
type secrets map[string][]byte

const keysFile = "keys.json"

// readSecrets opens the secrets of a folder; none without a key, or if no layer is encrypted.
func readSecrets(home, owner string, key *seal.Key) (secrets, error) {
	s := secrets{}
	text, err := os.ReadFile(home + "/" + keysFile)
	if errors.Is(err, os.ErrNotExist) || err == nil && key == nil {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	var sealed map[string][]byte
	if err := json.Unmarshal(text, &sealed); err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", owner, err)
	}
	for name, secret := range sealed {
		if s[name], err = key.Open(owner+"/"+name, secret); err != nil {
			return nil, fmt.Errorf("open the key of %s of %s: %w", name, owner, err)
		}
	}
	return s, nil
}

// write seals the secrets for an owner, and writes them into a folder, to disk.
func (s secrets) write(home, owner string, key *seal.Key) error {
	if len(s) == 0 {
		return nil
	}
	if key == nil {
		return fmt.Errorf("%s has encrypted layers, and no key to seal theirs under", owner)
	}
	sealed := make(map[string][]byte, len(s))
	for name, secret := range s {
		sealed[name] = key.Seal(owner+"/"+name, secret)
	}
	text, err := json.Marshal(sealed)
	if err != nil {
		return err
	}
	next := home + "/" + keysFile + ".new"
	if err := os.RemoveAll(next); err != nil { // what a killed process left
		return err
	}
	if err := writeFile(next, strings.NewReader(string(text)), 0o600); err != nil {
		return err
	}
	return errors.Join(os.Rename(next, home+"/"+keysFile), syncFolder(home))
}

func newSecret() []byte {
	return []byte(base64.StdEncoding.EncodeToString(seal.NewKey()))
}

// newLayer makes a layer in the workplace's result, on one that is there or, with an
// empty backing name, on nothing; secret is nil for one that is not encrypted.
func newLayer(w workplace, name, backing string, bytes int64, secret []byte) error {
	return layerOf(w, name, qcow2.Image{Bytes: bytes, Backing: backing, Secret: secret}, emptyLayer)
}

func emptyLayer(f *os.File, i qcow2.Image) error { return qcow2.Create(f, i) }

// layerOf has fill write an image into a new file of the result.
func layerOf(w workplace, name string, i qcow2.Image, fill func(*os.File, qcow2.Image) error) (err error) {
	f, err := os.OpenFile(w.result(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := fill(f, i); err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync())
}

// secretObject has a tool read its n-th secret from the file that it inherits.
func secretObject(n int) string {
	return fmt.Sprintf("secret,id=%s,file=/dev/fd/%d", secretName(n), 3+n)
}

// secretName is how a tool is told to use its n-th secret.
func secretName(n int) string { return "key" + strconv.Itoa(n) }

// virtualSize reads the size of a qcow2 file, which a guest may have written.
func virtualSize(path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, 32)
	if _, err := io.ReadFull(f, head); err != nil {
		return 0, fmt.Errorf("read the header of %s: %w", path, err)
	}
	bytes := binary.BigEndian.Uint64(head[24:])
	if string(head[:4]) != "QFI\xfb" || bytes == 0 || bytes > 1<<50 || bytes%512 != 0 {
		return 0, fmt.Errorf("%s is damaged: it is no qcow2 file of a possible size", path)
	}
	return int64(bytes), nil //nolint:gosec // bounded above
}

// layersOf is what a volume's folder holds, to plug in.
func layersOf(home, owner string, key *seal.Key) ([]block.Layer, error) {
	names, err := layers(home)
	if err != nil {
		return nil, err
	}
	s, err := readSecrets(home, owner, key)
	if err != nil {
		return nil, err
	}
	out := make([]block.Layer, len(names))
	for i, name := range names {
		out[i] = block.Layer{Path: home + "/" + name, Format: "qcow2", Secret: s[name]}
	}
	return out, nil
}

// link gives names of their own in the workplace to the layers of a folder.
func link(w workplace, home string, names []string) error {
	for _, name := range names {
		if err := os.Link(home+"/"+name, w.result(name)); err != nil {
			return err
		}
	}
	return nil
}

// only are the secrets of the named layers.
func (s secrets) only(names []string) secrets {
	out := maps.Clone(s)
	maps.DeleteFunc(out, func(name string, _ []byte) bool { return !slices.Contains(names, name) })
	return out
}

// give makes the layers of a chain that are not frozen the user's own.
func give(all []block.Layer, uid int) error {
	for _, l := range all {
		var st unix.Stat_t
		if err := unix.Lstat(l.Path, &st); err != nil {
			return err
		}
		if st.Mode&0o200 == 0 {
			continue
		}
		if err := os.Chown(l.Path, uid, uid); err != nil {
			return err
		}
	}
	return nil
}

// grow has a tool make the top layer larger. It is the tool's until the next Open.
func (d *Driver) grow(ctx context.Context, top block.Layer, bytes int64) error {
	w, err := d.newWorkplace()
	if err != nil {
		return err
	}
	defer w.remove()
	path := w.tool("disk")
	if err := os.Link(top.Path, path); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, w.uid, w.uid); err != nil {
			return err
		}
	}
	node := map[string]any{"driver": "qcow2", "backing": nil, "file": map[string]any{"driver": "file", "filename": path}}
	r := run{cpu: 10, fileSize: 1 << 50}
	args := []string{"resize", "-q"}
	if top.Secret != nil {
		node["encrypt"] = map[string]any{"format": "luks", "key-secret": secretName(0)}
		args, r.secrets = append(args, "--object", secretObject(0)), [][]byte{top.Secret}
	}
	name, err := json.Marshal(node)
	if err != nil {
		return err
	}
	r.args = append(args, "json:"+string(name), strconv.FormatInt(bytes, 10))
	if _, err := d.tool(ctx, r); err != nil {
		return err
	}
	f, err := os.OpenFile(top.Path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
