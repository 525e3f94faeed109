package ec2

import (
	"cmp"
	"context"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/policy"
	"github.com/vauban-cloud/vauban/store"
)

// asking turns what a request names into what policy is asked about, all from
// one view of the store.
type asking struct {
	*Service
	r store.Reader
	c cloud.Caller
}

func (s *Service) asking(ctx context.Context) asking {
	return asking{s, s.DB.View(), cloud.CallerFrom(ctx)}
}

// about says how policy is told of one kind of documents.
type about[T resource] struct {
	prefix string // of the IDs
	table  store.Table[T]
	facts  func(a asking, v T) facts
	name   func(T) string                      // what the ARN ends in; nil: the ID
	seen   func(a asking, id string) (T, bool) // finds one that the caller may see; nil: one of its own
	more   func(v T, keys map[string][]string) // adds keys that facts cannot hold; nil: none
}

// doc is the subject of a document.
func (k about[T]) doc(a asking, v T) subject {
	m, name := v.ResourceMeta(), v.Key()
	if k.name != nil {
		name = k.name(v)
	}
	x := subject{Resource: policy.Resource{ARN: a.subjectARN(k.prefix, name), Tags: m.Tags, Keys: k.facts(a, v).keys()}}
	if m.Account == a.c.Account {
		x.Owner = m.Account
	}
	if k.more != nil {
		k.more(v, x.Keys)
	}
	return x
}

// of is the subject that a request names by its ID.
func (k about[T]) of(a asking, id string) subject {
	if v, ok := k.find(a, id); ok {
		return k.doc(a, v)
	}
	return a.absent(k.prefix, id)
}

func (k about[T]) find(a asking, id string) (T, bool) {
	if k.seen != nil {
		return k.seen(a, id)
	}
	v, ok := k.table.Get(a.r, id)
	return v, ok && v.ResourceMeta().Account == a.c.Account
}

// made is the subject of a document that the operation is to make, as it would
// be, with the tags that the request gives it.
func (k about[T]) made(a asking, like T, tags map[string]string) subject {
	x := subject{Resource: policy.Resource{ARN: a.subjectARN(k.prefix, "*"), Owner: a.c.Account, Keys: k.facts(a, like).keys()}, made: true}
	return x.giving(tags)
}

// named is the subjects that a request names by their IDs.
func (k about[T]) named(a asking, ids ...string) []subject {
	return each(ids, func(id string) subject { return k.of(a, id) })
}

// absent is the subject of something that is not there.
func (a asking) absent(prefix, name string) subject {
	return subject{Resource: policy.Resource{ARN: a.subjectARN(prefix, cmp.Or(name, "*")), Owner: a.c.Account}}
}

// subjectARN names a resource of the caller; the ARNs of images and snapshots have no account.
func (a asking) subjectARN(prefix, name string) string {
	account := a.c.Account
	if prefix == "ami" || prefix == "snap" {
		account = ""
	}
	return a.Place.ARN("ec2", account, kindOf(prefix).name+"/"+name)
}

// requestTags are the tags that a request gives to what it makes of a kind, e.g.
// "volume", unchecked: policy is asked before a request is told what is wrong with it.
func requestTags(specs []ec2.TagSpecification, kind string) map[string]string {
	tags := map[string]string{}
	for _, spec := range specs {
		if val(spec.ResourceType) == kind {
			for _, t := range spec.Tags {
				tags[val(t.Key)] = val(t.Value)
			}
		}
	}
	return tags
}
