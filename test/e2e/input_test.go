package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestBadInput sends what must be refused: each with AWS's code for it, a
// message that says why, and nothing changed afterwards.
func TestBadInput(t *testing.T) {
	t.Parallel()
	f := furnish(t, e2e.Start(t))
	promised := f.promised(t)
	for _, group := range []struct {
		name  string
		cases []bad
	}{
		{"launches", f.badLaunches()},
		{"devices", f.badDevices()},
		{"capacity", f.tooLarge()},
		{"instances", f.badInstances()},
		{"volumes", f.badVolumes()},
		{"groups", f.badGroups()},
		{"rules", f.badRules()},
		{"tags", f.badTags()},
		{"keys", f.badKeys()},
		{"addresses", f.badAddresses()},
		{"descriptions", f.badDescriptions()},
		{"wire", f.badForms()},
	} {
		t.Run(group.name, func(t *testing.T) { f.refuses(t, group.cases) })
	}
	t.Run("nothing leaked", func(t *testing.T) {
		if now := f.promised(t); now != promised {
			t.Errorf("the host was %q, is %q", promised, now)
		}
		if n := len(f.c.Processes("qemu-system-x86_64")); n != 1 {
			t.Errorf("%d guests run, want 1", n)
		}
		if n := f.c.Taps(); n != 1 {
			t.Errorf("there are %d taps, want 1", n)
		}
		if n := f.c.Disks(); n != 4 {
			t.Errorf("there are %d disks, want 4", n)
		}
	})
}

// bad is a request that must be refused.
type bad struct {
	what string // e.g. "unknown volume"
	call func(context.Context) error
	code string
	says string // a part of the message, "" is any
}

// call is an operation of the SDK with its input.
func call[I, O any](operation func(context.Context, *I, ...func(*ec2.Options)) (*O, error), in *I) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := operation(ctx, in)
		return err
	}
}

// furniture is a cloud with one of everything, for requests to trip over.
type furniture struct {
	c     *e2e.Cloud
	ec2   *ec2.Client
	image string

	zone, otherZone             string
	vpc, subnet, otherSubnet    string // subnet lies in zone
	instance, dead              string // running and protected; terminated
	port, private               string // of the instance
	root, attached              string // volumes of the instance
	free, away                  string // volumes in zone and in otherZone
	group, groupRule, peerGroup string // the instance's; its one rule; a group that a rule of it names
	key                         string // name
	address, freeAddress        string // allocations; the former is the instance's
	public                      string // address of the former
}

func furnish(t *testing.T, c *e2e.Cloud) *furniture {
	ctx := t.Context()
	f := &furniture{c: c, ec2: c.EC2(), image: c.Tiny(), key: "taken"}
	f.dead = fleet(t, f.ec2, f.image, "dead", 1)[0]
	zones := must(f.ec2.DescribeAvailabilityZones(ctx, nil))(t).AvailabilityZones
	f.zone, f.otherZone = *zones[0].ZoneName, *zones[1].ZoneName
	for _, s := range must(f.ec2.DescribeSubnets(ctx, nil))(t).Subnets {
		f.vpc = *s.VpcId
		if *s.AvailabilityZone == f.zone {
			f.subnet = *s.SubnetId
		} else {
			f.otherSubnet = *s.SubnetId
		}
	}
	must(f.ec2.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: &f.key, KeyType: types.KeyTypeEd25519}))(t)
	newGroup := func(name string) string {
		return *must(f.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: &name, Description: &name}))(t).GroupId
	}
	f.group, f.peerGroup = newGroup("worn"), newGroup("peer")
	rules := must(f.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &f.group, IpPermissions: []types.IpPermission{
		permission("tcp", 22, 22, "192.0.2.0/24"),
		{IpProtocol: new("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &f.peerGroup}}},
	}}))(t).SecurityGroupRules
	f.groupRule = *rules[0].SecurityGroupRuleId
	newVolume := func(zone string) string {
		return *must(f.ec2.CreateVolume(ctx, &ec2.CreateVolumeInput{AvailabilityZone: &zone, Size: new(int32(1))}))(t).VolumeId
	}
	f.free, f.away = newVolume(f.zone), newVolume(f.otherZone)
	f.instance = *must(f.ec2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: &f.image, InstanceType: types.InstanceTypeT2Nano, MinCount: new(int32(1)), MaxCount: new(int32(1)), SubnetId: &f.subnet,
		SecurityGroupIds: []string{f.group}, KeyName: &f.key, DisableApiTermination: new(true), ClientToken: new("furniture"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: new("/dev/sdb"), Ebs: &types.EbsBlockDevice{VolumeSize: new(int32(1))}}},
	}))(t).Instances[0].InstanceId
	describe := &ec2.DescribeInstancesInput{InstanceIds: []string{f.instance}}
	if err := ec2.NewInstanceRunningWaiter(f.ec2, soon).Wait(ctx, describe, patience); err != nil {
		t.Fatal(err)
	}
	i := must(f.ec2.DescribeInstances(ctx, describe))(t).Reservations[0].Instances[0]
	f.port, f.private = *i.NetworkInterfaces[0].NetworkInterfaceId, *i.PrivateIpAddress
	for _, m := range i.BlockDeviceMappings {
		if *m.DeviceName == *i.RootDeviceName {
			f.root = *m.Ebs.VolumeId
		} else {
			f.attached = *m.Ebs.VolumeId
		}
	}
	taken := must(f.ec2.AllocateAddress(ctx, nil))(t)
	f.address, f.public = *taken.AllocationId, *taken.PublicIp
	f.freeAddress = *must(f.ec2.AllocateAddress(ctx, nil))(t).AllocationId
	must(f.ec2.AssociateAddress(ctx, &ec2.AssociateAddressInput{AllocationId: &f.address, InstanceId: &f.instance}))(t)
	if err := ec2.NewInstanceTerminatedWaiter(f.ec2, soon).Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{f.dead}}, patience); err != nil {
		t.Fatal(err)
	}
	c.Eventually("all is at rest", time.Minute, func() error {
		out, err := f.ec2.DescribeVolumes(ctx, nil)
		if err != nil {
			return err
		}
		for _, v := range out.Volumes {
			if v.State == types.VolumeStateCreating || len(v.Attachments) > 0 && v.Attachments[0].State != types.VolumeAttachmentStateAttached {
				return errors.New(*v.VolumeId + " is " + string(v.State))
			}
		}
		if len(out.Volumes) != 4 || c.Disks() != 4 {
			return errors.New("the dead instance's disk is still there")
		}
		return nil
	})
	return f
}

func permission(protocol string, from, to int32, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: &protocol, FromPort: &from, ToPort: &to}
	for _, c := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: &c})
	}
	return p
}

// promised is what the operator's status says of the room that is taken.
func (f *furniture) promised(t *testing.T) string {
	t.Helper()
	var status struct {
		Parts []struct{ Name, Detail string }
	}
	if err := json.Unmarshal([]byte(f.c.Vauban("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	for _, p := range status.Parts {
		if p.Name == "node" && strings.Contains(p.Detail, "promised") {
			return p.Detail
		}
	}
	t.Fatalf("the status does not say what is promised: %+v", status)
	return ""
}

// everything is all that the tenant can see, as JSON by operation.
func (f *furniture) everything(t *testing.T) map[string]string {
	t.Helper()
	ctx := t.Context()
	all := map[string]any{
		"instances":  must(f.ec2.DescribeInstances(ctx, nil))(t).Reservations,
		"volumes":    must(f.ec2.DescribeVolumes(ctx, nil))(t).Volumes,
		"interfaces": must(f.ec2.DescribeNetworkInterfaces(ctx, nil))(t).NetworkInterfaces,
		"groups":     must(f.ec2.DescribeSecurityGroups(ctx, nil))(t).SecurityGroups,
		"rules":      must(f.ec2.DescribeSecurityGroupRules(ctx, nil))(t).SecurityGroupRules,
		"keys":       must(f.ec2.DescribeKeyPairs(ctx, nil))(t).KeyPairs,
		"addresses":  must(f.ec2.DescribeAddresses(ctx, nil))(t).Addresses,
		"tags":       must(f.ec2.DescribeTags(ctx, nil))(t).Tags,
		"vpcs":       must(f.ec2.DescribeVpcs(ctx, nil))(t).Vpcs,
		"subnets":    must(f.ec2.DescribeSubnets(ctx, nil))(t).Subnets, // with the number of free addresses
	}
	for _, attribute := range []types.InstanceAttributeName{types.InstanceAttributeNameUserData, types.InstanceAttributeNameDisableApiTermination, types.InstanceAttributeNameInstanceInitiatedShutdownBehavior} {
		out := must(f.ec2.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &f.instance, Attribute: attribute}))(t)
		all[string(attribute)] = []any{out.UserData, out.DisableApiTermination, out.InstanceInitiatedShutdownBehavior}
	}
	shown := make(map[string]string, len(all))
	for name, list := range all {
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		shown[name] = string(b)
	}
	return shown
}

// serverFaults are the codes whose status is of the 500s.
var serverFaults = []string{"InsufficientInstanceCapacity", "InsufficientVolumeCapacity"}

// refuses makes the calls one after another, and looks at everything after each.
func (f *furniture) refuses(t *testing.T, cases []bad) {
	before := f.everything(t)
	for _, b := range cases {
		err := b.call(t.Context())
		api, ok := errors.AsType[smithy.APIError](err)
		switch {
		case !ok:
			t.Errorf("%s: want %s, got %v", b.what, b.code, err)
		case api.ErrorCode() != b.code || !strings.Contains(api.ErrorMessage(), b.says) || api.ErrorMessage() == "":
			t.Errorf("%s: want %s %q, got %s %q", b.what, b.code, b.says, api.ErrorCode(), api.ErrorMessage())
		}
		if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
			if serverFault := response.HTTPStatusCode() >= 500; serverFault != slices.Contains(serverFaults, b.code) {
				t.Errorf("%s: status %d of %s", b.what, response.HTTPStatusCode(), b.code)
			}
		}
		after := f.everything(t)
		for name, was := range before {
			if after[name] != was {
				was, is := difference(was, after[name])
				t.Errorf("%s changed %s:\n from %s\n   to %s", b.what, name, was, is)
			}
		}
		before = after
	}
}

// difference cuts two texts to where they begin to differ.
func difference(a, b string) (string, string) {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	n = max(0, n-40)
	return a[n:min(len(a), n+300)], b[n:min(len(b), n+300)]
}

// form is a signed request with a body that no SDK would send. Its parameters
// are written as they go over the wire.
func (f *furniture) form(parameters string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, body, err := f.post(ctx, "application/x-www-form-urlencoded", parameters)
		if err != nil || status < 300 {
			return err
		}
		var answer struct {
			Errors []struct{ Code, Message string } `xml:"Errors>Error"`
			ID     string                           `xml:"RequestID"`
		}
		if err := xml.Unmarshal(body, &answer); err != nil {
			return err
		}
		if len(answer.Errors) != 1 || answer.ID == "" {
			return errors.New("not an error of EC2: " + string(body))
		}
		if status >= 500 {
			return errors.New("status " + strconv.Itoa(status) + ": " + string(body))
		}
		return &smithy.GenericAPIError{Code: answer.Errors[0].Code, Message: answer.Errors[0].Message}
	}
}

// post sends a signed body to EC2, and returns the answer's status and body.
func (f *furniture) post(ctx context.Context, contentType, body string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.c.Addr+"/", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", contentType)
	key, err := f.ec2.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return 0, nil, err
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, key, r, hex.EncodeToString(sum[:]), "ec2", f.ec2.Options().Region, time.Now()); err != nil {
		return 0, nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, response.Body)
	return response.StatusCode, b.Bytes(), err
}
