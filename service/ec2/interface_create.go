package ec2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxGroups is how many security groups an interface may be in.
const maxGroups = 16

// launchSubnet returns the subnet to launch into: the one of that ID, or, with
// none given, the default subnet of the zone (of the first zone that has one if
// zone is empty too).
func (s *Service) launchSubnet(r store.Reader, c cloud.Caller, id, zone string) (cloud.Subnet, error) {
	if zone != "" && !slices.Contains(s.Place.Zones, zone) {
		return cloud.Subnet{}, cloud.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", zone)
	}
	if id != "" {
		subnet, err := get(r, c, subnetTable, "subnet", id)
		if err == nil && zone != "" && subnet.Zone != zone {
			err = cloud.Errorf("InvalidParameterValue", "The availability zone '%s' does not match the zone '%s' of the subnet '%s'", zone, subnet.Zone, id)
		}
		return subnet, err
	}
	vpc := s.defaultVPC(r, c)
	if vpc == "" {
		return cloud.Subnet{}, errNoDefaultVPC()
	}
	var best cloud.Subnet
	for subnet := range subnetTable.Select(r, "vpc/"+vpc) {
		ok := subnet.DefaultForZone && (zone == "" || subnet.Zone == zone)
		if ok && (best.ID == "" || subnet.Zone < best.Zone) {
			best = subnet
		}
	}
	if best.ID == "" {
		return best, cloud.Errorf("MissingInput", "No subnets found for the default VPC '%s'. Please specify a subnet.", vpc)
	}
	return best, nil
}

// defaultVPC returns the ID of the caller's default VPC, "" if there is none.
func (s *Service) defaultVPC(r store.Reader, c cloud.Caller) string {
	account, _ := accountTable.Get(r, c.Account)
	if _, ok := vpcTable.Get(r, account.DefaultVPC); !ok { // it was deleted
		return ""
	}
	return account.DefaultVPC
}

func errNoDefaultVPC() error {
	return cloud.Errorf("VPCIdNotSpecified", "No default VPC for this user. Specify a subnet or a VPC.")
}

// launchGroups returns the IDs of the security groups for an interface in the
// subnet, each once, in the order given: those of the IDs and those of the names,
// which work in the default VPC alone; with neither the default group of the VPC.
func (s *Service) launchGroups(r store.Reader, c cloud.Caller, subnet cloud.Subnet, ids, names []string) ([]string, error) {
	if err := checkIDs("sg", ids...); err != nil {
		return nil, err
	}
	var chosen []string
	add := func(id string) {
		if !slices.Contains(chosen, id) {
			chosen = append(chosen, id)
		}
	}
	for _, id := range ids {
		group, err := get(r, c, groupTable, "sg", id)
		if err != nil {
			return nil, err
		}
		if group.VPC != subnet.VPC {
			return nil, cloud.Errorf("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, subnet.ID)
		}
		add(id)
	}
	if len(names) > 0 && subnet.VPC != s.defaultVPC(r, c) {
		return nil, errNamesWithSubnet()
	}
	for _, name := range names {
		id, ok := store.Owner(r, cloud.GroupNames(subnet.VPC), name)
		if !ok {
			return nil, cloud.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, subnet.VPC)
		}
		add(id)
	}
	if len(chosen) == 0 {
		id, ok := store.Owner(r, cloud.GroupNames(subnet.VPC), cloud.DefaultGroupName)
		if !ok {
			return nil, fmt.Errorf("find default group of %s: %w", subnet.VPC, store.ErrNotFound)
		}
		add(id)
	}
	if len(chosen) > maxGroups {
		return nil, cloud.Errorf("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached.")
	}
	return chosen, nil
}

// port is what is asked of a new network interface.
type port struct {
	subnet      cloud.Subnet
	groups      []string     // IDs, from launchGroups
	addresses   []netip.Addr // private ones, the primary first; a zero Addr is any free one; none means one of any
	addresses6  []netip.Addr // IPv6, likewise; none means none
	public      bool         // map a public address to the primary one, until the instance stops
	description string
	tags        map[string]string
	attachment  *cloud.InterfaceAttachment
}

// maxInterfaces is how many network interfaces an account may have.
const maxInterfaces = 5000

// createInterface makes the network interface, with a MAC and addresses of its
// own. Everything that it claims is owned by the interface's ID.
func (s *Service) createInterface(tx *store.Tx, c cloud.Caller, p port) (cloud.NetworkInterface, error) {
	if interfaceTable.Count(tx, cloud.AccountLabel(c.Account)) >= maxInterfaces {
		return cloud.NetworkInterface{}, cloud.Errorf("NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached.")
	}
	n := cloud.NetworkInterface{
		Meta: cloud.Meta{ID: s.NewID("eni"), Account: c.Account, Created: s.Now(), Tags: p.tags},
		VPC:  p.subnet.VPC, Subnet: p.subnet.ID, Zone: p.subnet.Zone,
		Description: p.description, Groups: p.groups, SourceDestCheck: true, Attachment: p.attachment,
	}
	asked := p.addresses
	if len(asked) == 0 {
		asked = make([]netip.Addr, 1)
	}
	// The addresses asked for by name go first, lest one be taken for a zero Addr.
	n.Addresses = make([]cloud.PrivateAddress, len(asked))
	for _, named := range []bool{true, false} {
		for i, a := range asked {
			if a.IsValid() != named {
				continue
			}
			addr, err := claimPrivate(tx, p.subnet, a, n.ID)
			if err != nil {
				return n, err
			}
			n.Addresses[i].Private = addr
		}
	}
	var err error
	if n.Addresses6, err = claimAll6(tx, p.subnet, p.addresses6, n.ID); err != nil {
		return n, err
	}
	if p.public {
		addr, err := s.claimPublic(tx, n.ID)
		if err != nil {
			return n, err
		}
		n.Addresses[0].Public = &cloud.PublicAddress{Address: addr}
	}
	mac, err := claimMAC(tx, n.ID)
	if err != nil {
		return n, err
	}
	n.MAC = mac
	if err := interfaceTable.Create(tx, n); err != nil {
		return n, fmt.Errorf("create network interface: %w", err)
	}
	return n, nil
}

// claimPrivate takes a private address of the subnet for owner, an interface:
// the one asked for, or any free one if that is the zero Addr.
func claimPrivate(tx *store.Tx, subnet cloud.Subnet, asked netip.Addr, owner string) (netip.Addr, error) {
	space := cloud.PrivateAddresses(subnet.VPC)
	if asked.IsValid() {
		if err := checkPrivate(subnet, asked); err != nil {
			return asked, err
		}
		var taken *store.ClaimedError
		if holder, ok := store.Owner(tx, space, asked.String()); ok && holder == owner || errors.As(tx.Claim(space, asked.String(), owner), &taken) {
			return asked, cloud.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", asked)
		}
		return asked, nil
	}
	first, count := usable(subnet.Prefix)
	addr, err := claimAny(tx, space, first, count, owner)
	if errors.Is(err, errAllClaimed) {
		err = cloud.Errorf("InsufficientFreeAddressesInSubnet", "There are not enough free addresses in subnet '%s' to satisfy the request.", subnet.ID)
	}
	return addr, err
}

// checkPrivate refuses addresses that no interface in the subnet can have.
func checkPrivate(subnet cloud.Subnet, a netip.Addr) error {
	if !subnet.Prefix.Contains(a) {
		return cloud.Errorf("InvalidParameterValue", "Address %s does not fall within the subnet's address range", a)
	}
	first, count := usable(subnet.Prefix)
	if i := offset(first, a); i < 0 || i >= count {
		return cloud.Errorf("InvalidParameterValue", "Address %s is in subnet's reserved address range", a)
	}
	return nil
}

// usable returns the first address of a subnet that interfaces may have and how
// many there are: all but the first four and the last.
func usable(p netip.Prefix) (first netip.Addr, count int) {
	return shift(p.Masked().Addr(), 4), 1<<(32-p.Bits()) - 5
}

// claimPublic takes a free address of the public pool for owner: an Address
// ("eipalloc-…"), or the interface that it is assigned to at launch. The pool's
// first and last address are never given out.
func (s *Service) claimPublic(tx *store.Tx, owner string) (netip.Addr, error) {
	first, count := s.publicRange()
	addr, err := claimAny(tx, cloud.PublicAddresses, first, count, owner)
	if errors.Is(err, errAllClaimed) {
		err = cloud.Errorf("InsufficientAddressCapacity", "There are not enough free public addresses to satisfy the request.")
	}
	return addr, err
}

// publicRange returns the first public address and how many there are.
func (s *Service) publicRange() (first netip.Addr, count int) {
	return shift(s.PublicPool.Masked().Addr(), 1), max(0, 1<<(32-s.PublicPool.Bits())-2)
}

// claimMAC takes a hardware address for an interface: a locally administered
// unicast one that derives from the interface's ID.
func claimMAC(tx *store.Tx, owner string) (string, error) {
	for try := range 16 {
		h := spread(owner, try)
		mac := net.HardwareAddr{0x02, byte(h >> 32), byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}.String()
		err := tx.Claim(cloud.MACs, mac, owner)
		if _, ok := errors.AsType[*store.ClaimedError](err); !ok {
			return mac, err
		}
	}
	return "", fmt.Errorf("claim MAC for %s: every candidate is taken", owner)
}
