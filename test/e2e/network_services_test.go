package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// flowScript reads the records of all files of flow logs in a bucket, or makes the log.
const flowScript = `
import boto3, gzip, sys
s3, ec2 = boto3.client('s3'), boto3.client('ec2')
what, bucket = sys.argv[1:3]
if what == 'make':
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={'LocationConstraint': s3.meta.region_name})
    r = ec2.create_flow_logs(ResourceType='VPC', ResourceIds=[sys.argv[3]], TrafficType='ALL', LogDestinationType='s3',
        LogDestination='arn:aws:s3:::' + bucket + '/flows', MaxAggregationInterval=60,
        LogFormat='${interface-id} ${srcaddr} ${dstaddr} ${dstport} ${protocol} ${action} ${flow-direction} ${log-status} ${packets}',
        DestinationOptions={'FileFormat': 'plain-text', 'HiveCompatiblePartitions': True, 'PerHourPartition': True})
    assert not r['Unsuccessful'], r
else:
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket):
        for o in page.get('Contents', []):
            assert o['Key'].startswith('flows/AWSLogs/aws-account-id='), o['Key']
            assert '/hour=' in o['Key'] and o['Key'].endswith('.log.gz'), o['Key']
            body = s3.get_object(Bucket=bucket, Key=o['Key'])['Body'].read()
            sys.stdout.write(gzip.decompress(body).decode())
    log = ec2.describe_flow_logs()['FlowLogs'][0]
    assert log['DeliverLogsStatus'] == 'SUCCESS', log
`

// TestFlowLogs has the flows of real guests logged, those that are accepted and those
// that are rejected.
func TestFlowLogs(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t, "--flow-log-minute", "1s")
	ami, key, group := c.Tiny(), c.Key("flows"), c.OpenGroup("ssh")
	server := c.Launch(ami, key, "--security-group-ids", group)
	client := c.Launch(ami, key, "--security-group-ids", group)
	server.SSH("true")
	client.SSH("true")
	nic := func(g *e2e.Guest) string {
		return c.Query("Reservations[0].Instances[0].NetworkInterfaces[0].NetworkInterfaceId", "ec2", "describe-instances", "--instance-ids", g.ID)
	}
	vpc := c.Query("Vpcs[0].VpcId", "ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")
	c.Python(flowScript, "make", "flow-bucket", vpc)
	want := []string{
		fmt.Sprintf("%s %s %s 22 6 ACCEPT ingress OK ", nic(server), client.Private, server.Private),
		fmt.Sprintf("%s %s %s 22 6 ACCEPT egress OK ", nic(client), client.Private, server.Private),
		fmt.Sprintf("%s %s %s 2222 6 REJECT ingress OK ", nic(server), client.Private, server.Private),
	}
	var records string
	c.Eventually("flows are in the bucket", 2*time.Minute, func() error {
		if _, err := client.TrySSH("nc -w 2 " + server.Private + " 22 </dev/null; nc -w 1 " + server.Private + " 2222 </dev/null; true"); err != nil {
			return err
		}
		records = c.Python(flowScript, "read", "flow-bucket")
		for _, line := range want {
			if err := contains(records, line); err != nil {
				return err
			}
		}
		return contains(records, nic(client)+" - - - - - - NODATA -")
	})
	if strings.Contains(records, "2222 6 ACCEPT ingress") || !strings.HasPrefix(records, "interface-id srcaddr dstaddr dstport protocol action flow-direction log-status packets\n") {
		t.Errorf("the records are\n%s", records)
	}
}

// endpointScript prints the path of a presigned request for an object, as one sends it
// to the address of the endpoint.
const endpointScript = `
import boto3, json, sys
from botocore.config import Config
what, bucket, vpce = sys.argv[1:]
s3, ec2 = boto3.client('s3'), boto3.client('ec2')
if what == 'make':
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={'LocationConstraint': s3.meta.region_name})
    s3.put_object(Bucket=bucket, Key='hello', Body=b'by the endpoint')
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [{
        'Effect': 'Deny', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::' + bucket + '/*',
        'Condition': {'StringNotEquals': {'aws:SourceVpce': vpce}}}]}))
inside = boto3.client('s3', endpoint_url='http://169.254.169.251', config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
print(inside.generate_presigned_url('get_object', Params={'Bucket': bucket, 'Key': 'hello'}).removeprefix('http://169.254.169.251'))
`

// TestEndpoint has a real guest reach the object store by a gateway endpoint: only while
// its subnet's table leads there, and only what the endpoint's policy lets pass.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	ami, key, group := c.Tiny(), c.Key("endpoint"), c.OpenGroup("ssh")
	g := c.Launch(ami, key, "--security-group-ids", group)
	g.SSH("true")
	vpc := c.Query("Vpcs[0].VpcId", "ec2", "describe-vpcs", "--filters", "Name=is-default,Values=true")
	table := c.Query("RouteTables[0].RouteTableId", "ec2", "describe-route-tables", "--filters", "Name=vpc-id,Values="+vpc)
	region := c.Query("AvailabilityZones[0].RegionName", "ec2", "describe-availability-zones")
	vpce := c.Query("VpcEndpoint.VpcEndpointId", "ec2", "create-vpc-endpoint", "--vpc-id", vpc, "--service-name", "com.amazonaws."+region+".s3")
	path := strings.TrimSpace(c.Python(endpointScript, "make", "endpoint-bucket", vpce))
	get := func() (string, error) {
		return g.TrySSH("(printf 'GET %s HTTP/1.0\\r\\nHost: 169.254.169.251\\r\\n\\r\\n' '" + path + "'; sleep 2) | nc -w 5 169.254.169.251 80")
	}
	if out, err := get(); err == nil && strings.Contains(out, "HTTP/1") {
		t.Errorf("without a route the endpoint answers %s", out)
	}
	if out, err := c.TryAWS("s3api", "get-object", "--bucket", "endpoint-bucket", "--key", "hello", "/dev/null"); err == nil || contains(err.Error(), "AccessDenied") != nil {
		t.Errorf("past the endpoint the bucket's policy lets pass: %s, %v", out, err)
	}
	answers := func(what, text string) {
		t.Helper()
		c.Eventually(what, 30*time.Second, func() error {
			out, err := get()
			return errors.Join(err, contains(out, text))
		})
	}
	c.AWS("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", vpce, "--add-route-table-ids", table)
	answers("by its route the endpoint gives the object", "by the endpoint")
	c.AWS("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", vpce, "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::another-bucket/*"}]}`)
	answers("the endpoint's policy refuses", "AccessDenied")
	c.AWS("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", vpce, "--reset-policy")
	answers("the endpoint has its first policy again", "by the endpoint")
	c.AWS("ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", vpce, "--remove-route-table-ids", table)
	c.Eventually("without the route the endpoint is gone", 30*time.Second, func() error {
		if out, _ := get(); strings.Contains(out, "HTTP/1") {
			return errReached
		}
		return nil
	})
}
