package ec2

import (
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// bucketARN is what the ARN of a bucket begins with.
const bucketARN = "arn:aws:s3:::"

// defaultFlowFormat is the format of flow logs that name none, that of version 2.
const defaultFlowFormat = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} " +
	"${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

// flowFields are the fields that a format may name.
// https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html#flow-logs-fields
var flowFields = strings.Fields(`version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
	vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id pkt-src-aws-service
	pkt-dst-aws-service flow-direction traffic-path ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id
	ecs-container-id ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id reject-reason resource-id
	encryption-status`)

// readFlowLog reads what the flow logs of a request have in common, which is all but
// what they log.
func readFlowLog(in *ec2.CreateFlowLogsRequest) (f cloud.FlowLog, err error) {
	if err := checkLogged(in); err != nil {
		return f, err
	}
	switch traffic := val(in.TrafficType); traffic {
	case "":
		return f, missing("TrafficType")
	case ec2.TrafficTypeALL:
		f.Accepted, f.Rejected = true, true
	case ec2.TrafficTypeACCEPT:
		f.Accepted = true
	case ec2.TrafficTypeREJECT:
		f.Rejected = true
	default:
		return f, invalid("TrafficType", traffic, "Valid values are: ACCEPT, REJECT, ALL.")
	}
	if err := checkDestination(in); err != nil {
		return f, err
	}
	f.Destination, f.Format, f.Interval = val(in.LogDestination), defaultFlowFormat, 600
	if in.LogFormat != nil {
		f.Format = strings.Join(strings.Fields(*in.LogFormat), " ")
		if !knownFlowFields(f.Format) {
			return f, cloud.Errorf("InvalidParameter", "Unknown fields in the log format '%s'. Write fields as ${name}, with spaces between.", *in.LogFormat)
		}
	}
	if n := in.MaxAggregationInterval; n != nil {
		if f.Interval = int(*n); f.Interval != 60 && f.Interval != 600 {
			return f, cloud.Errorf("InvalidParameter", "Invalid Flow Log Max Aggregation Interval: %s. Valid values are: 60, 600.", strconv.Itoa(f.Interval))
		}
	}
	if o := in.DestinationOptions; o != nil {
		switch format := val(o.FileFormat); format {
		case "", ec2.DestinationFileFormatPlainText:
		case ec2.DestinationFileFormatParquet:
			return f, unsupported("Flow logs in Parquet files are not available. Use the file format plain-text.")
		default:
			return f, invalid("FileFormat", format, "Valid values are: plain-text, parquet.")
		}
		f.HivePartition, f.HourlyPartition = val(o.HiveCompatiblePartitions), val(o.PerHourPartition)
	}
	f.Tags, err = tagsFromSpec(in.TagSpecifications, "vpc-flow-log")
	return f, err
}

// checkLogged checks what a request has logged.
func checkLogged(in *ec2.CreateFlowLogsRequest) error {
	switch kind := val(in.ResourceType); {
	case kind == "":
		return missing("ResourceType")
	case kind == ec2.FlowLogsResourceTypeTransitGateway, kind == ec2.FlowLogsResourceTypeTransitGatewayAttachment, kind == ec2.FlowLogsResourceTypeRegionalNatGateway:
		return unsupported("Flows of a " + kind + " cannot be logged. Log those of a VPC, a Subnet or a NetworkInterface.")
	case kind != ec2.FlowLogsResourceTypeVPC && kind != ec2.FlowLogsResourceTypeSubnet && kind != ec2.FlowLogsResourceTypeNetworkInterface:
		return invalid("ResourceType", kind, "Valid values are: VPC, Subnet, NetworkInterface.")
	case len(in.ResourceIds) == 0:
		return missing("ResourceId")
	case len(in.ResourceIds) > maxLogged:
		return cloud.Errorf("InvalidParameterValue", "A request may have the flows of up to %d resources logged", maxLogged)
	case len(in.TagFieldSpecifications) > 0:
		return unsupported("Fields of tags are not available in flow logs.")
	}
	return nil
}

// checkDestination checks where a request has flows logged to.
func checkDestination(in *ec2.CreateFlowLogsRequest) error {
	switch kind := val(in.LogDestinationType); kind {
	case ec2.LogDestinationTypeS3:
	case "", ec2.LogDestinationTypeCloudWatchLogs:
		return unsupported("Flow logs to CloudWatch Logs are not available. Use the log destination type s3 with a bucket.")
	case ec2.LogDestinationTypeKinesisDataFirehose:
		return unsupported("Flow logs to Firehose are not available. Use the log destination type s3 with a bucket.")
	default:
		return invalid("LogDestinationType", kind, "Valid values are: s3.")
	}
	switch {
	case in.LogGroupName != nil:
		return cloud.Errorf("InvalidParameterCombination", "The parameter LogGroupName cannot be used with the log destination type s3")
	case in.DeliverLogsPermissionArn != nil:
		return cloud.Errorf("InvalidParameter", "DeliverLogsPermissionArn is not applicable for s3 delivery")
	case in.DeliverCrossAccountRole != nil:
		return unsupported("Delivery to buckets of other accounts is not available.")
	case val(in.LogDestination) == "":
		return missing("LogDestination")
	}
	name, ok := strings.CutPrefix(*in.LogDestination, bucketARN)
	bucket, prefix, _ := strings.Cut(name, "/")
	switch {
	case !ok || bucket == "":
		return invalid("LogDestination", *in.LogDestination, "It is the ARN of a bucket, such as arn:aws:s3:::bucket/prefix/.")
	case strings.HasPrefix(prefix, "AWSLogs"):
		return invalid("LogDestination", *in.LogDestination, "AWSLogs is reserved: leave it out of the prefix.")
	}
	return nil
}
