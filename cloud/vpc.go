package cloud

import "net/netip"

// VPC is a tenant's network.
type VPC struct {
	Meta
	CIDRs                      []CIDRBlock // the first is the primary one
	Default                    bool        `json:",omitempty"`
	DHCPOptions                string      // "dopt-…"
	Tenancy                    string      // "default"
	DNSSupport                 bool
	DNSHostnames               bool
	NetworkAddressUsageMetrics bool `json:",omitempty"`
}

// CIDRBlock is a range of a VPC.
type CIDRBlock struct {
	Association string // "vpc-cidr-assoc-…"
	Prefix      netip.Prefix
}

// Table is "vpc".
func (VPC) Table() string { return "vpc" }

// Labels finds the VPCs of an account.
func (v VPC) Labels() []string { return []string{AccountLabel(v.Account)} }

// Subnet is a range of a VPC in one zone. The first four addresses and the last
// are reserved, as on AWS: the network, the router (.1), the resolver (.2), one
// in reserve, and the broadcast.
type Subnet struct {
	Meta
	VPC            string
	Zone           string
	Prefix         netip.Prefix
	DefaultForZone bool `json:",omitempty"`
	MapPublicIP    bool `json:",omitempty"`
}

// Router is the address of the subnet's gateway.
func (s Subnet) Router() netip.Addr { return s.Prefix.Masked().Addr().Next() }

// Table is "subnet".
func (Subnet) Table() string { return "subnet" }

// Labels finds the subnets of an account and of a VPC.
func (s Subnet) Labels() []string { return []string{AccountLabel(s.Account), "vpc/" + s.VPC} }

// RouteTable says where a subnet's packets go.
type RouteTable struct {
	Meta
	VPC          string
	Routes       []Route
	Associations []RouteTableAssociation
}

// Route is one line of a route table. Target is "local" or a gateway's ID.
type Route struct {
	Destination netip.Prefix
	Target      string
	Origin      string // "CreateRouteTable", "CreateRoute"
}

// RouteTableAssociation ties a table to a subnet, or makes it the main one.
type RouteTableAssociation struct {
	ID     string // "rtbassoc-…"
	Subnet string `json:",omitempty"`
	Main   bool   `json:",omitempty"`
}

// Table is "routetable".
func (RouteTable) Table() string { return "routetable" }

// Labels finds the route tables of an account and of a VPC.
func (r RouteTable) Labels() []string { return []string{AccountLabel(r.Account), "vpc/" + r.VPC} }

// InternetGateway connects a VPC to the outside.
type InternetGateway struct {
	Meta
	VPC string `json:",omitempty"` // empty when detached
}

// Table is "internetgateway".
func (InternetGateway) Table() string { return "internetgateway" }

// Labels finds the gateways of an account and of a VPC.
func (g InternetGateway) Labels() []string {
	l := []string{AccountLabel(g.Account)}
	if g.VPC != "" {
		l = append(l, "vpc/"+g.VPC)
	}
	return l
}
