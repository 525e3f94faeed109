// Package quicktmp is a stand-in.
package quicktmp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vauban-cloud/vauban/driver/block"
)

type Config struct {
	Dir string
	Log *slog.Logger
}
type Driver struct{ dir string }

func New(c Config) (*Driver, error) {
	for _, d := range []string{"", "volumes", "images"} {
		os.MkdirAll(filepath.Join(c.Dir, d), 0o711)
		os.Chmod(filepath.Join(c.Dir, d), 0o711)
	}
	return &Driver{c.Dir}, nil
}
func (d *Driver) vol(id string) string { return filepath.Join(d.dir, "volumes", id+".qcow2") }
func (d *Driver) img(id string) string { return filepath.Join(d.dir, "images", id) }
func (d *Driver) Create(ctx context.Context, v block.Volume) error {
	if _, err := os.Stat(d.vol(v.ID)); err == nil {
		return nil
	}
	args := []string{"create", "-q", "-f", "qcow2"}
	if v.Image != "" {
		args = append(args, "-b", d.img(v.Image)+"/disk.qcow2", "-F", "qcow2")
	}
	args = append(args, d.vol(v.ID)+".tmp", fmt.Sprint(v.Bytes))
	if out, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return os.Rename(d.vol(v.ID)+".tmp", d.vol(v.ID))
}
func (d *Driver) Delete(ctx context.Context, id string) error { os.Remove(d.vol(id)); return nil }
func (d *Driver) List(ctx context.Context) (ids []string, err error) {
	es, _ := os.ReadDir(filepath.Join(d.dir, "volumes"))
	for _, e := range es {
		ids = append(ids, strings.TrimSuffix(e.Name(), ".qcow2"))
	}
	return
}
func (d *Driver) Open(ctx context.Context, id string, uid int) (string, string, error) {
	return d.vol(id), "qcow2", os.Chown(d.vol(id), uid, uid)
}
func (d *Driver) Space(ctx context.Context) (int64, int64, error) {
	var st syscall.Statfs_t
	syscall.Statfs(d.dir, &st)
	return int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize, nil
}
func (d *Driver) Put(ctx context.Context, id string, src block.Source) (block.Meta, error) {
	os.MkdirAll(d.img(id), 0o711)
	if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-O", "qcow2", src.Disk, d.img(id)+"/disk.qcow2").CombinedOutput(); err != nil {
		return block.Meta{}, fmt.Errorf("%w: %s", err, out)
	}
	for n, r := range map[string]io.Reader{"kernel": src.Kernel, "initrd": src.Initrd} {
		if r != nil {
			f, _ := os.Create(d.img(id) + "/" + n)
			io.Copy(f, r)
			f.Close()
			os.Chmod(f.Name(), 0o444)
		}
	}
	os.Chmod(d.img(id)+"/disk.qcow2", 0o444)
	return block.Meta{Bytes: 64 << 20}, nil
}
func (d *Driver) Boot(ctx context.Context, id string) (string, string, error) {
	return d.img(id) + "/kernel", d.img(id) + "/initrd", nil
}
func (d *Driver) DeleteImage(ctx context.Context, id string) error { return os.RemoveAll(d.img(id)) }
