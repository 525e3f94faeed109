package ec2

import (
	"cmp"
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// RegisterImage makes an image of snapshots that are there. Without Architecture and
// VirtualizationType it is one of the only kind that there is: x86_64, hvm. If the guest
// that its root device was taken of was booted with a kernel from beside its disk, so are
// those of the image.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html
func (s *Service) RegisterImage(ctx context.Context, in *ec2.RegisterImageRequest) (*ec2.RegisterImageResult, error) {
	a := s.asking(ctx)
	about := []subject{a.newImage(in.TagSpecifications)}
	for _, id := range mappedSnapshots(in.BlockDeviceMappings) {
		about = append(about, aboutSnapshot.of(a, id))
	}
	if len(about) == 1 {
		about = append(about, a.absent("snap", ""))
	}
	caller, err := s.allow(ctx, "RegisterImage", in.DryRun, about...)
	wish, refused := checkRegister(in)
	if err := cmp.Or(err, refused); err != nil {
		return nil, err
	}
	var made cloud.Image
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if made, err = s.newImage(tx, caller, wish); err != nil {
			return err
		}
		made.Pending = false
		made.RootDevice, made.Firmware, made.IMDS = cmp.Or(val(in.RootDeviceName), "/dev/sda1"), val(in.BootMode), val(in.ImdsSupport)
		made.ENA, made.SRIOV = val(in.EnaSupport), val(in.SriovNetSupport)
		if err := checkMappings(made.RootDevice, in.BlockDeviceMappings); err != nil {
			return err
		}
		for _, m := range in.BlockDeviceMappings {
			added, err := asking{s, tx, caller}.newMapping(m)
			if err != nil {
				return err
			}
			made.Mappings = append(made.Mappings, added)
		}
		if made, err = withRoot(made); err != nil {
			return err
		}
		return imageTable.Create(tx, withKernel(tx, made))
	})
	if err != nil {
		return nil, err
	}
	return &ec2.RegisterImageResult{ImageId: &made.ID}, nil
}

// withKernel has an image boot as the guest did that its root device was taken of.
func withKernel(r store.Reader, i cloud.Image) cloud.Image {
	for _, m := range i.Mappings {
		n, _ := snapshotTable.Get(r, m.Snapshot)
		if from, ok := imageTable.Get(r, n.Kernel); ok && m.Device == i.RootDevice {
			i.Direct, i.Kernel, i.KernelArgs, i.User = true, from.ID, from.KernelArgs, from.User
		}
	}
	return i
}

// checkRegister refuses images that no guest here could run of.
func checkRegister(in *ec2.RegisterImageRequest) (imageWish, error) {
	w, err := checkImage(in.Name, in.Description, in.TagSpecifications, "image")
	if err != nil {
		return w, err
	}
	for _, m := range []struct {
		name       string
		value      *string
		possible   []string // none is always possible
		impossible string
	}{
		{"architecture", in.Architecture, []string{"x86_64"}, "The hosts' processors are x86_64."},
		{"virtualizationType", in.VirtualizationType, []string{"hvm"}, "Guests are fully virtualized."},
		{"BootMode", in.BootMode, []string{"legacy-bios", "uefi-preferred"}, "Guests boot with a BIOS."},
		{"sriovNetSupport", in.SriovNetSupport, []string{"simple"}, ""},
		{"ImdsSupport", in.ImdsSupport, []string{"v2.0"}, ""},
	} {
		if err := oneOf(m.name, val(m.value), m.possible, m.impossible); err != nil {
			return w, err
		}
	}
	switch {
	case in.ImageLocation != nil:
		return w, unsupported("Images whose bytes are in a bucket are not available. Register one of snapshots.")
	case in.KernelId != nil || in.RamdiskId != nil:
		return w, unsupported("An image brings its own kernel. Leave out KernelId and RamdiskId.")
	case len(in.BillingProducts) > 0:
		return w, unsupported("Billing products are not available.")
	case in.TpmSupport != nil:
		return w, unsupported("Guests have no TPM. Leave out TpmSupport.")
	case in.UefiData != nil:
		return w, unsupported("Guests boot with a BIOS. Leave out UefiData.")
	case len(in.BlockDeviceMappings) == 0:
		return w, missing("BlockDeviceMapping")
	case val(in.RootDeviceName) != "" && !validDevice(*in.RootDeviceName):
		return w, invalid("rootDeviceName", *in.RootDeviceName, "It is not a valid device name.")
	}
	return w, nil
}

// knownElsewhere are the values of AWS that cannot be had here.
var knownElsewhere = map[string]bool{
	ec2.ArchitectureValuesI386: true, ec2.ArchitectureValuesArm64: true, ec2.ArchitectureValuesX8664Mac: true, ec2.ArchitectureValuesArm64Mac: true,
	ec2.VirtualizationTypeParavirtual: true, ec2.BootModeValuesUefi: true,
}

// oneOf refuses a value that is given and not one of the possible ones; why is why those of
// AWS that are missing cannot be had.
func oneOf(parameter, value string, possible []string, why string) error {
	if value == "" || slices.Contains(possible, value) {
		return nil
	}
	if knownElsewhere[value] {
		return unsupported(why + " Use " + possible[0] + ".")
	}
	return invalid(parameter, value, "Valid values are: "+possible[0]+".")
}
