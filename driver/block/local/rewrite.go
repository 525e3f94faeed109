//go:build linux

package local

import (
	"context"
	"encoding/json"
	"os"
	"slices"
)

// rewrite makes one encrypted layer of a chain in the workplace's result, and puts it in
// the place of the others.
func (d *Driver) rewrite(ctx context.Context, w workplace, b beginning) (beginning, error) {
	free, err := d.room(ctx)
	if err != nil {
		return b, err
	}
	for _, name := range b.names { // the tools reach them by names of their own
		if err := os.Rename(w.result(name), w.tool(name)); err != nil {
			return b, err
		}
	}
	source, r, err := open(w, b)
	if err != nil {
		return b, err
	}
	const whole = "whole.qcow2"
	secret := newSecret()
	bytes, err := virtualSize(w.tool(b.names[0]))
	if err != nil {
		return b, err
	}
	if err := newLayer(w, whole, "", bytes, secret); err != nil {
		return b, err
	}
	if err := w.lend(whole); err != nil {
		return b, err
	}
	n := len(r.secrets)
	r.secrets = append(r.secrets, secret)
	r.args = slices.Concat([]string{"convert", "-n", "--target-is-zero"}, r.args, []string{"--object", secretObject(n), source})
	target := "driver=qcow2,file.filename=" + w.tool(whole) + ",encrypt.key-secret=" + secretName(n)
	r.args = append(r.args, "--target-image-opts", target)
	r.cpu, r.patience, r.fileSize = int(convertPatience.Seconds()), convertPatience, free
	if _, err := d.tool(ctx, r); err != nil {
		return b, err
	}
	top := layerName(0)
	if err := w.take(whole, top, 0o444); err != nil {
		return b, err
	}
	return beginning{names: []string{top}, secrets: secrets{top: secret}}, nil
}

// open describes a chain to a tool, with the secrets that it takes.
func open(w workplace, b beginning) (node string, r run, err error) {
	var below any
	for _, name := range slices.Backward(b.names) {
		layer := map[string]any{"driver": "qcow2", "backing": below, "file": map[string]any{"driver": "file", "filename": w.tool(name)}}
		if secret := b.secrets[name]; secret != nil {
			n := len(r.secrets)
			layer["encrypt"] = map[string]any{"format": "luks", "key-secret": secretName(n)}
			r.args = append(r.args, "--object", secretObject(n))
			r.secrets = append(r.secrets, secret)
		}
		below = layer
	}
	text, err := json.Marshal(below)
	return "json:" + string(text), r, err
}
