package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// ModifyManagedPrefixList changes a list: its name, its size, or its entries, which
// makes a new version.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyManagedPrefixList.html
func (s *Service) ModifyManagedPrefixList(ctx context.Context, in *ec2.ModifyManagedPrefixListRequest) (*ec2.ModifyManagedPrefixListResult, error) {
	caller, err := s.allow(ctx, "ModifyManagedPrefixList", in.DryRun, aboutList.of(s.asking(ctx), val(in.PrefixListId)))
	if err != nil {
		return nil, err
	}
	entries := len(in.AddEntries)+len(in.RemoveEntries) > 0
	switch {
	case val(in.IpamPrefixListResolverSyncEnabled):
		return nil, unsupported("Prefix lists that an address manager fills are not available.")
	case !entries && in.MaxEntries == nil && in.PrefixListName == nil:
		return nil, cloud.Errorf("InvalidRequest", "The request received was invalid. Name what to change.")
	case entries && in.MaxEntries != nil:
		return nil, cloud.Errorf("InvalidParameterCombination", "You cannot modify the entries of a prefix list and modify the size of a prefix list at the same time.")
	case entries && in.CurrentVersion == nil:
		return nil, missing("CurrentVersion")
	case in.PrefixListName != nil:
		if err := checkListName(in.PrefixListName); err != nil {
			return nil, err
		}
	}
	var list cloud.PrefixList
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if list, err = ownList(tx, caller, in.PrefixListId); err != nil {
			return err
		}
		if err := checkVersion(list, in.CurrentVersion); err != nil {
			return err
		}
		if in.PrefixListName != nil {
			list.Name = *in.PrefixListName
		}
		if in.MaxEntries != nil {
			if err := resizeList(tx, caller, &list, *in.MaxEntries); err != nil {
				return err
			}
		}
		if entries {
			changed, err := changeEntries(list, in)
			if err != nil {
				return err
			}
			list = list.Next(changed)
		}
		list.State = "modify-complete"
		return listTable.Put(tx, list)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.ModifyManagedPrefixListResult{PrefixList: s.listOut(list)}, nil
}

func checkVersion(l cloud.PrefixList, current *int64) error {
	if current != nil && *current != int64(l.Version) {
		return cloud.Errorf("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")
	}
	return nil
}

// resizeList changes how many entries a list has room for, unless a security group
// or route table that refers to it has no room for them.
func resizeList(r store.Reader, c cloud.Caller, l *cloud.PrefixList, most int32) error {
	if err := checkListRoom(most, len(l.Entries)); err != nil {
		return err
	}
	weigh := func(id string) (int, bool) {
		if id == l.ID {
			return int(most), l.IPv6
		}
		return weights(r)(id)
	}
	var full []string
	for g := range groupTable.Select(r, "names-list/"+l.ID) {
		if g.Account == c.Account && int(most) > l.MaxEntries && (tooManyRules(weigh, g.Rules, false) || tooManyRules(weigh, g.Rules, true)) {
			full = append(full, g.ID)
		}
	}
	if len(full) > 0 {
		return cloud.Errorf("InvalidParameterValue", "The following resources that refer to the prefix list have no room for %d entries: %s", most, strings.Join(full[:min(len(full), 10)], ", "))
	}
	l.MaxEntries = int(most)
	return nil
}

// changeEntries returns the entries of a list with some removed and some added.
func changeEntries(l cloud.PrefixList, in *ec2.ModifyManagedPrefixListRequest) ([]cloud.PrefixListEntry, error) {
	added, err := readEntries(l, in.AddEntries)
	if err != nil {
		return nil, err
	}
	if len(in.RemoveEntries) > maxListChange {
		return nil, cloud.Errorf("InvalidParameterValue", "A request may remove up to %d entries", maxListChange)
	}
	left := slices.Clone(l.Entries)
	has := func(list []cloud.PrefixListEntry, p netip.Prefix) int {
		return slices.IndexFunc(list, func(e cloud.PrefixListEntry) bool { return e.Prefix == p })
	}
	for _, e := range in.RemoveEntries {
		p, err := parseCIDR(e.Cidr, l.IPv6)
		if err != nil {
			return nil, err
		}
		at := has(left, p)
		switch {
		case has(added, p) >= 0:
			return nil, cloud.Errorf("InvalidParameterValue", "Request cannot contain Cidr %s in both AddPrefixListEntries and RemovePrefixListEntries", p)
		case at < 0:
			return nil, cloud.Errorf("InvalidParameterValue", "The prefix list '%s' has no entry %s", l.ID, p)
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, e := range added {
		if has(left, e.Prefix) >= 0 {
			return nil, cloud.Errorf("InvalidRequest", "The request received was invalid. The prefix list '%s' has an entry %s already.", l.ID, e.Prefix)
		}
	}
	left = append(left, added...)
	if len(left) > l.MaxEntries {
		return nil, errListFull(l.MaxEntries)
	}
	return left, nil
}

// RestoreManagedPrefixListVersion gives a list the entries of an earlier version, as
// a new version.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RestoreManagedPrefixListVersion.html
func (s *Service) RestoreManagedPrefixListVersion(ctx context.Context, in *ec2.RestoreManagedPrefixListVersionRequest) (*ec2.RestoreManagedPrefixListVersionResult, error) {
	caller, err := s.allow(ctx, "RestoreManagedPrefixListVersion", in.DryRun, aboutList.of(s.asking(ctx), val(in.PrefixListId)))
	if err != nil {
		return nil, err
	}
	switch {
	case in.PreviousVersion == nil:
		return nil, missing("PreviousVersion")
	case in.CurrentVersion == nil:
		return nil, missing("CurrentVersion")
	}
	var list cloud.PrefixList
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if list, err = ownList(tx, caller, in.PrefixListId); err != nil {
			return err
		}
		if err := checkVersion(list, in.CurrentVersion); err != nil {
			return err
		}
		entries, err := entriesAt(list, in.PreviousVersion)
		switch {
		case err != nil:
			return err
		case len(entries) > list.MaxEntries:
			return errListFull(list.MaxEntries)
		}
		list = list.Next(entries)
		list.State = "restore-complete"
		return listTable.Put(tx, list)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.RestoreManagedPrefixListVersionResult{PrefixList: s.listOut(list)}, nil
}

// entriesAt are the entries of a version of a list, of the present one for nil.
func entriesAt(l cloud.PrefixList, version *int64) ([]cloud.PrefixListEntry, error) {
	if version == nil {
		return l.Entries, nil
	}
	entries, ok := l.At(int(*version))
	if !ok {
		return nil, invalid("TargetVersion", strconv.FormatInt(*version, 10), "The prefix list '"+l.ID+"' has no such version.")
	}
	return entries, nil
}
