package wire_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/gateway/wire"
)

// instance is what DescribeInstances says of an ordinary instance: one
// interface with two groups, two volumes, five tags.
func instance(i int) ec2.Instance {
	id := fmt.Sprintf("i-0%016x", i)
	launched := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	groups := []ec2.GroupIdentifier{{GroupId: new("sg-0123456789abcdef0"), GroupName: new("default")}, {GroupId: new("sg-0123456789abcdef1"), GroupName: new("web")}}
	volume := func(device string) ec2.InstanceBlockDeviceMapping {
		return ec2.InstanceBlockDeviceMapping{DeviceName: new(device), Ebs: &ec2.EbsInstanceBlockDevice{
			AttachTime: &launched, DeleteOnTermination: new(true), Status: new("attached"), VolumeId: new("vol-0123456789abcdef0"),
		}}
	}
	var tags []ec2.Tag
	for t := range 5 {
		tags = append(tags, ec2.Tag{Key: new(fmt.Sprint("key", t)), Value: new("a value of ordinary length")})
	}
	return ec2.Instance{
		InstanceId: &id, ImageId: new("ami-0123456789abcdef0"), InstanceType: new("t3.small"), KeyName: new("admin"), AmiLaunchIndex: new(int32(0)),
		State: &ec2.InstanceState{Code: new(int32(16)), Name: new("running")}, LaunchTime: &launched, Architecture: new("x86_64"),
		Placement:  &ec2.Placement{AvailabilityZone: new("eu-paris-1a"), Tenancy: new("default"), GroupName: new("")},
		Monitoring: &ec2.Monitoring{State: new("disabled")}, SubnetId: new("subnet-0123456789abcdef0"), VpcId: new("vpc-0123456789abcdef0"),
		PrivateDnsName: new("ip-10-0-0-4.eu-paris-1.compute.internal"), PrivateIpAddress: new("10.0.0.4"), PublicDnsName: new(""), PublicIpAddress: new("100.64.0.4"),
		RootDeviceName: new("/dev/xvda"), RootDeviceType: new("ebs"), VirtualizationType: new("hvm"), Hypervisor: new("xen"), EbsOptimized: new(false),
		EnaSupport: new(true), SourceDestCheck: new(true), StateTransitionReason: new(""), ClientToken: new("01234567-89ab-cdef-0123-456789abcdef"),
		SecurityGroups: groups, Tags: tags, BlockDeviceMappings: []ec2.InstanceBlockDeviceMapping{volume("/dev/xvda"), volume("/dev/sdf")},
		CpuOptions:      &ec2.CpuOptions{CoreCount: new(int32(1)), ThreadsPerCore: new(int32(2))},
		MetadataOptions: &ec2.InstanceMetadataOptionsResponse{State: new("applied"), HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(1)), HttpEndpoint: new("enabled")},
		NetworkInterfaces: []ec2.InstanceNetworkInterface{{
			NetworkInterfaceId: new("eni-0123456789abcdef0"), MacAddress: new("02:00:00:00:00:01"), PrivateIpAddress: new("10.0.0.4"), Status: new("in-use"),
			SubnetId: new("subnet-0123456789abcdef0"), VpcId: new("vpc-0123456789abcdef0"), OwnerId: new("000000000001"), Groups: groups, SourceDestCheck: new(true),
			Attachment: &ec2.InstanceNetworkInterfaceAttachment{
				AttachTime: &launched, AttachmentId: new("eni-attach-0123456789abcdef0"), DeleteOnTermination: new(true), DeviceIndex: new(int32(0)), Status: new("attached"),
			},
			Association:        &ec2.InstanceNetworkInterfaceAssociation{IpOwnerId: new("amazon"), PublicIp: new("100.64.0.4"), PublicDnsName: new("")},
			PrivateIpAddresses: []ec2.InstancePrivateIpAddress{{Primary: new(true), PrivateIpAddress: new("10.0.0.4")}},
		}},
	}
}

func reservations(n int) []ec2.Reservation {
	list := make([]ec2.Reservation, n)
	for i := range list {
		list[i] = ec2.Reservation{ReservationId: new("r-0123456789abcdef0"), OwnerId: new("000000000001"), Instances: []ec2.Instance{instance(i)}}
	}
	return list
}

// discard is a response that goes nowhere.
type discard struct {
	header http.Header
	size   int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}

func (d *discard) Write(b []byte) (int, error) {
	d.size += len(b)
	return len(b), nil
}

func benchmarkEncode(b *testing.B, operation string, out any) {
	api := ec2.API()
	op := api.Operation(operation)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		w.size = 0
		if err := wire.Encode(w, api, wire.EC2Query, op, out, "request-id"); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(w.size))
}

func BenchmarkEncodeRunInstances(b *testing.B) {
	benchmarkEncode(b, "RunInstances", &reservations(1)[0])
}

func BenchmarkEncodeDescribe1000Instances(b *testing.B) {
	benchmarkEncode(b, "DescribeInstances", &ec2.DescribeInstancesResult{Reservations: reservations(1000)})
}

// BenchmarkDecodeRunInstances decodes the SDK's request with every parameter.
func BenchmarkDecodeRunInstances(b *testing.B) {
	benchmarkDecode(b, "RunInstances")
}

func BenchmarkDecodeDescribeInstances(b *testing.B) {
	benchmarkDecode(b, "DescribeInstances")
}

func benchmarkDecode(b *testing.B, operation string) {
	text, err := os.ReadFile(filepath.Join(moduleDir(b, "ec2"), "request_snapshot", operation+".request.snap"))
	if err != nil {
		b.Fatal(err)
	}
	body := text[bytes.LastIndex(text, []byte("\n\n"))+2:]
	r := post()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		op, p, err := ec2.API().Match(r, body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := wire.Decode(p, op, r, body); err != nil {
			b.Fatal(err)
		}
	}
}
