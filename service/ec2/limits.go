package ec2

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
)

// Limits are what an account may have. Zero is no limit.
type Limits struct {
	VCPUs int // of all its instances that are neither stopped nor terminated

	VPCs             int
	Ranges           int // IPv4 ranges of a VPC, and as many of IPv6
	Subnets          int // of a VPC
	RouteTables      int // of a VPC
	Routes           int // of a route table; one to a prefix list counts as many as the list may have entries
	InternetGateways int
	EgressGateways   int // egress-only internet gateways
	NATGateways      int // of a zone
	DHCPOptions      int
	Endpoints        int // gateway endpoints
}

// DefaultLimits are those that accounts have on AWS unless they ask for more, but
// that vCPUs have no limit:
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
func DefaultLimits() Limits {
	return Limits{
		VPCs: 5, Ranges: 5, Subnets: 200, RouteTables: 200, Routes: 500, InternetGateways: 5, EgressGateways: 5,
		NATGateways: 5, DHCPOptions: 1000, Endpoints: 20,
	}
}

// names are the limits by the names that operators use.
func (l *Limits) names() map[string]*int {
	return map[string]*int{
		"vcpus": &l.VCPUs, "vpcs": &l.VPCs, "ranges": &l.Ranges, "subnets": &l.Subnets, "route-tables": &l.RouteTables, "routes": &l.Routes,
		"internet-gateways": &l.InternetGateways, "egress-gateways": &l.EgressGateways, "nat-gateways": &l.NATGateways,
		"dhcp-options": &l.DHCPOptions, "endpoints": &l.Endpoints,
	}
}

// Set sets one limit by a word such as "vpcs=20"; 0 is no limit.
func (l *Limits) Set(word string) error {
	name, value, _ := strings.Cut(word, "=")
	limit, ok := l.names()[name]
	n, err := strconv.Atoi(value)
	if !ok || err != nil || n < 0 {
		return fmt.Errorf("%q is not NAME=NUMBER: the names are %s; 0 is no limit", word, strings.Join(slices.Sorted(maps.Keys(l.names())), ", "))
	}
	*limit = n
	return nil
}

// within refuses another one where there are so many already and no more than limit
// are allowed; code is the API's, what in the plural.
func within(limit, have int, code, what string) error {
	return withinSum(limit, have, 1, code, what)
}

// withinSum is within for several at once.
func withinSum(limit, have, more int, code, what string) error {
	if limit > 0 && have+more > limit {
		return cloud.Errorf(code, "The maximum number of %s has been reached: the limit is %d. Delete some, or ask the operator for a higher limit.", what, limit)
	}
	return nil
}
