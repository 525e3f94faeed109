package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

const (
	maxLists       = 100  // prefix lists of an account
	maxListEntries = 1000 // entries that a list may have room for
	maxListChange  = 100  // entries that one request may add or remove
)

// CreateManagedPrefixList makes a prefix list with its first version.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateManagedPrefixList.html
func (s *Service) CreateManagedPrefixList(ctx context.Context, in *ec2.CreateManagedPrefixListRequest) (*ec2.CreateManagedPrefixListResult, error) {
	made := aboutList.made(s.asking(ctx), cloud.PrefixList{}, requestTags(in.TagSpecifications, "prefix-list"))
	caller, err := s.allow(ctx, "CreateManagedPrefixList", in.DryRun, made)
	if err != nil {
		return nil, err
	}
	list, err := readList(in)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		ids, repeated, err := s.once(tx, caller, "CreateManagedPrefixList", in.ClientToken, in, func() ([]string, error) {
			if listTable.Count(tx, cloud.AccountLabel(caller.Account)) >= maxLists {
				return nil, cloud.Errorf("PrefixListLimitExceeded", "The maximum number of prefix lists has been reached.")
			}
			list.ID, list.Account, list.Created = s.NewID("pl"), caller.Account, s.Now()
			return []string{list.ID}, listTable.Create(tx, list)
		})
		if err != nil {
			return err
		}
		var ok bool
		if list, ok = listTable.Get(tx, ids[0]); !ok && repeated {
			return notFound("pl", ids[0])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateManagedPrefixListResult{PrefixList: s.listOut(list)}, nil
}

// readList reads what a new list is to be, but for whose.
func readList(in *ec2.CreateManagedPrefixListRequest) (l cloud.PrefixList, err error) {
	l = cloud.PrefixList{Name: val(in.PrefixListName), MaxEntries: int(val(in.MaxEntries)), Version: 1, State: "create-complete"}
	if err := checkListName(in.PrefixListName); err != nil {
		return l, err
	}
	switch family := val(in.AddressFamily); family {
	case "":
		return l, missing("AddressFamily")
	case "IPv4":
	case "IPv6":
		l.IPv6 = true
	default:
		return l, invalid("AddressFamily", family, "Valid values are: IPv4, IPv6.")
	}
	if in.MaxEntries == nil {
		return l, missing("MaxEntries")
	}
	if err := checkListRoom(*in.MaxEntries, len(in.Entries)); err != nil {
		return l, err
	}
	if l.Entries, err = readEntries(l, in.Entries); err != nil {
		return l, err
	}
	l.Tags, err = tagsFromSpec(in.TagSpecifications, "prefix-list")
	return l, err
}

func checkListName(name *string) error {
	switch {
	case val(name) == "":
		return missing("PrefixListName")
	case len(*name) > 255 || !isText(*name):
		return invalid("PrefixListName", *name, "Names have up to 255 characters, none of them control characters.")
	case strings.HasPrefix(*name, "com.amazonaws"):
		return invalid("PrefixListName", *name, "Names may not begin with com.amazonaws.")
	}
	return nil
}

// checkListRoom refuses a size that no list can have, or that is too small for its entries.
func checkListRoom(most int32, entries int) error {
	switch {
	case most < 1 || most > maxListEntries:
		return invalid("MaxEntries", strconv.Itoa(int(most)), "The number must be from 1 to 1000.")
	case entries > int(most):
		return errListFull(int(most))
	}
	return nil
}

func errListFull(most int) error {
	return cloud.Errorf("PrefixListMaxEntriesExceeded", "The prefix list has room for %d entries. Raise MaxEntries first.", most)
}

// readEntries reads the entries that a request gives a list, each range once.
func readEntries(l cloud.PrefixList, given []ec2.AddPrefixListEntry) (entries []cloud.PrefixListEntry, err error) {
	if len(given) > maxListChange {
		return nil, cloud.Errorf("InvalidParameterValue", "A request may add up to %d entries", maxListChange)
	}
	for _, e := range given {
		if val(e.Cidr) == "" {
			return nil, missing("Cidr")
		}
		entry := cloud.PrefixListEntry{Description: val(e.Description)}
		if entry.Prefix, err = parseCIDR(e.Cidr, l.IPv6); err != nil {
			return nil, err
		}
		switch {
		case len(entry.Description) > 255 || !isText(entry.Description):
			return nil, invalid("Description", entry.Description, "Descriptions have up to 255 characters, none of them control characters.")
		case slices.ContainsFunc(entries, func(o cloud.PrefixListEntry) bool { return o.Prefix == entry.Prefix }):
			return nil, cloud.Errorf("InvalidParameterValue", "The CIDR %s is given more than once", entry.Prefix)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// ownList returns the caller's list that a request names. The cloud's own can be
// seen, and not changed.
func ownList(r store.Reader, c cloud.Caller, id *string) (cloud.PrefixList, error) {
	l, err := visibleList(r, c, id)
	if err == nil && l.Account != c.Account {
		err = cloud.Errorf("OperationNotPermitted", "The prefix list '%s' is the cloud's own and cannot be changed.", l.ID)
	}
	return l, err
}

// visibleList returns a list that the caller may see: its own, or one of the cloud's.
func visibleList(r store.Reader, c cloud.Caller, id *string) (cloud.PrefixList, error) {
	if val(id) == "" {
		return cloud.PrefixList{}, missing("PrefixListId")
	}
	if err := checkIDs("pl", *id); err != nil {
		return cloud.PrefixList{}, err
	}
	l, ok := listTable.Get(r, *id)
	if !ok || l.Account != c.Account && l.Account != cloud.OperatorAccount {
		return cloud.PrefixList{}, notFound("pl", *id)
	}
	return l, nil
}

// DeleteManagedPrefixList removes a list that nothing refers to.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteManagedPrefixList.html
func (s *Service) DeleteManagedPrefixList(ctx context.Context, in *ec2.DeleteManagedPrefixListRequest) (*ec2.DeleteManagedPrefixListResult, error) {
	caller, err := s.allow(ctx, "DeleteManagedPrefixList", in.DryRun, aboutList.of(s.asking(ctx), val(in.PrefixListId)))
	if err != nil {
		return nil, err
	}
	var list cloud.PrefixList
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if list, err = ownList(tx, caller, in.PrefixListId); err != nil {
			return err
		}
		if users := listUsers(tx, caller, list.ID); len(users) > 0 {
			return cloud.Errorf("DependencyViolation", "The prefix list '%s' is used by %s and cannot be deleted.", list.ID, users[0])
		}
		return listTable.Delete(tx, list.ID)
	})
	if err != nil {
		return nil, err
	}
	list.State = "delete-complete"
	return &ec2.DeleteManagedPrefixListResult{PrefixList: s.listOut(list)}, nil
}

// listUsers are the IDs of the caller's resources that refer to a list, sorted.
func listUsers(r store.Reader, c cloud.Caller, list string) (ids []string) {
	for g := range groupTable.Select(r, "names-list/"+list) {
		if g.Account == c.Account {
			ids = append(ids, g.ID)
		}
	}
	for t := range routeTable.Select(r, cloud.AccountLabel(c.Account)) {
		if slices.ContainsFunc(t.Routes, func(route cloud.Route) bool { return route.List == list }) {
			ids = append(ids, t.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (s *Service) listOut(l cloud.PrefixList) *ec2.ManagedPrefixList {
	out := &ec2.ManagedPrefixList{
		PrefixListId: new(l.ID), PrefixListName: new(l.Name), PrefixListArn: new(s.Place.ARN("ec2", l.Account, "prefix-list/"+l.ID)),
		OwnerId: new(listOwnerWord(l)), AddressFamily: new(familyWord(l.IPv6)), State: new(l.State), Tags: tagSet(l.Tags),
	}
	if l.Account == cloud.OperatorAccount { // the cloud's own have neither versions nor a size
		out.State, out.PrefixListArn = new("create-complete"), new(s.Place.ARN("ec2", "aws", "prefix-list/"+l.ID))
		return out
	}
	out.MaxEntries, out.Version = new(int32(l.MaxEntries)), new(int64(l.Version))
	return out
}

// listOwnerWord is whose a list is, as the API says it.
func listOwnerWord(l cloud.PrefixList) string {
	if l.Account == cloud.OperatorAccount {
		return "AWS"
	}
	return l.Account
}

func familyWord(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}
