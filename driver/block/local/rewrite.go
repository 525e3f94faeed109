//go:build linux

package local

import (
	"context"
	"encoding/json"
	"os"
	"slices"
)

// rewrite makes one layer of a chain in the workplace's result, encrypted under the secret if
// it is not nil, and puts it in the place of the others.
func (d *Driver) rewrite(ctx context.Context, w workplace, b beginning, secret []byte) (beginning, error) {
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
	target := "driver=qcow2,file.filename=" + w.tool(whole)
	made := secrets{}
	if secret != nil {
		n := len(r.secrets)
		target += ",encrypt.key-secret=" + secretName(n)
		r.args, r.secrets = append(r.args, "--object", secretObject(n)), append(r.secrets, secret)
		made[layerName(0)] = secret
	}
	r.args = slices.Concat([]string{"convert", "-n", "--target-is-zero"}, r.args, []string{source, "--target-image-opts", target})
	r.cpu, r.patience, r.fileSize = int(convertPatience.Seconds()), convertPatience, free
	if _, err := d.tool(ctx, r); err != nil {
		return b, err
	}
	top := layerName(0)
	if err := w.take(whole, top, 0o444); err != nil {
		return b, err
	}
	return beginning{names: []string{top}, secrets: made}, nil
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
