package ec2

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

func (r *rig) entriesOfList(id string, version *int64) []string {
	r.Helper()
	out := must(r.GetManagedPrefixListEntries(r.ctx, &ec2.GetManagedPrefixListEntriesRequest{PrefixListId: &id, TargetVersion: version}))(r.TB)
	return each(out.Entries, func(e ec2.PrefixListEntry) string { return *e.Cidr })
}

func TestCreatePrefixList(t *testing.T) {
	r := newRig(t)
	type in = ec2.CreateManagedPrefixListRequest
	for what, c := range map[string]struct {
		change func(*in)
		code   string
	}{
		"no name":        {func(l *in) { l.PrefixListName = nil }, "MissingParameter"},
		"reserved name":  {func(l *in) { l.PrefixListName = new("com.amazonaws.x") }, "InvalidParameterValue"},
		"no family":      {func(l *in) { l.AddressFamily = nil }, "MissingParameter"},
		"family":         {func(l *in) { l.AddressFamily = new("IPv5") }, "InvalidParameterValue"},
		"another family": {func(l *in) { l.AddressFamily = new("IPv6") }, "InvalidParameterValue"},
		"no size":        {func(l *in) { l.MaxEntries = nil }, "MissingParameter"},
		"size":           {func(l *in) { l.MaxEntries = new(int32(1001)) }, "InvalidParameterValue"},
		"too small":      {func(l *in) { l.MaxEntries = new(int32(1)) }, "PrefixListMaxEntriesExceeded"},
		"twice":          {func(l *in) { l.Entries[1].Cidr = new("10.0.0.1/8") }, "InvalidParameterValue"},
		"no range":       {func(l *in) { l.Entries[1].Cidr = nil }, "MissingParameter"},
		"plain":          {func(*in) {}, ""},
	} {
		l := newList("name", "10.0.0.0/8", "11.0.0.0/8")
		c.change(l)
		_, err := r.CreateManagedPrefixList(r.ctx, l)
		want(t, what, err, c.code)
	}
	l := newList("once", "10.0.0.0/8")
	l.ClientToken = new("t")
	first, again := must(r.CreateManagedPrefixList(r.ctx, l))(t), must(r.CreateManagedPrefixList(r.ctx, l))(t)
	if *first.PrefixList.PrefixListId != *again.PrefixList.PrefixListId {
		t.Error("one token made two lists")
	}
}

func TestPrefixListVersions(t *testing.T) {
	r := newRig(t)
	id := *must(r.CreateManagedPrefixList(r.ctx, newList("list", "10.0.0.0/8")))(t).PrefixList.PrefixListId
	type in = ec2.ModifyManagedPrefixListRequest
	add := func(cidr string) []ec2.AddPrefixListEntry { return []ec2.AddPrefixListEntry{{Cidr: &cidr}} }
	remove := func(cidr string) []ec2.RemovePrefixListEntry { return []ec2.RemovePrefixListEntry{{Cidr: &cidr}} }
	one := new(int64(1))
	for _, c := range []struct {
		what string
		in   in
		code string
	}{
		{"nothing", in{}, "InvalidRequest"},
		{"no version", in{AddEntries: add("11.0.0.0/8")}, "MissingParameter"},
		{"entries and size", in{AddEntries: add("11.0.0.0/8"), CurrentVersion: one, MaxEntries: new(int32(9))}, "InvalidParameterCombination"},
		{"an old version", in{AddEntries: add("11.0.0.0/8"), CurrentVersion: new(int64(7))}, "PrefixListVersionMismatch"},
		{"in both", in{AddEntries: add("10.0.0.0/8"), RemoveEntries: remove("10.0.0.0/8"), CurrentVersion: one}, "InvalidParameterValue"},
		{"not there", in{RemoveEntries: remove("12.0.0.0/8"), CurrentVersion: one}, "InvalidParameterValue"},
		{"there", in{AddEntries: add("10.0.0.0/8"), CurrentVersion: one}, "InvalidRequest"},
		{"too small", in{MaxEntries: new(int32(0))}, "InvalidParameterValue"},
		{"name and size", in{PrefixListName: new("renamed"), MaxEntries: new(int32(2))}, ""},
		{"another", in{AddEntries: add("11.0.0.0/8"), CurrentVersion: one}, ""},
		{"no room", in{AddEntries: add("12.0.0.0/8"), CurrentVersion: new(int64(2))}, "PrefixListMaxEntriesExceeded"},
		{"one for another", in{AddEntries: add("12.0.0.0/8"), RemoveEntries: remove("10.0.0.0/8"), CurrentVersion: new(int64(2))}, ""},
	} {
		c.in.PrefixListId = &id
		_, err := r.ModifyManagedPrefixList(r.ctx, &c.in)
		want(t, c.what, err, c.code)
	}
	for version, ranges := range map[int64][]string{1: {"10.0.0.0/8"}, 2: {"10.0.0.0/8", "11.0.0.0/8"}, 3: {"11.0.0.0/8", "12.0.0.0/8"}} {
		if got := r.entriesOfList(id, &version); !slices.Equal(got, ranges) {
			t.Errorf("version %d has %q", version, got)
		}
	}
	_, err := r.GetManagedPrefixListEntries(r.ctx, &ec2.GetManagedPrefixListEntriesRequest{PrefixListId: &id, TargetVersion: new(int64(4))})
	want(t, "a version to come", err, "InvalidParameterValue")
	_, err = r.RestoreManagedPrefixListVersion(r.ctx, &ec2.RestoreManagedPrefixListVersionRequest{PrefixListId: &id, PreviousVersion: one, CurrentVersion: one})
	want(t, "restore over an old version", err, "PrefixListVersionMismatch")
	out := must(r.RestoreManagedPrefixListVersion(r.ctx, &ec2.RestoreManagedPrefixListVersionRequest{PrefixListId: &id, PreviousVersion: one, CurrentVersion: new(int64(3))}))(t).PrefixList
	if *out.Version != 4 || *out.State != "restore-complete" || *out.PrefixListName != "renamed" || len(r.entriesOfList(id, nil)) != 1 {
		t.Errorf("restored to %+v", out)
	}
	var l cloud.PrefixList
	for n := range 2 * cloud.PrefixListVersions {
		l = l.Next([]cloud.PrefixListEntry{{Description: fmt.Sprint(n)}})
	}
	if old, ok := l.At(l.Version - cloud.PrefixListVersions); !ok || old[0].Description != fmt.Sprint(cloud.PrefixListVersions-1) {
		t.Errorf("the oldest version that is kept has %+v", old)
	}
	if _, ok := l.At(l.Version - cloud.PrefixListVersions - 1); ok {
		t.Error("versions are kept for ever")
	}
}

// A list counts for as many rules as it has room for, in the groups that name it.
func TestPrefixListInRules(t *testing.T) {
	r := newRig(t)
	id := *must(r.CreateManagedPrefixList(r.ctx, newList("list", "10.0.0.0/8")))(t).PrefixList.PrefixListId
	group := r.newSecurityGroup("web")
	name := func(list string) ec2.IpPermission {
		return ec2.IpPermission{IpProtocol: new("-1"), PrefixListIds: []ec2.PrefixListId{{PrefixListId: &list, Description: new("d")}}}
	}
	_, err := r.CreateManagedPrefixList(r.bob, newList("bobs"))
	want(t, "bob's list", err, "")
	for l := range listTable.Select(r.DB.View(), cloud.AccountLabel(bob)) {
		want(t, "a rule with bob's list", r.ingress(group, name(l.ID)), "InvalidPrefixListID.NotFound")
	}
	want(t, "a rule with the list", r.ingress(group, name(id)), "")
	want(t, "again", r.ingress(group, name(id)), "InvalidPermission.Duplicate")
	p := r.securityGroup(group).IpPermissions[0]
	if len(p.PrefixListIds) != 1 || *p.PrefixListIds[0].PrefixListId != id || *p.PrefixListIds[0].Description != "d" {
		t.Errorf("the permission is %+v", p)
	}
	for n := range maxRules - 5 { // the list has room for five
		want(t, "fill", r.ingress(group, tcp(int32(n), int32(n), "10.0.0.0/8")), "")
	}
	want(t, "one too many", r.ingress(group, tcp(99, 99, "10.0.0.0/8")), "RulesPerSecurityGroupLimitExceeded")
	want(t, "of IPv6", r.ingress(group, ec2.IpPermission{IpProtocol: new("-1"), Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: new("::/0")}}}), "")
	_, err = r.ModifyManagedPrefixList(r.ctx, &ec2.ModifyManagedPrefixListRequest{PrefixListId: &id, MaxEntries: new(int32(6))})
	want(t, "a list too large for its group", err, "InvalidParameterValue")
	users := must(r.GetManagedPrefixListAssociations(r.ctx, &ec2.GetManagedPrefixListAssociationsRequest{PrefixListId: &id}))(t).PrefixListAssociations
	if len(users) != 1 || *users[0].ResourceId != group || *users[0].ResourceOwner != alice {
		t.Errorf("it is used by %+v", users)
	}
	remove := func() error {
		_, err := r.DeleteManagedPrefixList(r.ctx, &ec2.DeleteManagedPrefixListRequest{PrefixListId: &id})
		return err
	}
	want(t, "delete it in use", remove(), "DependencyViolation")
	must(r.RevokeSecurityGroupIngress(r.ctx, &ec2.RevokeSecurityGroupIngressRequest{GroupId: &group, IpPermissions: []ec2.IpPermission{name(id)}}))(t)
	want(t, "delete", remove(), "")
	want(t, "delete again", remove(), "InvalidPrefixListID.NotFound")
}

// The cloud's own lists are seen by everybody, and changed by nobody.
func TestServicePrefixLists(t *testing.T) {
	r := newRig(t)
	own := *must(r.CreateManagedPrefixList(r.ctx, newList("own", "10.0.0.0/8")))(t).PrefixList.PrefixListId
	service := cloud.PrefixList{Meta: cloud.Meta{ID: "pl-0123456789abcdef0", Account: cloud.OperatorAccount}, Name: "com.amazonaws.eu-paris-1.s3"}
	service.Entries = []cloud.PrefixListEntry{{Prefix: everywhere}}
	r.update(func(tx *store.Tx) error { return listTable.Put(tx, service) })
	filterTable{
		names: names(listFields), id: service.ID,
		cases: map[string]string{"owner-id": "AWS", "prefix-list-id": service.ID, "prefix-list-name": service.Name},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeManagedPrefixLists(r.ctx, &ec2.DescribeManagedPrefixListsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.PrefixLists, func(l ec2.ManagedPrefixList) string { return *l.PrefixListId }), nil
		},
	}.check(t)
	if lists := must(r.DescribeManagedPrefixLists(r.bob, &ec2.DescribeManagedPrefixListsRequest{}))(t).PrefixLists; len(lists) != 1 || lists[0].Version != nil {
		t.Errorf("bob sees %+v", lists)
	}
	_, err := r.DescribeManagedPrefixLists(r.bob, &ec2.DescribeManagedPrefixListsRequest{PrefixListIds: []string{own}})
	want(t, "alice's list", err, "InvalidPrefixListID.NotFound")
	if lists := must(r.DescribePrefixLists(r.ctx, &ec2.DescribePrefixListsRequest{}))(t).PrefixLists; len(lists) != 1 || lists[0].Cidrs[0] != "0.0.0.0/0" {
		t.Errorf("services have %+v", lists)
	}
	_, err = r.DeleteManagedPrefixList(r.ctx, &ec2.DeleteManagedPrefixListRequest{PrefixListId: &service.ID})
	want(t, "delete the cloud's", err, "OperationNotPermitted")
	want(t, "tag the cloud's", r.tag(ec2.CreateTagsRequest{Resources: []string{service.ID}, Tags: tags("k", "v")}), "OperationNotPermitted")
}
