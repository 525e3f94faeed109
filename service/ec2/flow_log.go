package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxLogged is how many resources one request may have logged.
const maxLogged = 25

// bucketTable holds the buckets that flow logs may be delivered to.
var bucketTable store.Table[cloud.Bucket]

// CreateFlowLogs has the flows of VPCs, subnets or interfaces recorded in a bucket of
// the caller's, a flow log for each. A bucket that is not there or not the caller's
// makes every resource unsuccessful.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
func (s *Service) CreateFlowLogs(ctx context.Context, in *ec2.CreateFlowLogsRequest) (*ec2.CreateFlowLogsResult, error) {
	caller, err := s.allow(ctx, "CreateFlowLogs", in.DryRun, s.asking(ctx).newFlowLogs(in)...)
	if err != nil {
		return nil, err
	}
	like, err := readFlowLog(in)
	if err != nil {
		return nil, err
	}
	out := &ec2.CreateFlowLogsResult{ClientToken: in.ClientToken, Unsuccessful: []ec2.UnsuccessfulItem{}}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		out.FlowLogIds, out.Unsuccessful = []string{}, []ec2.UnsuccessfulItem{}
		if err := loggable(tx, caller, *in.ResourceType, in.ResourceIds); err != nil {
			return err
		}
		if why := refuseBucket(tx, caller, like.Destination); why != "" {
			out.Unsuccessful = each(in.ResourceIds, func(id string) ec2.UnsuccessfulItem {
				return ec2.UnsuccessfulItem{ResourceId: &id, Error: &ec2.UnsuccessfulItemError{Code: new("400"), Message: &why}}
			})
			return nil
		}
		out.FlowLogIds, _, err = s.once(tx, caller, "CreateFlowLogs", in.ClientToken, in, func() ([]string, error) {
			return s.createFlowLogs(tx, caller, like, in.ResourceIds)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// newFlowLogs is the flow logs that a request makes, and what it has logged.
func (a asking) newFlowLogs(in *ec2.CreateFlowLogsRequest) []subject {
	about := []subject{aboutFlowLog.made(a, cloud.FlowLog{}, requestTags(in.TagSpecifications, "vpc-flow-log"))}
	for _, id := range in.ResourceIds[:min(len(in.ResourceIds), maxLogged)] {
		switch val(in.ResourceType) {
		case ec2.FlowLogsResourceTypeVPC:
			about = append(about, aboutVPC.of(a, id))
		case ec2.FlowLogsResourceTypeSubnet:
			about = append(about, aboutSubnet.of(a, id))
		case ec2.FlowLogsResourceTypeNetworkInterface:
			about = append(about, aboutInterface.of(a, id))
		}
	}
	return about
}

// loggable refuses resources that the caller has not.
func loggable(r store.Reader, c cloud.Caller, kind string, ids []string) (err error) {
	switch kind {
	case ec2.FlowLogsResourceTypeVPC:
		_, err = find(r, c, vpcTable, "vpc", ids)
	case ec2.FlowLogsResourceTypeSubnet:
		_, err = find(r, c, subnetTable, "subnet", ids)
	default:
		_, err = find(r, c, interfaceTable, "eni", ids)
	}
	return err
}

// refuseBucket says why flow logs cannot be delivered to a destination, "" if they can.
func refuseBucket(r store.Reader, c cloud.Caller, destination string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(destination, bucketARN), "/")
	id, _ := store.Owner(r, cloud.BucketNames, name)
	switch b, ok := bucketTable.Get(r, id); {
	case !ok:
		return "LogDestination: " + name + " does not exist"
	case b.Account != c.Account:
		return "Access Denied for LogDestination: " + name + ". Please check LogDestination permission"
	}
	return ""
}

func (s *Service) createFlowLogs(tx *store.Tx, c cloud.Caller, like cloud.FlowLog, resources []string) (ids []string, err error) {
	for _, id := range distinct(resources) {
		for f := range flowLogTable.Select(tx, "logs/"+id) {
			if f.Account == c.Account && f.Destination == like.Destination && f.Accepted == like.Accepted && f.Rejected == like.Rejected && f.Format == like.Format {
				return nil, cloud.Errorf("FlowLogAlreadyExists", "Error. There is an existing Flow Log with the same configuration and log destination: %s", f.ID)
			}
		}
		f := like
		f.ID, f.Account, f.Created, f.Resource = s.NewID("fl"), c.Account, s.Now().UTC(), id
		if err := flowLogTable.Create(tx, f); err != nil {
			return nil, err
		}
		ids = append(ids, f.ID)
	}
	return ids, nil
}

// DeleteFlowLogs ends flow logs, all or none. What was delivered stays.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteFlowLogs.html
func (s *Service) DeleteFlowLogs(ctx context.Context, in *ec2.DeleteFlowLogsRequest) (*ec2.DeleteFlowLogsResult, error) {
	caller, err := s.allow(ctx, "DeleteFlowLogs", in.DryRun, aboutFlowLog.named(s.asking(ctx), in.FlowLogIds[:min(len(in.FlowLogIds), maxTagged)]...)...)
	if err != nil {
		return nil, err
	}
	switch {
	case len(in.FlowLogIds) == 0:
		return nil, missing("FlowLogId")
	case len(in.FlowLogIds) > maxTagged:
		return nil, cloud.Errorf("InvalidParameterValue", "A request may name at most %d flow logs", maxTagged)
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		logs, err := find(tx, caller, flowLogTable, "fl", in.FlowLogIds)
		if err != nil {
			return err
		}
		for _, f := range logs {
			if err := flowLogTable.Delete(tx, f.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteFlowLogsResult{Unsuccessful: []ec2.UnsuccessfulItem{}}, nil
}

// DescribeFlowLogs lists the caller's flow logs.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeFlowLogs.html
func (s *Service) DescribeFlowLogs(ctx context.Context, in *ec2.DescribeFlowLogsRequest) (*ec2.DescribeFlowLogsResult, error) {
	caller, err := s.allow(ctx, "DescribeFlowLogs", in.DryRun)
	if err != nil {
		return nil, err
	}
	logs, next, err := listing[cloud.FlowLog]{
		operation: "DescribeFlowLogs", table: flowLogTable, prefix: "fl", ids: in.FlowLogIds,
		filters: in.Filter, fields: flowLogFields, max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeFlowLogsResult{FlowLogs: each(logs, flowLogOut), NextToken: next}, nil
}

var flowLogFields = fields[cloud.FlowLog]{
	"deliver-log-status":   one(deliveryStatus),
	"flow-log-id":          one(cloud.FlowLog.Key),
	"log-destination-type": one(fixed[cloud.FlowLog](ec2.LogDestinationTypeS3)),
	"log-group-name":       never[cloud.FlowLog],
	"resource-id":          one(func(f cloud.FlowLog) string { return f.Resource }),
	"traffic-type":         one(trafficType),
}

func deliveryStatus(f cloud.FlowLog) string {
	if f.Seen.Error != "" {
		return "FAILED"
	}
	return "SUCCESS"
}

func trafficType(f cloud.FlowLog) string {
	switch {
	case f.Accepted && f.Rejected:
		return ec2.TrafficTypeALL
	case f.Accepted:
		return ec2.TrafficTypeACCEPT
	}
	return ec2.TrafficTypeREJECT
}

func flowLogOut(f cloud.FlowLog) ec2.FlowLog {
	return ec2.FlowLog{
		FlowLogId: new(f.ID), ResourceId: new(f.Resource), CreationTime: new(f.Created), FlowLogStatus: new("ACTIVE"), Tags: tagSet(f.Tags),
		DeliverLogsStatus: new(deliveryStatus(f)), DeliverLogsErrorMessage: opt(f.Seen.Error), TrafficType: new(trafficType(f)),
		LogDestination: new(f.Destination), LogDestinationType: new(ec2.LogDestinationTypeS3), LogFormat: new(f.Format), MaxAggregationInterval: new(int32(f.Interval)),
		DestinationOptions: &ec2.DestinationOptionsResponse{
			FileFormat: new(ec2.DestinationFileFormatPlainText), HiveCompatiblePartitions: new(f.HivePartition), PerHourPartition: new(f.HourlyPartition),
		},
	}
}

// knownFlowFields reports whether every field of a format is one that AWS knows.
func knownFlowFields(format string) bool {
	rest := format
	for rest != "" {
		field, after, _ := strings.Cut(rest, " ")
		name, ok := strings.CutPrefix(field, "${")
		name, closed := strings.CutSuffix(name, "}")
		if !ok || !closed || !slices.Contains(flowFields, name) {
			return false
		}
		rest = after
	}
	return format != ""
}
