package ec2

import (
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// blackhole is the state of a route whose target is not there.
const blackhole = "blackhole"

// routeState is "active" for a route whose target can take packets: a gateway that is
// attached, an interface of an instance that runs, a peering connection of two sides.
func routeState(r store.Reader, t cloud.RouteTable, route cloud.Route) string {
	if leads(r, t.VPC, route.Target) {
		return "active"
	}
	return blackhole
}

func leads(r store.Reader, vpc, target string) bool {
	switch kind, _, _ := strings.Cut(target, "-"); kind {
	case localTarget:
		return true
	case "igw":
		g, ok := gatewayTable.Get(r, target)
		return ok && g.VPC == vpc
	case "eigw":
		_, ok := egressTable.Get(r, target)
		return ok
	case "nat":
		g, ok := natTable.Get(r, target)
		return ok && (g.State() == cloud.NATAvailable || g.State() == cloud.NATPending)
	case "eni":
		n, ok := interfaceTable.Get(r, target)
		if !ok || n.Attachment == nil {
			return ok && n.Of != ""
		}
		i, ok := instanceTable.Get(r, n.Attachment.Instance)
		return ok && (i.State() == cloud.InstanceRunning || i.State() == cloud.InstancePending)
	case "pcx":
		p, ok := peeringTable.Get(r, target)
		return ok && p.State == cloud.PeeringActive
	case "vpce":
		_, ok := endpointTable.Get(r, target)
		return ok
	}
	return false
}

func isEndpoint(target string) bool { return strings.HasPrefix(target, "vpce-") }

// routeInstance is the instance of the interface that a route leads to, "" if there is none.
func routeInstance(r store.Reader, route cloud.Route) string {
	n, ok := interfaceTable.Get(r, route.Target)
	if !ok || n.Attachment == nil {
		return ""
	}
	return n.Attachment.Instance
}

func routeOut(r store.Reader, t cloud.RouteTable, route cloud.Route) ec2.Route {
	out := ec2.Route{
		DestinationCidrBlock: opt(prefixWord(route.Destination, false)), DestinationIpv6CidrBlock: opt(prefixWord(route.Destination, true)),
		DestinationPrefixListId: opt(route.List), Origin: new(route.Origin), State: new(routeState(r, t, route)),
	}
	switch kind, _, _ := strings.Cut(route.Target, "-"); kind {
	case "eigw":
		out.EgressOnlyInternetGatewayId = new(route.Target)
	case "nat":
		out.NatGatewayId = new(route.Target)
	case "pcx":
		out.VpcPeeringConnectionId = new(route.Target)
	case "eni":
		out.NetworkInterfaceId = new(route.Target)
		if id := routeInstance(r, route); id != "" {
			out.InstanceId, out.InstanceOwnerId = &id, new(t.Account)
		}
	default:
		out.GatewayId = new(route.Target)
	}
	return out
}
