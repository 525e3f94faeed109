package ec2

import (
	"regexp"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// What CreateImage, RegisterImage and CopyImage have in common.

// imageWish is what a request says of a new image.
type imageWish struct {
	name, description string
	tags              map[string]map[string]string // by kind: "image", "snapshot"
}

var imageName = regexp.MustCompile(`^[A-Za-z0-9()\[\] ./\-'@_]{3,128}$`)

// checkImage reads the name, description and tags of a new image, and, if it has any, of
// its snapshots.
func checkImage(name, description *string, specs []ec2.TagSpecification, kinds ...string) (w imageWish, err error) {
	w = imageWish{name: val(name), description: val(description)}
	switch {
	case w.name == "":
		return w, missing("name")
	case !imageName.MatchString(w.name):
		return w, cloud.Errorf("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "+
			"spaces, '(', ')', '[', ']', '.', '/', '-', ''', '@' and '_'")
	}
	if err := checkSnapshotDescription(description); err != nil {
		return w, err
	}
	w.tags, err = tagsFromSpecs(specs, kinds...)
	return w, err
}

// imageNames is the claim space of an account's image names.
func imageNames(account string) string { return "imagename/" + account }

// newImage is an image that is pending, under a name that no other image of the account has.
func (s *Service) newImage(tx *store.Tx, c cloud.Caller, w imageWish) (cloud.Image, error) {
	i := cloud.Image{
		Meta: cloud.Meta{ID: s.NewID("ami"), Account: c.Account, Created: s.Now().UTC(), Tags: w.tags["image"]},
		Name: w.name, Description: w.description, Architecture: ec2.ArchitectureValuesX8664, Pending: true,
	}
	return i, claimImageName(tx, i)
}

// claimImageName has no other image of the account go by the image's name.
func claimImageName(tx *store.Tx, i cloud.Image) error {
	if owner, taken := store.Owner(tx, imageNames(i.Account), i.Name); taken {
		return cloud.Errorf("InvalidAMIName.Duplicate", "AMI name %s is already in use by AMI %s", i.Name, owner)
	}
	return tx.Claim(imageNames(i.Account), i.Name, i.ID)
}

// newImage is the subject of an image that is to be made.
func (a asking) newImage(specs []ec2.TagSpecification) subject {
	return aboutImage.made(a, cloud.Image{Meta: cloud.Meta{Account: a.c.Account}}, requestTags(specs, "image")).with(facts{"Owner": a.c.Account})
}

// like gives a new image what another has that its bytes are the same as.
func like(i, other cloud.Image) cloud.Image {
	i.Architecture, i.RootDevice, i.User = other.Architecture, other.RootDevice, other.User
	i.Direct, i.Kernel, i.KernelArgs = other.Direct, other.BootImage(), other.KernelArgs
	i.Firmware, i.ENA, i.SRIOV, i.IMDS = other.Firmware, other.ENA, other.SRIOV, other.IMDS
	return i
}

// withRoot checks that an image has bytes to boot, and takes its size from them.
func withRoot(i cloud.Image) (cloud.Image, error) {
	for _, m := range i.Mappings {
		if m.Device == i.RootDevice && m.Snapshot != "" {
			i.SizeGiB = m.SizeGiB
			return i, nil
		}
	}
	return i, badMapping("The root device '%s' is not mapped to a snapshot", i.RootDevice)
}
