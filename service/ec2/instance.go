package ec2

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeInstances lists the caller's instances, grouped by the request that
// launched them. A terminated one is listed for an hour. Pages are cut by
// instance IDs, so that the instances of one request may lie on several pages.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
func (s *Service) DescribeInstances(ctx context.Context, in *ec2.DescribeInstancesRequest) (*ec2.DescribeInstancesResult, error) {
	caller, err := s.allow(ctx, "DescribeInstances", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	if in.MaxResults != nil && len(in.InstanceIds) > 0 {
		return nil, notWithIDs("i")
	}
	p, err := s.page(caller, "DescribeInstances", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	all := instanceTable.From(view, cloud.AccountLabel(caller.Account), p.after)
	if len(in.InstanceIds) > 0 {
		named, err := find(view, caller, instanceTable, "i", in.InstanceIds)
		if err != nil {
			return nil, err
		}
		all = slices.Values(named)
	}
	keep, err := s.instanceFilter(view, caller, in)
	if err != nil {
		return nil, err
	}
	found, next := cut(p, where(all, keep), cloud.Instance.Key)
	return &ec2.DescribeInstancesResult{Reservations: s.shower(view).reservations(found), NextToken: next}, nil
}

// DescribeInstanceStatus lists the running instances of the caller, or all of
// them, with their health. A guest that runs is healthy as far as its host can
// tell: both checks are of the host.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html
func (s *Service) DescribeInstanceStatus(ctx context.Context, in *ec2.DescribeInstanceStatusRequest) (*ec2.DescribeInstanceStatusResult, error) {
	caller, err := s.allow(ctx, "DescribeInstanceStatus", in.DryRun)
	if err != nil {
		return nil, err
	}
	filters := in.Filters
	if !val(in.IncludeAllInstances) {
		filters = append(slices.Clip(filters), ec2.Filter{Name: new("instance-state-name"), Values: []string{string(cloud.InstanceRunning)}})
	}
	found, next, err := listing[cloud.Instance]{
		operation: "DescribeInstanceStatus", table: instanceTable, prefix: "i", ids: in.InstanceIds,
		filters: filters, fields: s.statusFields(), max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeInstanceStatusResult{InstanceStatuses: each(found, s.showStatus), NextToken: next}, nil
}

func (s *Service) showStatus(i cloud.Instance) ec2.InstanceStatus {
	status, reachable := health(i)
	summary := &ec2.InstanceStatusSummary{Status: &status, Details: []ec2.InstanceStatusDetails{}}
	if reachable != "" {
		summary.Details = append(summary.Details, ec2.InstanceStatusDetails{Name: new(ec2.StatusNameReachability), Status: &reachable})
	}
	return ec2.InstanceStatus{
		InstanceId: &i.ID, AvailabilityZone: &i.Zone, AvailabilityZoneId: new(s.Place.ZoneID(i.Zone)), InstanceState: showState(i.State()), Operator: notManaged(),
		InstanceStatus: summary, SystemStatus: summary, Events: []ec2.InstanceStatusEvent{},
	}
}

// health is the status of an instance and of the check of its reachability,
// which is empty for one that does not run.
func health(i cloud.Instance) (status, reachable string) {
	switch i.State() {
	case cloud.InstanceRunning:
		return ec2.SummaryStatusOk, ec2.StatusTypePassed
	case cloud.InstancePending:
		return ec2.SummaryStatusInitializing, ec2.StatusTypeInitializing
	default:
		return ec2.SummaryStatusNotApplicable, ""
	}
}

// DescribeInstanceCreditSpecifications lists how burstable instances get their
// processor time: each as "standard".
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceCreditSpecifications.html
func (s *Service) DescribeInstanceCreditSpecifications(ctx context.Context, in *ec2.DescribeInstanceCreditSpecificationsRequest) (*ec2.DescribeInstanceCreditSpecificationsResult, error) {
	caller, err := s.allow(ctx, "DescribeInstanceCreditSpecifications", in.DryRun)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	p, err := s.page(caller, "DescribeInstanceCreditSpecifications", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, fields[cloud.Instance]{"instance-id": one(cloud.Instance.Key)}, nil)
	if err != nil {
		return nil, err
	}
	all := instanceTable.From(view, cloud.AccountLabel(caller.Account), p.after)
	if len(in.InstanceIds) > 0 {
		named, err := find(view, caller, instanceTable, "i", in.InstanceIds)
		if err != nil {
			return nil, err
		}
		all = slices.Values(named)
	}
	burstable := func(i cloud.Instance) bool {
		t, _ := cloud.FindInstanceType(i.Type)
		return t.Burstable
	}
	found, next := cut(p, where(where(all, burstable), keep), cloud.Instance.Key)
	show := func(i cloud.Instance) ec2.InstanceCreditSpecification {
		return ec2.InstanceCreditSpecification{InstanceId: &i.ID, CpuCredits: new(standardCredits)}
	}
	return &ec2.DescribeInstanceCreditSpecificationsResult{InstanceCreditSpecifications: each(found, show), NextToken: next}, nil
}

// GetConsoleOutput returns what an instance printed on its serial line, in
// base64: always the newest, so that Latest changes nothing. It is empty if the
// instance never ran.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
func (s *Service) GetConsoleOutput(ctx context.Context, in *ec2.GetConsoleOutputRequest) (*ec2.GetConsoleOutputResult, error) {
	caller, err := s.allow(ctx, "GetConsoleOutput", in.DryRun, aboutInstance.of(s.asking(ctx), val(in.InstanceId)))
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	i, err := get(view, caller, instanceTable, "i", val(in.InstanceId))
	if err != nil {
		return nil, err
	}
	out := &ec2.GetConsoleOutputResult{InstanceId: &i.ID}
	host := homeOf(view, i)
	if host == "" {
		return out, nil
	}
	text, at, err := s.Consoles.Console(ctx, host, i.ID)
	if err != nil {
		return nil, fmt.Errorf("read console of %s: %w", i.ID, err)
	}
	if len(text) > 0 {
		out.Output, out.Timestamp = new(base64.StdEncoding.EncodeToString(text)), &at
	}
	return out, nil
}

// homeOf returns the host that an instance runs on, or that keeps its volumes
// while it is stopped; "" once it is terminated.
func homeOf(r store.Reader, i cloud.Instance) string {
	if i.Host != "" {
		return i.Host
	}
	for _, v := range volumesOf(r, i) {
		return v.Host
	}
	return ""
}
