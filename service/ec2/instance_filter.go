package ec2

import (
	"iter"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// instanceFilter compiles the filters of a DescribeInstances request. One on an
// instance's interfaces or volumes holds if it does for any of them.
//
// What the instance itself does not tell is not looked up instance by instance:
// the account's interfaces (or volumes) are looked through once, and those that
// match name their instances.
func (s *Service) instanceFilter(r store.Reader, c cloud.Caller, in *ec2.DescribeInstancesRequest) (func(cloud.Instance) bool, error) {
	if len(in.Filters) > maxFilters {
		return nil, cloud.Errorf("FilterLimitExceeded", "The maximum number of filters specified on a single call is %d", maxFilters)
	}
	nics, disks := s.nicFields(r), mappingFields(r)
	var own, onNICs, onDisks []ec2.Filter
	for _, f := range in.Filters {
		switch name := val(f.Name); {
		case nics[name] != nil:
			onNICs = append(onNICs, f)
		case disks[name] != nil:
			onDisks = append(onDisks, f)
		default:
			own = append(own, f)
		}
	}
	keep, err := match(own, s.instanceFields(), func(i cloud.Instance) map[string]string { return i.Tags })
	if err != nil {
		return nil, err
	}
	withNIC, err := holders(onNICs, nics, parts(r, c, interfaceTable, in.InstanceIds), func(n cloud.NetworkInterface) string {
		if n.Attachment == nil {
			return ""
		}
		return n.Attachment.Instance
	})
	if err != nil {
		return nil, err
	}
	withDisk, err := holders(onDisks, disks, parts(r, c, volumeTable, in.InstanceIds), func(v cloud.Volume) string {
		if v.Attachment == nil {
			return ""
		}
		return v.Attachment.Instance
	})
	if err != nil {
		return nil, err
	}
	return func(i cloud.Instance) bool { return keep(i) && withNIC(i.ID) && withDisk(i.ID) }, nil
}

// parts returns what may belong to the instances of the given IDs, or to any of
// the account's.
func parts[T store.Document](r store.Reader, c cloud.Caller, table store.Table[T], instances []string) iter.Seq[T] {
	if len(instances) == 0 {
		return table.Select(r, cloud.AccountLabel(c.Account))
	}
	return func(yield func(T) bool) {
		for _, id := range instances {
			for v := range table.Select(r, "instance/"+id) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// holders returns the predicate that an instance has, for each filter, a part
// for which the filter holds. instance tells whose part it is, "" if nobody's.
func holders[T any](filters []ec2.Filter, fields fields[T], parts iter.Seq[T], instance func(T) string) (func(id string) bool, error) {
	if len(filters) == 0 {
		return func(string) bool { return true }, nil
	}
	tests := make([]func(T) bool, len(filters))
	held := make([]map[string]bool, len(filters))
	for k := range filters {
		var err error
		if tests[k], err = match(filters[k:k+1], fields, nil); err != nil {
			return nil, err
		}
		held[k] = map[string]bool{}
	}
	for v := range parts {
		id := instance(v)
		if id == "" {
			continue
		}
		for k, test := range tests {
			if test(v) {
				held[k][id] = true
			}
		}
	}
	return func(id string) bool {
		for _, ids := range held {
			if !ids[id] {
				return false
			}
		}
		return true
	}, nil
}
