package e2e_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestGoSDK has version 2 of the Go SDK drive one cloud.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	s := sdk{c, c.EC2(), c.Tiny()}
	t.Run("life", s.life)
	t.Run("tags", s.tags)
	t.Run("pages", s.pages)
	t.Run("errors", s.errors)
	t.Run("unsupported", s.unsupported)
}

// sdk is a client of one cloud, and an image there.
type sdk struct {
	c     *e2e.Cloud
	ec2   *ec2.Client
	image string
}

// must returns a result that there must be.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// codeOf returns the code of an API error, "" for none, and the text of others.
func codeOf(err error) string {
	switch api, ok := errors.AsType[smithy.APIError](err); {
	case err == nil:
		return ""
	case ok:
		return api.ErrorCode()
	}
	return err.Error()
}

const patience = 3 * time.Minute // of a waiter

// soon are the options of waiters that look every second.
func soon[T ec2.InstanceRunningWaiterOptions | ec2.InstanceStoppedWaiterOptions | ec2.InstanceTerminatedWaiterOptions | ec2.InstanceStatusOkWaiterOptions](o *T) {
	switch o := any(o).(type) {
	case *ec2.InstanceRunningWaiterOptions:
		o.MinDelay, o.MaxDelay = time.Second, time.Second
	case *ec2.InstanceStoppedWaiterOptions:
		o.MinDelay, o.MaxDelay = time.Second, time.Second
	case *ec2.InstanceTerminatedWaiterOptions:
		o.MinDelay, o.MaxDelay = time.Second, time.Second
	case *ec2.InstanceStatusOkWaiterOptions:
		o.MinDelay, o.MaxDelay = time.Second, time.Second
	}
}

func tag(kind types.ResourceType, key, value string) types.TagSpecification {
	return types.TagSpecification{ResourceType: kind, Tags: []types.Tag{{Key: &key, Value: &value}}}
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// life runs an instance from its launch to its end.
func (s sdk) life(t *testing.T) {
	ctx := t.Context()
	out := must(s.ec2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: &s.image, InstanceType: types.InstanceTypeT2Nano, MinCount: new(int32(1)), MaxCount: new(int32(1)),
		UserData:            aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho hello from the guest"))),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/sdb"), Ebs: &types.EbsBlockDevice{VolumeSize: new(int32(1)), DeleteOnTermination: new(false)}}},
		MetadataOptions:     &types.InstanceMetadataOptionsRequest{HttpTokens: types.HttpTokensStateRequired},
		TagSpecifications: []types.TagSpecification{
			tag(types.ResourceTypeInstance, "Name", "life"), tag(types.ResourceTypeVolume, "Name", "life-disk"), tag(types.ResourceTypeNetworkInterface, "Name", "life-port"),
		},
	}))(t)
	id := *out.Instances[0].InstanceId
	if state := out.Instances[0].State.Name; state != types.InstanceStateNamePending {
		t.Errorf("at launch it is %s", state)
	}
	describe := &ec2.DescribeInstancesInput{InstanceIds: []string{id}}
	now := func() types.Instance {
		return must(s.ec2.DescribeInstances(ctx, describe))(t).Reservations[0].Instances[0]
	}
	running := func() {
		if err := ec2.NewInstanceRunningWaiter(s.ec2, soon).Wait(ctx, describe, patience); err != nil {
			t.Fatal(err)
		}
	}
	running()
	i := now()
	if i.MetadataOptions.HttpTokens != types.HttpTokensStateRequired || i.PublicIpAddress == nil || len(i.BlockDeviceMappings) != 2 || *i.Tags[0].Value != "life" {
		t.Errorf("it runs as %+v", i)
	}
	for name, n := range map[string]int{"life-d?sk": 2, "*-port": 1, "life": 1, "?": 0} {
		if found := must(s.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: filter("value", name)}))(t).Tags; len(found) != n {
			t.Errorf("%d tags of value %s, want %d", len(found), name, n)
		}
	}
	status := &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}}
	if err := ec2.NewInstanceStatusOkWaiter(s.ec2, soon).Wait(ctx, status, patience); err != nil {
		t.Fatal(err)
	}
	s.c.Eventually("the console has what user data said", time.Minute, func() error {
		out, err := s.ec2.GetConsoleOutput(ctx, &ec2.GetConsoleOutputInput{InstanceId: &id, Latest: new(true)})
		if err != nil {
			return err
		}
		text, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
		if err != nil {
			return err
		}
		return contains(string(text), "hello from the guest")
	})

	must(s.ec2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}}))(t)
	if err := ec2.NewInstanceStoppedWaiter(s.ec2, soon).Wait(ctx, describe, patience); err != nil {
		t.Fatal(err)
	}
	if i := now(); i.PublicIpAddress != nil || *i.StateReason.Code != "Client.UserInitiatedShutdown" {
		t.Errorf("it stopped as %+v", i)
	}
	must(s.ec2.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, InstanceType: &types.AttributeValue{Value: new("t2.micro")}}))(t)
	must(s.ec2.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: new(true)}}))(t)
	must(s.ec2.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}}))(t)
	running()
	if i := now(); i.InstanceType != types.InstanceTypeT2Micro || i.PublicIpAddress == nil {
		t.Errorf("it runs again as %+v", i)
	}
	must(s.ec2.RebootInstances(ctx, &ec2.RebootInstancesInput{InstanceIds: []string{id}}))(t)

	terminate := &ec2.TerminateInstancesInput{InstanceIds: []string{id}}
	if _, err := s.ec2.TerminateInstances(ctx, terminate); codeOf(err) != "OperationNotPermitted" {
		t.Errorf("a protected instance is terminated: %v", err)
	}
	must(s.ec2.ModifyInstanceAttribute(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: new(false)}}))(t)
	must(s.ec2.TerminateInstances(ctx, terminate))(t)
	if err := ec2.NewInstanceTerminatedWaiter(s.ec2, soon).Wait(ctx, describe, patience); err != nil {
		t.Fatal(err)
	}
	s.c.Eventually("of its disks only the one to keep is left", 30*time.Second, func() error {
		left, err := s.ec2.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{Filters: filter("tag:Name", "life-disk")})
		if err != nil {
			return err
		}
		if len(left.Volumes) != 1 || left.Volumes[0].State != types.VolumeStateAvailable || *left.Volumes[0].Size != 1 {
			return errors.New("there are others")
		}
		_, err = s.ec2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: left.Volumes[0].VolumeId})
		return err
	})
	if left := must(s.ec2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: filter("tag:Name", "life-port")}))(t); len(left.NetworkInterfaces) > 0 {
		t.Errorf("its interface is left: %+v", left.NetworkInterfaces)
	}
}

// tags puts tags on everything that carries them, finds it by them, and takes
// them away.
func (s sdk) tags(t *testing.T) {
	ctx := t.Context()
	zone := must(s.ec2.DescribeAvailabilityZones(ctx, nil))(t).AvailabilityZones[0].ZoneName
	group := must(s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: new("tags"), Description: new("has tags")}))(t).GroupId
	rule := must(s.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: group, IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), CidrIp: new("192.0.2.0/24"),
	}))(t).SecurityGroupRules[0].SecurityGroupRuleId
	volume := must(s.ec2.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: zone, Size: new(int32(1))}))(t).VolumeId
	address := must(s.ec2.AllocateAddress(ctx, nil))(t).AllocationId
	key := must(s.ec2.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: new("tags"), KeyType: types.KeyTypeEd25519}))(t).KeyPairId
	vpc := must(s.ec2.DescribeVpcs(ctx, nil))(t).Vpcs[0].VpcId
	instance := fleet(t, s.ec2, s.image, "tags", 1)[0]
	all := map[string]string{ // resource types, by ID
		*group: "security-group", *rule: "security-group-rule", *volume: "volume", *address: "elastic-ip", *key: "key-pair", *vpc: "vpc", instance: "instance",
		*must(s.ec2.DescribeSubnets(ctx, nil))(t).Subnets[0].SubnetId:                            "subnet",
		*must(s.ec2.DescribeRouteTables(ctx, nil))(t).RouteTables[0].RouteTableId:                "route-table",
		*must(s.ec2.DescribeInternetGateways(ctx, nil))(t).InternetGateways[0].InternetGatewayId: "internet-gateway",
	}
	var ids []string
	for id := range all {
		ids = append(ids, id)
	}
	must(s.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: []types.Tag{
		{Key: new("cost/centre"), Value: new("42 <&> \"é\"")}, {Key: new("empty"), Value: new("")},
	}}))(t)
	by := filter("tag:cost/centre", "42*é?")
	seen := map[string]string{}
	for _, item := range must(s.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: by}))(t).Tags {
		seen[*item.ResourceId] = string(item.ResourceType)
		if *item.Key != "cost/centre" || *item.Value != "42 <&> \"é\"" {
			t.Errorf("tag of %s is %s=%s", *item.ResourceId, *item.Key, *item.Value)
		}
	}
	for id, kind := range all {
		if seen[id] != kind {
			t.Errorf("%s is listed as %q, want %q", id, seen[id], kind)
		}
	}
	s.describeByTag(t, by, all)
	must(s.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: []types.Tag{{Key: new("cost/centre"), Value: new("another value")}}}))(t)
	if left := must(s.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: by}))(t).Tags; len(left) != len(all) {
		t.Errorf("%d of %d are left after deleting tags of another value", len(left), len(all))
	}
	must(s.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: []types.Tag{{Key: new("cost/centre")}, {Key: new("empty")}}}))(t)
	if left := must(s.ec2.DescribeTags(ctx, &ec2.DescribeTagsInput{Filters: filter("resource-id", ids...)}))(t).Tags; len(left) != 1 || *left[0].Key != "fleet" {
		t.Errorf("left are %+v", left)
	}
	must(s.ec2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: volume}))(t)
	must(s.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address}))(t)
	must(s.ec2.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyPairId: key}))(t)
	must(s.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: group}))(t)
}

// describeByTag has each Describe operation find its one resource by a tag.
func (s sdk) describeByTag(t *testing.T, by []types.Filter, want map[string]string) {
	ctx := t.Context()
	var found []string
	add := func(id *string) { found = append(found, *id) }
	for _, r := range must(s.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{Filters: by}))(t).Reservations {
		add(r.Instances[0].InstanceId)
	}
	for _, v := range must(s.ec2.DescribeVolumes(ctx, &ec2.DescribeVolumesInput{Filters: by}))(t).Volumes {
		add(v.VolumeId)
	}
	for _, g := range must(s.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: by}))(t).SecurityGroups {
		add(g.GroupId)
	}
	for _, r := range must(s.ec2.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: by}))(t).SecurityGroupRules {
		add(r.SecurityGroupRuleId)
	}
	for _, a := range must(s.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: by}))(t).Addresses {
		add(a.AllocationId)
	}
	for _, k := range must(s.ec2.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: by}))(t).KeyPairs {
		add(k.KeyPairId)
	}
	for _, v := range must(s.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{Filters: by}))(t).Vpcs {
		add(v.VpcId)
	}
	for _, n := range must(s.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: by}))(t).Subnets {
		add(n.SubnetId)
	}
	for _, r := range must(s.ec2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: by}))(t).RouteTables {
		add(r.RouteTableId)
	}
	for _, g := range must(s.ec2.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: by}))(t).InternetGateways {
		add(g.InternetGatewayId)
	}
	for id := range want {
		if !slices.Contains(found, id) {
			t.Errorf("%s is not found by its tag", id)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d are found by a tag of %d", len(found), len(want))
	}
}

// pages lists reservations of several instances, five instances a page: each
// comes once, and a page's reservation has only the page's instances.
func (s sdk) pages(t *testing.T) {
	want := slices.Concat(fleet(t, s.ec2, s.image, "pages", 4), fleet(t, s.ec2, s.image, "pages", 4))
	var seen []string
	sizes := []int{}
	reservations := map[string]bool{}
	in := &ec2.DescribeInstancesInput{Filters: filter("tag:fleet", "page?"), MaxResults: new(int32(5))}
	pages := ec2.NewDescribeInstancesPaginator(s.ec2, in)
	for pages.HasMorePages() {
		before := len(seen)
		for _, r := range must(pages.NextPage(t.Context()))(t).Reservations {
			reservations[*r.ReservationId] = true
			for _, i := range r.Instances {
				seen = append(seen, *i.InstanceId)
			}
		}
		sizes = append(sizes, len(seen)-before)
	}
	slices.Sort(seen)
	slices.Sort(want)
	if !slices.Equal(seen, want) || !slices.Equal(sizes, []int{5, 3}) || len(reservations) != 2 {
		t.Errorf("pages of %v in %d reservations:\n got %v\nwant %v", sizes, len(reservations), seen, want)
	}
	page := must(s.ec2.DescribeInstances(t.Context(), in))(t)
	if _, err := s.ec2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{NextToken: page.NextToken, MaxResults: in.MaxResults}); codeOf(err) != "InvalidPaginationToken" {
		t.Errorf("another operation's token: %v", err)
	}
}

// errors looks at all that the SDK tells of an error.
func (s sdk) errors(t *testing.T) {
	_, err := s.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0", "i-0123456789abcdef1"}})
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("no API error: %v", err)
	}
	if api.ErrorCode() != "InvalidInstanceID.NotFound" || api.ErrorMessage() != "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist" {
		t.Errorf("error is %s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || response.HTTPStatusCode() != http.StatusBadRequest || len(response.ServiceRequestID()) != 36 {
		t.Errorf("response is %+v", response)
	}
	operation, ok := errors.AsType[*smithy.OperationError](err)
	if !ok || operation.Operation() != "DescribeInstances" {
		t.Errorf("operation is %+v", operation)
	}
}

// unsupported calls what is not there yet, which must say so and do nothing.
func (s sdk) unsupported(t *testing.T) {
	ctx := t.Context()
	users := iam.New(iam.Options{BaseEndpoint: aws.String("http://" + s.c.Addr), Region: s.ec2.Options().Region, Credentials: s.ec2.Options().Credentials, Retryer: aws.NopRetryer{}})
	for name, call := range map[string]func() error{
		"UnsupportedOperation DescribeHosts":           func() error { _, err := s.ec2.DescribeHosts(ctx, nil); return err },
		"UnsupportedOperation DescribeLaunchTemplates": func() error { _, err := s.ec2.DescribeLaunchTemplates(ctx, nil); return err },
		"InvalidAction ListSigningCertificates":        func() error { _, err := users.ListSigningCertificates(ctx, nil); return err },
		"InvalidAction CreateServiceSpecificCredential": func() error {
			_, err := users.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: new("nobody"), ServiceName: new("s3")})
			return err
		},
	} {
		if code, _, _ := strings.Cut(name, " "); codeOf(call()) != code {
			t.Errorf("%s: %v", name, call())
		}
	}
	if n := len(must(s.ec2.DescribeVpcs(ctx, nil))(t).Vpcs); n != 1 {
		t.Errorf("there are %d VPCs", n)
	}
}
