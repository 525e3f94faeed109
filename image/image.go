// Package image builds the guest images that Vauban offers, from Debian's
// packages, and says what they are.
//
// A build leaves either all of its files in the folder that was asked for, or
// nothing there. Downloads are kept in the cache folder, so that a build that
// was interrupted, or is done again, fetches only what is new. The same packages
// make the same files, but for time stamps.
// Building needs root (files in images belong to many users), but neither loop
// devices nor mounts of its own. It fetches from the Debian mirrors that this
// machine's apt is configured with, and from nowhere else.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Recipe is an image that can be built.
type Recipe struct {
	Name        string
	Description string
	User        string // who signs in by SSH, with the instance's key; may use sudo
	// Direct: the host boots the image's kernel; otherwise the image boots by
	// itself, with a BIOS.
	Direct bool
	// Test images are not for tenants.
	Test bool

	build func(*build) error
}

// Recipes returns the images that can be built.
func Recipes() []Recipe {
	return []Recipe{
		{
			Name: "vauban-tiny", User: "admin", Direct: true, build: buildTiny,
			Description: "Small Linux that boots to SSH in seconds; user data may be a shell script",
		},
		{
			Name: "debian-12", User: "admin", build: buildDebian,
			Description: "Debian 12 (bookworm) with cloud-init",
		},
		{
			Name: "vauban-tiny-bios", User: "admin", Test: true, build: buildTinyBIOS,
			Description: "vauban-tiny that boots by itself",
		},
	}
}

// Names returns the names of the recipes.
func Names() (names []string) {
	for _, r := range Recipes() {
		names = append(names, r.Name)
	}
	return names
}

// Packages returns the Debian packages that building needs on this machine.
func Packages() []string {
	var names []string
	for _, t := range tools() {
		names = append(names, t.pkg)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Options say where to build, and whom to tell.
type Options struct {
	Out      string            // folder that receives the image's files; what is in it is replaced
	Cache    string            // folder that keeps downloads
	Progress func(step string) // told what happens, in a few words; may be nil
	Log      io.Writer         // receives what the tools say; may be nil
}

// Built is a finished image.
type Built struct {
	Name        string
	Description string
	User        string
	Disk        string // path
	Format      string // "qcow2"
	// Direct images only.
	Direct         bool
	Kernel, Initrd string // paths
	KernelArgs     string
}

// ErrUnknown says that there is no recipe of that name.
var ErrUnknown = errors.New("no such image")

// Build makes the image of that name.
func Build(ctx context.Context, name string, o Options) (Built, error) {
	i := slices.IndexFunc(Recipes(), func(r Recipe) bool { return r.Name == name })
	if i < 0 {
		return Built{}, fmt.Errorf("%w: %q (there are %s)", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	recipe := Recipes()[i]
	if err := check(); err != nil {
		return Built{}, err
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	var err error
	if o.Out, err = filepath.Abs(o.Out); err != nil {
		return Built{}, err
	}
	if o.Cache, err = filepath.Abs(o.Cache); err != nil {
		return Built{}, err
	}
	if err := errors.Join(os.MkdirAll(o.Cache, 0o755), os.MkdirAll(filepath.Dir(o.Out), 0o755)); err != nil {
		return Built{}, fmt.Errorf("build %s: %w", name, err)
	}
	unlock, err := lock(ctx, filepath.Join(o.Cache, "lock"), o.Progress)
	if err != nil {
		return Built{}, fmt.Errorf("build %s: %w", name, err)
	}
	defer unlock()
	// Beside the result, so that it can be renamed into place. Its name is that of
	// the image, so that what a killed build left is removed by the next.
	b := &build{Context: ctx, Options: o, recipe: recipe, work: filepath.Join(filepath.Dir(o.Out), "."+name+".partial")}
	if err := errors.Join(os.RemoveAll(b.work), os.MkdirAll(b.path("out"), 0o755)); err != nil {
		return Built{}, fmt.Errorf("build %s: %w", name, err)
	}
	defer os.RemoveAll(b.work) //nolint:errcheck // the next build tries again
	if err := recipe.build(b); err != nil {
		return Built{}, fmt.Errorf("build %s: %w", name, err)
	}
	if err := errors.Join(os.RemoveAll(o.Out), os.Rename(b.path("out"), o.Out)); err != nil {
		return Built{}, fmt.Errorf("build %s: %w", name, err)
	}
	return b.built(), nil
}

// build is one run of a recipe.
type build struct {
	context.Context //nolint:containedctx // a build is one call
	Options
	recipe Recipe
	work   string // folder for everything unfinished; work/out becomes Out
	args   string // kernel arguments
}

// path names a file of the work folder.
func (b *build) path(elem ...string) string { return filepath.Join(b.work, filepath.Join(elem...)) }

// step tells what happens next.
func (b *build) step(format string, a ...any) { b.Progress(fmt.Sprintf(format, a...)) }

// built describes the files in Out.
func (b *build) built() Built {
	r := b.recipe
	out := Built{
		Name: r.Name, Description: r.Description, User: r.User, Direct: r.Direct,
		Disk: filepath.Join(b.Out, "disk.qcow2"), Format: "qcow2",
	}
	if r.Direct {
		out.Kernel, out.Initrd, out.KernelArgs = filepath.Join(b.Out, "vmlinuz"), filepath.Join(b.Out, "initrd"), b.args
	}
	return out
}
