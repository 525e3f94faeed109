package ec2

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// one of each kind of resource of alice, by the name of the kind.
func (r *rig) oneOfEach() map[string]string {
	r.Helper()
	instance := cloud.NewID("i")
	n := r.addInterface(instance, port{})
	address, _ := r.allocate()
	net := r.newNet1()
	volume, image, key := cloud.NewID("vol"), cloud.NewID("ami"), cloud.NewID("key")
	r.update(func(tx *store.Tx) error {
		if err := volumeTable.Create(tx, cloud.Volume{Meta: cloud.Meta{ID: volume, Account: alice}}); err != nil {
			return err
		}
		if err := imageTable.Create(tx, cloud.Image{Meta: cloud.Meta{ID: image, Account: alice}}); err != nil {
			return err
		}
		return keyPairTable.Create(tx, cloud.KeyPair{Meta: cloud.Meta{ID: key, Account: alice}})
	})
	kinds := map[string]string{
		"instance": instance, "volume": volume, "image": image, "key-pair": key, "vpc": r.net.VPC.ID, "subnet": r.net.Subnets[0].ID,
		"route-table": r.net.Routes.ID, "internet-gateway": r.net.Gateway.ID, "network-interface": n.ID, "elastic-ip": address,
		"security-group": r.net.Group.ID, "security-group-rule": r.net.Group.Rules[1].ID,
		"egress-only-internet-gateway": net.egress, "natgateway": net.nat, "dhcp-options": net.options, "vpc-endpoint": net.endpoint,
	}
	maps.Copy(kinds, r.oneOfEachNetwork())
	return kinds
}

// oneOfEachNetwork is more of oneOfEach.
func (r *rig) oneOfEachNetwork() map[string]string {
	r.Helper()
	meta := func(prefix string) cloud.Meta { return cloud.Meta{ID: cloud.NewID(prefix), Account: alice} }
	list, peering, log := meta("pl"), meta("pcx"), meta("fl")
	importSnap, importAMI, exportAMI := meta(importSnapshots), meta(importImages), meta(exportImages)
	egress, nat, endpoint, snapshot := meta("eigw"), meta("nat"), meta("vpce"), meta("snap")
	r.update(func(tx *store.Tx) error {
		return errors.Join(
			listTable.Create(tx, cloud.PrefixList{Meta: list}), peeringTable.Create(tx, cloud.Peering{Meta: peering, Requester: cloud.PeeringSide{Account: alice}}),
			flowLogTable.Create(tx, cloud.FlowLog{Meta: log}), egressTable.Create(tx, cloud.EgressGateway{Meta: egress}),
			natTable.Create(tx, cloud.NATGateway{Meta: nat}), endpointTable.Create(tx, cloud.Endpoint{Meta: endpoint}),
			snapshotTable.Create(tx, cloud.Snapshot{Meta: snapshot}),
			importTable.Create(tx, cloud.ImportTask{Meta: importSnap}), importTable.Create(tx, cloud.ImportTask{Meta: importAMI}),
			exportTable.Create(tx, cloud.ExportTask{Meta: exportAMI}),
		)
	})
	return map[string]string{
		"network-acl": r.net.ACL.ID, "prefix-list": list.ID, "vpc-peering-connection": peering.ID, "vpc-flow-log": log.ID,
		"egress-only-internet-gateway": egress.ID, "natgateway": nat.ID, "vpc-endpoint": endpoint.ID, "dhcp-options": r.net.Options.ID,
		"snapshot": snapshot.ID, "import-snapshot-task": importSnap.ID, "import-image-task": importAMI.ID, "export-image-task": exportAMI.ID,
	}
}

// tagsOf lists tags as "kind key=value", in the order of the answer.
func (r *rig) tagsOf(f ...ec2.Filter) []string {
	r.Helper()
	out := must(r.DescribeTags(r.ctx, &ec2.DescribeTagsRequest{Filters: f}))(r)
	return each(out.Tags, func(d ec2.TagDescription) string { return fmt.Sprintf("%s %s=%s", *d.ResourceType, *d.Key, *d.Value) })
}

func (r *rig) tag(in ec2.CreateTagsRequest) error {
	_, err := r.CreateTags(r.ctx, &in)
	return err
}

func (r *rig) untag(in ec2.DeleteTagsRequest) error {
	_, err := r.DeleteTags(r.ctx, &in)
	return err
}

func TestTagsOnEveryKind(t *testing.T) {
	r := newRig(t)
	all := r.oneOfEach()
	if len(all) != len(taggables) {
		t.Errorf("tried %d kinds, there are %d", len(all), len(taggables))
	}
	ids := slices.Collect(maps.Values(all))
	want(t, "tag", r.tag(ec2.CreateTagsRequest{Resources: ids, Tags: tags("b", "2", "a", "1")}), "")
	want(t, "replace", r.tag(ec2.CreateTagsRequest{Resources: ids, Tags: tags("b", "3")}), "")
	for kind, id := range all {
		got := r.tagsOf(filters("resource-id", id)...)
		if !slices.Equal(got, []string{kind + " a=1", kind + " b=3"}) {
			t.Errorf("%s has tags %q", kind, got)
		}
	}
	var inPages []string
	for token := new(""); token != nil; {
		out := must(r.DescribeTags(r.ctx, &ec2.DescribeTagsRequest{MaxResults: new(int32(5)), NextToken: token}))(t)
		inPages = append(inPages, each(out.Tags, func(d ec2.TagDescription) string { return fmt.Sprintf("%s %s=%s", *d.ResourceType, *d.Key, *d.Value) })...)
		token = out.NextToken
	}
	if whole := r.tagsOf(); !slices.Equal(inPages, whole) || len(whole) != 2*len(all) {
		t.Errorf("pages have %q, the whole is %q", inPages, whole)
	}
	want(t, "untag", r.untag(ec2.DeleteTagsRequest{Resources: ids, Tags: []ec2.Tag{{Key: new("a")}}}), "")
	want(t, "untag all", r.untag(ec2.DeleteTagsRequest{Resources: ids}), "")
	if got := r.tagsOf(); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
}

func TestCreateTagsErrors(t *testing.T) {
	r := newRig(t)
	vpc := []string{r.net.VPC.ID}
	many := func(n int) []ec2.Tag {
		var out []ec2.Tag
		for i := range n {
			out = append(out, tags(fmt.Sprint("key", i), "")...)
		}
		return out
	}
	for _, c := range []struct {
		what       string
		in         ec2.CreateTagsRequest
		code, text string
	}{
		{"no resources", ec2.CreateTagsRequest{Tags: tags("a", "b")}, "MissingParameter", "The request must contain the parameter resourceIdSet"},
		{"no tags", ec2.CreateTagsRequest{Resources: vpc}, "MissingParameter", "The request must contain the parameter tagSet"},
		{"no key", ec2.CreateTagsRequest{Resources: vpc, Tags: []ec2.Tag{{Value: new("b")}}}, "InvalidTagKey.Malformed", "Tag keys cannot be empty or null."},
		{"empty key", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("", "b")}, "InvalidTagKey.Malformed", "Tag keys cannot be empty or null."},
		{"no value", ec2.CreateTagsRequest{Resources: vpc, Tags: []ec2.Tag{{Key: new("a")}}}, "InvalidParameterValue", "Tag value cannot be null. Use empty string instead."},
		{"key of 128", ec2.CreateTagsRequest{Resources: vpc, Tags: tags(strings.Repeat("é", 128), "b")}, "", ""},
		{"key of 129", ec2.CreateTagsRequest{Resources: vpc, Tags: tags(strings.Repeat("k", 129), "b")}, "InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters"},
		{"value of 256", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("a", strings.Repeat("é", 256))}, "", ""},
		{"value of 257", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("a", strings.Repeat("v", 257))}, "InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters"},
		{"key that is no text", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("\xff", "b")}, "InvalidParameterValue", "Tag keys must be UTF-8 text without control characters"},
		{"value with a control character", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("a", "b\x00")}, "InvalidParameterValue", "Tag values must be UTF-8 text without control characters"},
		{"reserved", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("aws:x", "b")}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"reserved, in capitals", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("AWS:x", "b")}, "InvalidParameterValue", ""},
		{"not reserved", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("awsome", "b")}, "", ""},
		{"twice", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("a", "b", "a", "c")}, "InvalidParameterValue", "Duplicate tag key 'a' specified."},
		{"no ID", ec2.CreateTagsRequest{Resources: []string{"web"}, Tags: tags("a", "b")}, "InvalidID", "The ID 'web' is not valid"},
		{"malformed", ec2.CreateTagsRequest{Resources: []string{"vpc-1"}, Tags: tags("a", "b")}, "InvalidID", "The ID 'vpc-1' is not valid"},
		{"unknown", ec2.CreateTagsRequest{Resources: []string{"vpc-01234567"}, Tags: tags("a", "b")}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-01234567' does not exist"},
		{"unknown rule", ec2.CreateTagsRequest{Resources: []string{"sgr-01234567"}, Tags: tags("a", "b")}, "InvalidSecurityGroupRuleId.NotFound", ""},
		{"bob's", ec2.CreateTagsRequest{Resources: []string{r.bobs.VPC.ID}, Tags: tags("a", "b")}, "InvalidVpcID.NotFound", ""},
		{"bob's rule", ec2.CreateTagsRequest{Resources: []string{r.bobs.Group.Rules[0].ID}, Tags: tags("a", "b")}, "InvalidSecurityGroupRuleId.NotFound", ""},
		{"one of two unknown", ec2.CreateTagsRequest{Resources: []string{r.net.Gateway.ID, "vpc-01234567"}, Tags: tags("a", "b")}, "InvalidVpcID.NotFound", ""},
		{"51", ec2.CreateTagsRequest{Resources: []string{r.net.Gateway.ID}, Tags: many(51)}, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached."},
		{"50", ec2.CreateTagsRequest{Resources: []string{r.net.Routes.ID}, Tags: many(50)}, "", ""},
		{"one more", ec2.CreateTagsRequest{Resources: []string{r.net.Routes.ID}, Tags: tags("a", "b")}, "TagLimitExceeded", ""},
		{"one of them", ec2.CreateTagsRequest{Resources: []string{r.net.Routes.ID}, Tags: tags("key7", "b")}, "", ""},
		{"1001 resources", ec2.CreateTagsRequest{Resources: slices.Repeat(vpc, 1001), Tags: tags("a", "b")}, "InvalidParameterValue", ""},
		{"dry run", ec2.CreateTagsRequest{Resources: vpc, Tags: tags("dry", "b"), DryRun: new(true)}, "DryRunOperation", ""},
	} {
		if c.text == "" {
			want(t, c.what, r.tag(c.in), c.code)
		} else {
			want(t, c.what, r.tag(c.in), c.code, c.text)
		}
	}
	if got := r.tagsOf(filters("resource-id", r.net.Gateway.ID)...); len(got) != 0 {
		t.Errorf("refused requests left %q", got)
	}
	if out := must(r.DescribeTags(r.bob, &ec2.DescribeTagsRequest{}))(t); len(out.Tags) != 0 {
		t.Errorf("bob sees %+v", out.Tags)
	}
}

func TestDeleteTags(t *testing.T) {
	r := newRig(t)
	vpc := []string{r.net.VPC.ID}
	want(t, "tag", r.tag(ec2.CreateTagsRequest{Resources: vpc, Tags: tags("a", "1", "b", "2", "c", "", "d", "4")}), "")
	left := func(what string, expected ...string) {
		t.Helper()
		if got := r.tagsOf(); !slices.Equal(got, expected) {
			t.Errorf("%s: left are %q, want %q", what, got, expected)
		}
	}
	want(t, "dry run", r.untag(ec2.DeleteTagsRequest{Resources: vpc, DryRun: new(true)}), "DryRunOperation")
	want(t, "no resources", r.untag(ec2.DeleteTagsRequest{Tags: tags("a", "1")}), "MissingParameter")
	want(t, "empty key", r.untag(ec2.DeleteTagsRequest{Resources: vpc, Tags: tags("", "1")}), "InvalidTagKey.Malformed")
	want(t, "bob's", r.untag(ec2.DeleteTagsRequest{Resources: []string{r.bobs.VPC.ID}}), "InvalidVpcID.NotFound")
	want(t, "other value", r.untag(ec2.DeleteTagsRequest{Resources: vpc, Tags: tags("a", "2", "b", "")}), "")
	left("other value", "vpc a=1", "vpc b=2", "vpc c=", "vpc d=4")
	want(t, "that value", r.untag(ec2.DeleteTagsRequest{Resources: vpc, Tags: tags("a", "1", "c", "", "x", "y")}), "")
	left("that value", "vpc b=2", "vpc d=4")
	want(t, "any value", r.untag(ec2.DeleteTagsRequest{Resources: vpc, Tags: []ec2.Tag{{Key: new("b")}}}), "")
	left("any value", "vpc d=4")
	want(t, "all", r.untag(ec2.DeleteTagsRequest{Resources: vpc}), "")
	left("all")
}

func TestTagSpecifications(t *testing.T) {
	for _, c := range []struct {
		what       string
		in         []ec2.TagSpecification
		code, text string
	}{
		{"none", nil, "", ""},
		{"one", tagSpec("vpc", "a", "b"), "", ""},
		{"no kind", []ec2.TagSpecification{{Tags: tags("a", "b")}}, "InvalidParameterValue", "Tag specification resource type must have a value"},
		{"other kind", tagSpec("subnet", "a", "b"), "InvalidParameterValue", "'subnet' is not a valid taggable resource type for this operation."},
		{"kind twice", slices.Concat(tagSpec("vpc", "a", "b"), tagSpec("vpc", "c", "d")), "InvalidParameterValue", "Tag specification resource type 'vpc' is given more than once"},
		{"no tags", tagSpec("vpc"), "InvalidParameterValue", "Tag specification must have at least one tag"},
		{"bad tag", tagSpec("vpc", "aws:a", "b"), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
	} {
		got, err := tagsFromSpec(c.in, "vpc")
		if c.text == "" {
			want(t, c.what, err, c.code)
		} else {
			want(t, c.what, err, c.code, c.text)
		}
		if err == nil && len(got) != len(c.in) {
			t.Errorf("%s: got %v", c.what, got)
		}
	}
	both, err := tagsFromSpecs(slices.Concat(tagSpec("vpc", "a", "b"), tagSpec("subnet", "c", "d")), "vpc", "subnet")
	if err != nil || both["vpc"]["a"] != "b" || both["subnet"]["c"] != "d" {
		t.Errorf("got %v, %v", both, err)
	}
}
