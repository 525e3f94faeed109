package services

import (
	"net/netip"

	"github.com/vauban-cloud/vauban/cloud"
)

// addressesOf are the addresses that the name of an instance of the VPC has, as its
// subnet says: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html
func (s *Services) addressesOf(vpcID, instance string) (out []netip.Addr) {
	w := s.cfg.World()
	if w == nil {
		return nil
	}
	for _, n := range w.InterfacesOf(instance) {
		subnet := w.Subnet(n.Subnet)
		if n.VPC != vpcID || n.Attachment.DeviceIndex != 0 || subnet == nil {
			continue
		}
		if subnet.ResourceNameA {
			out = append(out, n.Primary())
		}
		if subnet.ResourceNameAAAA && len(n.Addresses6) > 0 {
			out = append(out, n.Addresses6[0])
		}
	}
	return out
}

// nameOf is the name of the instance that has an IPv6 address in the VPC; empty if it
// has none that leads there.
func (s *Services) nameOf(vpcID string, a netip.Addr) string {
	w := s.cfg.World()
	if w == nil {
		return ""
	}
	n, i := w.InterfaceAt(vpcID, a)
	if n == nil || !hasName(w.Subnet(n.Subnet), n, a) {
		return ""
	}
	return i.ID + "." + s.cfg.Place.PrivateDomain()
}

func hasName(subnet *cloud.Subnet, n *cloud.NetworkInterface, a netip.Addr) bool {
	return subnet != nil && subnet.ResourceNameAAAA && n.Attachment.DeviceIndex == 0 && len(n.Addresses6) > 0 && n.Addresses6[0] == a
}
