package ec2

import (
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func TestCreateFlowLogs(t *testing.T) {
	r := newRig(t)
	r.addBucket(alice, "flows")
	r.addBucket(bob, "bobs")
	n := r.addInterface("", port{})
	type in = ec2.CreateFlowLogsRequest
	to := func(arn string) func(*in) { return func(f *in) { f.LogDestination = &arn } }
	for _, c := range []struct {
		what         string
		change       func(*in)
		code         string
		unsuccessful string
	}{
		{"no type", func(f *in) { f.ResourceType = nil }, "MissingParameter", ""},
		{"gateway", func(f *in) { f.ResourceType = new("TransitGateway") }, "UnsupportedOperation", ""},
		{"unknown type", func(f *in) { f.ResourceType = new("Disk") }, "InvalidParameterValue", ""},
		{"no resource", func(f *in) { f.ResourceIds = nil }, "MissingParameter", ""},
		{"unknown resource", func(f *in) { f.ResourceIds = []string{"vpc-01234567"} }, "InvalidVpcID.NotFound", ""},
		{"another kind", func(f *in) { f.ResourceIds = []string{n.ID} }, "InvalidVpcID.Malformed", ""},
		{"no traffic", func(f *in) { f.TrafficType = nil }, "MissingParameter", ""},
		{"traffic", func(f *in) { f.TrafficType = new("SOME") }, "InvalidParameterValue", ""},
		{"log group", func(f *in) { f.LogDestinationType, f.LogGroupName, f.LogDestination = nil, new("g"), nil }, "UnsupportedOperation", ""},
		{"firehose", func(f *in) { f.LogDestinationType = new("kinesis-data-firehose") }, "UnsupportedOperation", ""},
		{"no destination", func(f *in) { f.LogDestination = nil }, "MissingParameter", ""},
		{"no bucket", to("arn:aws:sqs:::x"), "InvalidParameterValue", ""},
		{"reserved prefix", to("arn:aws:s3:::flows/AWSLogs/x"), "InvalidParameterValue", ""},
		{"role", func(f *in) { f.DeliverLogsPermissionArn = new("arn") }, "InvalidParameter", ""},
		{"field", func(f *in) { f.LogFormat = new("${version} ${colour}") }, "InvalidParameter", ""},
		{"no field", func(f *in) { f.LogFormat = new("version") }, "InvalidParameter", ""},
		{"interval", func(f *in) { f.MaxAggregationInterval = new(int32(61)) }, "InvalidParameter", ""},
		{"parquet", func(f *in) { f.DestinationOptions = &ec2.DestinationOptionsRequest{FileFormat: new("parquet")} }, "UnsupportedOperation", ""},
		{"a bucket that is not there", to("arn:aws:s3:::nowhere"), "", "LogDestination: nowhere does not exist"},
		{"bob's bucket", to("arn:aws:s3:::bobs"), "", "Access Denied for LogDestination: bobs. Please check LogDestination permission"},
		{"VPC", func(*in) {}, "", ""},
		{"again", func(*in) {}, "FlowLogAlreadyExists", ""},
		{"interface", func(f *in) {
			f.ResourceType, f.ResourceIds, f.TrafficType, f.LogFormat = new("NetworkInterface"), []string{n.ID}, new("REJECT"), new("${srcaddr} ${action}")
			f.MaxAggregationInterval, f.DestinationOptions = new(int32(60)), &ec2.DestinationOptionsRequest{PerHourPartition: new(true)}
		}, "", ""},
		{"subnet", func(f *in) { f.ResourceType, f.ResourceIds = new("Subnet"), []string{r.net.Subnets[0].ID} }, "", ""},
	} {
		f := newFlowLog(r.net.VPC.ID)
		c.change(f)
		out, err := r.CreateFlowLogs(r.ctx, f)
		want(t, c.what, err, c.code)
		switch {
		case err != nil:
		case c.unsuccessful == "" && (len(out.FlowLogIds) != 1 || len(out.Unsuccessful) != 0):
			t.Errorf("%s: %+v", c.what, out)
		case c.unsuccessful != "" && (len(out.FlowLogIds) != 0 || len(out.Unsuccessful) != 1 || *out.Unsuccessful[0].Error.Message != c.unsuccessful):
			t.Errorf("%s: %+v", c.what, out)
		}
	}
	log := must(r.DescribeFlowLogs(r.ctx, &ec2.DescribeFlowLogsRequest{Filter: filters("resource-id", n.ID)}))(t).FlowLogs[0]
	if *log.LogFormat != "${srcaddr} ${action}" || *log.MaxAggregationInterval != 60 || *log.TrafficType != "REJECT" || !*log.DestinationOptions.PerHourPartition || *log.DeliverLogsStatus != "SUCCESS" {
		t.Errorf("the flow log is %+v", log)
	}
}

func TestFlowLogs(t *testing.T) {
	r := newRig(t)
	r.addBucket(alice, "flows")
	in := newFlowLog(r.net.VPC.ID)
	in.ClientToken = new("t")
	id := must(r.CreateFlowLogs(r.ctx, in))(t).FlowLogIds[0]
	if again := must(r.CreateFlowLogs(r.ctx, in))(t).FlowLogIds[0]; again != id {
		t.Error("one token made two flow logs")
	}
	r.update(func(tx *store.Tx) error {
		return flowLogTable.Modify(tx, id, func(f *cloud.FlowLog) error { f.Seen.Error = "Access error"; return nil })
	})
	filterTable{
		names: names(flowLogFields), id: id,
		cases: map[string]string{
			"deliver-log-status": "FAILED", "flow-log-id": id, "log-destination-type": "s3", "log-group-name": absent, "resource-id": r.net.VPC.ID, "traffic-type": "ALL",
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeFlowLogs(r.ctx, &ec2.DescribeFlowLogsRequest{Filter: f})
			if err != nil {
				return nil, err
			}
			return each(out.FlowLogs, func(f ec2.FlowLog) string { return *f.FlowLogId }), nil
		},
	}.checkTags(t, r)
	_, err := r.DeleteFlowLogs(r.bob, &ec2.DeleteFlowLogsRequest{FlowLogIds: []string{id}})
	want(t, "alice's", err, "InvalidFlowLogId.NotFound")
	_, err = r.DeleteFlowLogs(r.ctx, &ec2.DeleteFlowLogsRequest{FlowLogIds: []string{id, "fl-01234567"}})
	want(t, "one unknown", err, "InvalidFlowLogId.NotFound")
	must(r.DeleteFlowLogs(r.ctx, &ec2.DeleteFlowLogsRequest{FlowLogIds: []string{id}}))(t)
	if left := must(r.DescribeFlowLogs(r.ctx, &ec2.DescribeFlowLogsRequest{}))(t).FlowLogs; len(left) != 0 {
		t.Errorf("left are %+v", left)
	}
}
