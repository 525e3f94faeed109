//go:build linux

package rbd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// nodes describes layers to QEMU's tools: block nodes, and the secrets that these take.
type nodes struct {
	d       *Driver
	objects []string
	secrets [][]byte
}

// cephSecret is the object with the Ceph user's key.
const cephSecret = "ceph"

// file is the node of a layer's RBD image.
func (d *Driver) file(l layer, writable bool) map[string]any {
	node := map[string]any{
		"driver": "rbd", "conf": d.path("ceph.conf"), "pool": d.cfg.Pool, "image": l.Name, "user": d.cfg.User, "key-secret": cephSecret,
		"cache": map[string]any{"direct": true}, // librbd keeps nothing that it has not written
	}
	if writable {
		node["discard"] = "unmap"
	} else {
		node["read-only"] = true
	}
	if l.Frozen {
		node["snapshot"] = frozen
	}
	return node
}

// chain is the node of a chain, the top first, with the secrets of its layers.
func (n *nodes) chain(layers []layer, secrets [][]byte) map[string]any {
	var below any
	for i := len(layers) - 1; i >= 0; i-- {
		node := map[string]any{"driver": "qcow2", "backing": below, "file": n.d.file(layers[i], i == 0)}
		if secrets != nil && secrets[i] != nil {
			name := "key" + strconv.Itoa(len(n.secrets))
			n.objects = append(n.objects, "--object", fmt.Sprintf("secret,id=%s,file=/dev/fd/%d", name, firstFile+len(n.secrets)))
			n.secrets = append(n.secrets, secrets[i])
			node["encrypt"] = map[string]any{"format": "luks", "key-secret": name}
		}
		below = node
	}
	return below.(map[string]any) //nolint:forcetypeassert // a chain has a layer at least
}

func name(node map[string]any) string {
	text, err := json.Marshal(node)
	if err != nil {
		panic(err) // strings alone
	}
	return "json:" + string(text)
}

// options is a node as the tool takes one that it writes to: "driver=qcow2,file.driver=rbd,...".
func options(node map[string]any) string {
	var list []string
	var add func(prefix string, value any)
	add = func(prefix string, value any) {
		if inner, is := value.(map[string]any); is {
			for key, v := range inner {
				add(prefix+"."+key, v)
			}
			return
		}
		if value == true {
			value = "on"
		}
		if value != nil { // nothing below, as there is not by itself
			list = append(list, strings.TrimPrefix(prefix, ".")+"="+strings.ReplaceAll(fmt.Sprint(value), ",", ",,"))
		}
	}
	add("", node)
	return strings.Join(list, ",")
}

// image runs qemu-img on nodes.
func (n *nodes) image(ctx context.Context, c call, command string, args ...string) ([]byte, error) {
	// QEMU hands the key to Ceph in base64, and takes the text as what that stands for.
	if _, err := base64.StdEncoding.DecodeString(n.d.key); err != nil {
		return nil, fmt.Errorf("key of client.%s: %w", n.d.cfg.User, err)
	}
	c.name = "qemu-img"
	c.args = append([]string{command, "--object", fmt.Sprintf("secret,id=%s,format=base64,file=/dev/fd/%d", cephSecret, keyFile)}, n.objects...)
	c.args, c.secrets = append(c.args, args...), n.secrets
	return n.d.run(ctx, c)
}

// virtualSize reads the size of a layer, which a guest may have written.
func (d *Driver) virtualSize(ctx context.Context, l layer) (int64, error) {
	n := &nodes{d: d}
	node := n.chain([]layer{l}, nil)
	out, err := n.image(ctx, call{}, "info", "--output=json", "--force-share", name(node))
	if err != nil {
		return 0, err
	}
	var info struct {
		Bytes int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return 0, fmt.Errorf("read the answer of qemu-img: %w", err)
	}
	if info.Bytes <= 0 || info.Bytes > d.cfg.MaxBytes || info.Bytes%512 != 0 {
		return 0, fmt.Errorf("layer %s is damaged: %d bytes are no size", l.Name, info.Bytes)
	}
	return info.Bytes, nil
}

// resize makes a layer larger that nobody has open.
func (d *Driver) resize(ctx context.Context, l layer, secret []byte, bytes int64) error {
	n := &nodes{d: d}
	node := n.chain([]layer{l}, [][]byte{secret})
	_, err := n.image(ctx, call{}, "resize", "-q", name(node), strconv.FormatInt(bytes, 10))
	return err
}

// rewrite copies what a chain holds into an empty layer that is encrypted.
func (d *Driver) rewrite(ctx context.Context, layers []layer, secrets [][]byte, to layer, secret []byte) error {
	n := &nodes{d: d}
	from := n.chain(layers, secrets)
	target := n.chain([]layer{to}, [][]byte{secret})
	_, err := n.image(ctx, call{patience: copyPatience}, "convert", "-n", "--target-is-zero", name(from), "--target-image-opts", options(target))
	return err
}
