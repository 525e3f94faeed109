package ec2

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// target reads what a request's route leads to.
type target struct{ in *ec2.CreateRouteRequest }

// read returns the ID of the one target that a request names.
func (t target) read() (string, error) {
	in := t.in
	for _, p := range []*string{in.CarrierGatewayId, in.CoreNetworkArn, in.LocalGatewayId, in.OdbNetworkArn, in.TransitGatewayId, in.VpcEndpointId} {
		if val(p) != "" {
			return "", unsupported("Routes to " + *p + " are not available. Name an internet gateway, egress-only internet gateway, NAT gateway, instance, " +
				"network interface or VPC peering connection.")
		}
	}
	given := slices.DeleteFunc([]string{
		val(in.EgressOnlyInternetGatewayId), val(in.GatewayId), val(in.InstanceId), val(in.NatGatewayId), val(in.NetworkInterfaceId), val(in.VpcPeeringConnectionId),
	}, func(id string) bool { return id == "" })
	switch len(given) {
	case 0:
		return "", cloud.Errorf("MissingParameter", "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, "+
			"egressOnlyInternetGatewayId or instanceId")
	case 1:
	default:
		return "", cloud.Errorf("InvalidParameterCombination", "The request must contain exactly one target, but names %s.", strings.Join(given, " and "))
	}
	for _, p := range []struct {
		prefix string
		id     *string
	}{
		{"eigw", in.EgressOnlyInternetGatewayId},
		{"i", in.InstanceId},
		{"nat", in.NatGatewayId},
		{"eni", in.NetworkInterfaceId},
		{"pcx", in.VpcPeeringConnectionId},
	} {
		if val(p.id) != "" {
			return given[0], checkIDs(p.prefix, *p.id)
		}
	}
	if !cloud.ValidID("igw", given[0]) {
		return "", errNoGateway(given[0])
	}
	return given[0], nil
}

func errNoGateway(id string) error {
	return cloud.Errorf("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", id)
}

// reserved are ranges of the cloud's own services, which no route can lead elsewhere.
var reserved = prefixes("169.254.168.0/22", "fd00:ec2::/32")

// newRoute is the route of a table to the destination by the target, once both are
// found to fit.
func (s *Service) newRoute(r store.Reader, c cloud.Caller, t cloud.RouteTable, to destination, via string) (cloud.Route, error) {
	none := cloud.Route{}
	v6 := to.prefix.IsValid() && to.prefix.Addr().Is6()
	if to.list != "" {
		l, ok := listTable.Get(r, to.list)
		if !ok || l.Account != c.Account { // those of the cloud's services are for endpoints
			return none, notFound("pl", to.list)
		}
		v6 = l.IPv6
	} else if err := s.checkDestination(r, t, to.prefix); err != nil {
		return none, err
	}
	leads, vpc, err := s.resolve(r, c, via, t.VPC)
	switch kind, _, _ := strings.Cut(via, "-"); {
	case err != nil:
		return none, err
	case vpc != t.VPC:
		return none, errOtherNetwork(t.ID, targetWords[kind], via)
	case kind == "eigw" && !v6:
		return none, cloud.Errorf("InvalidParameterValue", "Routes to egress-only internet gateways are of IPv6: give destinationIpv6CidrBlock.")
	case kind == "nat" && v6:
		return none, cloud.Errorf("InvalidParameterValue", "NAT gateways translate IPv4 only: give destinationCidrBlock.")
	}
	return cloud.Route{Destination: to.prefix, List: to.list, Target: leads, Origin: originRoute}, nil
}

// targetWords are the kinds of targets as errors call them.
var targetWords = map[string]string{
	"igw": "network gateway", "eigw": "network gateway", "nat": "NAT gateway", "i": "instance", "eni": "interface", "pcx": "VPC peering connection",
}

// checkDestination refuses destinations within the VPC, which packets reach directly,
// and those of the cloud's services.
func (s *Service) checkDestination(r store.Reader, t cloud.RouteTable, p netip.Prefix) error {
	v, _ := vpcTable.Get(r, t.VPC)
	for _, b := range slices.Concat(v.CIDRs, v.CIDRs6) {
		if b.Prefix.Overlaps(p) && p.Bits() >= b.Prefix.Bits() {
			return cloud.Errorf("InvalidParameterValue", "The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. "+
				"Packets within a VPC go straight to their destination.", p)
		}
	}
	for _, q := range reserved {
		if q.Overlaps(p) && p.Bits() >= q.Bits() {
			return cloud.Errorf("InvalidParameterValue", "The destination CIDR block %s is reserved for services of the cloud.", p)
		}
	}
	return nil
}

// resolve finds a target of the caller's: what a route to it leads to, and its VPC. A
// peering connection has two; table is the VPC that is asked for.
func (s *Service) resolve(r store.Reader, c cloud.Caller, id, table string) (leads, vpc string, err error) {
	switch kind, _, _ := strings.Cut(id, "-"); kind {
	case "igw":
		g, ok := gatewayTable.Get(r, id)
		if !ok || g.Account != c.Account {
			return "", "", errNoGateway(id)
		}
		return id, g.VPC, nil
	case "eigw":
		g, err := get(r, c, egressTable, "eigw", id)
		return id, g.VPC, err
	case "nat":
		g, ok := natTable.Get(r, id)
		if !ok || g.Account != c.Account || g.Delete || !g.Gone.IsZero() {
			return "", "", cloud.Errorf("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", id)
		}
		return id, g.VPC, nil
	case "i":
		n, err := s.onlyInterface(r, c, id)
		return n.ID, n.VPC, err
	case "eni":
		n, err := get(r, c, interfaceTable, "eni", id)
		return id, n.VPC, err
	}
	p, ok := peeringTable.Get(r, id)
	if !ok || p.State != cloud.PeeringActive && p.State != cloud.PeeringPending {
		p = cloud.Peering{}
	}
	for _, side := range []cloud.PeeringSide{p.Requester, p.Accepter} {
		if side.Account == c.Account {
			leads, vpc = id, side.VPC
		}
		if vpc == table {
			break
		}
	}
	if leads != "" {
		return leads, vpc, nil
	}
	return "", "", notFound("pcx", id)
}
