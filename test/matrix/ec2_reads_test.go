package matrix

import api "github.com/vauban-cloud/vauban/awsapi/ec2"

// ec2Reads are the operations that tell and change nothing. Most lists have no
// resource-level permissions; others' lists do not show what is Alice's.
var ec2Reads = table{
	"ec2:DescribeAccountAttributes":              list(&api.DescribeAccountAttributesRequest{}),
	"ec2:DescribeAddresses":                      list(&api.DescribeAddressesRequest{}),
	"ec2:DescribeAvailabilityZones":              list(&api.DescribeAvailabilityZonesRequest{}),
	"ec2:DescribeIamInstanceProfileAssociations": list(&api.DescribeIamInstanceProfileAssociationsRequest{}),
	"ec2:DescribeImages":                         list(&api.DescribeImagesRequest{}),
	"ec2:DescribeInstanceCreditSpecifications":   list(&api.DescribeInstanceCreditSpecificationsRequest{}),
	"ec2:DescribeInstanceStatus":                 list(&api.DescribeInstanceStatusRequest{}),
	"ec2:DescribeInstanceTypeOfferings":          list(&api.DescribeInstanceTypeOfferingsRequest{}),
	"ec2:DescribeInstanceTypes":                  list(&api.DescribeInstanceTypesRequest{}),
	"ec2:DescribeInstances":                      list(&api.DescribeInstancesRequest{}),
	"ec2:DescribeInternetGateways":               list(&api.DescribeInternetGatewaysRequest{}),
	"ec2:DescribeKeyPairs":                       list(&api.DescribeKeyPairsRequest{}),
	"ec2:DescribeNetworkInterfaces":              list(&api.DescribeNetworkInterfacesRequest{}),
	"ec2:DescribeAddressesAttribute":             list(&api.DescribeAddressesAttributeRequest{}),
	"ec2:DescribeDhcpOptions":                    list(&api.DescribeDhcpOptionsRequest{}),
	"ec2:DescribeEgressOnlyInternetGateways":     list(&api.DescribeEgressOnlyInternetGatewaysRequest{}),
	"ec2:DescribeNatGateways":                    list(&api.DescribeNatGatewaysRequest{}),
	"ec2:DescribeVpcEndpointServices":            list(&api.DescribeVpcEndpointServicesRequest{}),
	"ec2:DescribeVpcEndpoints":                   list(&api.DescribeVpcEndpointsRequest{}),
	"ec2:DescribeRegions":                        list(&api.DescribeRegionsRequest{}),
	"ec2:DescribeRouteTables":                    list(&api.DescribeRouteTablesRequest{}),
	"ec2:DescribeSecurityGroupRules":             list(&api.DescribeSecurityGroupRulesRequest{}),
	"ec2:DescribeSecurityGroups":                 list(&api.DescribeSecurityGroupsRequest{}),
	"ec2:DescribeSubnets":                        list(&api.DescribeSubnetsRequest{}),
	"ec2:DescribeTags":                           list(&api.DescribeTagsRequest{}),
	"ec2:DescribeVolumeStatus":                   list(&api.DescribeVolumeStatusRequest{}),
	"ec2:DescribeSnapshots":                      list(&api.DescribeSnapshotsRequest{}),
	"ec2:DescribeVolumesModifications":           list(&api.DescribeVolumesModificationsRequest{}),
	"ec2:GetEbsEncryptionByDefault":              list(&api.GetEbsEncryptionByDefaultRequest{}),
	"ec2:GetEbsDefaultKmsKeyId":                  list(&api.GetEbsDefaultKmsKeyIdRequest{}),
	"ec2:DescribeVolumes":                        list(&api.DescribeVolumesRequest{}),
	"ec2:DescribeVpcs":                           list(&api.DescribeVpcsRequest{}),
	"ec2:DescribeInstanceAttribute": func(w *world) row {
		i := w.instance()
		return row{
			in:    &api.DescribeInstanceAttributeRequest{InstanceId: &i, Attribute: new("userData")},
			needs: []need{on(w.arn(i), blue, "blue", "ec2:InstanceType", "t3.nano")},
			other: "InvalidInstanceID.NotFound",
		}
	},
	"ec2:DescribeVpcAttribute": func(w *world) row {
		return row{
			in:    &api.DescribeVpcAttributeRequest{VpcId: &w.net.VPC.ID, Attribute: new("enableDnsSupport")},
			needs: []need{on(w.arn(w.net.VPC.ID), blue, "blue", "ec2:VpcID", w.net.VPC.ID)},
			other: "InvalidVpcID.NotFound",
		}
	},
	"ec2:GetConsoleOutput": func(w *world) row {
		i := w.instance()
		return row{
			in:    &api.GetConsoleOutputRequest{InstanceId: &i},
			needs: []need{on(w.arn(i), blue, "blue", "ec2:InstanceID", i)},
			other: "InvalidInstanceID.NotFound",
		}
	},
}

// list is the row of an operation that lists what its caller has.
func list(in any) func(*world) row {
	return func(w *world) row {
		w.everything()
		return row{in: in}
	}
}
