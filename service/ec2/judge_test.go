package ec2

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// launchKinds are the resources that every launch with a key pair is about.
var launchKinds = []string{"image", "instance", "volume", "network-interface", "subnet", "security-group", "key-pair"}

// launching are statements that allow a launch, one for each kind of resource.
func launching(change ...func(kind string) string) []string {
	var all []string
	for _, kind := range launchKinds {
		s := may("ec2:RunInstances", kind+"/*")
		if len(change) > 0 {
			s = change[0](kind)
		}
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}

// A launch is refused if any one of its resources is not allowed, before
// anything is written; a dry run tells the same.
func TestLaunchNeedsEachResource(t *testing.T) {
	r := newJudgeRig(t)
	request := func(dry bool) *runIn {
		return r.request(func(in *runIn) { in.KeyName, in.DryRun = new("key"), &dry })
	}
	whole := r.user(launching()...)
	_, err := r.RunInstances(whole, request(true))
	want(t, "all are allowed", err, "DryRunOperation")
	_, err = r.RunInstances(whole, request(false))
	want(t, "all are allowed", err, "")
	before := r.DB.View().Revision()
	for _, missing := range launchKinds {
		users := map[string]context.Context{
			"not allowed": r.user(launching(func(kind string) string {
				if kind == missing {
					return ""
				}
				return may("ec2:RunInstances", kind+"/*")
			})...),
			"denied": r.user(append(launching(), mayNot("ec2:RunInstances", missing+"/*"))...),
		}
		before = r.DB.View().Revision()
		for how, user := range users {
			for _, dry := range []bool{true, false} {
				_, err := r.RunInstances(user, request(dry))
				want(t, missing+" is "+how, err, "UnauthorizedOperation")
				if arn := ":" + missing + "/"; err != nil && !strings.Contains(err.Error(), "not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:eu-paris-1:") ||
					!strings.Contains(err.Error(), arn) {
					t.Errorf("%s is %s: the message is %q", missing, how, err)
				}
			}
		}
	}
	if after := r.DB.View().Revision(); after != before {
		t.Errorf("a refused launch wrote: revision %d, then %d", before, after)
	}
}

// The conditions that tenants bound launches by.
func TestLaunchConditions(t *testing.T) {
	r := newJudgeRig(t)
	second := r.net.Subnets[1]
	r.update(func(tx *store.Tx) error {
		return subnetTable.Modify(tx, second.ID, func(n *cloud.Subnet) error { n.Tags = map[string]string{"env": "test"}; return nil })
	})
	conditions := func(of string, condition string) context.Context {
		return r.user(launching(func(kind string) string {
			if kind == of {
				return may("ec2:RunInstances", kind+"/*", condition)
			}
			return may("ec2:RunInstances", kind+"/*")
		})...)
	}
	elsewhere := func(in *runIn) { in.SubnetId = &second.ID }
	imds := func(tokens string) func(in *runIn) {
		return func(in *runIn) {
			in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{HttpTokens: &tokens, HttpPutResponseHopLimit: new(int32(2))}
		}
	}
	root := func(size int32, kind string) func(in *runIn) {
		return func(in *runIn) {
			in.BlockDeviceMappings = []ec2.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &ec2.EbsBlockDevice{VolumeSize: &size, VolumeType: &kind}}}
		}
	}
	anywhere := func(in *runIn) { in.SubnetId = nil } // the default subnet of the first zone
	for _, c := range []struct {
		kind, condition string
		yes, no         func(in *runIn)
	}{
		{"instance", equals("ec2:InstanceType", "t3.micro"), nil, func(in *runIn) { in.InstanceType = new("t3.nano") }},
		{"instance", equals("ec2:MetadataHttpTokens", "required"), imds("required"), imds("optional")},
		{"instance", `{"NumericLessThan":{"ec2:MetadataHttpPutResponseHopLimit":"2"}}`, nil, imds("required")},
		{"instance", equals("ec2:AvailabilityZone", r.Place.Zones[0]), anywhere, elsewhere},
		{"instance", equals("ec2:Tenancy", "default"), nil, nil},
		{"instance", equals("ec2:Region", "eu-paris-1"), nil, nil},
		{"instance", equals("aws:RequestedRegion", "eu-paris-1"), nil, nil},
		{"instance", `{"Bool":{"ec2:EbsOptimized":"false"}}`, nil, func(in *runIn) { in.EbsOptimized = new(true) }},
		{"instance", `{"Bool":{"ec2:IsLaunchTemplateResource":"false"}}`, nil, nil},
		{"volume", `{"NumericLessThanEquals":{"ec2:VolumeSize":"4"}}`, root(4, "gp3"), root(5, "gp3")},
		{"volume", equals("ec2:VolumeType", "gp3"), nil, root(4, "gp2")},
		{"subnet", equals("aws:ResourceTag/env", "test"), elsewhere, nil},
		{"subnet", equals("ec2:ResourceTag/env", "test"), elsewhere, nil},
		{"subnet", `{"ArnEquals":{"ec2:Vpc":"arn:aws:ec2:eu-paris-1:000000000001:vpc/` + r.net.VPC.ID + `"}}`, nil, nil},
		{"image", equals("ec2:Owner", "amazon"), nil, nil},
		{"image", equals("ec2:Owner", cloud.OperatorAccount), nil, nil},
		{"image", equals("ec2:ResourceTag/Name", "tiny"), nil, nil},
		{"image", `{"Bool":{"ec2:Public":"true"}}`, nil, nil},
		{"network-interface", `{"Bool":{"ec2:AssociatePublicIpAddress":"true"}}`, nil, func(in *runIn) {
			in.SubnetId = nil
			in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{DeviceIndex: new(int32(0)), AssociatePublicIpAddress: new(false)}}
		}},
		{"network-interface", `{"ArnEquals":{"ec2:Subnet":"arn:aws:ec2:eu-paris-1:000000000001:subnet/` + second.ID + `"}}`, elsewhere, nil},
		{"key-pair", equals("ec2:KeyPairName", "key"), func(in *runIn) { in.KeyName = new("key") }, nil},
	} {
		user := conditions(c.kind, c.condition)
		launch := func(change func(*runIn)) error {
			_, err := r.RunInstances(user, r.request(func(in *runIn) {
				in.DryRun = new(true)
				if change != nil {
					change(in)
				}
			}))
			return err
		}
		want(t, c.kind+" if "+c.condition, launch(c.yes), "DryRunOperation")
		if c.no != nil || c.yes != nil && c.kind != "key-pair" {
			want(t, c.kind+" unless "+c.condition, launch(c.no), "UnauthorizedOperation")
		}
	}
}

// Tags that something is made with want permission to create tags, which may be
// bound to the making.
func TestTagsOnCreation(t *testing.T) {
	r := newJudgeRig(t)
	tagged := r.request(func(in *runIn) {
		in.TagSpecifications = slices.Concat(tagSpec("instance", "team", "blue"), tagSpec("volume", "cost", "1"))
	})
	for _, c := range []struct {
		what, code string
		more       []string
	}{
		{"no permission for tags", "UnauthorizedOperation", nil},
		{"permission", "", []string{may("ec2:CreateTags", "*")}},
		{"while launching", "", []string{may("ec2:CreateTags", "*", equals("ec2:CreateAction", "RunInstances"))}},
		{"while another is made", "UnauthorizedOperation", []string{may("ec2:CreateTags", "*", equals("ec2:CreateAction", "CreateVolume"))}},
		{"on instances alone", "UnauthorizedOperation", []string{may("ec2:CreateTags", "instance/*")}},
		{"on each", "", []string{may("ec2:CreateTags", "instance/*"), may("ec2:CreateTags", "volume/*")}},
		{"of other tags", "UnauthorizedOperation", []string{may("ec2:CreateTags", "*", equals("aws:RequestTag/team", "red"))}},
		{"of these tags", "", []string{
			may("ec2:CreateTags", "instance/*", equals("aws:RequestTag/team", "blue")),
			may("ec2:CreateTags", "volume/*", `{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}}`),
		}},
		{"but the launch wants other tags", "UnauthorizedOperation", []string{
			may("ec2:CreateTags", "*"), mayNot("ec2:RunInstances", "instance/*", `{"StringNotEquals":{"aws:RequestTag/team":"red"}}`),
		}},
	} {
		_, err := r.RunInstances(r.user(append(launching(), c.more...)...), tagged)
		want(t, c.what, err, c.code)
	}
	bound := r.user(may("ec2:CreateVolume", "*", equals("aws:RequestTag/team", "blue")), may("ec2:CreateTags", "*", equals("ec2:CreateAction", "CreateVolume")))
	create := func(specs []ec2.TagSpecification) (string, error) {
		v, err := r.CreateVolume(bound, &ec2.CreateVolumeRequest{AvailabilityZone: &r.Place.Zones[0], Size: new(int32(1)), TagSpecifications: specs})
		if err != nil {
			return "", err
		}
		return *v.VolumeId, nil
	}
	_, err := create(nil)
	want(t, "without the tag", err, "UnauthorizedOperation")
	_, err = create(tagSpec("volume", "team", "red"))
	want(t, "with another value", err, "UnauthorizedOperation")
	id, err := create(tagSpec("volume", "team", "blue"))
	want(t, "with the tag", err, "")
	_, err = r.CreateTags(bound, &ec2.CreateTagsRequest{Resources: []string{id}, Tags: tags("team", "red")})
	want(t, "tagged later", err, "UnauthorizedOperation")
}

// What is there is judged by its tags; what is not there, or is another's, as
// something without tags, so that the answers do not tell the three apart.
func TestResourceTags(t *testing.T) {
	r := newJudgeRig(t)
	blue := r.user(may("ec2:*", "*", equals("aws:ResourceTag/team", "blue")), may("ec2:Describe*", "*"))
	volume := func(ctx context.Context, value string) string {
		v := must(r.CreateVolume(ctx, &ec2.CreateVolumeRequest{AvailabilityZone: &r.Place.Zones[0], Size: new(int32(1)), TagSpecifications: tagSpec("volume", "team", value)}))(t)
		return *v.VolumeId
	}
	mine, other, bobs := volume(r.ctx, "blue"), volume(r.ctx, "red"), volume(r.bob, "blue")
	const nothing = "vol-00000000000000009"
	remove := func(ctx context.Context, id string) error {
		_, err := r.DeleteVolume(ctx, &ec2.DeleteVolumeRequest{VolumeId: &id})
		return err
	}
	sealed := regexp.MustCompile(`(vol-[0-9a-f]+|Encoded authorization failure message: \S+)`)
	var words []string
	for what, id := range map[string]string{"tagged otherwise": other, "not there": nothing, "another account's": bobs} {
		err := remove(blue, id)
		want(t, what, err, "UnauthorizedOperation")
		words = append(words, sealed.ReplaceAllString(err.Error(), "…"))
	}
	if len(slices.Compact(words)) != 1 {
		t.Errorf("the refusals differ: %q", words)
	}
	want(t, "not there, for one who may", remove(r.ctx, nothing), "InvalidVolume.NotFound")
	want(t, "another's, for one who may", remove(r.ctx, bobs), "InvalidVolume.NotFound")
	_, err := r.CreateTags(blue, &ec2.CreateTagsRequest{Resources: []string{mine, other}, Tags: tags("k", "v")})
	want(t, "one of two", err, "UnauthorizedOperation")
	_, err = r.DeleteTags(blue, &ec2.DeleteTagsRequest{Resources: []string{mine}, Tags: tags("k", "v")})
	want(t, "its own tag", err, "")
	_, err = r.CreateTags(blue, &ec2.CreateTagsRequest{Resources: []string{mine, "junk"}, Tags: tags("k", "v")})
	want(t, "with an ID of no kind", err, "UnauthorizedOperation")
	want(t, "its own", remove(blue, mine), "")
	out := must(r.DescribeVolumes(blue, &ec2.DescribeVolumesRequest{}))(t)
	if len(out.Volumes) != 2 {
		t.Errorf("got %d volumes", len(out.Volumes))
	}
}

// Attributes are bound by name and value, and addresses by what they lead to.
func TestAttributeConditions(t *testing.T) {
	r := newJudgeRig(t)
	id := r.running()
	keep := r.user(may("ec2:ModifyInstanceAttribute", "instance/*", equals("ec2:Attribute/DisableApiTermination", "true")))
	_, err := r.ModifyInstanceAttribute(keep, &modifyIn{InstanceId: &id, DisableApiTermination: yes(true)})
	want(t, "protect", err, "")
	_, err = r.ModifyInstanceAttribute(keep, &modifyIn{InstanceId: &id, Attribute: new("disableApiTermination"), Value: new("false")})
	want(t, "unprotect", err, "UnauthorizedOperation")
	_, err = r.ModifyInstanceAttribute(keep, &modifyIn{InstanceId: &id, EbsOptimized: yes(true)})
	want(t, "another attribute", err, "UnauthorizedOperation")

	strict := r.user(may("ec2:ModifyInstanceMetadataOptions", "*"), mayNot("ec2:ModifyInstanceMetadataOptions", "*", equals("ec2:Attribute/HttpTokens", "optional")))
	_, err = r.ModifyInstanceMetadataOptions(strict, &ec2.ModifyInstanceMetadataOptionsRequest{InstanceId: &id, HttpTokens: new("optional")})
	want(t, "IMDSv1", err, "UnauthorizedOperation")
	_, err = r.ModifyInstanceMetadataOptions(strict, &ec2.ModifyInstanceMetadataOptionsRequest{InstanceId: &id, HttpTokens: new("required")})
	want(t, "IMDSv2", err, "")

	address := must(r.AllocateAddress(r.ctx, &ec2.AllocateAddressRequest{}))(t)
	half := r.user(may("ec2:AssociateAddress", "elastic-ip/*"))
	_, err = r.AssociateAddress(half, &ec2.AssociateAddressRequest{AllocationId: address.AllocationId, InstanceId: &id})
	want(t, "the address alone", err, "UnauthorizedOperation")
	both := r.user(may("ec2:AssociateAddress", "elastic-ip/*", equals("ec2:PublicIpAddress", *address.PublicIp)), may("ec2:AssociateAddress", "instance/"+id))
	_, err = r.AssociateAddress(both, &ec2.AssociateAddressRequest{AllocationId: address.AllocationId, InstanceId: &id})
	want(t, "both", err, "")
}

// The encoded message of a refusal can be opened by its account, and by no other.
func TestRefusalsAreExplained(t *testing.T) {
	r := newJudgeRig(t)
	user := r.user(may("ec2:RunInstances", "*", equals("ec2:InstanceType", "t3.nano")))
	_, err := r.RunInstances(user, r.request())
	var refused *cloud.Error
	if !errors.As(err, &refused) || refused.Code != "UnauthorizedOperation" || refused.HTTPStatus() != 403 {
		t.Fatalf("got %v", err)
	}
	_, encoded, ok := strings.Cut(refused.Message, "Encoded authorization failure message: ")
	if !ok {
		t.Fatalf("the message is %q", refused.Message)
	}
	m, err := r.cloud.Decode(alice, encoded)
	if err != nil {
		t.Fatal(err)
	}
	if m.Allowed || m.Context.Action != "ec2:RunInstances" || m.Context.Resource != "arn:aws:ec2:eu-paris-1::image/"+testImage {
		t.Errorf("got %+v", m.Context)
	}
	if !slices.Contains(m.Trace.Missing, "ec2:instancetype") {
		t.Errorf("missing keys: %v", m.Trace.Missing)
	}
	if _, err := r.cloud.Decode(bob, encoded); err == nil {
		t.Error("another account can read it")
	}
}

// A token that was used answers for those who may launch, and for nobody else.
func TestClientTokensDoNotPassPolicy(t *testing.T) {
	r := newJudgeRig(t)
	request := func() *runIn { return r.request(func(in *runIn) { in.ClientToken = new("once") }) }
	first := must(r.RunInstances(r.ctx, request()))(t)
	again := must(r.RunInstances(r.user(launching()...), request()))(t)
	if *again.Instances[0].InstanceId != *first.Instances[0].InstanceId {
		t.Error("the token made another instance")
	}
	_, err := r.RunInstances(r.user(may("ec2:Describe*", "*")), request())
	want(t, "one who may not", err, "UnauthorizedOperation")
	r.changeHost(hostA, func(h *cloud.Host) { h.VCPUs = 0 })
	again = must(r.RunInstances(r.ctx, request()))(t)
	if *again.Instances[0].InstanceId != *first.Instances[0].InstanceId {
		t.Error("the token made another instance when there was no room")
	}
}
