package ec2

import (
	"cmp"
	"context"
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
	q := listQuery{"DescribeManagedPrefixLists", in.PrefixListIds, in.Filters, listFields, in.MaxResults, 100, in.NextToken}
	lists, next, err := q.of(s, caller, caller.Account, cloud.OperatorAccount)
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
	q := listQuery{"DescribePrefixLists", in.PrefixListIds, in.Filters, known, in.MaxResults, 1000, in.NextToken}
	lists, next, err := q.of(s, caller, cloud.OperatorAccount)
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

// listQuery is what the operations that list prefix lists have in common: unlike
// other listings they show those of more than one account.
type listQuery struct {
	operation string
	ids       []string
	filters   []ec2.Filter
	fields    fields[cloud.PrefixList]
	max       *int32
	most      int32
	token     *string
}

func (q listQuery) of(s *Service, c cloud.Caller, accounts ...string) ([]cloud.PrefixList, *string, error) {
	if q.max != nil && len(q.ids) > 0 {
		return nil, nil, notWithIDs("pl")
	}
	if err := checkIDs("pl", q.ids...); err != nil {
		return nil, nil, err
	}
	p, err := s.page(c, q.operation, q.max, q.token, 1, q.most)
	if err != nil {
		return nil, nil, err
	}
	keep, err := match(q.filters, q.fields, func(l cloud.PrefixList) map[string]string { return l.Tags })
	if err != nil {
		return nil, nil, err
	}
	view := s.DB.View()
	var lists []cloud.PrefixList
	for _, account := range accounts {
		lists = slices.AppendSeq(lists, listTable.Select(view, cloud.AccountLabel(account)))
	}
	slices.SortFunc(lists, func(a, b cloud.PrefixList) int { return cmp.Compare(a.ID, b.ID) })
	var unknown []string
	for _, id := range q.ids {
		if !slices.ContainsFunc(lists, func(l cloud.PrefixList) bool { return l.ID == id }) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return nil, nil, notFound("pl", unknown...)
	}
	if len(q.ids) > 0 {
		lists = slices.DeleteFunc(lists, func(l cloud.PrefixList) bool { return !slices.Contains(q.ids, l.ID) })
	}
	found, next := cut(p, where(slices.Values(lists), keep), cloud.PrefixList.Key)
	return found, next, nil
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

// listWeight returns how many rules a rule that names a list counts for: as many as
// the list has room for. One of the cloud's own, or an unknown one, counts for what it has.
func listWeight(r store.Reader) func(id string) int {
	return func(id string) int {
		l, _ := listTable.Get(r, id)
		return max(1, l.MaxEntries, len(l.Entries))
	}
}
