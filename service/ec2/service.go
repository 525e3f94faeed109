// Package ec2 implements the EC2 API on the store.
//
// A method authorises, validates, writes the whole intent in one transaction
// and answers; it never touches a host and never waits for one. It guarantees
// that a request either took effect whole or not at all, that a caller reads its
// own writes, and that another account's resources answer exactly as if they did
// not exist. It does not carry anything out: control and node do, from the
// documents that it wrote.
//
// Codes and words of errors are those of
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
package ec2

import (
	"context"
	"net/netip"
	"time"

	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/seal"
	"github.com/vauban-cloud/vauban/store"
)

// Service is the EC2 API. Its exported methods are exactly the operations that
// it supports. Fields are set once, before the first call.
type Service struct {
	DB         *store.Store
	Authz      policy.Authorizer
	Place      cloud.Place
	Now        func() time.Time
	NewID      func(prefix string) string
	PublicPool netip.Prefix // the addresses that the outside reaches guests by, e.g. 100.64.0.0/24
	IPv6Pool   netip.Prefix // what VPCs get ranges of, a /56 each; at most that long
	Consoles   Consoles
	Limits     Limits
	// PageKey seals page tokens. Servers that share a store share it, or a
	// token of one is refused by the other.
	PageKey []byte
	// DiskKeys seals the data keys of new volumes and snapshots, each for its ID; nil:
	// they have none, and hosts keep their bytes as they are.
	DiskKeys *seal.Key
	Depot    Depot // nil: nothing can be imported or exported
}

// Consoles reads what guests print on their serial lines.
type Consoles interface {
	// Console returns the newest output of an instance on a host, and when it
	// was read.
	Console(ctx context.Context, host, instance string) ([]byte, time.Time, error)
}

// The tables that the operations work on.
var (
	accountTable   store.Table[cloud.Account]
	hostTable      store.Table[cloud.Host]
	instanceTable  store.Table[cloud.Instance]
	volumeTable    store.Table[cloud.Volume]
	snapshotTable  store.Table[cloud.Snapshot]
	recycleTable   store.Table[cloud.RecycleRule]
	imageTable     store.Table[cloud.Image]
	keyPairTable   store.Table[cloud.KeyPair]
	vpcTable       store.Table[cloud.VPC]
	subnetTable    store.Table[cloud.Subnet]
	routeTable     store.Table[cloud.RouteTable]
	gatewayTable   store.Table[cloud.InternetGateway]
	interfaceTable store.Table[cloud.NetworkInterface]
	addressTable   store.Table[cloud.Address]
	groupTable     store.Table[cloud.SecurityGroup]
	egressTable    store.Table[cloud.EgressGateway]
	natTable       store.Table[cloud.NATGateway]
	aclTable       store.Table[cloud.NetworkACL]
	optionsTable   store.Table[cloud.DHCPOptions]
	listTable      store.Table[cloud.PrefixList]
	peeringTable   store.Table[cloud.Peering]
	endpointTable  store.Table[cloud.Endpoint]
	flowLogTable   store.Table[cloud.FlowLog]
)

// arn names a resource of the caller, e.g. kind "instance", id "i-…".
func (s *Service) arn(c cloud.Caller, kind, id string) string {
	return s.Place.ARN("ec2", c.Account, kind+"/"+id)
}

// val returns what p points to, the zero value for nil: an absent parameter.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// opt returns a pointer to v, nil for the zero value: an absent member.
func opt[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
