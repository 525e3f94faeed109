package ec2

import (
	"context"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// CreateDhcpOptions makes a set of DHCP options for VPCs.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDhcpOptions.html
func (s *Service) CreateDhcpOptions(ctx context.Context, in *ec2.CreateDhcpOptionsRequest) (*ec2.CreateDhcpOptionsResult, error) {
	about := aboutOptions.made(s.asking(ctx), cloud.DHCPOptions{}, requestTags(in.TagSpecifications, "dhcp-options"))
	caller, err := s.allow(ctx, "CreateDhcpOptions", in.DryRun, about)
	if err != nil {
		return nil, err
	}
	options, err := readOptions(in.DhcpConfigurations)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFromSpec(in.TagSpecifications, "dhcp-options")
	if err != nil {
		return nil, err
	}
	o := cloud.DHCPOptions{Meta: cloud.Meta{ID: s.NewID("dopt"), Account: caller.Account, Created: s.Now(), Tags: tags}, Options: options}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		have := optionsTable.Count(tx, cloud.AccountLabel(caller.Account))
		if err := within(s.Limits.DHCPOptions, have, "DhcpOptionsLimitExceeded", "DHCP option sets"); err != nil {
			return err
		}
		return optionsTable.Create(tx, o)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateDhcpOptionsResult{DhcpOptions: new(optionsOut(o))}, nil
}

// DeleteDhcpOptions removes an option set that no VPC has.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteDhcpOptions.html
func (s *Service) DeleteDhcpOptions(ctx context.Context, in *ec2.DeleteDhcpOptionsRequest) (*ec2.DeleteDhcpOptionsOutput, error) {
	caller, err := s.allow(ctx, "DeleteDhcpOptions", in.DryRun, aboutOptions.of(s.asking(ctx), val(in.DhcpOptionsId)))
	if err != nil {
		return nil, err
	}
	if val(in.DhcpOptionsId) == "" {
		return nil, missing("dhcpOptionsId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		o, err := get(tx, caller, optionsTable, "dopt", *in.DhcpOptionsId)
		if err != nil {
			return err
		}
		for v := range vpcTable.Select(tx, cloud.AccountLabel(caller.Account)) {
			if v.DHCPOptions == o.ID {
				return hasDependents("dhcpOptions", o.ID)
			}
		}
		return optionsTable.Delete(tx, o.ID)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteDhcpOptionsOutput{}, nil
}

// AssociateDhcpOptions gives a VPC another option set, or none with "default".
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateDhcpOptions.html
func (s *Service) AssociateDhcpOptions(ctx context.Context, in *ec2.AssociateDhcpOptionsRequest) (*ec2.AssociateDhcpOptionsOutput, error) {
	a := s.asking(ctx)
	about := []subject{aboutVPC.of(a, val(in.VpcId))}
	if val(in.DhcpOptionsId) != cloud.NoDHCPOptions {
		about = append(about, aboutOptions.of(a, val(in.DhcpOptionsId)))
	}
	caller, err := s.allow(ctx, "AssociateDhcpOptions", in.DryRun, about...)
	if err != nil {
		return nil, err
	}
	switch {
	case val(in.DhcpOptionsId) == "":
		return nil, missing("dhcpOptionsId")
	case val(in.VpcId) == "":
		return nil, missing("vpcId")
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if *in.DhcpOptionsId != cloud.NoDHCPOptions {
			if _, err := get(tx, caller, optionsTable, "dopt", *in.DhcpOptionsId); err != nil {
				return err
			}
		}
		vpc, err := get(tx, caller, vpcTable, "vpc", *in.VpcId)
		if err != nil {
			return err
		}
		vpc.DHCPOptions = *in.DhcpOptionsId
		return vpcTable.Put(tx, vpc)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.AssociateDhcpOptionsOutput{}, nil
}

// DescribeDhcpOptions lists the caller's option sets.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeDhcpOptions.html
func (s *Service) DescribeDhcpOptions(ctx context.Context, in *ec2.DescribeDhcpOptionsRequest) (*ec2.DescribeDhcpOptionsResult, error) {
	caller, err := s.allow(ctx, "DescribeDhcpOptions", in.DryRun)
	if err != nil {
		return nil, err
	}
	found, next, err := listing[cloud.DHCPOptions]{
		operation: "DescribeDhcpOptions", table: optionsTable, prefix: "dopt", ids: in.DhcpOptionsIds,
		filters: in.Filters, fields: optionsFields, max: in.MaxResults, most: 1000, token: in.NextToken,
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	return &ec2.DescribeDhcpOptionsResult{DhcpOptions: each(found, optionsOut), NextToken: next}, nil
}

var optionsFields = fields[cloud.DHCPOptions]{
	"dhcp-options-id": one(func(o cloud.DHCPOptions) string { return o.ID }),
	"owner-id":        one(func(o cloud.DHCPOptions) string { return o.Account }),
	"key": func(o cloud.DHCPOptions, is func(string) bool) bool {
		for _, x := range o.Options {
			if is(x.Name) {
				return true
			}
		}
		return false
	},
	"value": func(o cloud.DHCPOptions, is func(string) bool) bool {
		for _, x := range o.Options {
			if slices.ContainsFunc(x.Values, is) {
				return true
			}
		}
		return false
	},
}

func optionsOut(o cloud.DHCPOptions) ec2.DhcpOptions {
	return ec2.DhcpOptions{
		DhcpOptionsId: new(o.ID), OwnerId: new(o.Account), Tags: tagSet(o.Tags),
		DhcpConfigurations: each(o.Options, func(x cloud.DHCPOption) ec2.DhcpConfiguration {
			return ec2.DhcpConfiguration{Key: new(x.Name), Values: each(x.Values, func(v string) ec2.AttributeValue { return ec2.AttributeValue{Value: new(v)} })}
		}),
	}
}

// defaultOptions returns the ID of the account's default option set, which it makes if
// it is not there.
func (s *Service) defaultOptions(tx *store.Tx, c cloud.Caller) (string, error) {
	for o := range optionsTable.Select(tx, cloud.AccountLabel(c.Account)) {
		if o.Default {
			return o.ID, nil
		}
	}
	o := cloud.DefaultDHCPOptions(cloud.Meta{ID: s.NewID("dopt"), Account: c.Account, Created: s.Now()}, s.Place)
	return o.ID, optionsTable.Create(tx, o)
}
