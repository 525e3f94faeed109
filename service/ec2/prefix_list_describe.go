package ec2

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// DescribeManagedPrefixLists lists the caller's prefix lists, and the cloud's own.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeManagedPrefixLists.html
func (s *Service) DescribeManagedPrefixLists(ctx context.Context, in *ec2.DescribeManagedPrefixListsRequest) (*ec2.DescribeManagedPrefixListsResult, error) {
	caller, err := s.allow(ctx, "DescribeManagedPrefixLists", in.DryRun)
	if err != nil {
		return nil, err
	}
	lists, next, err := listing[cloud.PrefixList]{
		operation: "DescribeManagedPrefixLists", table: listTable, prefix: "pl", ids: in.PrefixListIds,
		filters: in.Filters, fields: listFields, max: in.MaxResults, least: 1, most: 100, token: in.NextToken,
		all: listsOf(caller.Account, cloud.OperatorAccount),
		seen: func(l cloud.PrefixList) bool {
			return l.Account == caller.Account || l.Account == cloud.OperatorAccount
		},
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	out := each(lists, func(l cloud.PrefixList) ec2.ManagedPrefixList { return *s.listOut(l) })
	return &ec2.DescribeManagedPrefixListsResult{PrefixLists: out, NextToken: next}, nil
}

// DescribePrefixLists lists the prefix lists of the cloud's services, with their ranges.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribePrefixLists.html
func (s *Service) DescribePrefixLists(ctx context.Context, in *ec2.DescribePrefixListsRequest) (*ec2.DescribePrefixListsResult, error) {
	caller, err := s.allow(ctx, "DescribePrefixLists", in.DryRun)
	if err != nil {
		return nil, err
	}
	known := maps.Clone(listFields)
	delete(known, "owner-id")
	lists, next, err := listing[cloud.PrefixList]{
		operation: "DescribePrefixLists", table: listTable, prefix: "pl", ids: in.PrefixListIds,
		filters: in.Filters, fields: known, max: in.MaxResults, most: 1000, token: in.NextToken,
		all:  listsOf(cloud.OperatorAccount),
		seen: func(l cloud.PrefixList) bool { return l.Account == cloud.OperatorAccount },
	}.of(s, s.DB.View(), caller)
	if err != nil {
		return nil, err
	}
	out := each(lists, func(l cloud.PrefixList) ec2.PrefixList {
		cidrs := each(l.Entries, func(e cloud.PrefixListEntry) string { return e.Prefix.String() })
		return ec2.PrefixList{PrefixListId: new(l.ID), PrefixListName: new(l.Name), Cidrs: cidrs}
	})
	return &ec2.DescribePrefixListsResult{PrefixLists: out, NextToken: next}, nil
}

var listFields = fields[cloud.PrefixList]{
	"owner-id":         one(listOwnerWord),
	"prefix-list-id":   one(cloud.PrefixList.Key),
	"prefix-list-name": one(func(l cloud.PrefixList) string { return l.Name }),
}

// listsOf yields the lists of accounts, by ID.
func listsOf(accounts ...string) func(store.Reader) iter.Seq[cloud.PrefixList] {
	return func(r store.Reader) iter.Seq[cloud.PrefixList] {
		var lists []cloud.PrefixList
		for _, account := range accounts {
			lists = slices.AppendSeq(lists, listTable.Select(r, cloud.AccountLabel(account)))
		}
		slices.SortFunc(lists, func(a, b cloud.PrefixList) int { return cmp.Compare(a.ID, b.ID) })
		return slices.Values(lists)
	}
}

// GetManagedPrefixListEntries tells the entries of a version of a list.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetManagedPrefixListEntries.html
func (s *Service) GetManagedPrefixListEntries(ctx context.Context, in *ec2.GetManagedPrefixListEntriesRequest) (*ec2.GetManagedPrefixListEntriesResult, error) {
	caller, err := s.allow(ctx, "GetManagedPrefixListEntries", in.DryRun, aboutList.of(s.asking(ctx), val(in.PrefixListId)))
	if err != nil {
		return nil, err
	}
	p, err := s.page(caller, "GetManagedPrefixListEntries", in.MaxResults, in.NextToken, 1, 100)
	if err != nil {
		return nil, err
	}
	list, err := visibleList(s.DB.View(), caller, in.PrefixListId)
	if err != nil {
		return nil, err
	}
	entries, err := entriesAt(list, in.TargetVersion)
	if err != nil {
		return nil, err
	}
	order := func(e cloud.PrefixListEntry) string { return e.Prefix.String() }
	entries = slices.SortedFunc(slices.Values(entries), func(a, b cloud.PrefixListEntry) int { return strings.Compare(order(a), order(b)) })
	found, next := cut(p, slices.Values(entries), order)
	return &ec2.GetManagedPrefixListEntriesResult{
		Entries: each(found, func(e cloud.PrefixListEntry) ec2.PrefixListEntry {
			return ec2.PrefixListEntry{Cidr: new(e.Prefix.String()), Description: opt(e.Description)}
		}),
		NextToken: next,
	}, nil
}

// GetManagedPrefixListAssociations tells which of the caller's resources refer to a list.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetManagedPrefixListAssociations.html
func (s *Service) GetManagedPrefixListAssociations(ctx context.Context, in *ec2.GetManagedPrefixListAssociationsRequest) (*ec2.GetManagedPrefixListAssociationsResult, error) {
	caller, err := s.allow(ctx, "GetManagedPrefixListAssociations", in.DryRun, aboutList.of(s.asking(ctx), val(in.PrefixListId)))
	if err != nil {
		return nil, err
	}
	p, err := s.page(caller, "GetManagedPrefixListAssociations", in.MaxResults, in.NextToken, 5, 255)
	if err != nil {
		return nil, err
	}
	view := s.DB.View()
	list, err := visibleList(view, caller, in.PrefixListId)
	if err != nil {
		return nil, err
	}
	users, next := cut(p, slices.Values(listUsers(view, caller, list.ID)), func(id string) string { return id })
	return &ec2.GetManagedPrefixListAssociationsResult{
		PrefixListAssociations: each(users, func(id string) ec2.PrefixListAssociation {
			return ec2.PrefixListAssociation{ResourceId: new(id), ResourceOwner: new(caller.Account)}
		}),
		NextToken: next,
	}, nil
}

// weights returns how many rules a rule that names a list counts for: as many as the
// list has room for. One of the cloud's own counts for what it has.
func weights(r store.Reader) weight {
	return func(id string) (n int, v6 bool) {
		l, _ := listTable.Get(r, id)
		return max(1, l.MaxEntries, len(l.Entries)), l.IPv6
	}
}
