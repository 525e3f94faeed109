package ec2

import (
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// nicSpec is a network interface that a launch makes, or takes if it exists.
type nicSpec struct {
	index       int
	existing    string // the ID of an interface to take; then the rest is empty
	subnet      string
	groups      []string
	addresses   []netip.Addr // as in port
	addresses6  []netip.Addr // as in port; nil: as the subnet says
	public      *bool        // nil: as the subnet says, if this is the only interface
	description string
	keep        bool // it outlives the instance
}

// launchNICs reads the network interfaces of a launch of up to n instances, in
// the order of their device indexes.
func launchNICs(in *ec2.RunInstancesRequest, t cloud.InstanceType, n int) ([]nicSpec, error) {
	if len(in.NetworkInterfaces) == 0 {
		if val(in.SubnetId) != "" && len(in.SecurityGroups) > 0 {
			return nil, errNamesWithSubnet()
		}
		addr, err := privateAddress(in.PrivateIpAddress)
		if err == nil && addr.IsValid() && n > 1 {
			err = errOneAddress()
		}
		nic := nicSpec{subnet: val(in.SubnetId), groups: in.SecurityGroupIds}
		if addr.IsValid() {
			nic.addresses = []netip.Addr{addr}
		}
		if err == nil {
			nic.addresses6, err = nicAddresses6(in.Ipv6AddressCount, in.Ipv6Addresses)
		}
		if err == nil {
			err = nic.check6(t, n)
		}
		return []nicSpec{nic}, err
	}
	const words = "Network interfaces and an instance-level %s may not be specified on the same request"
	switch {
	case in.SubnetId != nil:
		return nil, cloud.Errorf("InvalidParameterCombination", words, "subnet ID")
	case len(in.SecurityGroupIds)+len(in.SecurityGroups) > 0:
		return nil, cloud.Errorf("InvalidParameterCombination", words, "security groups")
	case in.PrivateIpAddress != nil:
		return nil, cloud.Errorf("InvalidParameterCombination", words, "private address")
	case in.Ipv6AddressCount != nil || len(in.Ipv6Addresses) > 0:
		return nil, cloud.Errorf("InvalidParameterCombination", words, "IPv6 address")
	case len(in.NetworkInterfaces) > t.Interfaces:
		return nil, cloud.Errorf("AttachmentLimitExceeded", "Interface count %d exceeds the limit for %s", len(in.NetworkInterfaces), t.Name)
	}
	var nics []nicSpec
	for _, spec := range in.NetworkInterfaces {
		if len(in.NetworkInterfaces) > 1 && val(spec.AssociatePublicIpAddress) {
			return nil, cloud.Errorf("InvalidParameterCombination", "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.")
		}
		nic, err := readNIC(spec, t, n)
		if err != nil {
			return nil, err
		}
		nics = append(nics, nic)
	}
	slices.SortFunc(nics, func(a, b nicSpec) int { return a.index - b.index })
	for i, nic := range nics {
		switch {
		case i > 0 && nic.index == nics[i-1].index:
			return nil, cloud.Errorf("InvalidParameterValue", "Each network interface requires a unique device index.")
		case i == 0 && nic.index != 0:
			return nil, cloud.Errorf("InvalidParameterValue", "When specifying network interfaces, you must include a device at index 0.")
		case nic.existing != "" && slices.ContainsFunc(nics[:i], func(n nicSpec) bool { return n.existing == nic.existing }):
			return nil, cloud.Errorf("InvalidParameterValue", "The network interface '%s' is given more than once", nic.existing)
		}
	}
	return nics, nil
}

// readNIC reads one network interface of a launch of up to n instances.
func readNIC(spec ec2.InstanceNetworkInterfaceSpecification, t cloud.InstanceType, n int) (nicSpec, error) {
	nic := nicSpec{
		existing: val(spec.NetworkInterfaceId), subnet: val(spec.SubnetId), groups: spec.Groups,
		public: spec.AssociatePublicIpAddress, description: val(spec.Description),
		keep: spec.DeleteOnTermination != nil && !*spec.DeleteOnTermination,
	}
	if err := refuseNIC(spec); err != nil {
		return nic, err
	}
	switch {
	case spec.DeviceIndex == nil:
		return nic, cloud.Errorf("InvalidParameterValue", "Each network interface requires a device index.")
	case *spec.DeviceIndex < 0:
		return nic, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for deviceIndex. The number must not be negative.", *spec.DeviceIndex)
	case nic.public != nil && *spec.DeviceIndex != 0:
		return nic, cloud.Errorf("InvalidParameterCombination", "The associatePublicIPAddress parameter can only be specified for the network interface with DeviceIndex 0")
	case len(nic.description) > 255:
		return nic, invalid("description", nic.description, "Descriptions have up to 255 characters.")
	case !isText(nic.description):
		return nic, cloud.Errorf("InvalidParameterValue", "Descriptions must be UTF-8 text without control characters")
	}
	nic.index = int(*spec.DeviceIndex)
	var err error
	if nic.addresses, err = nicAddresses(spec); err != nil {
		return nic, err
	}
	if nic.addresses6, err = nicAddresses6(spec.Ipv6AddressCount, spec.Ipv6Addresses); err != nil {
		return nic, err
	}
	if err := nic.check6(t, n); err != nil {
		return nic, err
	}
	named := slices.ContainsFunc(nic.addresses, netip.Addr.IsValid)
	switch {
	case nic.existing == "" && len(nic.addresses) > t.Addresses:
		return nic, cloud.Errorf("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
	case nic.existing == "" && named && n > 1:
		return nic, errOneAddress()
	case nic.existing == "":
		return nic, nil
	case n > 1:
		return nic, cloud.Errorf("InvalidParameterCombination", "A network interface ID may not be specified when launching more than one instance. Launch one, or leave the interface to be created.")
	}
	for _, other := range []struct {
		given bool
		what  string
	}{
		{nic.subnet != "", "a subnet ID"},
		{len(nic.groups) > 0, "security groups"},
		{len(nic.addresses) > 0, "private addresses"},
		{nic.addresses6 != nil, "IPv6 addresses"},
		{nic.public != nil, "a public IP address association"},
		{nic.description != "", "a description"},
		{val(spec.DeleteOnTermination), "deletion on termination"},
	} {
		if other.given {
			return nic, cloud.Errorf("InvalidParameterCombination", "A network interface may not specify both a network interface ID and %s", other.what)
		}
	}
	nic.keep = true
	return nic, checkIDs("eni", nic.existing)
}

// refuseNIC refuses what interfaces here do not have.
func refuseNIC(spec ec2.InstanceNetworkInterfaceSpecification) error {
	switch {
	case val(spec.PrimaryIpv6):
		return errPrimary6()
	case val(spec.Ipv4PrefixCount) > 0 || len(spec.Ipv4Prefixes) > 0 || val(spec.Ipv6PrefixCount) > 0 || len(spec.Ipv6Prefixes) > 0:
		return unsupported("Prefix delegation is not available.")
	case val(spec.AssociateCarrierIpAddress):
		return unsupported("Carrier addresses are not available.")
	case val(spec.InterfaceType) != "" && *spec.InterfaceType != "interface":
		return unsupported("The only type of network interface is 'interface'.")
	case val(spec.NetworkCardIndex) != 0:
		return unsupported("Instances have one network card, of index 0.")
	case spec.EnaSrdSpecification != nil && val(spec.EnaSrdSpecification.EnaSrdEnabled):
		return unsupported("ENA Express is not available.")
	case spec.EnaQueueCount != nil:
		return unsupported("The queues of an interface cannot be chosen.")
	case spec.ConnectionTrackingSpecification != nil:
		return unsupported("Connection tracking timeouts cannot be changed.")
	}
	return nil
}

// nicAddresses reads the private addresses of an interface, the primary one
// first; a zero Addr stands for any free one. None means one of any.
func nicAddresses(spec ec2.InstanceNetworkInterfaceSpecification) ([]netip.Addr, error) {
	primary, err := privateAddress(spec.PrivateIpAddress)
	if err != nil {
		return nil, err
	}
	var others []netip.Addr
	for _, p := range spec.PrivateIpAddresses {
		a, err := privateAddress(p.PrivateIpAddress)
		switch {
		case err != nil:
			return nil, err
		case !a.IsValid():
			return nil, missing("PrivateIpAddress")
		case !val(p.Primary):
			others = append(others, a)
		case primary.IsValid():
			return nil, cloud.Errorf("InvalidParameterCombination", "Only one primary private IP address can be specified.")
		default:
			primary = a
		}
	}
	switch count := val(spec.SecondaryPrivateIpAddressCount); {
	case count < 0:
		return nil, cloud.Errorf("InvalidParameterValue", "Invalid value '%d' for secondaryPrivateIpAddressCount. The number must not be negative.", count)
	case count > 0 && len(others) > 0:
		return nil, cloud.Errorf("InvalidParameterCombination", "The number of secondary private addresses and secondary private addresses may not be specified on the same request")
	case count > 1000: // more than any type has: not worth making room for
		return nil, cloud.Errorf("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")
	case count > 0:
		others = make([]netip.Addr, count)
	}
	all := append([]netip.Addr{primary}, others...)
	for i, a := range all {
		if a.IsValid() && slices.Contains(all[:i], a) {
			return nil, cloud.Errorf("InvalidParameterValue", "Address %s is given more than once", a)
		}
	}
	if len(all) == 1 && !primary.IsValid() {
		return nil, nil
	}
	return all, nil
}

// privateAddress reads an IPv4 address; the zero Addr if there is none.
func privateAddress(s *string) (netip.Addr, error) {
	if val(s) == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(*s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, invalid("address", *s, "Invalid IPv4 address.")
	}
	return a, nil
}

// errNamesWithSubnet is the error for security groups by name, which work in the
// default VPC alone, where a subnet says which VPC is meant.
func errNamesWithSubnet() error {
	return cloud.Errorf("InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet")
}

func errOneAddress() error {
	return cloud.Errorf("InvalidParameterCombination", "A private IP address may not be specified when launching more than one instance. Launch one, or leave the address to be chosen.")
}

// plan is what a launch makes of each of its interfaces: a port, or an interface
// that exists.
type plan struct {
	nic      nicSpec
	port     port
	existing *cloud.NetworkInterface
}

func (p plan) subnet() (id, vpc, zone string) {
	if p.existing != nil {
		return p.existing.Subnet, p.existing.VPC, p.existing.Zone
	}
	return p.port.subnet.ID, p.port.subnet.VPC, p.port.subnet.Zone
}

// planNICs looks up what the interfaces of a launch name. An interface without
// a subnet lies in the one of the primary interface, and that one, without a
// subnet, in the default subnet of the zone.
func (s *Service) planNICs(r store.Reader, c cloud.Caller, l launch, zone string) ([]plan, error) {
	plans := make([]plan, len(l.nics))
	for i, nic := range l.nics {
		plans[i].nic = nic
		if nic.existing != "" {
			n, err := get(r, c, interfaceTable, "eni", nic.existing)
			if err != nil {
				return nil, err
			}
			if n.Of != "" {
				return nil, errManaged(n)
			}
			if n.Attachment != nil {
				return nil, cloud.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
			}
			plans[i].existing = &n
		} else {
			id := nic.subnet
			if id == "" && i > 0 {
				id, _, _ = plans[0].subnet()
			}
			subnet, err := s.launchSubnet(r, c, id, zone)
			if err != nil {
				return nil, err
			}
			groups, err := s.launchGroups(r, c, subnet, nic.groups, l.groupNames)
			if err != nil {
				return nil, err
			}
			public := len(l.nics) == 1 && subnet.MapPublicIP
			if nic.public != nil {
				public = *nic.public
			}
			plans[i].port = port{
				subnet: subnet, groups: groups, addresses: nic.addresses, addresses6: addresses6Of(subnet, nic.addresses6), public: public,
				description: nic.description, tags: l.tags["network-interface"],
			}
		}
		_, vpc, at := plans[i].subnet()
		_, vpc0, at0 := plans[0].subnet()
		switch {
		case zone != "" && at != zone:
			return nil, cloud.Errorf("InvalidParameterValue", "The availability zone '%s' does not match the zone '%s' of the network interface", zone, at)
		case at != at0:
			return nil, cloud.Errorf("InvalidParameterCombination", "The network interfaces of an instance must be in the same availability zone")
		case vpc != vpc0:
			return nil, cloud.Errorf("InvalidParameterCombination", "The network interfaces of an instance must be in the same VPC")
		}
	}
	return plans, nil
}

// attachNIC makes the interface of a plan, or takes the existing one, for an
// instance.
func (s *Service) attachNIC(tx *store.Tx, c cloud.Caller, p plan, i cloud.Instance) error {
	at := &cloud.InterfaceAttachment{
		ID: s.NewID("eni-attach"), Instance: i.ID, DeviceIndex: p.nic.index,
		DeleteOnTermination: !p.nic.keep, Attached: i.Launched,
	}
	if p.existing != nil {
		n := *p.existing
		n.Attachment = at
		if err := followAddresses(tx, n.ID, i.ID); err != nil {
			return err
		}
		return interfaceTable.Put(tx, n)
	}
	p.port.attachment = at
	_, err := s.createInterface(tx, c, p.port)
	return err
}
