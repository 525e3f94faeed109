package ec2

import (
	"strconv"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// imageFields are the filters of DescribeImages; those that no image has a
// value for match nothing.
func (s *Service) imageFields() fields[cloud.Image] {
	type image = cloud.Image
	all := fields[image]{
		"architecture":      one(func(i image) string { return i.Architecture }),
		"creation-date":     one(func(i image) string { return timeWord(i.Created) }),
		"description":       maybe(func(i image) string { return i.Description }),
		"ena-support":       flag(func(i image) bool { return i.ENA }),
		"hypervisor":        one(fixed[image](ec2.HypervisorTypeXen)),
		"image-id":          one(image.Key),
		"image-type":        one(fixed[image](ec2.ImageTypeValuesMachine)),
		"is-public":         flag(func(i image) bool { return i.Public }),
		"manifest-location": one(func(i image) string { return i.Account + "/" + i.Name }),
		"name":              one(func(i image) string { return i.Name }),
		"owner-id":          one(func(i image) string { return i.Account }),
		"owner-alias": func(i image, is func(string) bool) bool {
			return i.Account == cloud.OperatorAccount && (is(operatorAlias) || is("amazon"))
		},
		"root-device-name":    one(func(i image) string { return i.RootDevice }),
		"root-device-type":    one(fixed[image](ec2.DeviceTypeEbs)),
		"source-image-id":     maybe(fromImage),
		"source-instance-id":  maybe(fromInstance),
		"source-image-region": func(i image, is func(string) bool) bool { return fromImage(i) != "" && is(s.Place.Region) },
		"sriov-net-support":   maybe(func(i image) string { return i.SRIOV }),
		"state":               one(imageState),
		"state-reason-code":   maybe(func(i image) string { return val(val(failureOf(i)).Code) }),
		"state-reason-message": maybe(func(i image) string {
			return val(val(failureOf(i)).Message)
		}),
		"virtualization-type": one(fixed[image](ec2.VirtualizationTypeHvm)),

		"block-device-mapping.delete-on-termination": mappingField(func(m cloud.ImageMapping) string { return boolWord(m.DeleteOnTermination) }),
		"block-device-mapping.device-name":           mappingField(func(m cloud.ImageMapping) string { return m.Device }),
		"block-device-mapping.encrypted":             mappingField(func(m cloud.ImageMapping) string { return boolWord(m.Encrypted) }),
		"block-device-mapping.snapshot-id":           mappingField(func(m cloud.ImageMapping) string { return m.Snapshot }),
		"block-device-mapping.volume-size":           mappingField(func(m cloud.ImageMapping) string { return strconv.Itoa(m.SizeGiB) }),
		"block-device-mapping.volume-type":           mappingField(func(m cloud.ImageMapping) string { return m.Type }),
	}
	for _, name := range []string{"free-tier-eligible", "image-allowed", "kernel-id", "platform", "product-code", "product-code.type", "ramdisk-id"} {
		all[name] = never[image]
	}
	return all
}

// mappingField is the field of a property of an image's volumes.
func mappingField(value func(cloud.ImageMapping) string) field[cloud.Image] {
	return func(i cloud.Image, is func(string) bool) bool {
		for _, m := range imageMappings(i) {
			if v := value(m); v != "" && !m.NoDevice && m.Virtual == "" && is(v) {
				return true
			}
		}
		return false
	}
}

// fixed is the value of a property that is the same for every resource.
func fixed[T any](value string) func(T) string { return func(T) string { return value } }
