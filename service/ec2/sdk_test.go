package ec2

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/gateway"
)

// keys gives every access key to alice.
type keys struct{}

func (keys) Lookup(context.Context, string, string) (gateway.Credential, error) {
	return gateway.Credential{Secret: "secret", Caller: cloud.Caller{Account: alice, ARN: "arn:aws:iam::" + alice + ":root"}}, nil
}

// client is the real SDK, talking to the rig over HTTP as alice.
func (r *rig) client() *sdk.Client {
	r.Helper()
	g, err := gateway.New(gateway.Config{
		Region: r.Place.Region, Endpoints: []gateway.Endpoint{{API: ec2.API(), Impl: r.Service}},
		Credentials: keys{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	server := httptest.NewServer(g)
	r.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: r.Place.Region, BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDALICE", "secret", ""),
		Retryer:     aws.NopRetryer{},
	})
}

// apiCode is the code that the SDK understood.
func apiCode(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestSDKDescribesTheNetwork(t *testing.T) {
	r := newRig(t)
	c := r.client()
	zones := must(c.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{}))(t)
	if len(zones.AvailabilityZones) != 2 || *zones.AvailabilityZones[1].ZoneId != "eup1-az2" || zones.AvailabilityZones[0].State != types.AvailabilityZoneStateAvailable {
		t.Errorf("zones are %+v", zones.AvailabilityZones)
	}
	vpcs := must(c.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{Filters: []types.Filter{{Name: new("is-default"), Values: []string{"true"}}}}))(t)
	vpc := vpcs.Vpcs[0]
	if *vpc.VpcId != r.net.VPC.ID || !*vpc.IsDefault {
		t.Errorf("VPC is %+v", vpc)
	}
	attribute := must(c.DescribeVpcAttribute(t.Context(), &sdk.DescribeVpcAttributeInput{VpcId: vpc.VpcId, Attribute: types.VpcAttributeNameEnableDnsHostnames}))(t)
	if !*attribute.EnableDnsHostnames.Value {
		t.Error("host names are off")
	}
	subnets := must(c.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: []types.Filter{{Name: new("vpc-id"), Values: []string{*vpc.VpcId}}}}))(t)
	if len(subnets.Subnets) != 2 || *subnets.Subnets[0].AvailableIpAddressCount != 4091 {
		t.Errorf("subnets are %+v", subnets.Subnets)
	}
	tables := must(c.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: []types.Filter{{Name: new("association.main"), Values: []string{"true"}}}}))(t)
	if len(tables.RouteTables) != 1 || *tables.RouteTables[0].Routes[1].DestinationCidrBlock != "0.0.0.0/0" || tables.RouteTables[0].Routes[1].State != types.RouteStateActive {
		t.Errorf("route tables are %+v", tables.RouteTables)
	}
	gateways := must(c.DescribeInternetGateways(t.Context(), &sdk.DescribeInternetGatewaysInput{}))(t)
	if *gateways.InternetGateways[0].Attachments[0].VpcId != *vpc.VpcId {
		t.Errorf("gateways are %+v", gateways.InternetGateways)
	}
	attributes := must(c.DescribeAccountAttributes(t.Context(), &sdk.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{types.AccountAttributeNameDefaultVpc}}))(t)
	if *attributes.AccountAttributes[0].AttributeValues[0].AttributeValue != *vpc.VpcId {
		t.Errorf("attributes are %+v", attributes.AccountAttributes)
	}
	for code, err := range map[string]error{
		"InvalidVpcID.NotFound":       second(c.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{r.bobs.VPC.ID}})),
		"InvalidSubnetID.Malformed":   second(c.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{SubnetIds: []string{"x"}})),
		"DryRunOperation":             second(c.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{DryRun: new(true)})),
		"InvalidPaginationToken":      second(c.DescribeTags(t.Context(), &sdk.DescribeTagsInput{NextToken: new("x")})),
		"InvalidParameterCombination": second(c.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{*vpc.VpcId}, MaxResults: new(int32(5))})),
	} {
		if apiCode(err) != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSDKManagesSecurityGroups(t *testing.T) {
	r := newRig(t)
	c := r.client()
	group := must(c.CreateSecurityGroup(t.Context(), &sdk.CreateSecurityGroupInput{
		GroupName: new("web"), Description: new("a group"), VpcId: &r.net.VPC.ID,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: []types.Tag{{Key: new("Name"), Value: new("web")}}}},
	}))(t)
	permission := func(port int32) types.IpPermission {
		return types.IpPermission{IpProtocol: new("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8"), Description: new("lan")}}}
	}
	var want []string
	for port := range int32(12) {
		out := must(c.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{permission(port)}}))(t)
		want = append(want, *out.SecurityGroupRules[0].SecurityGroupRuleId)
	}
	_, err := c.AuthorizeSecurityGroupIngress(t.Context(), &sdk.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{permission(3)}})
	if apiCode(err) != "InvalidPermission.Duplicate" {
		t.Errorf("duplicate: %v", err)
	}
	var got []string
	pages := sdk.NewDescribeSecurityGroupRulesPaginator(c, &sdk.DescribeSecurityGroupRulesInput{
		MaxResults: new(int32(5)), Filters: []types.Filter{{Name: new("group-id"), Values: []string{*group.GroupId}}},
	})
	n := 0
	for ; pages.HasMorePages(); n++ {
		for _, rule := range must(pages.NextPage(t.Context()))(t).SecurityGroupRules {
			if !*rule.IsEgress {
				got = append(got, *rule.SecurityGroupRuleId)
			}
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) || n != 3 {
		t.Errorf("%d pages have %q, want %q", n, got, want)
	}
	revoked := must(c.RevokeSecurityGroupIngress(t.Context(), &sdk.RevokeSecurityGroupIngressInput{GroupId: group.GroupId, SecurityGroupRuleIds: want[1:]}))(t)
	if len(revoked.RevokedSecurityGroupRules) != 11 || !*revoked.Return {
		t.Errorf("revoked %+v", revoked)
	}
	groups := must(c.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: new("tag:Name"), Values: []string{"w*"}}}}))(t)
	if len(groups.SecurityGroups) != 1 || len(groups.SecurityGroups[0].IpPermissions) != 1 || *groups.SecurityGroups[0].IpPermissions[0].IpRanges[0].Description != "lan" {
		t.Errorf("groups are %+v", groups.SecurityGroups)
	}
	deleted := must(c.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: group.GroupId}))(t)
	if !*deleted.Return {
		t.Errorf("deleted %+v", deleted)
	}
}

func TestSDKManagesAddressesAndTags(t *testing.T) {
	r := newRig(t)
	c := r.client()
	n := r.addInterface(cloud.NewID("i"), port{})
	address := must(c.AllocateAddress(t.Context(), &sdk.AllocateAddressInput{Domain: types.DomainTypeVpc}))(t)
	association := must(c.AssociateAddress(t.Context(), &sdk.AssociateAddressInput{AllocationId: address.AllocationId, NetworkInterfaceId: &n.ID}))(t)
	interfaces := must(c.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: new("association.public-ip"), Values: []string{*address.PublicIp}}},
	}))(t)
	if len(interfaces.NetworkInterfaces) != 1 || *interfaces.NetworkInterfaces[0].Association.AssociationId != *association.AssociationId {
		t.Errorf("interfaces are %+v", interfaces.NetworkInterfaces)
	}
	_, err := c.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{AllocationId: address.AllocationId})
	if apiCode(err) != "InvalidIPAddress.InUse" {
		t.Errorf("release: %v", err)
	}
	must(c.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{*address.AllocationId, n.ID}, Tags: []types.Tag{{Key: new("Name"), Value: new("front")}}}))(t)
	tags := must(c.DescribeTags(t.Context(), &sdk.DescribeTagsInput{Filters: []types.Filter{{Name: new("key"), Values: []string{"Name"}}}}))(t)
	if len(tags.Tags) != 2 || tags.Tags[0].ResourceType != types.ResourceTypeElasticIp || tags.Tags[1].ResourceType != types.ResourceTypeNetworkInterface {
		t.Errorf("tags are %+v", tags.Tags)
	}
	must(c.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: []string{n.ID}, Tags: []types.Tag{{Key: new("Name"), Value: new("front")}}}))(t)
	must(c.DisassociateAddress(t.Context(), &sdk.DisassociateAddressInput{AssociationId: association.AssociationId}))(t)
	must(c.ReleaseAddress(t.Context(), &sdk.ReleaseAddressInput{AllocationId: address.AllocationId}))(t)
	addresses := must(c.DescribeAddresses(t.Context(), &sdk.DescribeAddressesInput{}))(t)
	if len(addresses.Addresses) != 0 {
		t.Errorf("addresses are %+v", addresses.Addresses)
	}
}
