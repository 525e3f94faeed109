package cloud

// Endpoint is a gateway endpoint: a way from subnets of a VPC to a service of the
// cloud, by routes in their tables.
type Endpoint struct {
	Meta        // ID is "vpce-…"
	VPC         string
	Service     string   // e.g. "com.amazonaws.eu-paris-1.s3"
	List        string   // the service's prefix list, "pl-…"
	Policy      string   `json:",omitempty"` // document that bounds what is done through it; empty: everything
	RouteTables []string // IDs of those that have a route to it
}

// Table is "endpoint".
func (Endpoint) Table() string { return "endpoint" }

// Labels finds the endpoints of an account and of a VPC.
func (e Endpoint) Labels() []string { return []string{AccountLabel(e.Account), "vpc/" + e.VPC} }
