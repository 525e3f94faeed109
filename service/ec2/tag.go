package ec2

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxTagged is how many resources one request may tag.
const maxTagged = 1000

// taggable is what the tag operations do with one kind of resource.
type taggable struct {
	kind
	// list yields the account's resources and their tags, by ID.
	list func(r store.Reader, account string) iter.Seq2[string, map[string]string]
	// change replaces the tags of a resource; it is notFound if the account has none of that ID.
	change func(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error
	// subject is how policy is told of a resource of that ID.
	subject func(a asking, id string) subject
}

// taggables are all kinds that carry tags, in the order of their IDs.
var taggables = func() []taggable {
	all := []taggable{
		tagged(aboutInstance, func(v *cloud.Instance) *cloud.Meta { return &v.Meta }),
		tagged(aboutVolume, func(v *cloud.Volume) *cloud.Meta { return &v.Meta }),
		hiding(tagged(aboutSnapshot, func(v *cloud.Snapshot) *cloud.Meta { return &v.Meta }), snapshotTable, func(v cloud.Snapshot) bool { return !v.Kept() }),
		hiding(tagged(aboutImage, func(v *cloud.Image) *cloud.Meta { return &v.Meta }), imageTable, func(v cloud.Image) bool { return v.Retired }),
		tagged(aboutKeyPair, func(v *cloud.KeyPair) *cloud.Meta { return &v.Meta }),
		tagged(aboutVPC, func(v *cloud.VPC) *cloud.Meta { return &v.Meta }),
		tagged(aboutSubnet, func(v *cloud.Subnet) *cloud.Meta { return &v.Meta }),
		tagged(aboutRoutes, func(v *cloud.RouteTable) *cloud.Meta { return &v.Meta }),
		tagged(aboutGateway, func(v *cloud.InternetGateway) *cloud.Meta { return &v.Meta }),
		tagged(aboutInterface, func(v *cloud.NetworkInterface) *cloud.Meta { return &v.Meta }),
		tagged(aboutAddress, func(v *cloud.Address) *cloud.Meta { return &v.Meta }),
		tagged(aboutACL, func(v *cloud.NetworkACL) *cloud.Meta { return &v.Meta }),
		tagged(aboutFlowLog, func(v *cloud.FlowLog) *cloud.Meta { return &v.Meta }),
		taggedLists(),
		taggedPeerings(),
		tagged(aboutGroup, func(v *cloud.SecurityGroup) *cloud.Meta { return &v.Meta }),
		tagged(aboutEgress, func(v *cloud.EgressGateway) *cloud.Meta { return &v.Meta }),
		tagged(aboutNAT, func(v *cloud.NATGateway) *cloud.Meta { return &v.Meta }),
		tagged(aboutOptions, func(v *cloud.DHCPOptions) *cloud.Meta { return &v.Meta }),
		tagged(aboutEndpoint, func(v *cloud.Endpoint) *cloud.Meta { return &v.Meta }),
		taggedImports(aboutImportSnapshot),
		taggedImports(aboutImportImage),
		tagged(aboutExportImage, func(v *cloud.ExportTask) *cloud.Meta { return &v.Meta }),
		{kind: kindOf("sgr"), list: listRuleTags, change: changeRuleTags, subject: asking.rule},
	}
	slices.SortFunc(all, func(a, b taggable) int { return cmp.Compare(a.prefix+"-", b.prefix+"-") })
	return all
}()

// tagged is the kind of a table's resources.
func tagged[T resource](k about[T], meta func(*T) *cloud.Meta) taggable {
	prefix, table := k.prefix, k.table
	return taggable{
		kind: kindOf(prefix),
		list: func(r store.Reader, account string) iter.Seq2[string, map[string]string] {
			return func(yield func(string, map[string]string) bool) {
				for v := range table.Select(r, cloud.AccountLabel(account)) {
					if !yield(v.Key(), v.ResourceMeta().Tags) {
						return
					}
				}
			}
		},
		change: func(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error {
			if v, ok := table.Get(tx, id); !ok || v.ResourceMeta().Account != account {
				return notFound(prefix, id)
			}
			return table.Modify(tx, id, func(v *T) (err error) {
				m := meta(v)
				m.Tags, err = edit(m.Tags)
				return err
			})
		},
		subject: k.of,
	}
}

// hiding is the kind without those that are there and can be seen no more.
func hiding[T resource](t taggable, table store.Table[T], hidden func(T) bool) taggable {
	change, list := t.change, t.list
	t.change = func(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error {
		if v, ok := table.Get(tx, id); ok && hidden(v) {
			return notFound(t.prefix, id)
		}
		return change(tx, account, id, edit)
	}
	t.list = func(r store.Reader, account string) iter.Seq2[string, map[string]string] {
		return func(yield func(string, map[string]string) bool) {
			for id, tags := range list(r, account) {
				if v, ok := table.Get(r, id); ok && !hidden(v) && !yield(id, tags) {
					return
				}
			}
		}
	}
	return t
}

// taggedImports is one of the kinds of imports, which share a table.
func taggedImports(k about[cloud.ImportTask]) taggable {
	t := tagged(k, func(v *cloud.ImportTask) *cloud.Meta { return &v.Meta })
	t.list = func(r store.Reader, account string) iter.Seq2[string, map[string]string] {
		return func(yield func(string, map[string]string) bool) {
			for v := range importsOf(r, account, k.prefix) {
				if !yield(v.ID, v.Tags) {
					return
				}
			}
		}
	}
	return t
}

// taggedLists is the kind of prefix lists: those of the cloud can be seen, and not
// tagged.
func taggedLists() taggable {
	t := tagged(aboutList, func(v *cloud.PrefixList) *cloud.Meta { return &v.Meta })
	change := t.change
	t.change = func(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error {
		if _, err := ownList(tx, cloud.Caller{Account: account}, &id); err != nil {
			return err
		}
		return change(tx, account, id, edit)
	}
	return t
}

// taggedPeerings is the kind of VPC peering connections: each side has tags of its own.
func taggedPeerings() taggable {
	return taggable{
		kind: kindOf(aboutPeering.prefix),
		list: func(r store.Reader, account string) iter.Seq2[string, map[string]string] {
			return func(yield func(string, map[string]string) bool) {
				for p := range peeringTable.Select(r, cloud.AccountLabel(account)) {
					if !yield(p.ID, p.As(account).Tags) {
						return
					}
				}
			}
		},
		change: func(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error {
			p, ok := peeringTable.Get(tx, id)
			if !ok || p.Account != account && p.Accepter.Account != account {
				return notFound(aboutPeering.prefix, id)
			}
			tags := &p.Tags
			if p.Account != account {
				tags = &p.Accepter.Tags
			}
			var err error
			if *tags, err = edit(*tags); err != nil {
				return err
			}
			return peeringTable.Put(tx, p)
		},
		subject: aboutPeering.of,
	}
}

func listRuleTags(r store.Reader, account string) iter.Seq2[string, map[string]string] {
	return func(yield func(string, map[string]string) bool) {
		for _, rule := range rulesOf(r, account) {
			if !yield(rule.ID, rule.Tags) {
				return
			}
		}
	}
}

func changeRuleTags(tx *store.Tx, account, id string, edit func(map[string]string) (map[string]string, error)) error {
	for group := range groupTable.Select(tx, cloud.AccountLabel(account)) {
		i := slices.IndexFunc(group.Rules, func(r cloud.Rule) bool { return r.ID == id })
		if i < 0 {
			continue
		}
		return groupTable.Modify(tx, group.ID, func(g *cloud.SecurityGroup) (err error) {
			g.Rules[i].Tags, err = edit(g.Rules[i].Tags)
			return err
		})
	}
	return notFound("sgr", id)
}

// CreateTags adds tags to resources of any kind, or replaces their values.
func (s *Service) CreateTags(ctx context.Context, in *ec2.CreateTagsRequest) (*ec2.CreateTagsOutput, error) {
	caller, err := s.allow(ctx, "CreateTags", in.DryRun, s.asking(ctx).tagged(in.Resources, in.Tags)...)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("tagSet")
	}
	for _, t := range in.Tags {
		if t.Value == nil {
			return nil, cloud.Errorf("InvalidParameterValue", "Tag value cannot be null. Use empty string instead.")
		}
	}
	if _, err := addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	err = s.retag(ctx, caller, in.Resources, func(old map[string]string) (map[string]string, error) {
		return addTags(old, in.Tags)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateTagsOutput{}, nil
}

// DeleteTags removes tags from resources: those of the given keys, where a tag
// with a value only goes if it has that value; all if none is given.
func (s *Service) DeleteTags(ctx context.Context, in *ec2.DeleteTagsRequest) (*ec2.DeleteTagsOutput, error) {
	caller, err := s.allow(ctx, "DeleteTags", in.DryRun, s.asking(ctx).tagged(in.Resources, in.Tags)...)
	if err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		if err := checkTagKey(val(t.Key)); err != nil {
			return nil, err
		}
	}
	err = s.retag(ctx, caller, in.Resources, func(old map[string]string) (map[string]string, error) {
		if len(in.Tags) == 0 {
			return nil, nil
		}
		left := maps.Clone(old)
		for _, t := range in.Tags {
			if value, ok := left[*t.Key]; ok && (t.Value == nil || *t.Value == value) {
				delete(left, *t.Key)
			}
		}
		return left, nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.DeleteTagsOutput{}, nil
}

// retag edits the tags of all resources of the IDs, or of none.
func (s *Service) retag(ctx context.Context, c cloud.Caller, ids []string, edit func(map[string]string) (map[string]string, error)) error {
	switch {
	case len(ids) == 0:
		return missing("resourceIdSet")
	case len(ids) > maxTagged:
		return cloud.Errorf("InvalidParameterValue", "A request may name at most %d resources", maxTagged)
	}
	kinds := make([]taggable, len(ids))
	for n, id := range ids {
		kind, ok := taggableOf(id)
		if !ok {
			return cloud.Errorf("InvalidID", "The ID '%s' is not valid", id)
		}
		kinds[n] = kind
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		for n, id := range ids {
			if err := kinds[n].change(tx, c.Account, id, edit); err != nil {
				return err
			}
		}
		return nil
	})
}

// taggableOf is the kind of resource that an ID is of.
func taggableOf(id string) (taggable, bool) {
	i := slices.IndexFunc(taggables, func(t taggable) bool { return cloud.ValidID(t.prefix, id) })
	if i < 0 {
		return taggable{}, false
	}
	return taggables[i], true
}

// tagItem is one tag of one resource.
type tagItem struct {
	id, kind   string
	key, value string
}

// order sorts items by resource, then by key.
func (t tagItem) order() string { return t.id + "\x00" + t.key }

var tagItemFields = fields[tagItem]{
	"key":           one(func(t tagItem) string { return t.key }),
	"resource-id":   one(func(t tagItem) string { return t.id }),
	"resource-type": one(func(t tagItem) string { return t.kind }),
	"value":         one(func(t tagItem) string { return t.value }),
}

// DescribeTags lists the tags of all of the caller's resources.
func (s *Service) DescribeTags(ctx context.Context, in *ec2.DescribeTagsRequest) (*ec2.DescribeTagsResult, error) {
	caller, err := s.allow(ctx, "DescribeTags", in.DryRun)
	if err != nil {
		return nil, err
	}
	p, err := s.page(caller, "DescribeTags", in.MaxResults, in.NextToken, 5, 1000)
	if err != nil {
		return nil, err
	}
	keep, err := match(in.Filters, tagItemFields, func(t tagItem) map[string]string { return map[string]string{t.key: t.value} })
	if err != nil {
		return nil, err
	}
	items, next := cut(p, where(allTags(s.DB.View(), caller.Account), keep), tagItem.order)
	out := each(items, func(t tagItem) ec2.TagDescription {
		return ec2.TagDescription{ResourceId: new(t.id), ResourceType: new(t.kind), Key: new(t.key), Value: new(t.value)}
	})
	return &ec2.DescribeTagsResult{Tags: out, NextToken: next}, nil
}

// allTags yields the tags of all of an account's resources, in their order.
func allTags(r store.Reader, account string) iter.Seq[tagItem] {
	return func(yield func(tagItem) bool) {
		for _, kind := range taggables {
			for id, tags := range kind.list(r, account) {
				for _, key := range slices.Sorted(maps.Keys(tags)) {
					if !yield(tagItem{id, kind.name, key, tags[key]}) {
						return
					}
				}
			}
		}
	}
}
