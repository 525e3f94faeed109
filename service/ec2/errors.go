package ec2

import (
	"errors"
	"strings"

	"github.com/vauban-cloud/vauban/cloud"
)

// kind is how the API speaks of one kind of resource: clients compare these
// codes and words to the letter, and no rule derives one from another.
type kind struct {
	prefix    string // of its IDs
	name      string // as a resource type: in ARNs, tag specifications, DescribeTags
	malformed string // code for an ID that cannot be one
	notFound  string // code for an ID that names nothing
	one, many string // the sentences of notFound; "%" stands for the ID or IDs
	ids       string // the parameter that lists IDs, as an error calls it
}

// kinds are all kinds of resources, by the prefix of their IDs.
var kinds = []kind{
	{
		"i", "instance", "InvalidInstanceID.Malformed", "InvalidInstanceID.NotFound",
		"The instance ID '%' does not exist", "The instance IDs '%' do not exist", "instancesSet",
	},
	{
		"vol", "volume", "InvalidVolumeID.Malformed", "InvalidVolume.NotFound",
		"The volume '%' does not exist.", "The volumes '%' do not exist.", "volumeIds",
	},
	{
		"snap", "snapshot", "InvalidSnapshotID.Malformed", "InvalidSnapshot.NotFound",
		"The snapshot '%' does not exist.", "The snapshots '%' do not exist.", "snapshotIds",
	},
	{
		"ami", "image", "InvalidAMIID.Malformed", "InvalidAMIID.NotFound",
		"The image id '[%]' does not exist", "The image ids '[%]' do not exist", "imageIdsSet",
	},
	{
		"key", "key-pair", "InvalidKeyPairId.Malformed", "InvalidKeyPair.NotFound",
		"The key pair ID '%' does not exist", "The key pair IDs '%' do not exist", "KeyPairIds",
	},
	{
		"vpc", "vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound",
		"The vpc ID '%' does not exist", "The vpc IDs '%' do not exist", "VpcIds",
	},
	{
		"subnet", "subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound",
		"The subnet ID '%' does not exist", "The subnet IDs '%' do not exist", "SubnetIds",
	},
	{
		"rtb", "route-table", "InvalidRouteTableId.Malformed", "InvalidRouteTableID.NotFound",
		"The routeTable ID '%' does not exist", "The routeTable IDs '%' do not exist", "RouteTableIds",
	},
	{
		"igw", "internet-gateway", "InvalidInternetGatewayId.Malformed", "InvalidInternetGatewayID.NotFound",
		"The internetGateway ID '%' does not exist", "The internetGateway IDs '%' do not exist", "InternetGatewayIds",
	},
	{
		"eni", "network-interface", "InvalidNetworkInterfaceId.Malformed", "InvalidNetworkInterfaceID.NotFound",
		"The networkInterface ID '%' does not exist", "The networkInterface IDs '%' do not exist", "NetworkInterfaceIds",
	},
	{
		"sg", "security-group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound",
		"The security group '%' does not exist", "The security groups '%' do not exist", "GroupIds",
	},
	{
		"sgr", "security-group-rule", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound",
		"The security group rule ID '%' does not exist", "The security group rule IDs '%' do not exist", "SecurityGroupRuleIds",
	},
	{
		"eipalloc", "elastic-ip", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound",
		"The allocation ID '%' does not exist", "The allocation IDs '%' do not exist", "AllocationIds",
	},
	{
		"eipassoc", "", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound",
		"The association ID '%' does not exist", "The association IDs '%' do not exist", "",
	},
	{
		"pl", "prefix-list", "InvalidPrefixListId.Malformed", "InvalidPrefixListID.NotFound",
		"The prefix list ID '%' does not exist", "The prefix list IDs '%' do not exist", "PrefixListIds",
	},
	{
		"eigw", "egress-only-internet-gateway", "InvalidEgressOnlyInternetGatewayId.Malformed", "InvalidEgressOnlyInternetGatewayId.NotFound",
		"The egressOnlyInternetGateway ID '%' does not exist", "The egressOnlyInternetGateway IDs '%' do not exist", "EgressOnlyInternetGatewayIds",
	},
	{
		"nat", "natgateway", "NatGatewayMalformed", "NatGatewayNotFound",
		"NAT gateway % was not found", "NAT gateways % were not found", "NatGatewayIds",
	},
	{
		"dopt", "dhcp-options", "InvalidDhcpOptionsId.Malformed", "InvalidDhcpOptionID.NotFound",
		"The dhcpOption ID '%' does not exist", "The dhcpOption IDs '%' do not exist", "DhcpOptionsIds",
	},
	{
		"vpce", "vpc-endpoint", "InvalidVpcEndpointId.Malformed", "InvalidVpcEndpointId.NotFound",
		"The Vpc Endpoint Id '%' does not exist", "The Vpc Endpoint Ids '%' do not exist", "VpcEndpointIds",
	},
	{
		"rtbassoc", "", "InvalidRouteTableAssociationId.Malformed", "InvalidAssociationID.NotFound",
		"The association ID '%' does not exist", "The association IDs '%' do not exist", "",
	},
	{
		"eni-attach", "", "InvalidAttachmentID.Malformed", "InvalidAttachmentID.NotFound",
		"The network interface attachment ID '%' does not exist", "The network interface attachment IDs '%' do not exist", "",
	},
	{
		"acl", "network-acl", "InvalidNetworkAclId.Malformed", "InvalidNetworkAclID.NotFound",
		"The networkAcl ID '%' does not exist", "The networkAcl IDs '%' do not exist", "NetworkAclIds",
	},
	{
		"aclassoc", "", "InvalidAssociationID.Malformed", "InvalidAssociationID.NotFound",
		"The association ID '%' does not exist", "The association IDs '%' do not exist", "",
	},
	{
		"pcx", "vpc-peering-connection", "InvalidVpcPeeringConnectionId.Malformed", "InvalidVpcPeeringConnectionID.NotFound",
		"The vpcPeeringConnection ID '%' does not exist", "The vpcPeeringConnection IDs '%' do not exist", "VpcPeeringConnectionIds",
	},
	{
		"fl", "vpc-flow-log", "InvalidFlowLogId.Malformed", "InvalidFlowLogId.NotFound",
		"These flow log ids in the input list are not found: [TotalCount: 1] %", "These flow log ids in the input list are not found: %", "FlowLogIds",
	},
	{
		"import-snap", "import-snapshot-task", "InvalidConversionTaskId.Malformed", "InvalidConversionTaskId",
		"The specified import task '%' does not exist", "The specified import tasks '%' do not exist", "ImportTaskIds",
	},
	{
		"import-ami", "import-image-task", "InvalidConversionTaskId.Malformed", "InvalidConversionTaskId",
		"The specified import task '%' does not exist", "The specified import tasks '%' do not exist", "ImportTaskIds",
	},
	{
		"export-ami", "export-image-task", "InvalidExportTaskID.Malformed", "InvalidExportTaskID.NotFound",
		"The specified export task '%' does not exist", "The specified export tasks '%' do not exist", "ExportImageTaskIds",
	},
	{
		"r", "reservation", "InvalidReservationID.Malformed", "InvalidReservationID.NotFound",
		"The reservation ID '%' does not exist", "The reservation IDs '%' do not exist", "",
	},
}

// kindOf returns the kind whose IDs begin with prefix (without the dash). An
// unknown prefix is a mistake in this package.
func kindOf(prefix string) kind {
	for _, k := range kinds {
		if k.prefix == prefix {
			return k
		}
	}
	panic("ec2: no kind of resource has IDs " + prefix + "-…")
}

// malformed is the error for an ID that cannot name a resource of the kind.
func malformed(prefix, id string) error {
	words := `Invalid id: "` + id + `"`
	if !strings.HasPrefix(id, prefix+"-") {
		words += ` (expecting "` + prefix + `-...")`
	}
	return &cloud.Error{Code: kindOf(prefix).malformed, Message: words}
}

// notFound is the error for IDs of a kind that name nothing the caller can see.
func notFound(prefix string, ids ...string) error {
	k := kindOf(prefix)
	sentence := k.one
	if len(ids) > 1 {
		sentence = k.many
	}
	return &cloud.Error{Code: k.notFound, Message: strings.Replace(sentence, "%", strings.Join(ids, ", "), 1)}
}

// checkIDs returns the malformed error for the first ID that is no ID of the kind.
func checkIDs(prefix string, ids ...string) error {
	for _, id := range ids {
		if !cloud.ValidID(prefix, id) {
			return malformed(prefix, id)
		}
	}
	return nil
}

// notWithIDs is the error for a page size together with explicit IDs. The
// networking half of the API writes parameters in upper camel case.
func notWithIDs(prefix string) error {
	ids, maxResults := kindOf(prefix).ids, "maxResults"
	if 'A' <= ids[0] && ids[0] <= 'Z' {
		maxResults = "MaxResults"
	}
	return cloud.Errorf("InvalidParameterCombination", "The parameter %s cannot be used with the parameter %s", ids, maxResults)
}

// missing is the error for a required parameter that is absent or empty.
func missing(parameter string) error {
	return cloud.Errorf("MissingParameter", "The request must contain the parameter %s", parameter)
}

// invalid is the error for a parameter whose value cannot be used; why is a
// sentence that names the remedy.
func invalid(parameter, value, why string) error {
	return cloud.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", value, parameter, why)
}

// isRefusal reports whether an error is one that callers are told of.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*cloud.Error](err)
	return ok
}
