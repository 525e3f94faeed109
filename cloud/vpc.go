package cloud

import "net/netip"

// VPC is a tenant's network.
type VPC struct {
	Meta
	CIDRs                      []CIDRBlock // IPv4; the first is the primary one
	CIDRs6                     []CIDRBlock `json:",omitempty"` // IPv6
	Default                    bool        `json:",omitempty"`
	DHCPOptions                string      // "dopt-…", or NoDHCPOptions
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

	Prefix6          netip.Prefix `json:",omitzero"`  // IPv6, a /64 of the VPC's; zero: none
	Association6     string       `json:",omitempty"` // "subnet-cidr-assoc-…" of Prefix6
	AssignIPv6       bool         `json:",omitempty"` // interfaces get an IPv6 address when made
	ResourceNames    bool         `json:",omitempty"` // host names are instance IDs: HostnameType "resource-name"
	ResourceNameA    bool         `json:",omitempty"` // such names resolve to IPv4 addresses
	ResourceNameAAAA bool         `json:",omitempty"` // and to IPv6 addresses
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

// Route is one line of a route table. Exactly one of Destination and List is set.
// Target is "local" or the ID of what the packets go to: "igw-…", "eigw-…", "nat-…",
// "eni-…" (also for a route that was given an instance), "pcx-…" or "vpce-…".
type Route struct {
	Destination netip.Prefix `json:",omitzero"`
	List        string       `json:",omitempty"` // "pl-…"
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
