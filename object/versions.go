package object

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"

	"github.com/vauban-cloud/vauban/object/index"
)

// VersionsInput says which versions to list: keys in order, of each the newest first.
type VersionsInput struct {
	ListInput
	// AfterVersion, if it is given, is behind which version of After to begin.
	AfterVersion string
}

// VersionListing is a page.
type VersionListing struct {
	Versions    []Info // and delete markers; without Attributes
	Prefixes    []string
	More        bool
	Next        string
	NextVersion string
}

// Versions lists all versions and delete markers.
func (s *Store) Versions(ctx context.Context, bucket string, in VersionsInput) (VersionListing, error) {
	if _, err := s.bucket(bucket); err != nil {
		return VersionListing{}, err
	}
	below, err := s.resume(bucket, &in)
	if err != nil {
		return VersionListing{}, err
	}
	snapshot, err := s.db.Snapshot() // both tables at the same moment
	if err != nil {
		return VersionListing{}, err
	}
	l := versionLister{in: in}
	err = l.run(ctx, s, snapshot, bucket, below)
	if !l.More {
		l.Next, l.NextVersion = "", ""
	}
	return l.VersionListing, errors.Join(err, snapshot.Close())
}

// resume returns below which generation the versions of in.After are still to come,
// 0 if none is.
func (s *Store) resume(bucket string, in *VersionsInput) (uint64, error) {
	switch {
	case in.AfterVersion == "":
		return 0, nil
	case in.After == "":
		return 0, refuse(ErrInput, "a version to begin after comes with its key")
	case in.AfterVersion != NullVersion:
		generation, _, err := parseTicket(in.AfterVersion)
		if err != nil {
			return 0, refuse(ErrInput, "version %q is %v", in.AfterVersion, err)
		}
		return generation, nil
	}
	current, err := s.current(bucket, in.After)
	if err != nil {
		return 0, err
	}
	r, err := s.find(bucket, in.After, NullVersion, current)
	if err != nil {
		return 0, err
	}
	if r == nil {
		return math.MaxUint64, nil // it was removed since: better twice than never
	}
	return r.Generation, nil
}

type versionLister struct {
	VersionListing
	in VersionsInput
}

func (l *versionLister) full() bool {
	l.More = len(l.Versions)+len(l.Prefixes) == l.in.Max
	return l.More
}

// add lists a version, and reports whether there was room.
func (l *versionLister) add(r *record) bool {
	if l.full() {
		return false
	}
	l.Versions = append(l.Versions, r.Info)
	l.Next, l.NextVersion = r.Key, r.Version
	return true
}

func (l *versionLister) run(ctx context.Context, s *Store, from index.Reader, bucket string, below uint64) error {
	if l.in.Max <= 0 {
		return nil
	}
	w, err := s.walkFrom(from, tableCurrent, bucket, l.in.ListInput, below > 0)
	if err != nil {
		return err
	}
	prefix := escape(bucketRow(tableOld, bucket), l.in.Prefix)
	old, err := from.Walk(prefix, after(prefix))
	if err != nil {
		return errors.Join(err, w.close())
	}
	old.SeekGE(nil)
	for w.valid() && err == nil && ctx.Err() == nil {
		key, group := w.key()
		if group != "" && (below == 0 || key != l.in.After) {
			if l.full() {
				break
			}
			l.Prefixes, l.Next, l.NextVersion = append(l.Prefixes, group), group, ""
			w.skip(group)
			continue
		}
		most := uint64(math.MaxUint64)
		if below > 0 && key == l.in.After {
			most = below
		}
		var more bool
		if more, err = l.key(key, w.it.Value(), old, bucket, most); !more {
			break
		}
		w.it.Next()
	}
	return errors.Join(err, ctx.Err(), old.Close(), w.close())
}

// key lists the versions of a key below a generation, and reports whether there was
// room for all.
func (l *versionLister) key(key string, value []byte, old index.Iterator, bucket string, below uint64) (bool, error) {
	r := &record{Info: Info{Key: key, Latest: true}}
	if _, err := r.decodeInfo(value); err != nil {
		return false, err
	}
	if r.Generation < below && !l.add(r) {
		return false, nil
	}
	prefix := keyRow(tableOld, bucket, key)
	if old.Valid() && bytes.Compare(old.Key(), prefix) < 0 {
		old.SeekGE(oldRow(bucket, key, below-1))
	}
	for ; old.Valid() && bytes.HasPrefix(old.Key(), prefix); old.Next() {
		r := &record{Info: Info{Key: key}}
		if _, err := r.decodeInfo(old.Value()); err != nil {
			return false, err
		}
		if r.Generation < below && !l.add(r) {
			return false, nil
		}
	}
	return true, nil
}

// All iterates over all versions and delete markers of a bucket whose keys have a
// prefix, for lifecycles and inventories. It reads page by page, each as it is then:
// what changes meanwhile may show or not, what does not change shows once. It
// ends with its first error.
func (s *Store) All(ctx context.Context, bucket, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		in := VersionsInput{ListInput: ListInput{Prefix: prefix, Max: 1000}}
		for {
			l, err := s.Versions(ctx, bucket, in)
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, v := range l.Versions {
				if !yield(v, nil) {
					return
				}
			}
			if !l.More {
				return
			}
			in.After, in.AfterVersion = l.Next, l.NextVersion
		}
	}
}
