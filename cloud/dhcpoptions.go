package cloud

// DHCPOptions is what DHCP tells the guests of VPCs.
type DHCPOptions struct {
	Meta         // ID is "dopt-…"
	Default bool `json:",omitempty"` // the set that the account's new VPCs have
	Options []DHCPOption
}

// NoDHCPOptions is what VPC.DHCPOptions says of a VPC that has no option set: DHCP tells
// its guests nothing of its own.
const NoDHCPOptions = "default"

// AmazonDNS among name servers stands for the VPC's own resolver.
const AmazonDNS = "AmazonProvidedDNS"

// DHCPOption is one option: "domain-name-servers", "domain-name", "ntp-servers",
// "netbios-name-servers", "netbios-node-type" or "ipv6-address-preferred-lease-time".
// "AmazonProvidedDNS" among the name servers is the VPC's resolver.
type DHCPOption struct {
	Name   string
	Values []string
}

// Table is "dhcpoptions".
func (DHCPOptions) Table() string { return "dhcpoptions" }

// Labels finds the option sets of an account.
func (o DHCPOptions) Labels() []string { return []string{AccountLabel(o.Account)} }

// Values returns those of an option, nil if it is not in the set.
func (o DHCPOptions) Values(name string) []string {
	for _, x := range o.Options {
		if x.Name == name {
			return x.Values
		}
	}
	return nil
}
