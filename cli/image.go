package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vauban-cloud/vauban/app"
	"github.com/vauban-cloud/vauban/image"
)

func (e *env) imageCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "image",
		Short: "The catalogue: images that every tenant may launch",
		Long: `The catalogue: images that every tenant may launch.

Images come into it from a recipe (build) or a file (import). Tenants find them by
"aws ec2 describe-images --owners vauban", launch them, and make images of their own of
what they launched; those are the tenants', and none of the catalogue's.

A new version of an image takes the place of the old one: build --force, or import
--replace. What was launched from the old one goes on, and its bytes stay for as long as
anything stands on them. An image that is to be found no more is made private, which can
be undone, or retired, which cannot.

IMAGE is an image's name or ID. Every command is recorded: vauban admin log.`,
		Example: `  vauban image build vauban-tiny debian-12
  vauban image import mine ./disk.qcow2 --user debian
  vauban image describe mine
  vauban image private mine`,
	}
	c.AddCommand(e.imageBuild(), e.imageImport(), e.imageList(), e.imageDescribe(),
		e.imageChange("public", "Let every tenant find and launch an image", `Let every tenant find and launch an image that was made private.`),
		e.imageChange("private", "Keep an image from tenants, until it is made public again", `Keep an image from tenants, who find and launch it no more, until it is made public again.
Instances and images that were made of it go on.`),
		e.imageChange("retire", "Withdraw an image for good", `Withdraw an image for good: it is found and launched no more, and there is no way back.
Instances and images that were made of it go on; its bytes are removed when nothing
stands on them any more.`))
	return c
}

func (e *env) imageBuild() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "build NAME...",
		Short: "Build an image from Debian's packages, and publish it",
		Long: `Build an image from Debian's packages, and publish it to every tenant.

  vauban-tiny  a small Linux that boots to SSH in seconds, for tests and first contact
  debian-12    Debian 12 with cloud-init, as on EC2: user admin, console on the serial port

An image that is there already is left alone, unless --force asks for a new one:
then new instances start from the new image, and running ones keep the old.`,
		Example:   "  vauban image build vauban-tiny debian-12",
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: image.Names(),
		RunE: func(c *cobra.Command, names []string) error {
			for _, name := range names {
				if err := e.buildImage(c.Context(), name, force); err != nil {
					return fmt.Errorf("build %s: %w", name, err)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "build anew even if the image is there")
	return c
}

func (e *env) buildImage(ctx context.Context, name string, force bool) error {
	if !slices.Contains(image.Names(), name) {
		return fmt.Errorf("there is no such recipe: choose one of %v", image.Names())
	}
	admin, err := e.admin()
	if err != nil {
		return err
	}
	have, err := admin.Images(ctx, app.ImageFilter{})
	if err != nil {
		return err
	}
	if k := slices.IndexFunc(have, func(i app.ImageInfo) bool { return i.Name == name }); k >= 0 && !force {
		e.step("image %s is there: %s", name, have[k].ID)
		return nil
	}
	built, err := image.Build(ctx, name, image.Options{
		Cache: filepath.Join(e.cfg.CacheDir(), "packages"), Out: filepath.Join(e.cfg.CacheDir(), "images", name),
		Progress: func(s string) { e.step("%s: %s", name, s) },
	})
	if err != nil {
		return err
	}
	info, err := admin.Import(ctx, app.ImportRequest{
		Name: name, Description: built.Description, Disk: built.Disk, Format: built.Format,
		Kernel: built.Kernel, Initrd: built.Initrd, KernelArgs: built.KernelArgs, User: built.User, Replace: true,
	}, func(s string) { e.step("%s: %s", name, s) })
	if err != nil {
		return err
	}
	e.step("image %s is ready: %s", name, info.ID)
	return nil
}

func (e *env) imageImport() *cobra.Command {
	var in app.ImportRequest
	c := &cobra.Command{
		Use:     "import NAME FILE",
		Aliases: []string{"publish"},
		Short:   "Check a disk image (qcow2, raw, VMDK, VHD or VHDX), and publish it",
		Long: `Check a disk image (qcow2, raw, VMDK, VHD or VHDX), and publish it to every tenant.

The image must boot by itself with a BIOS and virtio disks, unless --kernel and
--initrd give it a kernel. Images that refer to other files, are damaged, or claim
an absurd size are refused.`,
		Example: "  vauban image import debian-13 ./debian-13-genericcloud-amd64.qcow2 --user debian",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in.Name = args[0]
			for _, p := range []struct {
				from string
				to   *string
			}{{args[1], &in.Disk}, {in.Kernel, &in.Kernel}, {in.Initrd, &in.Initrd}} {
				if p.from == "" {
					continue
				}
				abs, err := filepath.Abs(p.from)
				if err != nil {
					return err
				}
				*p.to = abs
			}
			admin, err := e.admin()
			if err != nil {
				return err
			}
			info, err := admin.Import(c.Context(), in, func(s string) { e.step("%s", s) })
			if err != nil {
				return fmt.Errorf("import %s: %w", args[1], err)
			}
			fmt.Fprintln(e.out, info.ID)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&in.Format, "format", "", "qcow2, raw, vmdk, vhd or vhdx; detected if not given")
	f.StringVar(&in.Description, "description", "", "what the image is")
	f.StringVar(&in.User, "user", "", "who signs in by SSH")
	f.StringVar(&in.Kernel, "kernel", "", "kernel to boot the image with")
	f.StringVar(&in.Initrd, "initrd", "", "initial RAM disk for that kernel")
	f.StringVar(&in.KernelArgs, "kernel-args", "", "arguments for that kernel")
	f.BoolVar(&in.Replace, "replace", false, "take the place of the image of that name")
	return c
}

func (e *env) imageList() *cobra.Command {
	var asJSON bool
	var f app.ImageFilter
	c := &cobra.Command{
		Use:   "list",
		Short: "List the images of the catalogue",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			list, err := admin.Images(c.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.out).Encode(list)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tSTATE\tGiB\tUSER\tDESCRIPTION")
			for _, i := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.Name, i.State, i.SizeGiB, i.User, i.Description)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&f.All, "all", false, "retired images, which something still stands on, and unfinished ones, too")
	return c
}

func (e *env) imageDescribe() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "describe IMAGE",
		Short: "Show an image, and how much stands on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			i, err := admin.DescribeImage(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.out).Encode(i)
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			for _, line := range [][2]string{
				{"ID", i.ID},
				{"Name", i.Name},
				{"Description", i.Description},
				{"State", i.State},
				{"Created", i.Created.Format(time.RFC3339)},
				{"Size", fmt.Sprintf("%d GiB", i.SizeGiB)},
				{"SHA-256", i.SHA256},
				{"Root device", i.RootDevice},
				{"Signs in as", i.User},
				{"Boots with", strings.TrimSpace(i.Boot + " " + i.KernelArgs)},
				{"On it stand", fmt.Sprintf("%d instances, %d volumes, %d images of tenants", i.Instances, i.Volumes, i.Images)},
			} {
				fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// imageChange is a command that does one thing with an image.
func (e *env) imageChange(verb, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " IMAGE",
		Short:   short,
		Long:    long,
		Example: "  vauban image " + verb + " debian-12",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			admin, err := e.admin()
			if err != nil {
				return err
			}
			i, err := admin.Image(c.Context(), verb, args[0])
			if err == nil {
				e.step("image %s (%s) is %s", i.Name, i.ID, i.State)
			}
			return err
		},
	}
}
