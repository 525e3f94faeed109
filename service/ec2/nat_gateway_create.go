package ec2

import (
	"cmp"
	"context"
	"net/netip"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateNatGateway makes a NAT gateway in a subnet. What only the network can tell, as
// that the VPC has no internet gateway, is not refused: the gateway fails and says why.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html
func (s *Service) CreateNatGateway(ctx context.Context, in *ec2.CreateNatGatewayRequest) (*ec2.CreateNatGatewayResult, error) {
	caller, err := s.allow(ctx, "CreateNatGateway", in.DryRun, s.asking(ctx).newNAT(in)...)
	if err != nil {
		return nil, err
	}
	q, err := readNAT(in)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "natgateway")
	if err != nil {
		return nil, err
	}
	var g cloud.NATGateway
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, _, err := s.once(tx, caller, "CreateNatGateway", in.ClientToken, in, func() ([]string, error) {
			g := cloud.NATGateway{Meta: cloud.Meta{ID: s.NewID("nat"), Account: caller.Account, Created: s.Now().UTC(), Tags: tags}, Private: q.private}
			return []string{g.ID}, s.createNAT(tx, caller, g, q)
		})
		if err != nil {
			return err
		}
		g, err = get(tx, caller, natTable, "nat", ids[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateNatGatewayResult{NatGateway: new(natOut(g)), ClientToken: in.ClientToken}, nil
}

func (a asking) newNAT(in *ec2.CreateNatGatewayRequest) []subject {
	about := []subject{
		aboutNAT.made(a, cloud.NATGateway{}, requestTags(in.TagSpecifications, "natgateway")), aboutSubnet.of(a, val(in.SubnetId)),
	}
	if val(in.AllocationId) != "" {
		about = append(about, aboutAddress.of(a, *in.AllocationId))
	}
	return append(about, aboutAddress.named(a, in.SecondaryAllocationIds...)...)
}

// natRequest is what a request says of a NAT gateway.
type natRequest struct {
	private     bool
	subnet      string
	allocations []string     // of the addresses in their order
	addresses   []netip.Addr // private ones, the primary first; a zero Addr is any free one
}

// readNAT checks a request by itself.
func readNAT(in *ec2.CreateNatGatewayRequest) (q natRequest, err error) {
	kind := cmp.Or(val(in.ConnectivityType), ec2.ConnectivityTypePublic)
	q = natRequest{private: kind == ec2.ConnectivityTypePrivate, subnet: val(in.SubnetId)}
	count := int(val(in.SecondaryPrivateIpAddressCount))
	switch {
	case cmp.Or(val(in.AvailabilityMode), "zonal") != "zonal" || len(in.AvailabilityZoneAddresses) > 0 || val(in.VpcId) != "":
		return q, unsupported("NAT gateways are in one zone. Name a subnet.")
	case q.subnet == "":
		return q, missing("subnetId")
	case !q.private && kind != ec2.ConnectivityTypePublic:
		return q, invalid("connectivityType", kind, "Choose public or private.")
	case !q.private && val(in.AllocationId) == "":
		return q, missing("allocationId")
	case q.private && (val(in.AllocationId) != "" || len(in.SecondaryAllocationIds) > 0):
		return q, cloud.Errorf("InvalidParameterCombination", "A private NAT gateway has no elastic address. Leave out AllocationId.")
	case count < 0 || count > 31:
		return q, invalid("secondaryPrivateIpAddressCount", number(count), "Choose 1 to 31.")
	case count > 0 && len(in.SecondaryPrivateIpAddresses) > 0:
		return q, cloud.Errorf("InvalidParameterCombination", "SecondaryPrivateIpAddressCount and SecondaryPrivateIpAddresses cannot be used together.")
	case count > 0 && !q.private:
		return q, cloud.Errorf("InvalidParameterCombination", "SecondaryPrivateIpAddressCount is for private NAT gateways. Name SecondaryAllocationIds.")
	}
	if q.private {
		q.addresses = make([]netip.Addr, 1+max(count, len(in.SecondaryPrivateIpAddresses)))
	} else {
		q.allocations = append([]string{*in.AllocationId}, in.SecondaryAllocationIds...)
		q.addresses = make([]netip.Addr, len(q.allocations))
	}
	if len(in.SecondaryPrivateIpAddresses) >= len(q.addresses) {
		return q, cloud.Errorf("InvalidParameterCombination", "There are more SecondaryPrivateIpAddresses than SecondaryAllocationIds.")
	}
	if err := uniqueIDs(q.allocations); err != nil {
		return q, err
	}
	return q, q.readAddresses(append([]string{val(in.PrivateIpAddress)}, in.SecondaryPrivateIpAddresses...))
}

func uniqueIDs(ids []string) error {
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			return invalid("allocationId", id, "It is given more than once.")
		}
		seen[id] = true
	}
	return checkIDs("eipalloc", ids...)
}

func (q natRequest) readAddresses(words []string) (err error) {
	for i, word := range words {
		if word == "" {
			continue
		}
		if q.addresses[i], err = netip.ParseAddr(word); err != nil || !q.addresses[i].Is4() {
			return invalid("privateIpAddress", word, "This is not an IPv4 address.")
		}
	}
	return nil
}

// createNAT makes the gateway with an interface of its own and maps its elastic
// addresses; or writes down why it failed, with nothing made.
func (s *Service) createNAT(tx *store.Tx, c cloud.Caller, g cloud.NATGateway, q natRequest) error {
	subnet, err := get(tx, c, subnetTable, "subnet", q.subnet)
	if err != nil {
		return err
	}
	if err := s.checkNATs(tx, subnet, q); err != nil {
		return err
	}
	addresses, err := find(tx, c, addressTable, "eipalloc", q.allocations)
	if err != nil {
		return err
	}
	g.VPC, g.Subnet = subnet.VPC, subnet.ID
	if g.Failure = natFailure(tx, g, addresses, q); g.Failure != "" {
		for _, id := range q.allocations {
			g.Addresses = append(g.Addresses, cloud.NATAddress{Allocation: id})
		}
		return natTable.Create(tx, g)
	}
	n, err := s.createInterface(tx, c, port{subnet: subnet, addresses: q.addresses, description: "Interface for NAT Gateway " + g.ID})
	if err != nil {
		return err
	}
	n.SourceDestCheck, n.Of, g.Interface = false, g.ID, n.ID
	if err := interfaceTable.Put(tx, n); err != nil {
		return err
	}
	for i, a := range n.Addresses {
		address := cloud.NATAddress{Private: a.Private}
		if !g.Private {
			if address, err = s.mapNAT(tx, n.ID, a.Private, q.allocations[i]); err != nil {
				return err
			}
		}
		g.Addresses = append(g.Addresses, address)
	}
	return natTable.Create(tx, g)
}

// mapNAT maps an elastic address to a private one of a NAT gateway's interface.
func (s *Service) mapNAT(tx *store.Tx, port string, private netip.Addr, allocation string) (cloud.NATAddress, error) {
	a := cloud.NATAddress{Private: private, Allocation: allocation, Association: s.NewID("eipassoc")}
	address, _ := addressTable.Get(tx, allocation)
	a.Public = address.Address
	return a, s.associate(tx, allocation, a.Association, port, private, false)
}

// checkNATs refuses more gateways in a zone, or addresses of one, than allowed.
func (s *Service) checkNATs(r store.Reader, n cloud.Subnet, q natRequest) error {
	have := 0
	for g := range natTable.Select(r, cloud.AccountLabel(n.Account)) {
		other, _ := subnetTable.Get(r, g.Subnet)
		if other.Zone == n.Zone && g.Failure == "" && g.Gone.IsZero() {
			have++
		}
	}
	if err := within(s.Limits.NATGateways, have, "NatGatewayLimitExceeded", "NAT gateways of a zone"); err != nil {
		return err
	}
	return withinSum(s.Limits.NATAddresses, len(q.addresses), 0, "NatGatewayAddressLimitExceeded", "addresses of a NAT gateway")
}

// natFailure says why a gateway cannot come to be, as a code and words; "" if it can.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html#nat-gateway-troubleshooting-failed
func natFailure(r store.Reader, g cloud.NATGateway, addresses []cloud.Address, q natRequest) string {
	if !g.Private && gatewayTable.Count(r, "vpc/"+g.VPC) == 0 {
		return "Gateway.NotAttached: Network " + g.VPC + " has no Internet gateway attached"
	}
	for _, a := range addresses {
		if a.Association != "" {
			return "Resource.AlreadyAssociated: Elastic IP address [" + a.ID + "] is already associated"
		}
	}
	n, _ := subnetTable.Get(r, g.Subnet)
	if freeAddresses(r, n) < len(q.addresses) {
		return "InsufficientFreeAddressesInSubnet: Subnet has insufficient free addresses to create this NAT gateway"
	}
	return ""
}
