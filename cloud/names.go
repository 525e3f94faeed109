package cloud

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ServiceDomain is the domain under which the cloud names what is public. It
// lies below .internal, which no public name server will ever answer for.
const ServiceDomain = "vauban.internal"

// PrivateDomain is the domain of private names, e.g. "eu-paris-1.compute.internal".
func (p Place) PrivateDomain() string { return p.Region + ".compute.internal" }

// PublicDomain is the domain of public names, e.g. "eu-paris-1.compute.vauban.internal".
func (p Place) PublicDomain() string { return p.Region + ".compute." + ServiceDomain }

// PrivateName is the name of a private address, e.g.
// "ip-172-31-0-10.eu-paris-1.compute.internal". The VPC's resolver answers for it.
func (p Place) PrivateName(a netip.Addr) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + p.PrivateDomain()
}

// PublicName is the name of a public address, e.g.
// "ec2-100-64-0-10.eu-paris-1.compute.vauban.internal".
func (p Place) PublicName(a netip.Addr) string {
	return "ec2-" + strings.ReplaceAll(a.String(), ".", "-") + "." + p.PublicDomain()
}

// EndpointService is the name of a service, e.g. "s3", as endpoints of VPCs call it:
// "com.amazonaws.eu-paris-1.s3".
func (p Place) EndpointService(service string) string {
	return "com.amazonaws." + p.Region + "." + service
}

// ZoneID is the zone's identifier that is the same in every account: for
// "eu-paris-1b" it is "eup1-az2". Empty for a zone that is not of this place.
func (p Place) ZoneID(zone string) string {
	i := slices.Index(p.Zones, zone)
	if i < 0 {
		return ""
	}
	area, rest, _ := strings.Cut(p.Region, "-")
	var short strings.Builder
	short.WriteString(area)
	for word := range strings.SplitSeq(rest, "-") {
		if word != "" {
			short.WriteString(word[:1])
		}
	}
	return fmt.Sprintf("%s-az%d", short.String(), i+1)
}
