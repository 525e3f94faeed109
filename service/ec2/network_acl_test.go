package ec2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
)

// entriesOf writes the entries of a network ACL, e.g. "in 100 allow 6 10.0.0.0/8 80-90".
func (r *rig) entriesOf(acl string) (words []string) {
	r.Helper()
	for _, e := range must(r.DescribeNetworkAcls(r.ctx, &ec2.DescribeNetworkAclsRequest{NetworkAclIds: []string{acl}}))(r.TB).NetworkAcls[0].Entries {
		w := fmt.Sprintf("%t %d %s %s %s%s", *e.Egress, *e.RuleNumber, *e.RuleAction, *e.Protocol, val(e.CidrBlock), val(e.Ipv6CidrBlock))
		if e.PortRange != nil {
			w += fmt.Sprintf(" %d-%d", *e.PortRange.From, *e.PortRange.To)
		}
		if e.IcmpTypeCode != nil {
			w += fmt.Sprintf(" %d/%d", *e.IcmpTypeCode.Type, *e.IcmpTypeCode.Code)
		}
		words = append(words, w)
	}
	return words
}

func TestNetworkACLEntries(t *testing.T) {
	r := newRig(t)
	acl := *must(r.CreateNetworkAcl(r.ctx, &ec2.CreateNetworkAclRequest{VpcId: &r.net.VPC.ID}))(t).NetworkAcl.NetworkAclId
	last := []string{"false 32767 deny -1 0.0.0.0/0", "true 32767 deny -1 0.0.0.0/0"}
	if got := r.entriesOf(acl); !slices.Equal(got, last) {
		t.Errorf("a new one has %q", got)
	}
	type in = ec2.CreateNetworkAclEntryRequest
	for _, c := range []struct {
		what   string
		change func(*in)
		code   string
	}{
		{"no ACL", func(e *in) { e.NetworkAclId = nil }, "MissingParameter"},
		{"unknown", func(e *in) { e.NetworkAclId = new("acl-01234567") }, "InvalidNetworkAclID.NotFound"},
		{"no number", func(e *in) { e.RuleNumber = nil }, "MissingParameter"},
		{"reserved number", func(e *in) { e.RuleNumber = new(int32(32767)) }, "InvalidParameterValue"},
		{"no direction", func(e *in) { e.Egress = nil }, "MissingParameter"},
		{"no action", func(e *in) { e.RuleAction = nil }, "MissingParameter"},
		{"action", func(e *in) { e.RuleAction = new("drop") }, "InvalidParameterValue"},
		{"protocol", func(e *in) { e.Protocol = new("300") }, "InvalidParameterValue"},
		{"no range", func(e *in) { e.CidrBlock = nil }, "MissingParameter"},
		{"two ranges", func(e *in) { e.Ipv6CidrBlock = new("::/0") }, "InvalidParameterCombination"},
		{"bad range", func(e *in) { e.CidrBlock = new("10.0.0.0") }, "InvalidParameterValue"},
		{"no ports", func(e *in) { e.PortRange = nil }, "MissingParameter"},
		{"ports backwards", func(e *in) { e.PortRange = &ec2.PortRange{From: new(int32(9)), To: new(int32(1))} }, "InvalidParameterValue"},
		{"no type", func(e *in) { e.Protocol = new("1") }, "MissingParameter"},
		{"TCP", func(*in) {}, ""},
		{"again", func(*in) {}, "NetworkAclEntryAlreadyExists"},
		{"by name", func(e *in) { e.RuleNumber, e.Protocol, e.RuleAction = new(int32(50)), new("udp"), new("deny") }, ""},
		{"all", func(e *in) {
			e.RuleNumber, e.Egress, e.Protocol, e.CidrBlock, e.Ipv6CidrBlock = new(int32(7)), new(true), new("-1"), nil, new("fd00::1/8")
		}, ""},
		{"ICMP", func(e *in) {
			e.RuleNumber, e.Protocol, e.IcmpTypeCode = new(int32(60)), new("1"), &ec2.IcmpTypeCode{Type: new(int32(8)), Code: new(int32(-1))}
		}, ""},
		{"ICMPv6 of IPv4", func(e *in) { e.RuleNumber, e.Protocol = new(int32(61)), new("58") }, ""},
		{"GRE", func(e *in) { e.RuleNumber, e.Protocol = new(int32(62)), new("47") }, ""},
	} {
		e := entry(acl, 100, false)
		c.change(e)
		_, err := r.CreateNetworkAclEntry(r.ctx, e)
		want(t, c.what, err, c.code)
	}
	all := []string{
		"false 50 deny 17 10.0.0.0/8 80-90", "false 60 allow 1 10.0.0.0/8 8/-1", "false 61 allow 58 10.0.0.0/8 -1/-1", "false 62 allow 47 10.0.0.0/8",
		"false 100 allow 6 10.0.0.0/8 80-90", last[0], "true 7 allow -1 fd00::/8", last[1],
	}
	if got := r.entriesOf(acl); !slices.Equal(got, all) {
		t.Errorf("entries are\n%s", strings.Join(got, "\n"))
	}
	other := ec2.ReplaceNetworkAclEntryRequest(*entry(acl, 50, false))
	must(r.ReplaceNetworkAclEntry(r.ctx, &other))(t)
	other.RuleNumber = new(int32(51))
	_, err := r.ReplaceNetworkAclEntry(r.ctx, &other)
	want(t, "replace what is not there", err, "InvalidNetworkAclEntry.NotFound")
	must(r.DeleteNetworkAclEntry(r.ctx, &ec2.DeleteNetworkAclEntryRequest{NetworkAclId: &acl, RuleNumber: new(int32(60)), Egress: new(false)}))(t)
	_, err = r.DeleteNetworkAclEntry(r.ctx, &ec2.DeleteNetworkAclEntryRequest{NetworkAclId: &acl, RuleNumber: new(int32(60)), Egress: new(false)})
	want(t, "delete what is not there", err, "InvalidNetworkAclEntry.NotFound")
	if got := r.entriesOf(acl)[0]; got != "false 50 allow 6 10.0.0.0/8 80-90" {
		t.Errorf("the replaced entry is %s", got)
	}
	for n := int32(1); ; n++ {
		if _, err := r.CreateNetworkAclEntry(r.ctx, entry(acl, 1000+n, true)); err != nil {
			want(t, "one too many", err, "NetworkAclEntryLimitExceeded")
			break
		}
		if n > maxEntries {
			t.Fatal("entries have no limit")
		}
	}
}

func TestNetworkACLs(t *testing.T) {
	r := newRig(t)
	subnet := r.net.Subnets[0].ID
	acl := *must(r.CreateNetworkAcl(r.ctx, &ec2.CreateNetworkAclRequest{VpcId: &r.net.VPC.ID, ClientToken: new("t")}))(t).NetworkAcl.NetworkAclId
	if again := must(r.CreateNetworkAcl(r.ctx, &ec2.CreateNetworkAclRequest{VpcId: &r.net.VPC.ID, ClientToken: new("t")}))(t); *again.NetworkAcl.NetworkAclId != acl {
		t.Error("one token made two network ACLs")
	}
	foreign := *must(r.CreateNetworkAcl(r.ctx, &ec2.CreateNetworkAclRequest{VpcId: new(r.addRangedVPC("10.9.0.0/16").ID)}))(t).NetworkAcl.NetworkAclId
	must(r.CreateNetworkAclEntry(r.ctx, entry(acl, 100, false)))(t)
	replace := func(association, acl string) (string, error) {
		out, err := r.ReplaceNetworkAclAssociation(r.ctx, &ec2.ReplaceNetworkAclAssociationRequest{AssociationId: &association, NetworkAclId: &acl})
		if err != nil {
			return "", err
		}
		return *out.NewAssociationId, nil
	}
	old := r.filterBy(r.net.ACL.ID, subnet)
	_, err := replace("aclassoc-01234567", acl)
	want(t, "unknown association", err, "InvalidAssociationID.NotFound")
	_, err = replace(old, foreign)
	want(t, "another VPC's", err, "InvalidParameterValue")
	_, err = replace(old, "acl-01234567")
	want(t, "unknown", err, "InvalidNetworkAclID.NotFound")
	fresh, err := replace(old, acl)
	want(t, "replace", err, "")
	_, err = replace(old, acl)
	want(t, "what was replaced", err, "InvalidAssociationID.NotFound")
	filterTable{
		names: names(aclFields(r.DB.View())), id: acl,
		cases: map[string]string{
			"association.association-id": fresh, "association.network-acl-id": acl, "association.subnet-id": subnet, "default": "false",
			"entry.cidr": "10.0.0.0/8", "entry.egress": "false", "entry.icmp.code": absent, "entry.icmp.type": absent, "entry.ipv6-cidr": absent,
			"entry.port-range.from": "80", "entry.port-range.to": "90", "entry.protocol": "6", "entry.rule-action": "allow", "entry.rule-number": "100",
			"network-acl-id": acl, "owner-id": alice, "vpc-id": r.net.VPC.ID,
		},
		ids: func(f []ec2.Filter) ([]string, error) {
			out, err := r.DescribeNetworkAcls(r.ctx, &ec2.DescribeNetworkAclsRequest{Filters: f})
			if err != nil {
				return nil, err
			}
			return each(out.NetworkAcls, func(a ec2.NetworkAcl) string { return *a.NetworkAclId }), nil
		},
	}.checkTags(t, r)
	remove := func(id string) error {
		_, err := r.DeleteNetworkAcl(r.ctx, &ec2.DeleteNetworkAclRequest{NetworkAclId: &id})
		return err
	}
	want(t, "delete the default one", remove(r.net.ACL.ID), "InvalidParameterValue", "cannot delete default network ACL "+r.net.ACL.ID)
	want(t, "delete one in use", remove(acl), "DependencyViolation")
	want(t, "delete", remove(foreign), "")
	want(t, "delete again", remove(foreign), "InvalidNetworkAclID.NotFound")
}
