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
	private    bool
	subnet     string
	allocation string     // of a public one
	address    netip.Addr // private; zero: any free one
}

// readNAT checks a request by itself.
func readNAT(in *ec2.CreateNatGatewayRequest) (q natRequest, err error) {
	kind := cmp.Or(val(in.ConnectivityType), ec2.ConnectivityTypePublic)
	q = natRequest{private: kind == ec2.ConnectivityTypePrivate, subnet: val(in.SubnetId), allocation: val(in.AllocationId)}
	switch {
	case cmp.Or(val(in.AvailabilityMode), natMode) != natMode || len(in.AvailabilityZoneAddresses) > 0 || val(in.VpcId) != "":
		return q, unsupported("NAT gateways are in one zone. Name a subnet.")
	case len(in.SecondaryAllocationIds)+len(in.SecondaryPrivateIpAddresses) > 0 || val(in.SecondaryPrivateIpAddressCount) != 0:
		return q, unsupported("NAT gateways send from one address. Leave out the secondary ones.")
	case q.subnet == "":
		return q, missing("subnetId")
	case !q.private && kind != ec2.ConnectivityTypePublic:
		return q, invalid("connectivityType", kind, "Choose public or private.")
	case !q.private && q.allocation == "":
		return q, missing("allocationId")
	case q.private && q.allocation != "":
		return q, cloud.Errorf("InvalidParameterCombination", "A private NAT gateway has no elastic address. Leave out AllocationId.")
	}
	if word := val(in.PrivateIpAddress); word != "" {
		if q.address, err = netip.ParseAddr(word); err != nil || !q.address.Is4() {
			return q, invalid("privateIpAddress", word, "This is not an IPv4 address.")
		}
	}
	return q, nil
}

// createNAT makes the gateway with an interface of its own and maps its elastic
// address; or writes down why it failed, with nothing made.
func (s *Service) createNAT(tx *store.Tx, c cloud.Caller, g cloud.NATGateway, q natRequest) error {
	subnet, err := get(tx, c, subnetTable, "subnet", q.subnet)
	if err != nil {
		return err
	}
	if err := s.checkNATs(tx, subnet); err != nil {
		return err
	}
	var elastic cloud.Address
	if !q.private {
		if elastic, err = get(tx, c, addressTable, "eipalloc", q.allocation); err != nil {
			return err
		}
	}
	g.VPC, g.Subnet = subnet.VPC, subnet.ID
	address := cloud.NATAddress{Allocation: q.allocation}
	if g.Failure = natFailure(tx, subnet, elastic); g.Failure != "" {
		g.Addresses = []cloud.NATAddress{address}
		return natTable.Create(tx, g)
	}
	n, err := s.createInterface(tx, c, port{subnet: subnet, addresses: []netip.Addr{q.address}, description: "Interface for NAT Gateway " + g.ID})
	if err != nil {
		return err
	}
	n.SourceDestCheck, n.Of, g.Interface = false, g.ID, n.ID
	if err := interfaceTable.Put(tx, n); err != nil {
		return err
	}
	if address.Private = n.Primary(); !q.private {
		address.Public, address.Association = elastic.Address, s.NewID("eipassoc")
		if err := s.associate(tx, elastic.ID, address.Association, n.ID, address.Private, false); err != nil {
			return err
		}
	}
	g.Addresses = []cloud.NATAddress{address}
	return natTable.Create(tx, g)
}

// checkNATs refuses more gateways in a zone than allowed.
func (s *Service) checkNATs(r store.Reader, n cloud.Subnet) error {
	have := 0
	for g := range natTable.Select(r, cloud.AccountLabel(n.Account)) {
		other, _ := subnetTable.Get(r, g.Subnet)
		if other.Zone == n.Zone && g.Failure == "" && g.Gone.IsZero() {
			have++
		}
	}
	return within(s.Limits.NATGateways, have, "NatGatewayLimitExceeded", "NAT gateways of a zone")
}

// natFailure says why a gateway in the subnet, with that elastic address if any, cannot
// come to be, as a code and words; "" if it can.
// https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html#nat-gateway-troubleshooting-failed
func natFailure(r store.Reader, n cloud.Subnet, elastic cloud.Address) string {
	switch {
	case elastic.ID != "" && gatewayTable.Count(r, "vpc/"+n.VPC) == 0:
		return "Gateway.NotAttached: Network " + n.VPC + " has no Internet gateway attached"
	case elastic.Association != "":
		return "Resource.AlreadyAssociated: Elastic IP address [" + elastic.ID + "] is already associated"
	case freeAddresses(r, n) == 0:
		return "InsufficientFreeAddressesInSubnet: Subnet has insufficient free addresses to create this NAT gateway"
	}
	return ""
}
